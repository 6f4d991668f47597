# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx run --target`` against strongSwan: what has to pass passes, and where it differs an RFC says who is right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fynx_scapy.ike.config import Psk
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.namespace import tool

DIFFERS = {
    # RFC 7296 section 2.25: the SPI field "is copied from the SPI field in the REKEY_SA notification"; it sends none.
    "error_child_sa_not_found",
    # RFC 7296 section 3.1: no response to what is marked as a response (7296-3.1-11); it answers one of version 3.
    "error_major_version",
    # RFC 7296 section 3.10.1: INVALID_SYNTAX "MUST be sent in response to any error not covered" (7296-3.10.1-04);
    # it says nothing.
    "error_unknown_exchange",
    # RFC 7383 section 2.6: impossible numbers are silently discarded (7383-2.6-01); it ends the handshake.
    "fragment_numbers",
    # RFC 7383 section 2.5: it is the Encrypted payload that is split, of whatever exchange; it takes a fragmented
    # INFORMATIONAL for one in the clear, and drops it.
    "fragmentation",
    "fragments_of_two_sets",
    "fragments_out_of_order",
}
"""The scenarios that strongSwan 5.9.8 fails, and the sentences that say so."""


@pytest.mark.usefixtures("strongswan")
def test_scenarios_against_strongswan(tmp_path: Path) -> None:
    report, told = tmp_path / "report.html", tmp_path / "run.json"
    with Lab() as lab:
        key = lab.folder / "psk"
        key.write_bytes(Psk(lab.config.psk).secret)
        words = [
            tool("nsenter"), f"--net={lab.ours.namespace.path}", "--", sys.executable, "-m", "fynx_scapy.cli", "run",
            "--target", "10.9.0.2", "--psk-file", str(key), "--remote-id", "bob", "--ping", lab.theirs.inner,
            "--report", str(report), "--json", str(told),
        ]  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
        left = [sa for sa in lab.peer.sas() if sa.established]
    results = {each["name"]: each for each in json.loads(told.read_text())["results"]}
    verdicts = {name: each["verdict"] for name, each in results.items()}
    failed = {name: each["reason"] for name, each in results.items() if each["verdict"] in ("FAIL", "ERROR")}
    assert failed.keys() == DIFFERS, failed
    assert list(verdicts.values()).count("PASS") >= 38
    assert done.returncode == 1  # what differs is said
    assert "lab psk" not in report.read_text() + told.read_text() + done.stdout + done.stderr
    assert len(left) <= len(DIFFERS), "IKE SAs that scenarios have left behind"
