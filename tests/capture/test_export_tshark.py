# SPDX-License-Identifier: GPL-2.0-or-later
"""tshark reads what save_decrypted writes, without a key."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fynx_scapy.capture import Capture
from tests.shared import shared

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed"),
]


@pytest.mark.parametrize(
    "name", ["psk-gcm128-x25519", "psk-ipv6", "k-transport-gcm", "cert-rsa-frag", "psk-chacha20-x25519"]
)
def test_tshark_reads_it(name: str, tmp_path: Path) -> None:
    capture, out = Capture(shared("captures/lab") / f"{name}.pcap"), tmp_path / "plain.pcapng"
    count = capture.save_decrypted(out)
    command = ["tshark", "-n", "-r", str(out), "-T", "fields"]
    for field in ("frame.number", "_ws.malformed", "isakmp.typepayload", "icmp.type", "frame.comment", "icmpv6.type"):
        command += ["-e", field]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split("\t") for line in lines]
    assert len(rows) == count
    assert not [row for row in rows if row[1]]
    auth = [row[2].split(",") for row in rows if ": IKE_AUTH " in row[4] and "[opened]" in row[4]]
    assert len(auth) == 2
    assert all("39" in kinds and "46" not in kinds for kinds in auth)  # AUTH is there, SK is gone
    assert sum(bool(row[3] or row[5]) for row in rows) == capture.icvs["opened"]
