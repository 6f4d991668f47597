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


def impossible(number: int, total: int) -> str:
    """What is wrong with the numbers of a fragment, empty if nothing (RFC 7383 section 2.5)."""
    if 1 <= number <= total:
        return ""
    return f"fragment {number} of {total}: expected a number from 1 to the total (RFC 7383 section 2.5)"


class FragmentJoiner:
    """The fragments of incomplete messages, by SPIs, exchange, direction and message ID.

    ``fault`` says what is wrong with the fragment added last, empty if nothing.
    """

    def __init__(self) -> None:
        self._messages: OrderedDict[bytes, _Message] = OrderedDict()
        self._done: OrderedDict[bytes, frozenset[tuple[int, int]]] = OrderedDict()
        self._long: OrderedDict[bytes, None] = OrderedDict()  # messages dropped for their length
        self._dropped = 0
        self.fault = ""

    def add(
        self, message: bytes, numbers: tuple[int, int], next_payload: int, content: bytes, packet: int
    ) -> Joined | None:
        """Add a verified and decrypted fragment. Returns the message that it completes, or None.

        ``numbers`` are Fragment Number and Total Fragments. Impossible numbers and a total below one seen before are
        faults; so are other octets for a number seen before, which are not used. A larger total restarts the message.
        """
        (number, total), key = numbers, message[:16] + message[18:24]
        self.fault = impossible(number, total)
        if self.fault:
            return None
        if (next_payload == 0) == (number == 1):
            expected = "the type of the first payload" if number == 1 else "0"
            where = f"fragment {number} of {total}"
            self.fault = f"{where}: next payload {next_payload}, expected {expected} (RFC 7383 section 2.5)"
        if key in self._long:
            return None  # counted already
        known = self._messages.get(key)
        if known is None or total > known.total:
            known = self._messages[key] = _Message(total)
            if len(self._messages) > MOST_MESSAGES:
                self._messages.popitem(last=False)
                self._dropped += 1
        if total < known.total:
            self.fault = f"fragment {number} of {total}: others of this message have a total of {known.total}"
            return None
        if number in known.found:
            same, packet, _ = known.found[number]
            if same != content:
                self.fault = f"fragment {number} of {total}: other octets than the same fragment in packet {packet}"
            return None
        known.found[number] = (content, packet, next_payload)
        if sum(len(piece) for piece, _, _ in known.found.values()) > MOST_OCTETS:
            del self._messages[key]
            self._long[key] = None
            if len(self._long) > MOST_MESSAGES:
                self._long.popitem(last=False)
            self._dropped += 1
            return None
        if len(known.found) < total:
            return None
        del self._messages[key]
        self._done[key] = _marks(known)
        if len(self._done) > MOST_MESSAGES:
            self._done.popitem(last=False)
        pieces = [known.found[n] for n in range(1, total + 1)]
        return Joined(pieces[0][2], b"".join(piece for piece, _, _ in pieces), [packet for _, packet, _ in pieces])

    def losses(self) -> list[Loss]:
        """Messages that were dropped because there were too many, or because they were too long."""
        text = f"{several(self._dropped, 'fragmented IKE message')} dropped: too many at a time, or too long"
        left = [message for key, message in self._messages.items() if not self._again(key, message)]
        lost = f"{several(len(left), 'fragmented IKE message')} never completed"
        if left:
            have = ", ".join(f"{number} in packet {left[0].found[number][1]}" for number in sorted(left[0].found)[:9])
            lost += f"; of the first, with {several(left[0].total, 'fragment')}, the capture has {have}"
        return some([Loss("messages", self._dropped, text), Loss("messages", len(left), lost)])

    def _again(self, key: bytes, message: _Message) -> bool:
        """Whether all its fragments are those of a message that was complete before."""
        return _marks(message) <= self._done.get(key, frozenset())

    def incomplete(self) -> int:
        """How many messages still lack a fragment."""
        return len(self._messages)


def _marks(message: _Message) -> frozenset[tuple[int, int]]:
    return frozenset((number, hash(content)) for number, (content, _, _) in message.found.items())
