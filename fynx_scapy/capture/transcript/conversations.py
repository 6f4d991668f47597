# SPDX-License-Identifier: GPL-2.0-or-later
"""A conversation of two peers: the messages of an IKE SA and its successors, and their exchanges."""

from __future__ import annotations

from collections.abc import Set
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from fynx_scapy.capture.follow.exchanges import Key, Pairing
from fynx_scapy.capture.reading.twins import Sighting, Sightings
from fynx_scapy.capture.transcript.exchanges import CapturedExchange
from fynx_scapy.capture.transcript.history import SaHistory
from fynx_scapy.capture.transcript.holder import Holder
from fynx_scapy.capture.transcript.messages import CapturedMessage
from fynx_scapy.iana import ExchangeType
from fynx_scapy.layers.ikeheader import NO_SPI
from fynx_scapy.text import counted

if TYPE_CHECKING:
    from fynx_scapy.capture.follow.sas import CapturedIkeSa
    from fynx_scapy.capture.reading.flows import EspFlow

Spis = tuple[bytes, bytes]


class ConversationBase:
    """A conversation of two peers: one IKE SA and those that replaced it.

    ``initiator`` and ``responder`` are the addresses seen first, ``spis`` the SPI pairs of its IKE SAs in order. An IKE
    SA that begins without IKE_SA_INIT between two addresses that have a conversation continues that conversation: it
    was made by a rekey. ``complete`` says whether the first message of the conversation is in the capture.
    """

    def __init__(self, capture: Holder, number: int, first: CapturedMessage) -> None:
        self.capture = capture
        self.number = number
        self.complete = first.exchange_type == ExchangeType.IKE_SA_INIT or first.version >> 4 == 1
        ends = [(first.src, first.sport), (first.dst, first.dport)]
        if not (first.from_initiator or (first.version >> 4 == 1 and first.spi_r == NO_SPI)):
            ends.reverse()
        self.initiator, self.responder = ends[0][0], ends[1][0]
        self._left: set[tuple[str, int]] = {ends[0]}
        self._hosts = [{self.initiator}, {self.responder}]
        self.version = first.version >> 4
        self.spis: list[Spis] = []
        self._indexes: list[int] = []
        self._copies: set[int] = set()
        self._twice: set[int] = set()  # those of them that are one packet, captured twice
        self._seen = Sightings()
        self._initial = 0  # requests of IKE_SA_INIT so far, without copies
        self._exchanges: list[CapturedExchange] | None = None
        self._history: tuple[int, SaHistory] | None = None

    # -- built by Transcript

    def take(self, message: CapturedMessage) -> None:
        """Add a message. Messages come in the order of the capture."""
        sides = self._sides(message)
        self._hosts[0].add(sides[0])
        self._hosts[1].add(sides[1])
        pair = next((pair for pair in self.spis if pair[0] == message.spi_i), None)
        if pair is None:
            self.spis.append((message.spi_i, message.spi_r))
        elif pair[1] == NO_SPI and message.spi_r != NO_SPI:
            self.spis[self.spis.index(pair)] = (message.spi_i, message.spi_r)
        initial = message.exchange_type == ExchangeType.IKE_SA_INIT
        # A refusal in IKE_SA_INIT has no nonce: the answers to two requests may have the same octets.
        answered = self._initial if initial and not message.request else 0
        copy, twice = self._seen.add((hash(message.data), answered), Sighting(message.time, message.ident))
        self._initial += initial and message.request and not copy
        if copy:
            self._copies.add(message.index)
        if twice:
            self._twice.add(message.index)
        self._indexes.append(message.index)

    def _sides(self, message: CapturedMessage) -> tuple[str, str]:
        """The addresses of initiator and responder, for a message in either direction."""
        if self._from_left(message):
            return message.src, message.dst
        return message.dst, message.src

    def _from_left(self, message: CapturedMessage) -> bool:
        if self.version != 1 and self.spis and message.spi_i == self.spis[0][0]:
            return message.from_initiator
        if self.initiator != self.responder:
            if message.src in self._hosts[0] or message.dst in self._hosts[1]:
                return True
            if message.src in self._hosts[1] or message.dst in self._hosts[0]:
                return False
        return (message.src, message.sport) in self._left

    def only(self, capture: Holder, taken: Set[int]) -> Self | None:
        """The conversation with these messages alone, as a part of ``capture``. None if it has none of them."""
        indexes = [at for at in self._indexes if at in taken]
        if not indexes:
            return None
        part = copy(self)
        part.capture, part._indexes, part._exchanges, part._history = capture, indexes, None, None
        part._copies, part._twice = self._copies & taken, self._twice & taken
        seen = {message.spi_i for message in part.messages}
        part.spis = [pair for pair in self.spis if pair[0] in seen]
        return part

    # -- public views

    def left(self, message: CapturedMessage) -> bool:
        """Whether the conversation's initiator sent a message."""
        return self._from_left(message)

    @property
    def hosts(self) -> tuple[set[str], set[str]]:
        """All addresses of initiator and responder. With MOBIKE or NATs there are several."""
        return self._hosts[0], self._hosts[1]

    def __len__(self) -> int:
        return len(self._indexes)

    @property
    def messages(self) -> list[CapturedMessage]:
        """Its messages, in the order of the capture."""
        stored = self.capture.index.messages
        copies, twice = self._copies, self._twice
        return [CapturedMessage(self.capture, at, stored[at], at in copies, at in twice) for at in self._indexes]

    @property
    def exchanges(self) -> list[CapturedExchange]:
        """Its exchanges, in the order of their first message."""
        if self._exchanges is None:
            exchanges: list[CapturedExchange] = []

            def begin(key: Key) -> CapturedExchange:
                exchanges.append(CapturedExchange(self, key.exchange_type, key.message_id, key.spi_i, key.by_initiator))
                return exchanges[-1]

            pairing = Pairing(begin)
            for message in self.messages:
                key = Key.of(
                    message.spi_i,
                    message.exchange_type,
                    message.message_id,
                    from_initiator=message.from_initiator,
                    request=message.request,
                )
                pairing.take(key, message, request=message.request, copy=message.copy)
            self._exchanges = exchanges
        return self._exchanges

    @property
    def history(self) -> SaHistory:
        """The history of its IKE SAs and Child SAs, as far as messages could be decrypted."""
        learnt = self.capture.learnt
        if self._history is None or self._history[0] != learnt:
            self._history = (learnt, SaHistory(self.exchanges))
        return self._history[1]

    @property
    def sas(self) -> list[CapturedIkeSa]:
        """The IKE SAs of this conversation, with their keys if known."""
        spis = {pair[0] for pair in self.spis}
        return [sa for sa in self.capture.ike_sas if sa.spi_i in spis]

    @property
    def flows(self) -> list[EspFlow]:
        """Its ESP and AH flows: those of its Child SAs, as far as these are known."""
        return self.capture.flows_of(self.number)

    @property
    def first(self) -> float | None:
        """The time of its first IKE message."""
        return self.capture.index.messages[self._indexes[0]].time

    @property
    def last(self) -> float | None:
        """The time of its last IKE message."""
        return self.capture.index.messages[self._indexes[-1]].time

    def as_dict(self) -> dict[str, Any]:
        """The conversation as plain values."""
        return {
            "conversation": self.number,
            "initiator": sorted(self._hosts[0]),
            "responder": sorted(self._hosts[1]),
            "version": self.version,
            "spis": [[spi_i.hex(), spi_r.hex()] for spi_i, spi_r in self.spis],
            "complete": self.complete,
            "first": self.first,
            "last": self.last,
            "messages": len(self),
            "retransmissions": len(self._copies) - len(self._twice),
            "captured_twice": len(self._twice),
            "exchanges": [exchange.as_dict() for exchange in self.exchanges],
        }

    def __repr__(self) -> str:
        return (
            f"<Conversation {self.number}: {self.initiator} with {self.responder}, {counted(len(self), 'message')}, "
            f"{counted(len(self.exchanges), 'exchange')}, {counted(len(self.spis), 'IKE SA')}>"
        )
