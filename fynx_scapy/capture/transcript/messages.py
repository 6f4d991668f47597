# SPDX-License-Identifier: GPL-2.0-or-later
"""Conversation, exchange, message: the IKE of a capture in the order of the protocol (RFC 7296 section 1).

What stands in the clear header is enough to tell them apart, so nothing is opened and no layer made before somebody
looks into a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...iana import ExchangeType, name_of
from ...layers.ikeheader import IKE_HEADER
from ..reading.store import Stored

if TYPE_CHECKING:
    from scapy.packet import Packet

    from ..capture import Capture
    from ..follow.sas import IkeOpened, IkeSa
    from ..reading.flows import EspFlow
    from ..showing.pictures import CaptureLadder

RESPONSE, INITIATOR = 0x20, 0x08
Spis = tuple[bytes, bytes]


class Message:
    """One IKE message. Its header's fields are attributes; its payloads are opened when they are asked for.

    ``index`` counts the messages of the capture, ``number`` its packets. ``copy`` is true of a retransmission: the same
    octets were sent before (RFC 7296 section 2.1).
    """

    __slots__ = (
        "_capture",
        "copy",
        "dport",
        "dst",
        "exchange_type",
        "flags",
        "index",
        "kind",
        "length",
        "message_id",
        "missing",
        "number",
        "spi_i",
        "spi_r",
        "sport",
        "src",
        "tcp",
        "time",
        "version",
    )  # fmt: skip

    def __init__(self, capture: Capture, index: int, stored: Stored, copy: bool = False) -> None:
        self._capture, self.index, self.copy = capture, index, copy
        self.number, self.time, self.kind, self.missing, self.tcp = (
            stored.number, stored.time, stored.kind, stored.missing, stored.tcp,
        )  # fmt: skip
        self.src, self.sport, self.dst, self.dport = stored.src, stored.sport, stored.dst, stored.dport
        self.length = len(stored.data)
        head = stored.data[:28].ljust(28, b"\0")
        self.spi_i, self.spi_r, _, self.version, self.exchange_type, self.flags, self.message_id, _ = IKE_HEADER.unpack(
            head
        )

    @property
    def data(self) -> bytes:
        """The octets, from the IKE header on."""
        return self._capture.index.messages[self.index].data

    @property
    def request(self) -> bool:
        """Whether it is a request; of IKEv1, which does not say, always true."""
        return not self.flags & RESPONSE

    @property
    def from_initiator(self) -> bool:
        """Whether the original initiator of its IKE SA has sent it."""
        return bool(self.flags & INITIATOR)

    @property
    def exchange(self) -> str:
        """The name of its exchange type."""
        return name_of(ExchangeType, self.exchange_type)

    @property
    def encrypted(self) -> bool:
        """Whether it has an SK or SKF payload."""
        return self.opened.opened is not None or any(layer.payload_type in (46, 53) for layer in self.payloads)

    @property
    def opened(self) -> IkeOpened:
        """What following the capture made of it: header, payloads, inner, opened, auth, errors."""
        return self._capture.opened(self.index)

    @property
    def payloads(self) -> list[Packet]:
        """Its payloads as Scapy layers, as they were sent: SK is one of them."""
        return list(self.opened.payloads)

    @property
    def layers(self) -> list[Packet]:
        """Its payloads as Scapy layers, those inside SK in SK's place where it could be opened."""
        found = self.opened
        inside = found.inner if found.inner is not None and found.inner is not found.payloads else None
        outer = list(found.payloads)
        if inside is None:
            return outer
        return [layer for layer in outer if layer.payload_type not in (46, 53)] + list(inside)

    @property
    def packet(self) -> Packet:
        """The message as one Scapy packet with its payloads in the clear; closed ones stay as they are."""
        from ...layers.ikev2 import IKEv2
        from ..showing.export import plain_message

        return IKEv2(plain_message(self) or self.data)

    @property
    def icv(self) -> str:
        """``ok``, ``bad``, or ``unchecked`` where it was not opened or has none."""
        opened = self.opened.opened
        return "unchecked" if opened is None else str(opened.icv)

    @property
    def errors(self) -> list[str]:
        """What is wrong with it."""
        return list(self.opened.errors)

    @property
    def title(self) -> str:
        """Exchange, direction and message ID: ``IKE_AUTH request 1``."""
        if self.version >> 4 == 1:
            return f"IKEv1 exchange {self.exchange_type}"
        return f"{self.exchange} {'request' if self.request else 'response'} {self.message_id}"

    @property
    def text(self) -> str:
        """The payloads in the notation of RFC 7296 appendix C: ``HDR, SK {IDi, AUTH, SA, TSi, TSr}``."""
        from ...ladder import payload_name

        if self.version >> 4 == 1:
            return f"{self.length} octets"
        found = self.opened
        words = ["HDR"]
        for layer in found.payloads:
            if layer.payload_type not in (46, 53):
                words.append(payload_name(layer, request=self.request))
                continue
            name = "SK" if found.fragment is None else f"SKF {found.fragment[0]}/{found.fragment[1]}"
            if found.inner is not None:
                inside = ", ".join(payload_name(inner, request=self.request) for inner in found.inner)
                words.append(f"{name} {{{inside}}}")
            else:
                words.append(
                    name if found.opened is not None and found.opened.plaintext is not None else f"{name} {{…}}"
                )
        return ", ".join(words)

    def show(self) -> None:
        """Print its layers as Scapy does."""
        self.packet.show()

    def __repr__(self) -> str:
        copy = " again" if self.copy else ""
        return f"<{self.number}: {self.title} {self.src} > {self.dst}, {self.length} octets{copy}>"


@dataclass(slots=True)
class Exchange:
    """A request and its response, with every retransmission and fragment of both (RFC 7296 section 2.1)."""

    conversation: Conversation = field(repr=False)
    exchange_type: int
    message_id: int
    spi_i: bytes
    by_initiator: bool
    requests: list[Message] = field(default_factory=list, repr=False)
    responses: list[Message] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        """The name of its exchange type."""
        return name_of(ExchangeType, self.exchange_type)

    @property
    def messages(self) -> list[Message]:
        """Every message of it, in the order of the capture."""
        return sorted([*self.requests, *self.responses], key=lambda message: message.index)

    @property
    def retransmissions(self) -> int:
        """How many messages are the same octets once more."""
        return sum(message.copy for message in self.messages)

    @property
    def latency(self) -> float | None:
        """Seconds from the first request to the first response; None where there is no response, or no time."""
        if not self.requests or not self.responses:
            return None
        asked, answered = self.requests[0].time, self.responses[0].time
        return None if asked is None or answered is None else answered - asked

    @property
    def answered(self) -> bool:
        """Whether there is a response in the capture."""
        return bool(self.responses)

    def as_dict(self) -> dict[str, Any]:
        """The exchange in plain values; its payloads where ``text`` was asked for."""
        return {
            "exchange": self.name,
            "message_id": self.message_id,
            "spi_i": self.spi_i.hex(),
            "by_initiator": self.by_initiator,
            "requests": [message.number for message in self.requests],
            "responses": [message.number for message in self.responses],
            "retransmissions": self.retransmissions,
            "latency": self.latency,
        }

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    def __repr__(self) -> str:
        latency = "no response" if self.latency is None else f"{self.latency * 1000:.1f} ms"
        return f"<{self.name} {self.message_id}: {len(self.messages)} messages, {latency}>"


class Conversation:
    """One IKE SA and those that succeeded it: what two ends said to each other.

    ``initiator`` and ``responder`` are addresses, those first seen; ``spis`` the SPI pairs of its IKE SAs in order. An
    IKE SA that begins without IKE_SA_INIT between two addresses that have one continues that one: it came of a rekey.
    ``complete`` says whether the first message of all is in the capture.
    """

    def __init__(self, capture: Capture, number: int, first: Message) -> None:
        self.capture = capture
        self.number = number
        self.complete = first.exchange_type == ExchangeType.IKE_SA_INIT or first.version >> 4 == 1
        ends = [(first.src, first.sport), (first.dst, first.dport)]
        if not (first.from_initiator or (first.version >> 4 == 1 and first.spi_r == bytes(8))):
            ends.reverse()
        self.initiator, self.responder = ends[0][0], ends[1][0]
        self._left: set[tuple[str, int]] = {ends[0]}
        self._hosts = [{self.initiator}, {self.responder}]
        self.version = first.version >> 4
        self.spis: list[Spis] = []
        self._indexes: list[int] = []
        self._copies: set[int] = set()
        self._seen: dict[int, None] = {}
        self._exchanges: list[Exchange] | None = None

    # -- built by Capture

    def take(self, message: Message) -> None:
        """One more message, in the order of the capture."""
        sides = self._sides(message)
        self._hosts[0].add(sides[0])
        self._hosts[1].add(sides[1])
        pair = next((pair for pair in self.spis if pair[0] == message.spi_i), None)
        if pair is None:
            self.spis.append((message.spi_i, message.spi_r))
        elif pair[1] == bytes(8) and message.spi_r != bytes(8):
            self.spis[self.spis.index(pair)] = (message.spi_i, message.spi_r)
        mark = hash(message.data)
        if mark in self._seen:
            self._copies.add(message.index)
        else:
            self._seen[mark] = None
            if len(self._seen) > 4096:
                del self._seen[next(iter(self._seen))]
        self._indexes.append(message.index)

    def _sides(self, message: Message) -> tuple[str, str]:
        """The initiator's address and the responder's, of a message in either direction."""
        if self._from_left(message):
            return message.src, message.dst
        return message.dst, message.src

    def _from_left(self, message: Message) -> bool:
        if self.version != 1 and self.spis and message.spi_i == self.spis[0][0]:
            return message.from_initiator
        if self.initiator != self.responder:
            if message.src in self._hosts[0] or message.dst in self._hosts[1]:
                return True
            if message.src in self._hosts[1] or message.dst in self._hosts[0]:
                return False
        return (message.src, message.sport) in self._left

    # -- to look at

    def left(self, message: Message) -> bool:
        """Whether the conversation's initiator has sent a message."""
        return self._from_left(message)

    @property
    def hosts(self) -> tuple[set[str], set[str]]:
        """The addresses of initiator and responder; MOBIKE and NATs make them several."""
        return self._hosts[0], self._hosts[1]

    def __len__(self) -> int:
        return len(self._indexes)

    @property
    def messages(self) -> list[Message]:
        """Its messages, in the order of the capture."""
        stored = self.capture.index.messages
        return [Message(self.capture, at, stored[at], at in self._copies) for at in self._indexes]

    @property
    def exchanges(self) -> list[Exchange]:
        """Its exchanges, in the order of their first message."""
        if self._exchanges is None:
            found: dict[tuple[Any, ...], Exchange] = {}
            for message in self.messages:
                by_initiator = message.from_initiator == message.request
                key = (message.spi_i, message.exchange_type, message.message_id, by_initiator)
                # A retry of IKE_SA_INIT, with a cookie or another group, is one more request of ID 0.
                exchange = found.get(key)
                if exchange is None or (
                    message.exchange_type == ExchangeType.IKE_SA_INIT
                    and message.request
                    and exchange.responses
                    and not message.copy
                ):
                    exchange = Exchange(self, message.exchange_type, message.message_id, message.spi_i, by_initiator)
                    found[key] = exchange
                    found[(*key, message.index)] = exchange
                (exchange.requests if message.request else exchange.responses).append(message)
            self._exchanges = list({id(each): each for each in found.values()}.values())
            self._exchanges.sort(key=lambda exchange: exchange.messages[0].index)
        return self._exchanges

    @property
    def sas(self) -> list[IkeSa]:
        """The IKE SAs that following the capture found in it, with keys where they are known."""
        spis = {pair[0] for pair in self.spis}
        return [sa for sa in self.capture.ike_sas if sa.spi_i in spis]

    @property
    def flows(self) -> list[EspFlow]:
        """The ESP and AH flows between its addresses; those of its Child SAs alone, where keys tell which."""
        children = {spi for sa in self.sas for child in sa.children for spi in (child.spi_i, child.spi_r)}
        both = self._hosts[0] | self._hosts[1]
        flows = [flow for flow in self.capture.flows if {flow.src, flow.dst} <= both]
        known = [flow for flow in flows if flow.spi in children]
        return known or flows

    @property
    def first(self) -> float | None:
        """When it begins."""
        return self.capture.index.messages[self._indexes[0]].time

    @property
    def last(self) -> float | None:
        """When its last IKE message was sent."""
        return self.capture.index.messages[self._indexes[-1]].time

    def ladder(self, esp: str = "flows") -> CaptureLadder:
        """The conversation as a ladder; ``esp`` is "flows" (one row a flow), "packets", or "none"."""
        from ..showing.pictures import CaptureLadder

        return CaptureLadder.of(self, esp)

    def as_dict(self) -> dict[str, Any]:
        """The conversation in plain values."""
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
            "retransmissions": len(self._copies),
            "exchanges": [exchange.as_dict() for exchange in self.exchanges],
        }

    def __repr__(self) -> str:
        return (
            f"<Conversation {self.number}: {self.initiator} with {self.responder}, {len(self)} messages, "
            f"{len(self.exchanges)} exchanges, {len(self.spis)} IKE SAs>"
        )

    def _repr_html_(self) -> str:
        from ..showing.pictures import conversation_html

        return conversation_html(self)
