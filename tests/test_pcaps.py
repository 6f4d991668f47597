# SPDX-License-Identifier: GPL-2.0-or-later
"""The captures in pcaps/ open with the key tables beside them, every ICV good; in tshark too, if it has the cipher."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from fynx_scapy.capture import Capture
from fynx_scapy.capture.dissect import dissect
from fynx_scapy.keylog import KeyLog
from tests import tshark
from tools.pcaps import LIVE, PCAPS

CAPTURES = sorted(PCAPS.glob("*.pcapng"))
UNKNOWN_TO_TSHARK = {"ike": {"ENCR_CHACHA20_POLY1305"}, "esp": {"ENCR_CHACHA20_POLY1305", "ENCR_AES_CCM_16"}}


def protected(capture: Path) -> list[dict[str, object]]:
    return [record for record in dissect(capture) if record["kind"] == "esp" or record.get("encrypted")]


@pytest.mark.sample(2)
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_capture_opens(capture: Path) -> None:
    records = list(dissect(capture))
    closed = protected(capture)
    assert closed
    assert all(record["decrypted"] and record["icv"] == "ok" for record in closed)
    assert not [record["error"] for record in records if record["error"]]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_tshark_opens_it_with_our_tables(capture: Path, tmp_path: Path) -> None:
    keys = capture.with_suffix(".keys")
    document = json.loads((keys / "keys.json").read_text())
    ours = Counter("esp" if record["kind"] == "esp" else "ike" for record in protected(capture))
    for kind in ("ike", "esp"):
        if {entry["encr"]["name"] for entry in document[kind]} & UNKNOWN_TO_TSHARK[kind]:
            ours[kind] = 0
    assert opened_by_tshark(capture, keys, tmp_path) == +ours


def opened_by_tshark(capture: Path, keys: Path, config: Path) -> Counter[str]:
    """How many messages with SK it opens, and ESP packets whose ICV it finds good."""
    for table in ("ikev2_decryption_table", "esp_sa"):
        shutil.copy(keys / table, config / table)
    command = ["tshark", "-n", "-r", str(capture), "-T", "fields"]
    for option in ("esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE"):
        command += ["-o", option]
    for port in (10500, 14500):  # own_ports
        command += ["-d", f"udp.port=={port},udpencap"]
    for name in ("frame.protocols", "isakmp.enc.decrypted", "esp.icv_good"):
        command += ["-e", name]
    environment = {**os.environ, "WIRESHARK_CONFIG_DIR": str(config)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=60)
    found: Counter[str] = Counter()
    for line in done.stdout.splitlines():
        protocols, decrypted, good = line.split("\t")
        if ":icmp:ip:" not in protocols:  # an error that quotes a message is none
            found["ike"] += bool(decrypted)
            found["esp"] += good == tshark.true()
    return +found


def test_all_that_are_written_are_there() -> None:
    names = {f"strongswan-{name}-{role}" for name, roles in LIVE.items() for role in roles} | {"demo"}
    assert {path.stem for path in CAPTURES} == names


@pytest.mark.sample(2)
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_it_opens_from_its_secrets_alone(capture: Path) -> None:
    """The shared secrets in any order, and the PSK: nothing else is taken from the key file."""
    secrets = KeyLog.load(capture.with_suffix(".keys") / "keys.json").secrets
    random.Random(capture.name).shuffle(secrets)
    psk = ["lab psk for testing", "correct horse battery staple", "fynx"]
    found = Capture(capture, KeyLog(secrets=secrets, psk=psk))
    closed = [message for message in found.messages if message.encrypted and message.icv != "ok"]
    assert not closed
    packets = list(found.inner())
    assert all(packet.icv == "ok" for packet in packets)
    assert Counter(record["kind"] for record in protected(capture))["esp"] == len(packets)
    verdicts = [verdict.verified for sa in found.opener.ike_sas for verdict in sa.auth]
    assert all(verdicts)
    assert verdicts or "demo" in capture.stem
