# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes notebooks/strongswan_negative.json.gz: cases against the lab's strongSwan, which a notebook explores.

>>> python -m tools.negative_run

It needs what a lab needs. The JSON is that of ``fynx run --json``; no manifest is applied, so that each failure counts.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from fynx_scapy import scenarios
from fynx_scapy.harness import Result, Verdict
from fynx_scapy.report.document import document
from tools.live_catalogue import run_catalogue

PATH = Path(__file__).resolve().parent.parent / "notebooks" / "strongswan_negative.json.gz"
TOPICS = ("negative/header", "negative/states", "negative/payloads", "negative/critical")


def raw(result: Result) -> Result:
    """The result without a manifest."""
    verdicts = {Verdict.XFAIL: Verdict.FAIL, Verdict.XPASS: Verdict.PASS}
    return replace(result, verdict=verdicts.get(result.verdict, result.verdict), expected_failure=None)


def packed(made: dict[str, Any]) -> bytes:
    """A document as the file has it."""
    return gzip.compress(json.dumps(made, separators=(",", ":")).encode(), 9, mtime=0)


def main() -> int:
    """Run the cases, and write the file."""
    ran = run_catalogue([each for each in scenarios.chosen(TOPICS) if each.live])
    about = {"date": time.strftime("%Y-%m-%d"), "the peer": f"strongSwan {ran.version}, in a lab"}
    made = document([*map(raw, ran.results)], command="python -m tools.negative_run", about=about)
    PATH.write_bytes(packed(made))
    print(f"{PATH.name}: {len(ran.results)} results, {PATH.stat().st_size / 1e3:.0f} KB, {ran.seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
