# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams and the IKE messages in them, received and sent (RFC 7296 section 3.1)."""

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
KEEPALIVE = b"\xff"

PROCESSED = frozenset(kind for kind in PayloadType if kind <= PayloadType.EAP) | {PayloadType.SKF, PayloadType.PS}
"""The payload types that the engine processes: those of RFC 7296, all of which "all implementations MUST understand"
(section 3.2), fragments (RFC 7383) and puzzles (RFC 8019). It ignores other types, even those that have a layer.
"""

P = TypeVar("P", bound=Packet)


class Address(NamedTuple):
    """An IP address as text, and a UDP port (0 if there is none)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class DatagramKind(enum.Enum):
    """The content of a datagram."""

    IKE = "ike"
    ESP_IN_UDP = "esp in udp"
    ESP = "esp"
    KEEPALIVE = "keepalive"


def has_marker(local: int, remote: int) -> bool:
    """Whether IKE messages between these UDP ports have the non-ESP marker, as seen from the ``local`` side.

    RFC 7296 section 3.1: messages on port 500 begin right after the UDP header, messages on port 4500 have the marker
    first. Each side decides by its own port, since a NAT may change the other port to any value, even 500 or 4500. A
    side whose own port is neither decides by the other port.
    """
    return local == 4500 or (remote == 4500 and local != 500)


@dataclass(frozen=True, slots=True)
class Datagram:
    """A datagram between two addresses.

    ``local`` is our address and ``remote`` the peer's, for sent and received datagrams alike. ``data`` is an IKE
    message without the non-ESP marker, an ESP packet from its SPI on, or the single octet of a keepalive. ``tos`` is
    the outer DSCP and ECN octet. ``marker_always`` adds the non-ESP marker to an IKE message whatever the ports are;
    some peers on other ports need it. ``marker`` says whether a received IKE message had the marker.
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
        """Whether the IKE message has the non-ESP marker (RFC 3948 section 2.2)."""
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
        """Classify a received UDP payload as RFC 3948 section 2 says.

        With ``marker_always``, every port is handled like port 4500.
        """
        if not marker_always and not has_marker(local.port, remote.port):
            return cls(payload, local, remote, DatagramKind.IKE, tos, marker=False)
        if payload[:4] == NON_ESP_MARKER:
            return cls(payload[4:], local, remote, DatagramKind.IKE, tos, marker_always, marker=True)
        kind = DatagramKind.KEEPALIVE if payload == KEEPALIVE else DatagramKind.ESP_IN_UDP
        return cls(payload, local, remote, kind, tos, marker_always)

    def turned(self, local: Address | None = None, remote: Address | None = None) -> Datagram:
        """The datagram as the other side receives it. A NAT changes ``local`` or ``remote`` on the way."""
        addresses = local or self.remote, remote or self.local
        return Datagram(self.data, *addresses, self.kind, self.tos, self.marker_always, self.marked)

    def read_by(self, *, marker_always: bool) -> Datagram:
        """The datagram as its receiver classifies it, by its own port, or always with the marker."""
        if self.kind is DatagramKind.ESP:
            return self
        return Datagram.from_udp(self.wire, self.local, self.remote, self.tos, marker_always=marker_always)


class Route(NamedTuple):
    """The addresses between which ESP packets go, and whether they go in UDP."""

    local: Address
    remote: Address
    kind: DatagramKind


@dataclass(slots=True)
class Burst:
    """ESP packets that go between the same two addresses, in order: what a system call can send or receive at once.

    Each of ``packets`` is an ESP packet from its SPI on. ``kind`` is ESP or ESP_IN_UDP. ``local`` is our address and
    ``remote`` the peer's, as in `Datagram`; all packets have the same outer ``tos``.
    """

    packets: list[bytes]
    local: Address
    remote: Address
    kind: DatagramKind = DatagramKind.ESP_IN_UDP
    tos: int = 0

    def __len__(self) -> int:
        return len(self.packets)

    def datagrams(self) -> list[Datagram]:
        """Its packets as one datagram each."""
        return [Datagram(packet, self.local, self.remote, self.kind, self.tos) for packet in self.packets]

    def turned(self) -> Burst:
        """The burst as the other side receives it."""
        return Burst(self.packets, self.remote, self.local, self.kind, self.tos)


@dataclass(frozen=True, slots=True)
class IcmpError:
    """An ICMP or ICMPv6 error about one of our datagrams.

    ``reporter`` is the router or host that sent it. ``mtu`` is the path MTU in bytes, if the error reports one.
    """

    local: Address
    remote: Address
    reporter: str
    icmp_type: int
    code: int
    reason: str
    mtu: int | None


class Header(NamedTuple):
    """The IKE header of 28 octets. It is read with struct, before anything else."""

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
        """Read the header; MalformedError when ``data`` is too short, or not as long as the length field says."""
        if len(data) < HEADER_SIZE:
            raise MalformedError(f"expected an IKE header of {HEADER_SIZE} octets, found {len(data)}")
        header = cls(*IKE_HEADER.unpack_from(data))
        if header.length != len(data):
            raise MalformedError(f"expected {header.length} octets as the IKE header says, found {len(data)}")
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
    """A list of payload layers with methods to find payloads in it."""

    payloads: list[Packet]

    def all(self, layer: type[P]) -> Iterator[P]:
        """The payloads of that class, in order."""
        return (payload for payload in self.payloads if type(payload) is layer)

    def get(self, layer: type[P]) -> P | None:
        """The first payload of that class, or None."""
        return next(self.all(layer), None)

    def one(self, layer: type[P]) -> P:
        """The payload of that class. `rules` has checked that there is one; MalformedError when there is not."""
        payload = self.get(layer)
        if payload is None:
            raise MalformedError(f"expected a payload {layer.__name__}, found none")
        return payload

    def notifies(self, notify_type: int | None = None) -> Iterator[IKEv2_Notify]:
        """The Notify payloads, all or those of one type, in order."""
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
    """The payloads of a sent message, parsed again from the octets that we sent."""

    payloads: list[Packet]


@dataclass(slots=True)
class Message(Payloads):
    """A received message: its header, its decrypted payloads, and its octets.

    If it came in ``fragments``, ``wire`` is the message as if it were not fragmented, with an IV and an ICV of zeros.
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
        """The octets of the message, or of each of its fragments."""
        return self.fragments or (self.wire,)

    @property
    def encrypted(self) -> bool:
        """Whether the payloads were inside SK."""
        return self.plaintext is not None

    def body(self, layer: type[IKEv2_Payload]) -> bytes:
        """The octets of a payload after its generic header, as received."""
        return self.one(layer).octets()[4:]


Computed = Callable[["Outgoing"], bytes]


@dataclass(frozen=True, slots=True)
class Next:
    """The request that must follow an answer.

    ``exchange_type`` is its type; None means the type of the request that was answered. ``refers`` checks whether a
    request of that type is the right one; None accepts any.
    """

    exchange_type: int | None = None
    refers: Callable[[Message], bool] | None = None


@dataclass(slots=True)
class Outgoing(Payloads):
    """A message to send, as a list of layers. Taps may change every field of it."""

    payloads: list[Packet]
    encrypted: bool = True
    header: IKEv2 = field(default_factory=IKEv2)
    """The IKE header. Fields that are set explicitly are sent as set."""
    sk: IKEv2_Encrypted = field(default_factory=IKEv2_Encrypted)
    """The generic header of SK. Fields that are set explicitly are sent as set."""
    outer: list[Packet] = field(default_factory=list)
    """Unprotected payloads before SK."""
    iv: bytes | None = None
    exchange_type: int | None = None
    """The type of a request, if its exchange goes on in another type."""
    then: Next | None = None
    """For an answer: the request that its exchange waits for."""
    kind: DatagramKind = DatagramKind.IKE
    """What the datagram carries. Taps see ESP packets and keepalives, too."""
    computed: list[tuple[Packet, str, Computed]] = field(default_factory=list)
    """Fields that depend on other payloads. They are computed after the ``payloads`` taps have run."""
    filled: list[tuple[Packet, str, Any]] = field(default_factory=list)
    """Those values, once they are computed."""
    changed: list[str] = field(default_factory=list)
    """The tap stages that changed it, in order."""
    read_back: Sent | None = None
    """The payloads as sent, if taps changed the message."""

    @property
    def sent(self) -> Payloads:
        """The payloads as really sent, with the changes of all taps up to ``wire``. The peer answers these.

        Known after the message was sent.
        """
        return self.read_back or self

    def compute(self, layer: Packet, name: str, value: Computed) -> None:
        """Set ``layer.name`` to ``value(self)`` after the ``payloads`` taps have run, unless a tap has set it."""
        self.computed.append((layer, name, value))

    def fill(self) -> None:
        """Compute the fields of `compute`. A layer that a tap has removed is skipped."""
        for layer, name, value in self.computed:
            if name not in layer.fields and any(layer is payload for payload in self.payloads):
                setattr(layer, name, value(self))
                self.filled.append((layer, name, getattr(layer, name)))

    def types(self) -> list[str]:
        """The names of the payloads in IANA's notation."""
        return [PayloadType.notation(payload.payload_type) for payload in self.payloads]


@dataclass(slots=True)
class OutgoingEsp(Outgoing):
    """An ESP packet to send, as taps see it. It has no IKE payloads; taps may set every field of ``parts``."""

    encrypted: bool = False
    kind: DatagramKind = DatagramKind.ESP
    parts: EspParts = field(default_factory=EspParts)


def unprocessed(payload: Packet) -> bool:
    """Whether the engine skips a payload: its type is not in `PROCESSED`, and its length is known.

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
