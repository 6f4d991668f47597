# SPDX-License-Identifier: GPL-2.0-or-later
"""Every supported combination of ESP algorithms, with a pair of SAs for each."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from scapy.packet import Packet

from fynx_scapy import private_use
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.esp import InboundSa, OutboundSa
from fynx_scapy.iana import Encr, Integ

SPI = 0xC0FFEE01


class Suite(NamedTuple):
    encr: Encr
    key_length: int | None = None
    integ: Integ | private_use.Integ | None = None

    def __str__(self) -> str:
        bits = f"-{self.key_length}" if self.key_length else ""
        return self.encr.name.removeprefix("ENCR_") + bits + (f"-{self.integ.name}" if self.integ else "")


COMBINED = [
    Suite(encr, bits)
    for encr in (
        Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_GCM_16, Encr.ENCR_AES_CCM_8, Encr.ENCR_AES_CCM_12,
        Encr.ENCR_AES_CCM_16, Encr.ENCR_NULL_AUTH_AES_GMAC, Encr.ENCR_AES_GCM_16_IIV, Encr.ENCR_AES_CCM_8_IIV,
    )
    for bits in (128, 192, 256)
] + [Suite(Encr.ENCR_CHACHA20_POLY1305), Suite(Encr.ENCR_CHACHA20_POLY1305_IIV)]  # fmt: skip

IMPLICIT = [suite for suite in COMBINED if suite.encr.name.endswith("_IIV")]

SEPARATE = [
    Suite(Encr.ENCR_AES_CBC, 128, Integ.AUTH_HMAC_SHA1_96),
    Suite(Encr.ENCR_AES_CBC, 192, Integ.AUTH_AES_XCBC_96),
    Suite(Encr.ENCR_AES_CBC, 256, Integ.AUTH_HMAC_SHA2_256_128),
    Suite(Encr.ENCR_AES_CTR, 128, Integ.AUTH_AES_CMAC_96),
    Suite(Encr.ENCR_AES_CTR, 256, Integ.AUTH_HMAC_SHA2_384_192),
    Suite(Encr.ENCR_CAMELLIA_CBC, 256, Integ.AUTH_HMAC_SHA2_512_256),
    Suite(Encr.ENCR_3DES, None, Integ.AUTH_HMAC_SHA1_96),
    Suite(Encr.ENCR_NULL, None, Integ.AUTH_HMAC_SHA2_256_128),
    Suite(Encr.ENCR_DES, None, Integ.AUTH_HMAC_MD5_96),
    Suite(Encr.ENCR_CAST, 128, Integ.AUTH_HMAC_MD5_128),
    Suite(Encr.ENCR_BLOWFISH, 192, Integ.AUTH_HMAC_SHA1_160),
    Suite(Encr.ENCR_IDEA, None, private_use.Integ.AUTH_HMAC_SHA2_256_96),
    Suite(Encr.ENCR_AES_CBC, 128, private_use.Integ.AUTH_HMAC_RIPEMD_160_96),
]

ENCRYPTION_ONLY = [Suite(Encr.ENCR_AES_CBC, 128), Suite(Encr.ENCR_AES_CTR, 128), Suite(Encr.ENCR_3DES)]

AUTHENTICATED = COMBINED + SEPARATE
SUITES = AUTHENTICATED + ENCRYPTION_ONLY

GCM = Suite(Encr.ENCR_AES_GCM_16, 128)
CBC = Suite(Encr.ENCR_AES_CBC, 128, Integ.AUTH_HMAC_SHA2_256_128)


def octets(label: str, size: int) -> bytes:
    """Key material that is the same in every run."""
    return hashlib.shake_128(label.encode()).digest(size)


def keys(suite: Suite) -> dict[str, Any]:
    encr = encryption(suite.encr, suite.key_length, esp=True)
    integ = integrity(suite.integ) if suite.integ is not None else None
    auth_key = octets("auth", integ.key_size) if integ is not None else b""
    return {"encr": encr, "key": octets("encr", encr.key_size), "integ": integ, "auth_key": auth_key}


def outbound(suite: Suite = GCM, **kwargs: Any) -> OutboundSa:
    return OutboundSa(**{"spi": SPI, "iv": lambda size: octets("iv", size), **keys(suite), **kwargs})


def inbound(suite: Suite = GCM, **kwargs: Any) -> InboundSa:
    return InboundSa(**{"spi": SPI, **keys(suite), **kwargs})


def octets_of(packet: Packet | None) -> bytes:
    """What `unprotect` gave, which is no dummy packet."""
    assert packet is not None
    return bytes(packet)
