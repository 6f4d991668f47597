# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx run --target`` against strongSwan: everything passes but what its version is known to do otherwise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fynx_scapy.ike.config import Psk
from fynx_scapy.lab.differences import differences
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.namespace import tool
from tests.live_verdicts import RUN_LIVE, STRONGSWAN, expected


def test_scenarios_against_strongswan(strongswan: str, tmp_path: Path) -> None:
    report, told = tmp_path / "report.html", tmp_path / "run.json"
    with Lab() as lab:
        key = lab.folder / "psk"
        key.write_bytes(Psk(lab.config.psk).secret)
        words = [
            tool("nsenter"), f"--net={lab.ours.namespace.path}", "--", sys.executable, "-m", "fynx_scapy.cli", "run",
            "--target", "10.9.0.2", "--psk-file", str(key), "--remote-id", "bob", "--ping", lab.theirs.inner,
            "--report", str(report), "--json", str(told),
        ]  # fmt: skip
        before = lab.peer.sas()
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
        after = lab.peer.sas()
    results = json.loads(told.read_text())["results"]
    verdicts = {each["name"]: each["verdict"] for each in results}
    embedded = dict.fromkeys(verdicts.keys() - RUN_LIVE, "SKIP")
    reasons = {each["name"]: each["reason"] for each in results if each["name"] in RUN_LIVE and each["reason"]}
    assert verdicts == expected(STRONGSWAN, differences("strongswan", strongswan)) | embedded, reasons
    assert done.returncode == 1  # what differs is said
    assert "lab psk" not in report.read_text() + told.read_text() + done.stdout + done.stderr
    # RFC 7296 section 2.21.2: UNSUPPORTED_CRITICAL_PAYLOAD in IKE_AUTH means that the IKE SA is not created. strongSwan
    # lets it stand half-open for a while; nobody can delete that.
    refused = [sa for sa in after if sa.state == "CONNECTING"]
    assert len(refused) <= 1
    assert (before, [sa for sa in after if sa not in refused]) == ([], []), "IKE SAs that scenarios have left behind"
    assert [words for each in results for words in each["left_behind"]] == []
