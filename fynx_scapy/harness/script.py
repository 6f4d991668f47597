# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a scenario file as a script: ``python psk_handshake.py --target HOST``, with the options of ``fynx run``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.loading import load_file, loading
from fynx_scapy.harness.scenario import Scenario, of_script


def main(file: str) -> None:
    """Run the scenario of a file with the options of the command line, and exit with the status of ``fynx run``.

    Prints its verdict and its ladders.
    """

    def chosen() -> Scenario:
        found = of_script(file)
        if len(found) > 1:
            names = ", ".join(each.body.__name__ for each in found)
            raise ConfigError(f"{file}: expected one scenario in a file, found {names}: give each a file of its own")
        return found[0] if found else load_file(Path(file))

    _run(Path(file).name, chosen)


def play(scenario: Scenario) -> NoReturn:
    """Like `main`, for any scenario."""
    _run(f"{scenario.name}.py", lambda: scenario)


def _run(name: str, chosen: Callable[[], Scenario]) -> NoReturn:
    if loading:
        raise ConfigError('expected main() and play() under if __name__ == "__main__"')
    # The command line knows the harness, not the other way round: it is looked up when the script runs.
    importlib.import_module("fynx_scapy.cli").script(name, chosen)
    raise AssertionError("the command line ends the program")
