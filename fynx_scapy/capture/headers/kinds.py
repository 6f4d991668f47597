# SPDX-License-Identifier: GPL-2.0-or-later
"""What may follow a header: ethertypes, and kinds that have no ethertype."""

from __future__ import annotations

from typing import NamedTuple

NOTHING = 0
"""No IP inside: the packet is foreign."""
IPV4, IPV6, ETHERNET, VLAN, PPP, PPPOE = 0x0800, 0x86DD, 0x6558, 0x8100, 0x880B, 0x8864
MPLS, MPLS_UPSTREAM, NSH = 0x8847, 0x8848, 0x894F
SMALLEST_ETHERTYPE = 0x0600
"""Below it, the field is the length of a frame with LLC (IEEE 802.3 section 3.2.6)."""
LLC, IP_BY_VERSION = 0x10000, 0x10001
"""LLC as such, and IP whose version only its first octet tells."""


TCP, UDP, ESP, AH, IPCOMP, WESP = 6, 17, 50, 51, 108, 141
"""Protocol numbers of IP."""


class Next(NamedTuple):
    """The kind of the next header, and where it begins."""

    kind: int
    at: int


class NotRead(Exception):  # noqa: N818 -- no error of the frame
    """A header that may carry IP and is not looked into: its name."""


class LinkNotRead(NotRead):
    """A link type that is not read: its number, and what is known of it."""

    def __init__(self, linktype: int, name: str = "") -> None:
        super().__init__(f"link type {linktype}")
        self.name = name


def unpacked(data: bytes, at: int, size: int) -> int:
    """The number of ``size`` octets at an offset, in network byte order. Raises IndexError if the data ends there."""
    if at + size > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at : at + size])
