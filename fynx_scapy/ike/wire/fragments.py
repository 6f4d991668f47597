# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE fragmentation: one message in several, each sealed by itself, and back again (RFC 7383).

Nothing is stored before the ICV of its fragment has verified, and never more than the configuration allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fynx_scapy.crypto.protector import Protector
from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.ike.message import Datagram, Header
from fynx_scapy.layers.ikeheader import HEADER_SIZE

if TYPE_CHECKING:
    pass

SKF_HEADER = 8
_UDP_AND_MARKER = 8 + 4
_MOST = 0xFFFF
_OBJECT = 512


def split(content: bytes, size: int, protector: Protector, outer: int = 0) -> list[bytes]:
    """Chunks of the payloads inside SK, each of which makes an IKE message of at most ``size`` octets.

    ``outer`` is how many octets of unprotected payloads travel in the first one, whose chunk may be empty (section
    2.5.3). Raises LocalError when ``size`` leaves no room at all, or 65,535 fragments are not enough.
    """
    overhead = HEADER_SIZE + SKF_HEADER + protector.iv_size + protector.icv_size

    def fits(octets: int) -> int:
        return octets - octets % protector.block_size - 1

    each = fits(size - overhead)
    if each < 1:
        raise LocalError(f"expected messages of more than {overhead} octets for a fragment, found {size}")
    first = max(0, min(fits(size - overhead - outer), len(content)))
    chunks = [content[:first], *(content[at : at + each] for at in range(first, len(content), each))]
    if len(chunks) > _MOST:
        raise LocalError(f"expected a message of at most {_MOST} fragments, found {len(chunks)}")
    return chunks


def numbered(data: bytes, offset: int) -> tuple[int, int]:
    """Fragment Number and Total Fragments of the SKF payload at ``offset``; MalformedError when they cannot be right.

    Section 2.6: neither is zero, and the first is not above the second.
    """
    if offset + SKF_HEADER > len(data):
        raise MalformedError(f"expected an SKF payload at offset {offset}, found {len(data) - offset} octets")
    number, total = (int.from_bytes(data[at : at + 2]) for at in (offset + 4, offset + 6))
    if not 1 <= number <= total:
        raise MalformedError(f"expected a fragment number of 1 to {total}, the total, found {number}")
    return number, total


@dataclass(frozen=True, slots=True)
class Fragment:
    """One fragment that was verified and opened.

    ``first`` is the SKF's next payload, ``outer`` the octets of the unprotected payloads before it, with the chain
    ended where SKF begins; ``content`` is without padding.
    """

    number: int
    total: int
    first: int
    outer: bytes
    content: bytes
    header: Header
    datagram: Datagram
