# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams, and the IKE messages in them, on their way in and on their way out (RFC 7296 section 3.1)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from scapy.packet import Packet

from fynx_scapy.errors import MalformedError
from fynx_scapy.esp.parts import EspParts
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, name_of
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, FLAG_RESPONSE, HEADER_SIZE, IKE_HEADER
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Encrypted, IKEv2_Notify, IKEv2_Payload

NON_ESP_MARKER = bytes(4)

PROCESSED = frozenset(kind for kind in PayloadType if kind <= PayloadType.EAP) | {PayloadType.SKF, PayloadType.PS}
"""The payload types that the engine understands: those of RFC 7296, all of which "all implementations MUST understand"
(section 3.2), fragments (RFC 7383) and puzzles (RFC 8019). There are layers for others, which it does not process.
"""

P = TypeVar("P", bound=Packet)


class Address(NamedTuple):
    """An IP address as text, and a UDP port (0 where a datagram has none)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class DatagramKind(enum.Enum):
    """What a datagram carries."""

    IKE = "ike"
    ESP_IN_UDP = "esp in udp"
    ESP = "esp"
    KEEPALIVE = "keepalive"


def has_marker(local: int, remote: int) -> bool:
    """Whether the non-ESP marker stands before IKE messages between these UDP ports, as the end at ``local`` sees it.

    RFC 7296 section 3.1: messages on port 500 begin right behind the UDP header, those on port 4500 have the marker
    before them. Each end goes by its own port, for a NAT may have turned the other's into any, 500 and 4500 included.
    An end with a port of its own choice goes by the other's.
    """
    return local == 4500 or (remote == 4500 and local != 500)


@dataclass(frozen=True, slots=True)
class Datagram:
    """Octets between two addresses.

    ``local`` is the end that holds it: the sender's when it leaves, the receiver's when it arrives.

    ``data`` is an IKE message without the non-ESP marker, an ESP packet from its SPI on, or a keepalive's single
    octet. ``tos`` is the outer DSCP and ECN octet. ``marker_always`` puts the non-ESP marker before an IKE message
    whatever the ports are, as some peers on ports of their own want it. ``marker`` tells of an IKE message that arrived
    whether it had one.
    """

    data: bytes
    local: Address
    remote: Address
    kind: DatagramKind = DatagramKind.IKE
    tos: int = 0
    marker_always: bool = False
    marker: bool | None = field(default=None, compare=False)

    @property
    def marked(self) -> bool:
        """Whether the non-ESP marker stands before the IKE message (RFC 3948 section 2.2)."""
        if self.kind is not DatagramKind.IKE or self.marker is not None:
            return bool(self.marker)
        return self.marker_always or has_marker(self.local.port, self.remote.port)

    @property
    def wire(self) -> bytes:
        """The UDP payload, or the IP payload of an ESP packet that is not encapsulated."""
        return NON_ESP_MARKER + self.data if self.marked else self.data

    @classmethod
    def from_udp(
        cls, payload: bytes, local: Address, remote: Address, tos: int = 0, *, marker_always: bool = False
    ) -> Datagram:
        """What arrived on a UDP port, told apart as RFC 3948 section 2 does.

        With ``marker_always`` every port is read as port 4500 is.
        """
        if not marker_always and not has_marker(local.port, remote.port):
            return cls(payload, local, remote, DatagramKind.IKE, tos, marker=False)
        if payload[:4] == NON_ESP_MARKER:
            return cls(payload[4:], local, remote, DatagramKind.IKE, tos, marker_always, marker=True)
        kind = DatagramKind.KEEPALIVE if payload == b"\xff" else DatagramKind.ESP_IN_UDP
        return cls(payload, local, remote, kind, tos, marker_always)

    def turned(self, local: Address | None = None, remote: Address | None = None) -> Datagram:
        """The same octets as the other end sees them; a NAT box changes an address on the way."""
        ends = local or self.remote, remote or self.local
        return Datagram(self.data, *ends, self.kind, self.tos, self.marker_always, self.marked)

    def read_by(self, *, marker_always: bool) -> Datagram:
        """The same as the end reads it where it arrives, which goes by its own port, or expects the marker always."""
        if self.kind is DatagramKind.ESP:
            return self
        return Datagram.from_udp(self.wire, self.local, self.remote, self.tos, marker_always=marker_always)


@dataclass(frozen=True, slots=True)
class IcmpError:
    """An ICMP or ICMPv6 error about a datagram of ours.

    ``reporter`` is the router or host that sent it, ``mtu`` what it says of the path's MTU, in bytes.
    """

    local: Address
    remote: Address
    reporter: str
    icmp_type: int
    code: int
    reason: str
    mtu: int | None


class Header(NamedTuple):
    """The fixed 28 octets, read by struct before anything else is looked at."""

    spi_i: bytes
    spi_r: bytes
    next_payload: int
    version: int
    exchange: int
    flags: int
    message_id: int
    length: int

    @classmethod
    def parse(cls, data: bytes) -> Header:
        """Read it; MalformedError when ``data`` is shorter, or its length field does not fit the datagram."""
        if len(data) < HEADER_SIZE:
            raise MalformedError(f"expected an IKE header of {HEADER_SIZE} octets, found {len(data)}")
        header = cls(*IKE_HEADER.unpack_from(data))
        if header.length != len(data):
            raise MalformedError(f"the header's length says {header.length} octets, the datagram has {len(data)}")
        return header

    @property
    def response(self) -> bool:
        """Whether the Response flag is set."""
        return bool(self.flags & FLAG_RESPONSE)

    @property
    def by_initiator(self) -> bool:
        """Whether the IKE SA's original initiator sent it."""
        return bool(self.flags & FLAG_INITIATOR)

    @property
    def exchange_name(self) -> str:
        """The exchange type's name in IANA's registry."""
        return name_of(ExchangeType, self.exchange)


class Payloads:
    """Questions that exchanges ask of a list of payload layers."""

    payloads: list[Packet]

    def all(self, layer: type[P]) -> Iterator[P]:
        """Every payload of that class, in order."""
        return (payload for payload in self.payloads if type(payload) is layer)

    def get(self, layer: type[P]) -> P | None:
        """The first payload of that class, or None."""
        return next(self.all(layer), None)

    def one(self, layer: type[P]) -> P:
        """The payload of that class; `rules` has made sure that it is there."""
        found = self.get(layer)
        if found is None:
            raise MalformedError(f"expected a payload {layer.__name__}, found none")
        return found

    def notifies(self, notify_type: int | None = None) -> Iterator[IKEv2_Notify]:
        """Every Notify (of that type)."""
        return (n for n in self.all(IKEv2_Notify) if notify_type is None or n.type == notify_type)

    def notify(self, notify_type: int) -> IKEv2_Notify | None:
        """The first Notify of that type, or None."""
        return next(self.notifies(notify_type), None)

    def has_notify(self, notify_type: int) -> bool:
        """Whether there is a Notify of that type."""
        return self.notify(notify_type) is not None

    def error(self) -> IKEv2_Notify | None:
        """The first Notify of an error type (below 16384), or None."""
        return next((n for n in self.notifies() if n.type < 16384), None)


@dataclass(slots=True)
class Sent(Payloads):
    """The payloads of a message as they were read back from what went over the wire."""

    payloads: list[Packet]


@dataclass(slots=True)
class Message(Payloads):
    """A message that arrived: its header, its payloads in the clear, and the octets of both.

    Of one that came in ``fragments``, ``wire`` is what it would have been without, its IV and ICV zeros.
    """

    header_fields: Header
    """The IKE header as a tuple of numbers and octets."""
    header: IKEv2
    """The IKE header as a layer, as in `Outgoing` and in the events."""
    payloads: list[Packet]
    plaintext: bytes | None
    wire: bytes
    local: Address
    remote: Address
    fragments: tuple[bytes, ...] = ()

    @property
    def wires(self) -> tuple[bytes, ...]:
        """The octets of each IKE message that it came in."""
        return self.fragments or (self.wire,)

    @property
    def encrypted(self) -> bool:
        """Whether the payloads came inside SK."""
        return self.plaintext is not None

    def body(self, layer: type[IKEv2_Payload]) -> bytes:
        """A payload's octets behind its generic header, as received."""
        return self.one(layer).octets()[4:]


Computed = Callable[["Outgoing"], bytes]


@dataclass(frozen=True, slots=True)
class Next:
    """The request that is to follow an answer.

    ``exchange_type`` is its type, None the one that was answered; ``refers`` says whether a request of that type is the
    one (None: any is).
    """

    exchange_type: int | None = None
    refers: Callable[[Message], bool] | None = None


@dataclass(slots=True)
class Outgoing(Payloads):
    """A message on its way out, still a list of layers. Taps may change every field of it."""

    payloads: list[Packet]
    encrypted: bool = True
    header: IKEv2 = field(default_factory=IKEv2)
    """The IKE header: what is set here explicitly is sent."""
    sk: IKEv2_Encrypted = field(default_factory=IKEv2_Encrypted)
    """The template of SK's generic header, likewise."""
    outer: list[Packet] = field(default_factory=list)
    """Payloads before SK, in the clear."""
    iv: bytes | None = None
    exchange_type: int | None = None
    """Of a request whose exchange goes on in another type."""
    then: Next | None = None
    """Of an answer: the request that its exchange waits for."""
    kind: DatagramKind = DatagramKind.IKE
    """What leaves: taps see ESP packets and keepalives too."""
    computed: list[tuple[Packet, str, Computed]] = field(default_factory=list)
    """Fields that depend on other payloads: filled once the taps at ``payloads`` have run."""
    changed: list[str] = field(default_factory=list)
    """The tap stages that altered it, in order."""
    read_back: Sent | None = None
    """Its payloads as they went out, where taps changed the octets behind the layers."""

    @property
    def sent(self) -> Payloads:
        """The payloads as they really went out, every tap up to ``wire`` included: what an answer is an answer to.

        Known once the message has left.
        """
        return self.read_back or self

    def compute(self, layer: Packet, name: str, value: Computed) -> None:
        """Fill ``layer.name`` by ``value(self)`` once the payloads tap has run, unless it has a value by then."""
        self.computed.append((layer, name, value))

    def fill(self) -> None:
        """Compute what was put off. A layer that a tap took out of the list is left alone."""
        for layer, name, value in self.computed:
            if name not in layer.fields and any(layer is payload for payload in self.payloads):
                setattr(layer, name, value(self))

    def types(self) -> list[str]:
        """The payloads' names in IANA's notation."""
        return [PayloadType.notation(payload.payload_type) for payload in self.payloads]


@dataclass(slots=True)
class OutgoingEsp(Outgoing):
    """An ESP packet on its way out, as taps see it: no IKE payloads, but ``parts``, each field of which may be set."""

    encrypted: bool = False
    kind: DatagramKind = DatagramKind.ESP
    parts: EspParts = field(default_factory=EspParts)


def unprocessed(payload: Packet) -> bool:
    """Whether the engine skips a payload, whatever is in it: no type of `PROCESSED`, and it is known where it ends.

    Section 2.5: "If the critical flag is not set and the payload type is unsupported, that payload MUST be ignored."
    """
    if payload.payload_type in PROCESSED:
        return False
    octets = payload.octets()
    return not payload.malformed or int.from_bytes(octets[2:4]) == len(octets)


def notify(notify_type: NotifyType | int, data: bytes = b"", *, protocol: int = 0, spi: bytes = b"") -> IKEv2_Notify:
    """A Notify payload (RFC 7296 section 3.10)."""
    fields: dict[str, Any] = {"type": int(notify_type), "proto": protocol}
    if spi:
        fields["SPI"] = spi
    if data:
        fields["notify"] = data
    return IKEv2_Notify(**fields)
