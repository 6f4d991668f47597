# SPDX-License-Identifier: GPL-2.0-or-later
"""What AH, WESP and ESP carry, and whether their fields agree with it."""

from __future__ import annotations

from typing import NamedTuple

from fynx_scapy.errors import MalformedError
from fynx_scapy.text import counted

RESERVED_SPIS = range(1, 256)
"""Reserved by IANA (RFC 4303 section 2.1). A receiver may still have such an SA, so this alone is no error."""
VERSIONS = {4: (4, 20), 41: (6, 40)}  # next header -> version and size of the IP header
ESP_HEADER, TRAILER = 8, 2


def contradiction(following: int, content: bytes, missing: int = 0) -> str:
    """How a next header of 4 or 41 contradicts what follows. Empty if it does not.

    ``missing`` octets at the end of the content are not in the capture.
    """
    if following not in VERSIONS or (missing and not content):
        return ""
    version, size = VERSIONS[following]
    head = f"next header {following} (IPv{version})"
    if not content:
        return f"{head}, but nothing follows"
    if content[0] >> 4 != version:
        return f"{head}, but the inner packet has version {content[0] >> 4}"
    if len(content) + missing < size:
        return f"{head}, but {counted(len(content) + missing, 'octet')} follow"
    if len(content) < size:
        return ""
    length = int.from_bytes(content[2:4]) if version == 4 else 40 + int.from_bytes(content[4:6])
    if length > len(content) + missing:  # fewer would be traffic flow padding (RFC 4303 section 2.7)
        return f"{head}, but the inner packet has {len(content) + missing} of its {length} octets"
    return ""


def never_sent(protocol: str, spi: int) -> str:
    """Why no packet may have this SPI. Empty if it may."""
    if spi:
        return ""
    return f"SPI 0 must not be on the wire (RFC {_RFC[protocol]} section {_SECTIONS[protocol][0]})"


def never_first(protocol: str) -> str:
    """Why no packet may have sequence number 0 before 2^32 others."""
    section = _SECTIONS[protocol][1]
    return f"sequence number 0, but the first packet of an SA has 1 (RFC {_RFC[protocol]} section {section})"


_RFC = {"esp": 4303, "ah": 4302}
_SECTIONS = {"esp": ("2.1", "3.3.3"), "ah": ("2.4", "3.3.2")}


def ah_content(data: bytes) -> tuple[int, bytes]:
    """The next header and the content behind an AH header (RFC 4302 section 2). Raises MalformedError."""
    size = max((data[1] + 2) * 4, 12) if len(data) >= 12 else 12
    if len(data) < size:
        raise MalformedError(f"expected an AH header of {size} octets, found {len(data)}")
    return data[0], data[size:]


class Wesp(NamedTuple):
    """A WESP header: the ESP packet behind it, and what it carries in the clear, if it is not encrypted."""

    esp: bytes
    clear: tuple[int, bytes] | None


def wesp_content(data: bytes) -> Wesp:
    """What follows a WESP header (RFC 5840 section 2). Raises MalformedError if its fields contradict the packet."""
    if len(data) < 4:
        raise MalformedError(f"expected a WESP header of 4 octets, found {len(data)}")
    following, head, trailer, flags = data[:4]
    if flags >> 6:
        raise MalformedError(f"expected WESP version 0, found {flags >> 6}")
    esp = data[8 if flags & 0x10 else 4 :]
    if len(esp) < ESP_HEADER:
        raise MalformedError(f"expected an ESP packet in WESP, found {len(esp)} octets")
    if flags & 0x20:
        if following or head or trailer:
            raise MalformedError("a WESP header of encrypted ESP has a next header or lengths; expected zeros")
        return Wesp(esp, None)
    plain = data[head : len(data) - trailer]
    if head < 12 or head % 4 or len(plain) < TRAILER or plain[-2] > len(plain) - TRAILER:
        text = f"a WESP header's lengths of {head} and {trailer} octets do not fit a packet of {len(data)}"
        raise MalformedError(text)
    if plain[-1] != following:
        raise MalformedError(f"next header {following} in WESP, but {plain[-1]} in ESP (RFC 5840 section 2)")
    return Wesp(esp, (following, plain[: len(plain) - TRAILER - plain[-2]]))
