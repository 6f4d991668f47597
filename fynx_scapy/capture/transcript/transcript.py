# SPDX-License-Identifier: GPL-2.0-or-later
"""The transcript of a capture: assigns every IKE message to its conversation, once for all users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from fynx_scapy.capture.transcript.conversations import ConversationBase
from fynx_scapy.capture.transcript.exchanges import CapturedExchange
from fynx_scapy.capture.transcript.holder import Holder
from fynx_scapy.capture.transcript.messages import CapturedMessage
from fynx_scapy.capture.transcript.owners import Owners
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import ExchangeType
from fynx_scapy.layers.ikeheader import IKE_HEADER

C = TypeVar("C", bound=ConversationBase)


class Transcript(Generic[C]):
    """The conversations of a capture, in the order of their first message.

    A message belongs to the conversation of its IKE SA. An IKE SA that begins without IKE_SA_INIT was made by a rekey.
    It continues the conversation of the SA that it replaces, or if that is unknown, the latest between the same hosts.
    """

    def __init__(self, capture: Holder, make: Callable[[Holder, int, CapturedMessage], C]) -> None:
        self.capture = capture
        self.conversations: list[C] = []
        self._by_spi: dict[bytes, C] = {}
        self._last: dict[frozenset[str], C] = {}
        self._several: set[frozenset[str]] = set()  # pairs of hosts with more than one conversation
        self._parents: dict[bytes, bytes] | None = None
        self._owners: tuple[int, Owners[C]] | None = None
        for at, stored in enumerate(capture.index.messages):
            if len(stored.data) < IKE_HEADER.size:
                continue
            message = CapturedMessage(capture, at, stored)
            conversation = self._by_spi.get(message.spi_i) or self._continued(message)
            if conversation is None:
                conversation = make(capture, len(self.conversations) + 1, message)
                self.conversations.append(conversation)
            self._by_spi[message.spi_i] = conversation
            conversation.take(message)
            hosts = frozenset((message.src, message.dst))
            if self._last.setdefault(hosts, conversation) is not conversation:
                self._last[hosts] = conversation
                self._several.add(hosts)

    def _continued(self, message: CapturedMessage) -> C | None:
        """The conversation that a new IKE SA continues. ``message`` is the first message of that IKE SA."""
        if message.exchange_type == ExchangeType.IKE_SA_INIT or message.version >> 4 != 2:
            return None
        hosts = frozenset((message.src, message.dst))
        if hosts in self._several:
            if self._parents is None:
                sas = self.capture.ike_sas
                self._parents = {sa.spi_i: sa.parent.spi_i for sa in sas if sa.parent is not None}
            parent = self._by_spi.get(self._parents.get(message.spi_i, b""))
            if parent is not None:
                return parent
        return self._last.get(hosts)

    def numbered(self, number: int) -> C:
        """The conversation with this number, from 1. Raises ConfigError, which says which numbers there are."""
        count = len(self.conversations)
        if not count:
            raise ConfigError(f"expected a capture with conversation {number}, but it has no IKE conversation")
        if not 0 < number <= count:
            there = f"a conversation from 1 to {count}" if count > 1 else "conversation 1, the only one"
            raise ConfigError(f"expected {there}, found {number}")
        return self.conversations[number - 1]

    def of(self, message: CapturedMessage) -> C:
        """The conversation that a message belongs to."""
        return self._by_spi[message.spi_i]

    def by_spi(self, spi_i: bytes) -> C | None:
        """The conversation of the IKE SA with this SPI of its initiator."""
        return self._by_spi.get(spi_i)

    @property
    def owners(self) -> Owners[C]:
        """Which conversation each flow belongs to, as far as messages could be decrypted by now."""
        ike_sas, learnt = self.capture.ike_sas, self.capture.learnt
        if self._owners is None or self._owners[0] != learnt:
            stored = enumerate(self.capture.index.messages)
            messages = (
                CapturedMessage(self.capture, at, each) for at, each in stored if len(each.data) >= IKE_HEADER.size
            )
            owned = ((message, self.of(message)) for message in messages)
            self._owners = (learnt, Owners(self.conversations, owned, self.capture.flows, ike_sas))
        return self._owners[1]

    @property
    def exchanges(self) -> list[CapturedExchange]:
        """The exchanges of all conversations."""
        return [exchange for conversation in self.conversations for exchange in conversation.exchanges]

    @property
    def messages(self) -> list[CapturedMessage]:
        """The messages of all conversations, in the order of the capture."""
        found = [message for conversation in self.conversations for message in conversation.messages]
        return sorted(found, key=lambda message: message.index)
