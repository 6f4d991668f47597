# SPDX-License-Identifier: GPL-2.0-or-later
"""Every ESP packet that real peers sent in the lab captures, through an InboundSa with its window."""

from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import RawPcapReader

from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.errors import IntegrityError, ReplayError
from fynx_scapy.esp import EspParts, InboundSa, OutboundSa
from fynx_scapy.esp.ip import PROTO_ESP, PROTO_UDP, split
from fynx_scapy.iana import Encr, Integ
from tests.shared import shared

# strongSwan's names; the number behind one is the key length
ENCR = {
    "AES_GCM_16": Encr.ENCR_AES_GCM_16,
    "AES_CCM_16": Encr.ENCR_AES_CCM_16,
    "AES_CBC": Encr.ENCR_AES_CBC,
    "AES_CTR": Encr.ENCR_AES_CTR,
    "3DES_CBC": Encr.ENCR_3DES,
    "CHACHA20_POLY1305": Encr.ENCR_CHACHA20_POLY1305,
    "NULL_AES_GMAC": Encr.ENCR_NULL_AUTH_AES_GMAC,
    "NULL": Encr.ENCR_NULL,
}
INTEG = {
    "HMAC_SHA1_96": Integ.AUTH_HMAC_SHA1_96,
    "HMAC_SHA2_256_128": Integ.AUTH_HMAC_SHA2_256_128,
    "HMAC_SHA2_512_256": Integ.AUTH_HMAC_SHA2_512_256,
    "AES_XCBC_96": Integ.AUTH_AES_XCBC_96,
}


def algorithms(proposal: str) -> dict[str, Any]:
    first, *others = proposal.removeprefix("ESP:").split("/")
    name, bits = first, 0
    if first not in ENCR:
        name, _, size = first.rpartition("_")
        bits = int(size)
    integ = next((integrity(INTEG[other]) for other in others if other in INTEG), None)
    return {"encr": encryption(ENCR[name], bits or None, esp=True), "integ": integ, "esn": "EXT_SEQ" in others}


def candidates(keys: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    """SPI -> what its SA may be: which of the two keys is meant stands only where the packet was verified before."""
    found = collections.defaultdict(list)
    for child in keys["child_sas"]:
        for sa in child["sas"]:
            for role in (sa["key"],) if sa.get("key") else ("initiator", "responder"):
                key = bytes.fromhex(child.get(f"encryption_{role}_key", ""))
                auth_key = bytes.fromhex(child.get(f"integrity_{role}_key", ""))
                found[int(sa["spi"], 16)].append({**algorithms(child["proposal"]), "key": key, "auth_key": auth_key})
    return found


def esp_packets(capture: Path) -> list[bytes]:
    found = []
    with RawPcapReader(str(capture)) as reader:
        for frame, _ in reader:
            if frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
                continue
            parts = split(frame[14:], every_header=True)
            if parts.fragment:
                continue
            if parts.next_header == PROTO_ESP:
                found.append(parts.payload)
            elif parts.next_header == PROTO_UDP and b"\x11\x94" in (parts.payload[:2], parts.payload[2:4]):
                found.append(parts.payload[8:])
    return [packet for packet in found if len(packet) > 8 and packet[:4] != bytes(4)]


def test_lab_captures_open_and_seal_again(capsys: pytest.CaptureFixture[str]) -> None:
    opened, repeated, suites = 0, 0, set()
    for path in sorted(shared("captures/lab").glob("*.pcap")):
        keys = path.with_suffix(".keys.json")
        if not keys.exists():
            continue
        rows = candidates(json.loads(keys.read_text()))
        pairs: dict[int, tuple[InboundSa, OutboundSa]] = {}
        for packet in esp_packets(path):
            spi = int.from_bytes(packet[:4], "big")
            if spi not in rows:
                continue
            if spi not in pairs:
                pairs[spi] = fitting(spi, rows[spi], packet)
            receiver, sender = pairs[spi]
            parts = EspParts.take_apart(receiver, packet)
            again = EspParts(parts.payload, parts.next_header, seq=parts.seq, iv=parts.iv, tfc=parts.tfc).build(sender)
            assert again == packet, path.name  # the peers pad as we do
            try:
                payload, next_header = receiver.open(packet)
            except ReplayError:
                repeated += 1  # the capture holds what a network may do
                continue
            assert (payload, next_header) == (parts.payload, parts.next_header)
            opened += 1
            suites.add(str(receiver.encr) + str(receiver.integ or "") + (" ESN" if receiver.esn else ""))
    with capsys.disabled():
        print(
            f" [{opened} ESP packets of {len(suites)} suites opened and sealed again, {repeated} repetitions]", end=""
        )
    assert opened >= 100
    assert len(suites) >= 12


def fitting(spi: int, rows: list[dict[str, Any]], packet: bytes) -> tuple[InboundSa, OutboundSa]:
    """A pair of SAs whose keys open the first packet."""
    for row in rows:
        receiver = InboundSa(**row, spi=spi)
        try:
            EspParts.take_apart(receiver, packet)
        except IntegrityError:
            continue
        return receiver, OutboundSa(**row, spi=spi, iv=bytes)
    raise AssertionError(f"no key fits SPI {spi:#010x}")
