# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP packets sealed and opened, one by one and in batches, beside the bare cipher call and Scapy."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from fynx_scapy.bench.ends import inner
from fynx_scapy.bench.figures import Bound, Figure, at_least, at_most, interleaved
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.errors import UnexpectedError
from fynx_scapy.esp import InboundSa, OutboundSa
from fynx_scapy.iana import Encr, Integ

SIZES = (64, 512, 1400, 1500, 9000)
"""Octets of an inner packet."""
BATCH = 44
"""Packets of a batch: as many of 1400 octets fit into one call of the kernel's segmentation offload."""
SPI = 0x1000

Run = Callable[[], object]  # BATCH packets


class Suite(NamedTuple):
    """An encryption algorithm as it is measured: ours, pyca's bare call and Scapy's."""

    name: str
    encr: Encr
    bits: int | None
    integ: Integ | None
    scapy: str
    bare: Callable[[int], tuple[Run, Run]]
    """The bare calls for a batch of plaintexts of so many octets, and for what they become."""
    bounds: dict[str, Bound]
    """Of packets of 1400 octets: the least part of the bare call's rate, and how many times Scapy's."""
    least_rate: float = 0.0
    """Mbit/s of packets of 1500 octets, each way."""


def _bare_aead(cipher: AESGCM | ChaCha20Poly1305) -> Callable[[int], tuple[Run, Run]]:
    encrypt, decrypt, nonce, aad = cipher.encrypt, cipher.decrypt, bytes(12), bytes(8)

    def runs(octets: int) -> tuple[Run, Run]:
        plaintext = bytes(octets)
        sealed = encrypt(nonce, plaintext, aad)

        def seal() -> None:
            for _ in range(BATCH):
                encrypt(nonce, plaintext, aad)

        def open_() -> None:
            for _ in range(BATCH):
                decrypt(nonce, sealed, aad)

        return seal, open_

    return runs


def _bare_cbc_hmac(octets: int) -> tuple[Run, Run]:
    """AES-CBC in a context that is kept, and HMAC in a copy of a keyed one: what pyca has that is fastest."""
    cipher = Cipher(algorithms.AES(bytes(16)), modes.CBC(bytes(16)))
    encrypt, decrypt, keyed = cipher.encryptor().update, cipher.decryptor().update, HMAC(bytes(32), SHA256())
    plaintext = bytes(octets)

    def sign(data: bytes) -> None:
        state = keyed.copy()
        state.update(data)
        state.finalize()

    def seal() -> None:
        for _ in range(BATCH):
            sign(encrypt(plaintext))

    def open_() -> None:
        for _ in range(BATCH):
            sign(plaintext)
            decrypt(plaintext)

    return seal, open_


_LEAST = {
    "seal": at_least(0.42),
    "seal_many": at_least(0.5),
    "scapy seal": at_least(450),
    "open": at_least(0.33),
    "open_many": at_least(0.38),
    "scapy open": at_least(80),
}
_GCM, _CHACHA = Encr.ENCR_AES_GCM_16, Encr.ENCR_CHACHA20_POLY1305
SUITES = (
    Suite("AES-128-GCM", _GCM, 128, None, "AES-GCM", _bare_aead(AESGCM(bytes(16))), _LEAST, 1000),
    Suite("AES-256-GCM", _GCM, 256, None, "AES-GCM", _bare_aead(AESGCM(bytes(32))), {}, 1000),
    Suite(
        "ChaCha20-Poly1305", _CHACHA, None, None, "CHACHA20-POLY1305", _bare_aead(ChaCha20Poly1305(bytes(32))), {}, 800
    ),
    Suite(
        "AES-128-CBC+HMAC-SHA-256",
        Encr.ENCR_AES_CBC,
        128,
        Integ.AUTH_HMAC_SHA2_256_128,
        "AES-CBC",
        _bare_cbc_hmac,
        {},
    ),
)


class Ways:
    """Both directions of an SA, and one of Scapy's with the same keys, at one size of packet.

    Every run takes one batch. The window of the receiving SA starts anew before each, so that the same packets, which
    follow each other as they should, are received again.
    """

    def __init__(self, suite: Suite, octets: int) -> None:
        encr = encryption(suite.encr, suite.bits)
        integ = integrity(suite.integ) if suite.integ is not None else None
        keys: dict[str, Any] = {"spi": SPI, "encr": encr, "key": bytes(encr.key_size), "integ": integ}
        keys["auth_key"] = bytes(integ.key_size) if integ is not None else b""
        self.outbound, self.inbound = OutboundSa(**keys, iv=os.urandom), InboundSa(**keys)
        self.payload = inner("10.1.0.1", "10.2.0.1", octets)
        self.payloads = [self.payload] * BATCH
        self.packets = OutboundSa(**keys, iv=os.urandom).seal_many(self.payloads, 4)
        self.plaintext = len(self.packets[0]) - 8 - encr.iv_size - self.inbound.icv_size
        self.scapy = Scapy(suite, keys, self.payload)

    def seal(self) -> None:
        """One by one."""
        seal = self.outbound.seal
        for payload in self.payloads:
            seal(payload, 4)

    def seal_many(self) -> None:
        """All at once."""
        self.outbound.seal_many(self.payloads, 4)

    def open(self) -> None:
        """One by one, with the replay check."""
        self.inbound.window.highest = 0
        open_ = self.inbound.open
        for packet in self.packets:
            open_(packet)

    def open_many(self) -> None:
        """All at once, with the replay check."""
        self.inbound.window.highest = 0
        self.inbound.open_many(self.packets)

    def check(self) -> None:
        """Raises UnexpectedError unless every packet that was opened is what was sealed."""
        self.inbound.window.highest = 0
        if self.inbound.open_many(self.packets) != [(self.payload, 4)] * BATCH or self.inbound.replays:
            raise UnexpectedError("a packet that was sealed does not open, so there is nothing to measure")


class Scapy:
    """Scapy's SecurityAssociation in tunnel mode, one packet at a time, octets in and octets out as with ours."""

    def __init__(self, suite: Suite, keys: dict[str, Any], payload: bytes) -> None:
        from scapy.layers.inet import IP
        from scapy.layers.ipsec import ESP, SecurityAssociation

        names = {"auth_algo": "SHA2-256-128", "auth_key": keys["auth_key"]} if suite.integ is not None else {}
        tunnel = IP(src="192.0.2.1", dst="192.0.2.2")
        self._sa = SecurityAssociation(
            ESP, spi=SPI, crypt_algo=suite.scapy, crypt_key=keys["key"], tunnel_header=tunnel, **names
        )
        self._ip, self._payload = IP, payload
        self._sealed = self.seal()

    def seal(self) -> bytes:
        """An inner packet in, an outer one out."""
        return bytes(self._sa.encrypt(self._ip(self._payload)))

    def open(self) -> bytes:
        """An outer packet in, the inner one out."""
        return bytes(self._sa.decrypt(self._ip(self._sealed)))


def measure(quick: bool) -> list[Figure]:
    """Every suite at every size: the part of the bare call's rate, and what the plan asks for."""
    figures: list[Figure] = []
    for suite in SUITES[:1] if quick else SUITES:
        for octets in (64, 1400, 1500) if quick else SIZES:
            figures += _measured(suite, octets, rounds=9 if quick else 25)
    return figures


def _measured(suite: Suite, octets: int, rounds: int) -> list[Figure]:
    ways = Ways(suite, octets)
    bare_seal, bare_open = suite.bare(ways.plaintext)
    calls: dict[str, Run] = {
        "bare seal": bare_seal,
        "seal": ways.seal,
        "seal_many": ways.seal_many,
        "scapy seal": ways.scapy.seal,
        "bare open": bare_open,
        "open": ways.open,
        "open_many": ways.open_many,
        "scapy open": ways.scapy.open,
    }
    took = {
        name: seconds if name.startswith("scapy") else seconds / BATCH
        for name, seconds in interleaved(calls, rounds=rounds, seconds=0.004).items()
    }
    ways.check()
    what = f"{suite.name}, {octets} bytes"
    figures = []
    for way in ("seal", "open"):
        bare = Figure(f"bare {way}, {what}", 1 / took[f"bare {way}"], "/s")
        for name in (way, f"{way}_many"):
            bound = suite.bounds.get(name) if octets == 1400 else None
            figures.append(Figure(f"{name}, {what}", 1 / took[name], "/s", floor=bare, bound=bound))
        if octets == 1400:
            scapy = Figure(f"Scapy's {way}, {what}", 1 / took[f"scapy {way}"], "/s")
            times = suite.bounds.get(f"scapy {way}")
            figures.append(Figure(f"{way} beside Scapy's, {what}", 1 / took[way], "/s", scapy, times))
        if octets == 1500:
            most = at_most(10)
            figures.append(Figure(f"processor time a packet, {way}, {what}", took[way] * 1e6, "µs", bound=most))
            rate = octets * 8 / took[way] / 1e6
            enough = at_least(suite.least_rate) if suite.least_rate else None
            figures.append(Figure(f"payload, {way}, {what}", rate, "Mbit/s", bound=enough))
    return figures
