# SPDX-License-Identifier: GPL-2.0-or-later
"""The captures in pcaps/ open with the key tables beside them, every ICV good."""

from __future__ import annotations

from pathlib import Path

import pytest

from fynx_scapy.capture.dissect import dissect

PCAPS = Path(__file__).resolve().parent.parent / "pcaps"


@pytest.mark.parametrize("capture", sorted(PCAPS.glob("*.pcapng")), ids=lambda path: path.name)
def test_capture_opens(capture: Path) -> None:
    records = list(dissect(capture))
    closed = [record for record in records if record["kind"] == "esp" or record.get("encrypted")]
    assert closed
    assert all(record["decrypted"] and record["icv"] == "ok" for record in closed)
    assert not [record["error"] for record in records if record["error"]]


def test_there_is_one() -> None:
    assert (PCAPS / "demo.pcapng").exists()
