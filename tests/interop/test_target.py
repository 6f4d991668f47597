# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx run --target`` against strongSwan: all but the catalogue, which test_catalogue.py plays in labs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fynx_scapy.ike.config import Psk
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.namespace import tool
from tests.plain import LIVE_NAMES

SKIPPED = {
    "error_childless_unannounced": "the peer announces CHILDLESS_IKEV2_SUPPORTED",
    "error_unknown_ike_spi": "the peer does not answer unknown SPIs",
}
"""What strongSwan need not do. What it does otherwise than the RFCs say is in its manifest."""


def test_scenarios_against_strongswan(strongswan: str, tmp_path: Path) -> None:
    report, told = tmp_path / "report.html", tmp_path / "run.json"
    with Lab() as lab:
        key = lab.folder / "psk"
        key.write_bytes(Psk(lab.config.psk).secret)
        words = [
            tool("nsenter"), f"--net={lab.ours.namespace.path}", "--", sys.executable, "-m", "fynx_scapy.cli", "run",
            "--exclude", "negative/*", "--exclude", "certification/*", "--peer", f"strongswan@{strongswan}",
            "--target", "10.9.0.2", "--psk-file", str(key), "--remote-id", "bob", "--ping", lab.theirs.inner,
            "--report", str(report), "--json", str(told),
        ]  # fmt: skip
        before = lab.peer.sas()
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
        after = lab.peer.sas()
    results = json.loads(told.read_text())["results"]
    skipped = {
        each["name"]: each["reason"] for each in results if each["role"] == "initiator" and each["verdict"] == "SKIP"
    }
    odd = {each["name"]: each["reason"] for each in results if each["verdict"] not in ("PASS", "SKIP", "XFAIL")}
    assert (odd, done.returncode) == ({}, 0), done.stdout
    assert skipped.keys() & set(LIVE_NAMES) == SKIPPED.keys()
    assert all(why in skipped[name] for name, why in SKIPPED.items())
    assert "lab psk" not in report.read_text() + told.read_text() + done.stdout + done.stderr
    # RFC 7296 section 2.21.2: UNSUPPORTED_CRITICAL_PAYLOAD in IKE_AUTH means that the IKE SA is not created. strongSwan
    # lets it stand half-open for a while; nobody can delete that.
    refused = [sa for sa in after if sa.state == "CONNECTING"]
    assert len(refused) <= 1
    assert (before, [sa for sa in after if sa not in refused]) == ([], []), "IKE SAs that scenarios have left behind"
    assert [words for each in results for words in each["left_behind"]] == []
