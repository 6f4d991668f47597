# SPDX-License-Identifier: GPL-2.0-or-later
"""tshark, given nothing but the tables that follow from shared secrets, opens the ESP of every rekey."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.capture.following import follow, least
from tests.shared import shared

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tshark") is None and "CI" not in os.environ, reason="tshark is not installed"),
]
PACKETS = {  # pings inside of ESP, before and after the rekeys
    "psk-gcm128-pfs-x25519": 22,
    "psk-cbc256-sha512-ecp521": 22,
    "psk-3des-sha1-modp2048": 22,
    "psk-ppk": 22,
    "6.0-6-mlkem768-multike": 22,
    "psk-rekey-by-responder": 18,
}


@pytest.mark.parametrize("name", sorted(PACKETS))
def test_tshark_opens_every_packet(tmp_path: Path, name: str) -> None:
    capture = shared("captures/lab") / f"{name}.pcap"
    follow(capture, least(capture.with_name(f"{name}.keys.json"))).follower.keys().save(tmp_path)
    preferences = ("esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE")
    command = ["tshark", "-r", str(capture), "-Y", "icmp", "-T", "fields", "-e", "esp.icv_good"]
    command += [word for preference in preferences for word in ("-o", preference)]
    environment = {**os.environ, "WIRESHARK_CONFIG_DIR": str(tmp_path)}
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert len(shown.stdout.splitlines()) == PACKETS[name]
