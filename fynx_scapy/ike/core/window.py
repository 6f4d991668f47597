# SPDX-License-Identifier: GPL-2.0-or-later
"""Message IDs and windows: what waits for its answer, and what was answered (RFC 7296 sections 2.1 to 2.3)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.message import Datagram, Outgoing

if TYPE_CHECKING:
    from fynx_scapy.ike.core.exchange import Exchange, Steps


@dataclass(slots=True)
class Kept:
    """A message as it went over the wire, kept to be sent again bit for bit."""

    message: Outgoing
    message_id: int
    exchange_type: int
    datagrams: list[Datagram]
    request: bool
    attempt: int = 0


@dataclass(slots=True)
class Pending:
    """A request of ours that waits for its answer."""

    exchange: Exchange
    steps: Steps
    kept: Kept
    timer: Timer | None = None
    doubt: Timer | None = None
    """Set while an error that anybody may have sent waits for a better answer (section 2.21.1)."""


@dataclass
class RequestWindow:
    """Our requests, and those that wait their turn (section 2.3)."""

    size: int = 1
    next_id: int = 0
    pending: dict[int, Pending] = field(default_factory=dict)
    waiting: deque[Exchange] = field(default_factory=deque)

    @property
    def open(self) -> bool:
        """Whether another request may leave now.

        "when the initiator needs to make a request X, it MUST wait until it has received responses to all requests up
        through request X-N"
        """
        return not self.pending or self.next_id < min(self.pending) + self.size


@dataclass
class ResponseWindow:
    """The peer's requests: the lowest one expected, those ahead of it, and the last ``size`` answers.

    ``complained`` is when the peer was last told of a message ID outside the window, in seconds.
    """

    size: int = 1
    expected: int = 0
    kept: dict[int, tuple[bytes, Kept]] = field(default_factory=dict)
    early: set[int] = field(default_factory=set)
    complained: float = float("-inf")

    def answered(self, message_id: int) -> tuple[bytes, Kept] | None:
        """The request and the answer of that message ID, while they are kept."""
        return self.kept.get(message_id)

    def accepts(self, message_id: int) -> bool:
        """Whether a request with this message ID is new and inside the window."""
        return self.expected <= message_id < self.expected + self.size and message_id not in self.early

    def advance(self, message_id: int) -> None:
        """Note that a request of this message ID has been taken in."""
        self.early.add(message_id)
        while self.expected in self.early:
            self.early.discard(self.expected)
            self.expected += 1

    def keep(self, message_id: int, request: bytes, answer: Kept) -> None:
        """Keep an answer for retransmissions of its request; those that fell out of the window are let go."""
        self.kept[message_id] = (request, answer)
        while len(self.kept) > self.size:
            # Not the oldest, which may have overtaken others, but the one that the peer asks for no longer.
            del self.kept[min(self.kept)]

    def clear(self) -> None:
        """Let all answers go."""
        self.kept.clear()
