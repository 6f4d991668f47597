# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP packets sealed and opened, for the ciphers that matter (pytest-benchmark; as a plain test each runs once)."""

from __future__ import annotations

import os
from typing import Any

import pytest

from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.transforms import keyword
from fynx_scapy.esp import InboundSa, OutboundSa
from fynx_scapy.iana import TransformType

PACKET = bytes.fromhex("45000578000040004001") + bytes(1390)  # an IPv4 packet of 1400 bytes

SUITES = ["aes128gcm16", "aes256gcm16", "aes128gcm8", "chacha20poly1305", "aes128-sha256", "aes128ctr-sha256"]


def directions(suite: str) -> tuple[OutboundSa, InboundSa]:
    """Both directions of one SA with keys of zeros."""
    encr, integ = None, None
    for word in suite.split("-"):
        for transform in keyword(word):
            if transform.type == TransformType.ENCR:
                encr = encryption(transform.id, transform.key_length, esp=True)
            elif transform.type == TransformType.INTEG:
                integ = integrity(transform.id)
    assert encr is not None
    keys: dict[str, Any] = {"spi": 0x1000, "encr": encr, "key": bytes(encr.key_size), "integ": integ}
    keys["auth_key"] = bytes(integ.key_size) if integ else b""
    return OutboundSa(**keys, iv=os.urandom), InboundSa(**keys)


@pytest.mark.parametrize("suite", SUITES)
def test_seal(suite: str, benchmark: Any) -> None:
    outbound, inbound = directions(suite)
    benchmark(outbound.seal, PACKET, 4)
    assert inbound.open(outbound.seal(PACKET, 4)) == (PACKET, 4)


@pytest.mark.parametrize("suite", SUITES)
def test_open(suite: str, benchmark: Any) -> None:
    outbound, inbound = directions(suite)

    def packet() -> tuple[tuple[bytes], dict[str, Any]]:
        return (outbound.seal(PACKET, 4),), {}

    assert benchmark.pedantic(inbound.open, setup=packet, rounds=5000) == (PACKET, 4)
