# SPDX-License-Identifier: GPL-2.0-or-later
"""Key tables beside IKE that negotiates otherwise: what a sender does not keep to is named, though its packets open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fynx_scapy import Session
from fynx_scapy.capture import Capture
from fynx_scapy.capture.audit import Audit, Severity, Status, audit
from fynx_scapy.capture.dissect import dissect
from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.keylog import KeyLog
from fynx_scapy.net import Recorder
from tests.capture.build import ethernet, ipv4, pcap

INNER = ipv4(1, bytes(8), "10.1.0.1", "10.2.0.1")


def recorded(folder: Path, proposal: str, *, cut: int = 0, esn: bool = False) -> tuple[Path, Path]:
    """A capture whose initiator cuts its ICV, or uses ESN as it likes; and a folder of tables for Wireshark."""
    session, recorder = Session(esp_proposals=proposal, seed=4), Recorder()
    recorder.watch(session.network, "own")
    session.connect()
    ours = session.child.outbound
    row = next(each for each in recorder.keys().esp if each.spi == ours.spi)
    sa = OutboundSa(
        spi=ours.spi, encr=ours.encr, key=row.key, integ=ours.integ, auth_key=row.auth_key, esn=esn, iv=os.urandom
    )  # fmt: skip
    frames = [ethernet(bytes(packet)) for packet in recorder.packets()]
    for _ in range(3):
        octets = sa.seal(INNER, 4)
        frames.append(ethernet(ipv4(50, octets[: len(octets) - cut], "192.0.2.1", "192.0.2.2")))
    path, keys = folder / "run.pcap", folder / "keys"
    path.write_bytes(pcap(frames))
    recorder.keys().save(keys)
    (keys / "keys.json").unlink()  # Wireshark's tables do not say whether it is ESN
    return path, keys


def audited(path: Path, keys: Path) -> Audit:
    with Capture(path, KeyLog.load(keys)) as capture:
        return audit(capture)


def test_a_row_of_96_bits_opens_what_was_agreed_on_with_128(tmp_path: Path) -> None:
    path, keys = recorded(tmp_path, "aes128-sha256", cut=4)
    table = keys / "esp_sa"
    short = "HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]"
    table.write_text(table.read_text().replace("HMAC-SHA-256-128 [RFC4868]", short))
    found = audited(path, keys)
    (suite,) = found.find("flow.suite")
    assert suite.title == "protected with AUTH_HMAC_SHA2_256_96, but agreed on: AUTH_HMAC_SHA2_256_128"
    assert (suite.severity, suite.status) == (Severity.HIGH, Status.FAILED)
    assert "HMAC-SHA-256 cut to 96 bits" in suite.cause
    assert not found.find("flow.icv")


@pytest.mark.parametrize(
    ("agreed", "esn", "words"),
    [
        ("aes128-sha256-noesn", True, "64-bit sequence numbers (ESN), which were not agreed on"),
        ("aes128-sha256-esn", False, "32-bit sequence numbers, although 64 bits (ESN) were agreed on"),
        ("aes128gcm16-noesn", True, "64-bit sequence numbers (ESN), which were not agreed on"),
    ],
)
def test_a_row_that_says_nothing_of_esn_is_read_as_agreed_on(
    agreed: str, esn: bool, words: str, tmp_path: Path
) -> None:
    path, keys = recorded(tmp_path, agreed, esn=esn)
    (closed,) = audited(path, keys).find("flow.icv")
    assert words in closed.cause


@pytest.mark.parametrize("agreed", ["aes128-sha256-esn", "aes128gcm16", "aes128-sha256_96"])
def test_what_is_kept_to_is_no_finding(agreed: str, tmp_path: Path) -> None:
    path, keys = recorded(tmp_path, agreed, esn=agreed.endswith("-esn"))
    found = audited(path, keys)
    assert not found.find("flow.suite")
    assert not found.find("flow.icv")
    assert [record["icv"] for record in dissect(path, KeyLog.load(keys)) if record["kind"] == "esp"] == ["ok"] * 3
