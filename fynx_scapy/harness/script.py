# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a scenario file as a script: ``python scenarios/psk_handshake.py``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import NoReturn

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.runner import Verdict, run
from fynx_scapy.harness.scenario import Scenario, registered

PACKAGE = "fynx_scapy.scenarios"


def main(file: str) -> None:
    """Run the scenario of a file, print its verdict and its ladders, and exit with 0 for PASS, else 1.

    Runs the package's copy of the file, so that nothing is registered twice.
    """
    name = Path(file).stem
    importlib.import_module(f"{PACKAGE}.{name}")
    scenario = registered(name)
    if scenario is None:
        raise ConfigError(f"expected the file {name}.py to register a scenario, found none")
    play(scenario)


def play(scenario: Scenario) -> NoReturn:
    """Like `main`, for any registered scenario."""
    result = run(scenario)
    print(f"{result.verdict.value}  {scenario.name}: {scenario.title} ({scenario.source})")
    if result.reason:
        print(f"      {result.reason}")
    for stage in result.stages:
        print(f"\n{stage.label}\n" if stage.label else "")
        print(stage.ladder())
    sys.exit(0 if result.verdict is Verdict.PASS else 1)
