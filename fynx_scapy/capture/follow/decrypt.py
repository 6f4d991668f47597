# SPDX-License-Identifier: GPL-2.0-or-later
"""Decrypt SK, SKF and ESP of a capture: every key that may fit is tried, and the ICV decides.

The algorithms come from the capture's SA payloads if these were seen (suites.py), else from the key table's row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from fynx_scapy.capture.follow.suites import Suites, ciphers
from fynx_scapy.capture.headers.ipsec import contradiction
from fynx_scapy.capture.reading.packets import IpsecPacket
from fynx_scapy.crypto.encr import Encryption, encryption
from fynx_scapy.crypto.integ import Integrity, integrity
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import ConfigError, IntegrityError, MalformedError, ReplayError
from fynx_scapy.esp.inbound import InboundSa
from fynx_scapy.iana import PayloadType
from fynx_scapy.keylog import EspKeys
from fynx_scapy.keynames import CipherSuite
from fynx_scapy.layers.ikeheader import IKE_HEADER, NEXT_PAYLOAD
from fynx_scapy.text import counted

OK, BAD, UNCHECKED = "ok", "bad", "unchecked"
MISFIT = "no known key fits its algorithms"
MOST_REASONS = 4
UNUSABLE = "its Child SA cannot be decrypted"
ANY_SPIS = (b"", b"")
NOT_VERIFIED = "the ICV does not verify with any known key ({} tried)"
_REASON = re.compile(re.escape(NOT_VERIFIED).replace(r"\{\}", r"\d+") + "(: |, but )?")


def reason_of(error: str) -> str:
    """What an error of a bad ICV says after `NOT_VERIFIED`: the reason, empty if none was found."""
    return _REASON.sub("", error)


def keys_used(error: str) -> bool:
    """Whether keys were tried on a packet, so that its error says that they fail."""
    return not error.startswith((UNUSABLE, MISFIT))


class SkPlace(NamedTuple):
    """The encrypted payload of an IKE message: its type, the authenticated octets before it, and its body."""

    type: int
    next_payload: int
    prefix: bytes
    body: bytes


class OpenResult(NamedTuple):
    """The result of decrypting one SK, SKF or ESP: ``plaintext`` without padding, None if it was not decrypted.

    ``keyed`` says whether there was a key for its SPI. Without a key, a failure is not an error.
    """

    plaintext: bytes | None = None
    icv: str = UNCHECKED
    error: str | None = None
    next_header: int | None = None
    keyed: bool = False

    def __repr__(self) -> str:
        size = "not decrypted" if self.plaintext is None else counted(len(self.plaintext), "octet")
        return f"OpenResult({size}, icv={self.icv!r}, error={self.error!r}, next_header={self.next_header})"


def find_sk(message: bytes) -> SkPlace | None:
    """The SK or SKF payload of an IKE message (RFC 7296 section 3.14, RFC 7383 section 2.5), None if there is none.

    Raises MalformedError if a payload before it does not fit.
    """
    kind, at = message[NEXT_PAYLOAD], IKE_HEADER.size
    while kind:
        if at + 4 > len(message):
            raise MalformedError(f"the payload header at offset {at} does not fit into {len(message)} octets")
        following, length = message[at], int.from_bytes(message[at + 2 : at + 4], "big")
        head = {PayloadType.SK: 4, PayloadType.SKF: 8}.get(kind)  # type: ignore[call-overload]
        if length < (head or 4) or at + length > len(message):
            raise MalformedError(
                f"the payload at offset {at} has a length of {length}, but {len(message) - at} are left"
            )
        if head:
            return SkPlace(kind, following, message[: at + head], message[at + head : at + length])
        kind, at = following, at + length
    return None


def open_packet(packet: IpsecPacket, opener: Any) -> OpenResult:
    """Decrypt an ESP packet, or take what WESP shows of it. A next header that contradicts the content is its error."""
    opened: OpenResult = OpenResult() if packet.missing else opener.esp(packet.data, packet.src, packet.dst)
    if opened.plaintext is None and not opened.keyed and packet.clear is not None:
        opened = OpenResult(packet.clear[1], UNCHECKED, None, packet.clear[0], True)
    if opened.plaintext is None or opened.next_header is None or opened.error:
        return opened
    odd = contradiction(opened.next_header, opened.plaintext)
    return opened._replace(error=odd) if odd else opened


@dataclass(frozen=True, slots=True)
class Material:
    """What opens one direction of an SA: algorithms with their keys."""

    encr: Encryption
    integ: Integrity | None
    key: bytes = field(repr=False)
    auth_key: bytes = field(repr=False)
    esn: bool

    def inbound(self, spi: int, high: int = 0) -> InboundSa:
        """The SA, without replay protection. ``high``: the high half of an ESN. Raises ConfigError if a key misfits."""
        return InboundSa(
            spi=spi,
            encr=self.encr,
            key=self.key,
            integ=self.integ,
            auth_key=self.auth_key if self.integ is not None else b"",
            esn=self.esn,
            replay_window=0,
            highest=high << 32 if self.esn else 0,
            # the only hint that such a key fits
            check_padding=not self.encr.aead and self.integ is None,
            icv_removed=self.integ is None,
        )

    def verifies(self, packet: bytes, high: int) -> bool:
        """Whether there is an ICV, and that of a packet verifies."""
        try:
            sa = self.inbound(int.from_bytes(packet[:4]), high)
            sa.check_padding = False
            sa.open(packet)
        except (ConfigError, IntegrityError, MalformedError, ReplayError):
            return False
        return bool(sa.icv_size)


@dataclass(slots=True)
class EspOpener:
    """Decrypts ESP. The keys of an SPI are tried in the order of how well their addresses fit, wildcards last.

    Each candidate is a separate SA without replay protection, because a capture may hold a packet twice. The high half
    of its sequence numbers is still tracked (RFC 4303 appendix A2).
    """

    suites: Suites
    _keys: dict[int | None, list[EspKeys]] = field(default_factory=dict)
    _ready: dict[tuple[int, str, str], tuple[int, list[tuple[InboundSa, int]]]] = field(default_factory=dict)
    _reasons: dict[int, dict[str, None]] = field(default_factory=dict)  # by SPI: why keys do not fit

    def add(self, keys: Iterable[EspKeys]) -> None:
        """Add keys."""
        for entry in keys:
            self._keys.setdefault(entry.spi, []).append(entry)

    def has(self, spi: int) -> bool:
        """Whether there is a key for an SPI."""
        return spi in self._keys or any(entry.fits(spi) for entry in self._keys.get(None, ()))

    def open(self, packet: bytes, src: str, dst: str) -> OpenResult:
        """Decrypt a packet, given from SPI to ICV. Without a key there is no plaintext and no error."""
        spi = int.from_bytes(packet[:4], "big")
        candidates = self._candidates(spi, src, dst)
        bad, misfit = 0, ""
        for at, (sa, unchecked) in enumerate(candidates):
            body = packet[:-unchecked] if unchecked else packet
            try:
                sa.inspect(body)
            except MalformedError as error:
                misfit = str(error)
                continue
            try:
                payload, next_header = sa.open(body)
            except IntegrityError:
                bad += 1
                continue
            except MalformedError as error:
                if not sa.icv_size:  # only the padding can show that this is the wrong key
                    misfit = str(error)
                    continue
                return OpenResult(icv=OK, error=str(error), keyed=True)
            candidates.insert(0, candidates.pop(at))  # the candidate that fitted is likely to fit next
            return OpenResult(payload, OK if sa.icv_size else UNCHECKED, next_header=next_header, keyed=True)
        if not self.has(spi):
            return OpenResult()
        if bad:
            return OpenResult(icv=BAD, error=NOT_VERIFIED.format(bad), keyed=True)
        reasons = list(self._reasons.get(spi, ()))
        return OpenResult(error=misfit or "; ".join([MISFIT, *reasons[:MOST_REASONS]]), keyed=True)

    def fitted(self, packet: bytes, src: str, dst: str) -> InboundSa | None:
        """The SA that decrypted the last packet with this SPI and addresses. None if it cannot check the ICV."""
        candidates = self._candidates(int.from_bytes(packet[:4], "big"), src, dst)
        return candidates[0][0] if candidates and not candidates[0][1] and candidates[0][0].icv_size else None

    def materials(self, spi: int) -> Iterator[Material]:
        """What the keys of an SPI consist of, to find out why they do not fit."""
        learnt = self.suites.esp.get(spi, [])
        for keys in self._keys.get(spi, ()):
            for suite in (*(() if keys.unchecked_icv else learnt), CipherSuite(keys.encr, keys.integ, None, keys.esn)):
                try:
                    yield _material(keys, *ciphers(suite), bool(suite.esn))
                except ConfigError:
                    continue  # `open` reports it

    def others(self, spi: int) -> Iterator[tuple[int, Material]]:
        """The same for every other SPI."""
        for other in self._keys:
            if other is not None and other != spi:
                for material in self.materials(other):
                    yield other, material

    def _candidates(self, spi: int, src: str, dst: str) -> list[tuple[InboundSa, int]]:
        learnt = self.suites.esp.get(spi, [])
        seen, candidates = self._ready.get((spi, src, dst), (-1, []))
        if seen != len(learnt):
            rows = [*self._keys.get(spi, ()), *(entry for entry in self._keys.get(None, ()) if entry.fits(spi))]
            rows.sort(key=lambda entry: (entry.spi is None, not _covers(entry, src, dst)))
            candidates = list(self._build(spi, rows, learnt))
            self._ready[spi, src, dst] = (len(learnt), candidates)
        return candidates

    def _build(self, spi: int, rows: list[EspKeys], learnt: list[CipherSuite]) -> Iterator[tuple[InboundSa, int]]:
        # A row may not say whether it is ESN. What was negotiated does: if it was not kept, `why` names it.
        either = tuple({bool(suite.esn) for suite in learnt}) or (False, True)
        for keys in rows:
            suites = [*(() if keys.unchecked_icv else learnt), CipherSuite(keys.encr, keys.integ, None, keys.esn)]
            variants = {  # negotiated suites first, without duplicates
                (*ciphers(suite), esn): None
                for suite in suites
                for esn in (either if suite.esn is None else (suite.esn,))
            }
            for encr, integ, esn in variants:
                try:
                    yield _material(keys, encr, integ, esn).inbound(spi, keys.esn_high), keys.unchecked_icv
                except ConfigError as error:  # such as keys that do not have the sizes that this suite needs
                    self._reasons.setdefault(spi, {})[str(error)] = None


def _material(keys: EspKeys, encr: Transform, integ: Transform | None, esn: bool) -> Material:
    """The algorithms with the keys of a row. Raises ConfigError for an algorithm that is not implemented."""
    cipher = encryption(encr.id, encr.key_length, esp=True)
    signer = None if cipher.aead or integ is None else integrity(integ.id)
    return Material(cipher, signer, keys.key, keys.auth_key, esn)


def _covers(keys: EspKeys, src: str, dst: str) -> bool:
    """Whether a row matches these addresses."""
    return _matches(src, keys.src) and _matches(dst, keys.dst)


def _matches(address: str, pattern: str) -> bool:
    """Whether an address fits an address, a prefix, or a pattern in which "*" is any part of an address."""
    if "/" in pattern:
        return ip_address(address) in ip_network(pattern, strict=False)
    return fnmatchcase(address, pattern)
