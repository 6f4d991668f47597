# SPDX-License-Identifier: GPL-2.0-or-later
"""Weak algorithms end to end: negotiated, recorded, decrypted with the tables that we write, by us and by tshark."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fynx_scapy import Session
from fynx_scapy.capture import Dissection, KeyLog
from fynx_scapy.net import Recorder
from tests import tshark

WEAK = {
    "DES and MD5": ("des-md5-modp768", "des-md5"),
    "Blowfish": ("blowfish256-sha1-modp1024", "blowfish128-sha1"),
    "CAST5": ("cast128-sha1-modp1024", "cast128-sha1"),
    "SHA-256-96": ("aes128-sha256_96-modp1024", "aes256-sha256_96"),
    "3DES": ("3des-sha1-modp1024", "3des-md5"),
}


EACH = pytest.mark.parametrize("name", WEAK)


def recorded(name: str, folder: Path) -> Path:
    """A capture with a rekey of the Child SA, and Wireshark's tables of it in the folder ``keys``."""
    proposals, esp_proposals = WEAK[name]
    session, recorder = Session(seed=1, proposals=proposals, esp_proposals=esp_proposals), Recorder()
    recorder.watch(session.network, "run")
    session.connect()
    session.ping("10.2.0.1")
    session.rekey_child()
    session.ping("10.2.0.1")
    recorder.save_capture(folder / "run.pcapng")
    (folder / "keys").mkdir()
    for form in ("ikev2_decryption_table", "esp_sa"):
        recorder.keys().write(folder / "keys" / form)
    return folder / "run.pcapng"


@EACH
def test_our_own_tables_open_everything(name: str, tmp_path: Path) -> None:
    capture = recorded(name, tmp_path)
    keys = KeyLog.load(capture.with_name("keys"))
    sealed = [
        record for record in Dissection(keys).records(capture) if record["kind"] == "esp" or record.get("encrypted")
    ]
    assert len([record for record in sealed if record["kind"] == "esp"]) == 4
    assert {(record["decrypted"], record["icv"]) for record in sealed} == {(True, "ok")}
    assert keys.warnings == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@EACH
def test_tshark_opens_esp_with_them(name: str, tmp_path: Path) -> None:
    capture = recorded(name, tmp_path)
    command = ["tshark", "-n", "-r", str(capture), "-Y", "icmp", "-T", "fields", "-e", "esp.icv_good"]
    for option in ("esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE"):
        command += ["-o", option]
    environment = {**os.environ, "WIRESHARK_CONFIG_DIR": str(capture.with_name("keys"))}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert run.stdout.split() == [tshark.true()] * 4
