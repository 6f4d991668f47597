# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a file of scenarios as a script: ``python psk_handshake.py --target HOST``, with the options of ``fynx run``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.loading import load_file, loading
from fynx_scapy.harness.registry import by_name
from fynx_scapy.harness.scenario import Scenario, of_script


def main(file: str) -> None:
    """Run the scenarios of a file with the options of the command line, and exit with the status of ``fynx run``.

    Prints their verdicts and their ladders.
    """

    def chosen() -> list[Scenario]:
        return list(by_name(of_script(file) or load_file(Path(file))).values())

    _run(Path(file).name, chosen)


def play(scenario: Scenario) -> NoReturn:
    """Like `main`, for any scenario."""
    _run(f"{scenario.name}.py", lambda: [scenario])


def _run(name: str, chosen: Callable[[], list[Scenario]]) -> NoReturn:
    if loading:
        raise ConfigError('expected main() and play() under if __name__ == "__main__"')
    # The command line knows the harness, not the other way round: it is looked up when the script runs.
    importlib.import_module("fynx_scapy.cli").script(name, chosen)
    raise AssertionError("the command line ends the program")
