# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages kept for retransmission, and the window of the peer's requests (RFC 7296 sections 2.1 to 2.3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from fynx_scapy.ike.message import Datagram, Outgoing


@dataclass(slots=True)
class Kept:
    """A sent message, kept for retransmission bit for bit."""

    message: Outgoing | None
    """Its layers, for taps; None where there were no taps. They take more memory than all else of an IKE SA."""
    message_id: int
    exchange_type: int
    datagrams: list[Datagram]
    request: bool
    attempt: int = 0


@dataclass
class ResponseWindow:
    """The peer's requests: the lowest message ID expected, the ones received above it, and the last ``size`` answers.

    ``complained`` is when we last sent INVALID_MESSAGE_ID, in seconds.
    """

    size: int = 1
    expected: int = 0
    kept: dict[int, tuple[bytes, Kept]] = field(default_factory=dict)
    early: set[int] = field(default_factory=set)
    complained: float = float("-inf")

    def answered(self, message_id: int) -> tuple[bytes, Kept] | None:
        """The request and the answer of that message ID, if they are kept."""
        return self.kept.get(message_id)

    def accepts(self, message_id: int) -> bool:
        """Whether a request with this message ID is new and inside the window."""
        return self.expected <= message_id < self.expected + self.size and message_id not in self.early

    def advance(self, message_id: int) -> None:
        """Mark a request with this message ID as received."""
        self.early.add(message_id)
        while self.expected in self.early:
            self.early.discard(self.expected)
            self.expected += 1

    def keep(self, message_id: int, request: bytes, answer: Kept) -> None:
        """Keep an answer for retransmissions of its request; drop answers that fell out of the window."""
        self.kept[message_id] = (request, answer)
        while len(self.kept) > self.size:
            # Drop the lowest message ID, not the oldest answer: requests may arrive out of order.
            del self.kept[min(self.kept)]

    def clear(self) -> None:
        """Drop all answers."""
        self.kept.clear()
