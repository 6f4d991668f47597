# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP packets of other implementations: Linux kernels, RFC 3602, RFC 7634, tcpdump's captures."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.utils import rdpcap

from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.esp import EspParts, InboundSa, OutboundSa
from fynx_scapy.iana import Encr, Integ
from tests.shared import shared

KERNEL = {
    "3DES": (Encr.ENCR_3DES, 0),
    "AES-CBC": (Encr.ENCR_AES_CBC, 0),
    "AES-CTR": (Encr.ENCR_AES_CTR, 4),
    "AES-GCM": (Encr.ENCR_AES_GCM_16, 4),
    "AES-NULL-GMAC": (Encr.ENCR_NULL_AUTH_AES_GMAC, 4),
    "AES-CCM": (Encr.ENCR_AES_CCM_8, 3),
}
OTHERS = {"DES", "Blowfish", "CAST"}


def sa_of(kind: type, encr: Encr, key: bytes, salt: int = 0, **kwargs: Any) -> Any:
    bits = None if encr in (Encr.ENCR_3DES, Encr.ENCR_CHACHA20_POLY1305) else (len(key) - salt) * 8
    return kind(encr=encryption(encr, bits, esp=True), key=key, **kwargs)


def rebuilt(parts: EspParts, sa: OutboundSa) -> bytes:
    """The packet made anew from what was inside: padding and ICV computed, the IV and the number given."""
    return EspParts(parts.payload, parts.next_header, seq=parts.seq, iv=parts.iv).build(sa)


def test_packets_of_linux_kernels() -> None:
    vectors = json.loads(shared("vectors/linux_kernel_esp_vectors.json").read_text())["vectors"]
    checked = []
    for vector in vectors:
        if vector["crypt_algo"] in OTHERS:
            continue
        encr, salt = KERNEL[vector["crypt_algo"]]
        high = vector["esn_high"] or 0
        common = {"spi": vector["spi"], "esn": vector["esn_enabled"], "mode": "tunnel"}
        key, packet = bytes.fromhex(vector["crypt_key_hex"]), bytes.fromhex(vector["esp_packet_hex"])
        seq = high << 32 | vector["seq"]
        receiver = sa_of(InboundSa, encr, key, salt, **common, highest=seq - 1)
        inner = bytes.fromhex(vector["decrypted_inner_hex"])
        assert receiver.open(packet) == (inner, 4), vector["test"]
        sender = sa_of(OutboundSa, encr, key, salt, **common, iv=bytes)
        assert rebuilt(EspParts.take_apart(receiver, packet, seq=seq), sender) == packet
        checked.append(vector["test"])
    assert len(checked) == 8


def test_packets_of_rfc_3602_and_a_recorded_one() -> None:
    vectors = json.loads(shared("vectors/ikev2_and_esp_vectors.json").read_text())["esp"]
    for vector in vectors:
        packet, payload = bytes.fromhex(vector["esp_packet"]), bytes.fromhex(vector["payload"])
        with_icv = {}
        if vector["integ"]:
            assert vector["integ"] == "HMAC-SHA1-96"
            with_icv = {"integ": integrity(Integ.AUTH_HMAC_SHA1_96), "auth_key": bytes.fromhex(vector["integ_key"])}
        common: dict[str, Any] = {"spi": int.from_bytes(packet[:4], "big"), **with_icv}
        key = bytes.fromhex(vector["encr_key"])
        receiver = sa_of(InboundSa, Encr.ENCR_AES_CBC, key, **common)
        assert receiver.open(packet) == (payload, vector["next_header"]), vector["name"]
        sender = sa_of(OutboundSa, Encr.ENCR_AES_CBC, key, **common, iv=bytes)
        assert rebuilt(EspParts.take_apart(receiver, packet), sender) == packet
    assert len(vectors) == 5


RFC_7634_SOURCE = bytes.fromhex(
    "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10"
    "0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
    "2425262728292a2b2c2d2e2f3031323334353637"
)
RFC_7634_PACKET = bytes.fromhex(
    "4500008c2345000040 32de5bcb007199cb007105 01020304000000051011121314151617"
    "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6"
    "14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
    "cbec163fac469b502773f6fb94e664da9165b82829f641e0"
    "76aaa8266b7fb0f7b11b36990 7e1ad43".replace(" ", "")
)


def test_appendix_a_of_rfc_7634() -> None:
    key = bytes(range(0x80, 0xA4))
    sender = sa_of(OutboundSa, Encr.ENCR_CHACHA20_POLY1305, key, spi=0x01020304, seq=4)
    packet = EspParts(RFC_7634_SOURCE, iv=bytes(range(0x10, 0x18))).build(sender)
    assert sender.seq == 5
    assert packet == RFC_7634_PACKET[20:]
    receiver = sa_of(InboundSa, Encr.ENCR_CHACHA20_POLY1305, key, spi=0x01020304)
    assert receiver.open(packet) == (RFC_7634_SOURCE, 4)


TCPDUMP = {"3DES-CBC": Encr.ENCR_3DES, "AES-CBC-256": Encr.ENCR_AES_CBC}


@pytest.mark.parametrize(
    "name", ["02-sunrise-sunset-esp.pcap", "08-sunrise-sunset-esp2.pcap", "08-sunrise-sunset-aes.pcap", "espudp1.pcap"]
)
def test_captures_of_tcpdump(name: str) -> None:
    """Their integrity keys were never published: the 12 octets of ICV are cut off, and only the cipher is tested."""
    folder = shared("captures/external")
    expected = json.loads((folder / "tcpdump_expected.json").read_text())["files"][name]
    receivers = {
        spi: sa_of(InboundSa, TCPDUMP[row["encr"]], bytes.fromhex(row["encr_key"]), spi=int(spi, 16))
        for spi, row in expected["keys"].items()
    }
    packets = rdpcap(str(folder / name))
    opened = 0
    for row in expected["packets"]:
        packet = packets[row["frame"] - 1]
        octets = bytes(packet[UDP].payload if UDP in packet else packet[IP].payload)
        for layer in row["layers"]:
            receiver = receivers[layer["spi"]]
            parts = EspParts.take_apart(receiver, octets[:-12])
            assert (parts.seq, parts.next_header, parts.pad_length) == (
                layer["seq"],
                layer["next_header"],
                layer["pad_len"],
            )
            assert parts.padding.hex() == layer["pad"]
            payload, _ = receiver.open(octets[:-12])
            assert payload.hex() == layer["inner_hex"]
            octets = payload[20:]
            opened += 1
    assert opened == sum(len(row["layers"]) for row in expected["packets"]) >= 8
