# SPDX-License-Identifier: GPL-2.0-or-later
"""A request and its response (RFC 7296 section 2.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from fynx_scapy.capture.follow.exchanges import kind_of
from fynx_scapy.capture.transcript.messages import CapturedMessage
from fynx_scapy.iana import ExchangeType, name_of
from fynx_scapy.text import counted


class Between(Protocol):
    """The conversation that an exchange belongs to."""

    number: int
    initiator: str
    responder: str

    def left(self, message: CapturedMessage) -> bool:
        """Whether the conversation's initiator sent a message."""


@dataclass(slots=True)
class CapturedExchange:
    """A request and its response, with every retransmission and fragment of both (RFC 7296 section 2.1)."""

    conversation: Between = field(repr=False)
    exchange_type: int
    message_id: int
    spi_i: bytes
    by_initiator: bool
    requests: list[CapturedMessage] = field(default_factory=list, repr=False)
    responses: list[CapturedMessage] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        """The name of its exchange type."""
        return name_of(ExchangeType, self.exchange_type)

    @property
    def kind(self) -> str:
        """Its kind, from the readable payloads of its request: INIT, REKEY_CHILD, DELETE_IKE, …"""
        return kind_of(self.exchange_type, [layer for message in self.requests for layer in message.readable])

    @property
    def messages(self) -> list[CapturedMessage]:
        """Its messages, in the order of the capture."""
        return sorted([*self.requests, *self.responses], key=lambda message: message.index)

    @property
    def retransmissions(self) -> int:
        """How many messages are retransmissions."""
        return sum(message.retransmission for message in self.messages)

    @property
    def captured_twice(self) -> int:
        """How many messages are packets that were captured before."""
        return sum(message.twice for message in self.messages)

    @property
    def latency(self) -> float | None:
        """Seconds from the first request to the first response. None without a response or without times."""
        if not self.requests or not self.responses:
            return None
        request, response = self.requests[0].time, self.responses[0].time
        return None if request is None or response is None else response - request

    @property
    def answered(self) -> bool:
        """Whether there is a response in the capture."""
        return bool(self.responses)

    def as_dict(self) -> dict[str, Any]:
        """The exchange as plain values."""
        return {
            "exchange": self.name,
            "message_id": self.message_id,
            "spi_i": self.spi_i.hex(),
            "by_initiator": self.by_initiator,
            "requests": [message.number for message in self.requests],
            "responses": [message.number for message in self.responses],
            "retransmissions": self.retransmissions,
            "captured_twice": self.captured_twice,
            "latency": self.latency,
        }

    def __iter__(self) -> Iterator[CapturedMessage]:
        return iter(self.messages)

    def __repr__(self) -> str:
        latency = "no response" if self.latency is None else f"{self.latency * 1000:.1f} ms"
        return f"<{self.name} {self.message_id}: {counted(len(self.messages), 'message')}, {latency}>"
