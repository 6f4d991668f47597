# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE fragmentation: split a message, and read the numbers of a fragment (RFC 7383)."""

from __future__ import annotations

from dataclasses import dataclass

from fynx_scapy.crypto.protector import Protector
from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.ike.message import Datagram, Header
from fynx_scapy.layers.ikeheader import HEADER_SIZE

SKF_HEADER = 8
_MOST = 0xFFFF


def split(content: bytes, size: int, protector: Protector, outer: int = 0) -> list[bytes]:
    """Split the payloads inside SK into chunks, chunk_size for an IKE message of at most ``size`` octets.

    ``outer`` is the size of the unprotected payloads in the first message, whose chunk may be empty (section 2.5.3).
    LocalError when ``size`` is too small for any chunk, or when 65,535 fragments are not enough.
    """
    overhead = HEADER_SIZE + SKF_HEADER + protector.iv_size + protector.icv_size

    def fits(octets: int) -> int:
        return octets - octets % protector.block_size - 1

    chunk_size = fits(size - overhead)
    if chunk_size < 1:
        raise LocalError(f"expected messages of more than {overhead} octets for a fragment, found {size}")
    first = max(0, min(fits(size - overhead - outer), len(content)))
    chunks = [content[:first], *(content[at : at + chunk_size] for at in range(first, len(content), chunk_size))]
    if len(chunks) > _MOST:
        raise LocalError(f"expected a message of at most {_MOST} fragments, found {len(chunks)}")
    return chunks


def numbered(data: bytes, offset: int) -> tuple[int, int]:
    """Read Fragment Number and Total Fragments of the SKF payload at ``offset``; MalformedError when they are invalid.

    Section 2.6: neither is zero, and the number is not above the total.
    """
    if offset + SKF_HEADER > len(data):
        raise MalformedError(f"expected an SKF payload at offset {offset}, found {len(data) - offset} octets")
    number, total = (int.from_bytes(data[at : at + 2]) for at in (offset + 4, offset + 6))
    if not 1 <= number <= total:
        raise MalformedError(f"expected a Fragment Number from 1 to the total of {total}, found {number}")
    return number, total


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment that was verified and decrypted.

    ``first`` is the next payload of SKF. ``outer`` are the octets of the unprotected payloads before SKF; their chain
    ends before SKF. ``content`` is the plaintext without padding.
    """

    number: int
    total: int
    first: int
    outer: bytes
    content: bytes
    header: Header
    datagram: Datagram
