# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP without a key read as NULL encryption, if what it carries says so (RFC 5879 section 8).

The size of the ICV is not in the packet. Each size is tried: the padding must be 1, 2, 3 ..., and the payload a packet
whose own length or checksum is right. The size that fits is then used for all packets of the SA.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from fynx_scapy.capture.follow.decrypt import UNCHECKED, OpenResult
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.esp.inbound import InboundSa
from fynx_scapy.esp.ip import checksum, own_length
from fynx_scapy.iana import Encr

ICV_SIZES = (12, 16, 24, 32, 8, 20, 0)
"""In octets. HMAC-SHA-1-96 and HMAC-SHA-256-128 are the commonest."""

SIZES = (*((0, size) for size in ICV_SIZES), (8, 16))
"""Octets of IV and ICV. The only IV is that of AES-GMAC (RFC 4543)."""

MOST_FOUND = 10_000
"""How many SAs are remembered."""

ICMP, IPV4, TCP, UDP, IPV6, ICMPV6 = 1, 4, 6, 17, 41, 58


@dataclass(slots=True)
class NullReader:
    """What was found about the SAs of a capture, by SPI and destination."""

    found: dict[tuple[bytes, str], tuple[InboundSa, int, int]] = field(default_factory=dict)

    def open(self, packet: bytes, src: str, dst: str) -> OpenResult:
        """Read a packet, given from SPI to ICV. There is no plaintext if it does not look like NULL encryption."""
        known = self.found.get((packet[:4], dst))
        if known is not None:
            return _read(*known, packet)
        for iv, size in SIZES if len(self.found) < MOST_FOUND else ():
            try:
                sa = InboundSa(
                    spi=int.from_bytes(packet[:4]), encr=encryption(Encr.ENCR_NULL, esp=True), key=b"", icv_removed=True
                )
            except ConfigError:  # no SPI of an SA
                break
            opened = _read(sa, iv, size, packet)
            if opened.plaintext is not None and _is_packet(packet[8 + iv : len(packet) - size], src, dst):
                self.found[packet[:4], dst] = sa, iv, size
                return opened
        return OpenResult()

    @property
    def guesses(self) -> list[str]:
        """What was guessed, in words."""
        return [
            f"ESP SA 0x{spi.hex()} to {dst} was read as NULL encryption with {'AES-GMAC and ' if iv else ''}"
            f"an ICV of {size} octets: a guess, which no key confirms"
            for (spi, dst), (_, iv, size) in self.found.items()
        ]


def _read(sa: InboundSa, iv: int, size: int, packet: bytes) -> OpenResult:
    try:
        payload, next_header = sa.open(packet[:8] + packet[8 + iv : max(0, len(packet) - size)])
    except MalformedError as error:
        return OpenResult(error=str(error), keyed=True)
    return OpenResult(payload, UNCHECKED, None, next_header, True)


def _is_packet(plaintext: bytes, src: str, dst: str) -> bool:
    """Whether a payload is what its next header says, without TFC padding.

    Chance does not make a length or a checksum right. A length that is too small may be an ICV of the wrong size.
    """
    pad_length, next_header = plaintext[-2:]
    check = _CHECKS.get(next_header)
    return check is not None and check(plaintext[: -2 - pad_length], src, dst)


def _ipv4(payload: bytes, src: str, dst: str) -> bool:
    header = (payload[0] & 15) * 4 if payload else 0
    return 20 <= header <= len(payload) == own_length(payload, IPV4) and not checksum(payload[:header])


def _ipv6(payload: bytes, src: str, dst: str) -> bool:
    return own_length(payload, IPV6) == len(payload)


def _udp(payload: bytes, src: str, dst: str) -> bool:
    return len(payload) >= 8 and own_length(payload, UDP) == len(payload)


def _icmp(payload: bytes, src: str, dst: str) -> bool:
    return len(payload) >= 8 and any(payload[:4]) and not checksum(payload)


def _with_pseudo_header(protocol: int, least: int) -> Callable[[bytes, str, str], bool]:
    def check(payload: bytes, src: str, dst: str) -> bool:
        ends = ip_address(src).packed + ip_address(dst).packed
        return len(payload) >= least and not checksum(
            ends + len(payload).to_bytes(4) + protocol.to_bytes(4) + payload  # the same sum as that of IPv4's
        )

    return check


_CHECKS: dict[int, Callable[[bytes, str, str], bool]] = {
    ICMP: _icmp,
    IPV4: _ipv4,
    TCP: _with_pseudo_header(TCP, 20),
    UDP: _udp,
    IPV6: _ipv6,
    ICMPV6: _with_pseudo_header(ICMPV6, 8),
}
