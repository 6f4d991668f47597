# SPDX-License-Identifier: GPL-2.0-or-later
"""Fragments of IKE messages in a capture, joined as their receiver would have done it (RFC 7383 section 2.6)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from fynx_scapy.capture.reading.losses import Loss, several, some

MOST_MESSAGES = 256
"""How many messages may be incomplete at a time; the one that waited longest is let go."""

MOST_OCTETS = 0x10000
"""How many octets of one message are kept."""


class Joined(NamedTuple):
    """A message that is whole: its first payload's type, its payloads' octets, the packets that brought them."""

    first: int
    content: bytes
    packets: list[int]


@dataclass(slots=True)
class _Message:
    total: int
    found: dict[int, tuple[bytes, int, int]] = field(default_factory=dict)  # content, packet, next payload


class IpReassembly:
    """What has been seen of the messages that are still incomplete, by SPIs, exchange, direction and message ID."""

    def __init__(self) -> None:
        self._messages: OrderedDict[bytes, _Message] = OrderedDict()
        self._let_go = 0

    def add(
        self, message: bytes, numbers: tuple[int, int], next_payload: int, content: bytes, packet: int
    ) -> Joined | None:
        """Take in one fragment, verified and opened; returns the message that it completes.

        ``numbers`` are Fragment Number and Total Fragments. Those that cannot be right, a total below one that was
        seen before, and duplicates are ignored; a larger total begins anew.
        """
        (number, total), key = numbers, message[:16] + message[18:24]
        if not 1 <= number <= total:
            return None
        known = self._messages.get(key)
        if known is None or total > known.total:
            known = self._messages[key] = _Message(total)
            if len(self._messages) > MOST_MESSAGES:
                self._messages.popitem(last=False)
                self._let_go += 1
        if total < known.total or number in known.found:
            return None
        known.found[number] = (content, packet, next_payload)
        if sum(len(piece) for piece, _, _ in known.found.values()) > MOST_OCTETS:
            del self._messages[key]
            self._let_go += 1
            return None
        if len(known.found) < total:
            return None
        del self._messages[key]
        pieces = [known.found[n] for n in range(1, total + 1)]
        return Joined(pieces[0][2], b"".join(piece for piece, _, _ in pieces), [packet for _, packet, _ in pieces])

    def losses(self) -> list[Loss]:
        """What was let go: messages that were too many at a time, or too long."""
        text = f"{several(self._let_go, 'fragmented IKE message')} let go: too many at a time, or too long"
        return some([Loss("messages", self._let_go, text)])

    def incomplete(self) -> int:
        """How many messages still lack a fragment."""
        return len(self._messages)
