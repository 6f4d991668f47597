# SPDX-License-Identifier: GPL-2.0-or-later
"""What of an ESP packet can be changed (RFC 4303 section 2), and the edits that do it.

The ICV covers what is changed, unless it is the ICV or the packet on the wire. Paths are ``ESP.seq``, ``ESP.payload``
(the inner packet), … and ``packet`` for the octets on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator

from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.esp.padding import PADDING
from fynx_scapy.fuzz import values
from fynx_scapy.fuzz.edits import ESP, PACKET, Edit
from fynx_scapy.fuzz.grammar import Chance, Choice, changes_of_octets, flipping, setting
from fynx_scapy.ike.message import OutgoingEsp

NEXT_HEADERS = (4, 41, 59, 4, 41, 59, 0, 1, 6, 17, 43, 44, 50, 51, 60, 97, 143, 144, 255)
"""IPv4, IPv6, none; extension headers of IPv6, transport protocols, AGGFRAG."""
_HEADERS = 8 * 28
"""The bits of the headers of an inner packet: of IPv4 and of ICMP."""
_SMALL = 300


def choices(message: OutgoingEsp, sa: OutboundSa) -> list[Choice]:
    """Every kind of change of a packet that is to be sent on ``sa``."""
    found = [*_numbers(sa), *_padding(), *_inner(message.parts.payload), *_sealed(sa)]
    found.append(Choice("datagram", "repeat", lambda chance: Edit("repeat", "datagram", chance.choice((2, 2, 3, 70)))))
    return found


def _numbers(sa: OutboundSa) -> Iterator[Choice]:
    yield setting(f"{ESP}.seq", "near", lambda chance: values.near(chance, sa.seq + 1, sa.limit))
    yield setting(f"{ESP}.seq", "ahead", lambda chance: min(sa.limit, sa.seq + chance.choice((32, 64, 65, 1000))))
    yield setting(f"{ESP}.seq", "limit", lambda chance: values.limit(chance, 0, sa.limit))
    yield setting(f"{ESP}.spi", "near", lambda chance: values.near(chance, sa.spi, 0xFFFFFFFF))
    yield setting(f"{ESP}.spi", "limit", lambda chance: values.limit(chance, 0, 0xFFFFFFFF))
    yield setting(f"{ESP}.next_header", "known", lambda chance: chance.choice(NEXT_HEADERS))
    yield setting(f"{ESP}.next_header", "any", lambda chance: chance.randrange(256))


def _padding() -> Iterator[Choice]:
    yield setting(f"{ESP}.pad_length", "any", lambda chance: chance.choice((0, 1, 3, 15, 83, 84, 86, 128, 254, 255)))
    yield setting(f"{ESP}.padding", "random", lambda chance: values.octets(chance, 255))
    yield setting(f"{ESP}.padding", "right", lambda chance: PADDING[: chance.choice((0, 1, 15, 16, 254, 255))])
    yield setting(f"{ESP}.tfc", "random", lambda chance: values.octets(chance, _SMALL))


def _inner(packet: bytes) -> Iterator[Choice]:
    """Changes of the inner packet: its headers more often than its data."""
    path = f"{ESP}.payload"
    yield Choice(path, "headers", lambda chance: Edit("flip", path, chance.randrange(_HEADERS)))
    yield Choice(path, "version", lambda chance: Edit("flip", path, chance.randrange(8)))
    yield setting(path, "random", lambda chance: values.octets(chance, _SMALL))
    yield setting(path, "length", lambda chance: packet[:2] + chance.randbytes(2) + packet[4:])
    yield setting(path, "fragment", lambda chance: packet[:6] + chance.choice(_OFFSETS) + packet[8:])
    yield setting(path, "source", lambda chance: packet[:12] + chance.choice(_ADDRESSES) + packet[16:])
    yield setting(path, "destination", lambda chance: packet[:16] + chance.choice(_ADDRESSES) + packet[20:])
    yield from changes_of_octets(path, len(packet))


_OFFSETS = (b"\x20\0", b"\x1f\xff", b"\x80\0")
_ADDRESSES = (bytes(4), b"\xff\xff\xff\xff", b"\x7f\0\0\x01", b"\xe0\0\0\x01", b"\x0a\x63\0\x01")


def _sealed(sa: OutboundSa) -> Iterator[Choice]:
    """Wrong ICVs and IVs, and packets that are changed after they were sealed."""
    size = sa.icv_size
    if size:
        sizes = (size, size, 0, 1, size - 1, size + 1)
        yield setting(f"{ESP}.icv", "wrong", lambda chance: chance.randbytes(chance.choice(sizes)))
    if sa.encr.iv_size and not sa.implicit_iv:
        yield setting(f"{ESP}.iv", "chosen", lambda chance: _iv(chance, sa.encr.iv_size))
    yield flipping(PACKET, _HEADERS)
    yield Choice(PACKET, "cut", lambda chance: Edit("cut", PACKET, chance.choice(values.EDGES)))
    yield Choice(PACKET, "grow", lambda chance: Edit("grow", PACKET, values.octets(chance, _SMALL)))


def _iv(chance: Chance, size: int) -> bytes:
    return chance.choice((bytes(size), b"\xff" * size, chance.randbytes(size)))
