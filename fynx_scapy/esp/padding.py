# SPDX-License-Identifier: GPL-2.0-or-later
"""What follows a payload in the plaintext: TFC padding, Padding, Pad Length, Next Header (RFC 4303 section 2)."""

from __future__ import annotations

import functools

from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.esp.ip import NO_NEXT_HEADER, PROTO_IPV4, own_length

# "The first padding byte appended to the plaintext is numbered 1, with subsequent padding bytes making up a
# monotonically increasing sequence: 1, 2, 3, ..." (section 2.4)
PADDING = bytes(range(1, 256))
PADDED = [PADDING[:length] + bytes((length,)) for length in range(256)]  # Padding | Pad Length


class Trailers(dict[int, list[bytes]]):
    """Next header -> Padding | Pad Length | Next Header, for each length of a payload modulo ``align`` octets.

    Raises LocalError for a next header that is not between 0 and 255.
    """

    def __init__(self, align: int):
        self._padded = [PADDED[-(length + 2) % align] for length in range(align)]

    def __missing__(self, next_header: int) -> list[bytes]:
        if not 0 <= next_header <= 255:
            raise LocalError(f"expected a next header between 0 and 255, found {next_header}")
        trailers = self[next_header] = [padded + bytes((next_header,)) for padded in self._padded]
        return trailers


@functools.cache
def trailers(align: int) -> Trailers:
    """The table for an alignment in octets; all SAs share it."""
    return Trailers(align)


def tfc_padded(payload: bytes, next_header: int, octets: int) -> bytes:
    """The payload with TFC padding after it (RFC 4303 section 2.7).

    "TFC padding can be added only if the Payload Data field contains a specification of the length of the IP datagram":
    raises LocalError otherwise. A dummy packet may have any content.
    """
    if octets < 0:
        raise LocalError(f"expected 0 octets of TFC padding or more, found {octets}")
    if next_header != NO_NEXT_HEADER and own_length(payload, next_header) != len(payload):
        raise LocalError(
            f"TFC padding needs a payload that contains its length (RFC 4303 section 2.7): "
            f"next header {next_header} with {len(payload)} octets does not"
        )
    return payload + bytes(octets)


def unpadded(plaintext: bytes, check: bool) -> tuple[bytes, int]:
    """The payload without TFC padding, and the next header, of a decrypted packet of at least 2 octets.

    Raises MalformedError for a pad length beyond the plaintext, and with ``check`` for padding other than 1, 2, 3, ...
    """
    pad_length, next_header = plaintext[-2], plaintext[-1]
    end = len(plaintext) - 2 - pad_length
    if plaintext[end:-1] != PADDED[pad_length]:
        if end < 0:
            raise MalformedError(f"expected a pad length up to {len(plaintext) - 2}, found {pad_length}")
        if check:
            raise MalformedError(f"expected the padding 1, 2, 3 ..., found {plaintext[end:-2].hex()}")
    if next_header == PROTO_IPV4 and end >= 20 and plaintext[2] << 8 | plaintext[3] == end:
        return plaintext[:end], next_header  # as a rule: IPv4 that fills the payload
    if next_header != NO_NEXT_HEADER:
        length = own_length(plaintext, next_header)
        if length is not None and length < end:
            end = length
    return plaintext[:end], next_header
