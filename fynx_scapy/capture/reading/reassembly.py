# SPDX-License-Identifier: GPL-2.0-or-later
"""Reassembly of fragmented IKE messages in a capture, as their receiver does it (RFC 7383 section 2.6)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from fynx_scapy.capture.reading.losses import Loss, several, some

MOST_MESSAGES = 256
"""How many incomplete messages are kept. Beyond that, the oldest is dropped."""

MOST_OCTETS = 0x10000
"""How many octets of one message are kept."""


class Joined(NamedTuple):
    """A complete message: the type of its first payload, its payloads' octets, and the packets that held them."""

    first: int
    content: bytes
    packets: list[int]


@dataclass(slots=True)
class _Message:
    total: int
    found: dict[int, tuple[bytes, int, int]] = field(default_factory=dict)  # content, packet, next payload


class FragmentJoiner:
    """The fragments of incomplete messages, by SPIs, exchange, direction and message ID."""

    def __init__(self) -> None:
        self._messages: OrderedDict[bytes, _Message] = OrderedDict()
        self._dropped = 0

    def add(
        self, message: bytes, numbers: tuple[int, int], next_payload: int, content: bytes, packet: int
    ) -> Joined | None:
        """Add a verified and decrypted fragment. Returns the message that it completes, or None.

        ``numbers`` are Fragment Number and Total Fragments. Impossible numbers, a total below one seen before, and
        duplicates are ignored. A larger total restarts the message.
        """
        (number, total), key = numbers, message[:16] + message[18:24]
        if not 1 <= number <= total:
            return None
        known = self._messages.get(key)
        if known is None or total > known.total:
            known = self._messages[key] = _Message(total)
            if len(self._messages) > MOST_MESSAGES:
                self._messages.popitem(last=False)
                self._dropped += 1
        if total < known.total or number in known.found:
            return None
        known.found[number] = (content, packet, next_payload)
        if sum(len(piece) for piece, _, _ in known.found.values()) > MOST_OCTETS:
            del self._messages[key]
            self._dropped += 1
            return None
        if len(known.found) < total:
            return None
        del self._messages[key]
        pieces = [known.found[n] for n in range(1, total + 1)]
        return Joined(pieces[0][2], b"".join(piece for piece, _, _ in pieces), [packet for _, packet, _ in pieces])

    def losses(self) -> list[Loss]:
        """Messages that were dropped because there were too many, or because they were too long."""
        text = f"{several(self._dropped, 'fragmented IKE message')} dropped: too many at a time, or too long"
        return some([Loss("messages", self._dropped, text)])

    def incomplete(self) -> int:
        """How many messages still lack a fragment."""
        return len(self._messages)
