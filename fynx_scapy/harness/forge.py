# SPDX-License-Identifier: GPL-2.0-or-later
"""Forged messages and ready-made taps, for scenarios with an attacker or a peer that breaks the rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scapy.packet import Packet

from fynx_scapy.errors import MalformedError, OutOfReach, Timeout
from fynx_scapy.iana import ExchangeType, PayloadType, TransformType
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.events import Event, MessageSent
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, Outgoing
from fynx_scapy.ike.path.nat import esp_route
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, FLAG_RESPONSE, FLAGS, HEADER_SIZE, LENGTH, MESSAGE_ID
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Payload, IKEv2_SA, build_message, chain, parse_message
from fynx_scapy.session import Session

STRANGER = Address("198.51.100.9", 500)
PATIENCE = 0.4
"""How long to wait, in seconds, for a live peer's answer to a message that is not retransmitted."""


def stranger(s: Session) -> Address | None:
    """A source address that no IKE SA uses; None for a live peer, to which we can send only from our own."""
    return None if s.live else STRANGER


def forge(
    s: Session, *payloads: Packet, to: str = "responder", source: Address | None = None, **header: Any
) -> list[IKEv2]:
    """Send an unprotected message, by default with the SPIs of the session's IKE SA and from its other endpoint.

    Lets time pass, and returns the unprotected answers as Scapy layers.
    """
    fields: dict[str, Any] = {
        "exch_type": "INFORMATIONAL",
        "flags": FLAG_INITIATOR if to == "responder" else FLAG_RESPONSE,
    }
    if "init_SPI" not in header:
        fields |= {"init_SPI": s.sa.spi_i, "resp_SPI": s.sa.spi_r}
    return deliver(s, build_message(IKEv2(**(fields | header)), list(payloads)), to=to, source=source)


def rogue(s: Session, *payloads: Packet, **header: Any) -> list[IKEv2]:
    """Send an unprotected message to the peer from our address, by default with the SPIs of the session's IKE SA.

    It is what a third party can send. Lets time pass, and returns the peer's unprotected answers as Scapy layers.
    """
    sa, answers = s.sa, []
    fields = {"exch_type": "INFORMATIONAL", "init_SPI": sa.spi_i, "resp_SPI": sa.spi_r} | header

    def listen(_time: float, datagram: Datagram, fate: str) -> None:
        theirs = not s.sends(datagram) and datagram.local.host == sa.remote.host and datagram.kind is DatagramKind.IKE
        if theirs and fate == "delivered" and len(datagram.data) >= HEADER_SIZE:
            head, found = parse_message(datagram.data)
            if not {PayloadType.SK, PayloadType.SKF} & {int(payload.payload_type or 0) for payload in found}:
                answers.append(chain(head, found))

    with s.network.observe(listen):
        s.network.inject(Datagram(build_message(IKEv2(**fields), list(payloads)), sa.local, sa.remote))
        s.network.run(lambda: bool(answers), limit=PATIENCE)
    return answers


def deliver(
    s: Session,
    data: bytes,
    *,
    to: str = "responder",
    source: Address | None = None,
    kind: DatagramKind = DatagramKind.IKE,
) -> list[IKEv2]:
    """Send these octets unchanged; returns the same as `forge`.

    With a live peer, OutOfReach when they are addressed to ourselves or have another source address than ours.
    """
    if s.live:
        return _deliver_live(s, data, to, source, kind)
    endpoints = {"initiator": s.client, "responder": s.peer}
    other = endpoints["responder" if to == "initiator" else "initiator"]
    port = 0 if kind is DatagramKind.ESP else 500
    answers: list[IKEv2] = []

    def listen(name: str, event: Event) -> None:
        if name == to and isinstance(event, MessageSent) and not event.encrypted:
            answers.append(chain(event.header, list(event.payloads)))

    with s.network.subscribe(listen):
        s.network.inject(Datagram(data, source or Address(other.host, port), Address(endpoints[to].host, port), kind))
        s.network.run()
    return answers


def _deliver_live(s: Session, data: bytes, to: str, source: Address | None, kind: DatagramKind) -> list[IKEv2]:
    if to == "initiator" or source is not None:
        raise OutOfReach("expected an embedded peer: with a live one, forged messages go only from us to the peer")
    remote = s.config.remote
    assert remote is not None
    answers: list[IKEv2] = []

    def listen(_time: float, datagram: Datagram, fate: str) -> None:
        if fate == "delivered" and datagram.kind is DatagramKind.IKE and len(datagram.data) >= HEADER_SIZE:
            header, payloads = parse_message(datagram.data)
            if not {PayloadType.SK, PayloadType.SKF} & {int(payload.payload_type or 0) for payload in payloads}:
                answers.append(chain(header, payloads))

    if kind is DatagramKind.IKE:
        port = s.client.config.natt_port if remote.port == s.config.remote_natt_port else s.client.config.port
        datagram = Datagram(data, Address(s.client.host, port), remote, kind)
    else:
        datagram = Datagram(data, s.sa.local, s.sa.remote, kind)
    with s.network.observe(listen):
        s.network.inject(datagram)
        s.network.run(lambda: bool(answers), limit=PATIENCE)
    return answers


def foreign(message: Outgoing) -> None:
    """A tap: offers only ciphers that nobody implements (private use range)."""
    for payload in message.payloads:
        if isinstance(payload, IKEv2_SA):
            for proposal in payload.prop:
                for transform in proposal.trans:
                    if int(transform.transform_type) == TransformType.ENCR:
                        transform.transform_id = 65000


def insert(payload: Packet) -> Callable[[Outgoing], None]:
    """A tap: inserts one payload behind the first."""
    return lambda message: message.payloads.insert(1, payload)


def without(*layers: type[Packet]) -> Callable[[Outgoing], None]:
    """A tap: removes the payloads of these classes."""

    def tap(message: Outgoing) -> None:
        message.payloads[:] = [payload for payload in message.payloads if type(payload) not in layers]

    return tap


def only(*payloads: Packet) -> Callable[[Outgoing], None]:
    """A tap: sends only these payloads."""

    def tap(message: Outgoing) -> None:
        message.payloads[:] = payloads

    return tap


def encrypted(message: Outgoing) -> bool:
    """A condition for taps: messages whose payloads are inside SK."""
    return message.encrypted


def clear(message: Outgoing) -> bool:
    """A condition for taps: messages without SK."""
    return not message.encrypted


def unknown(*, critical: bool) -> IKEv2_Payload:
    """A payload of the unassigned type 200."""
    return IKEv2_Payload(payload_type=200, flags=0x80 if critical else 0, load=b"\x01\x02")


def unanswered(s: Session, call: Callable[[], Packet] | None = None) -> bool:
    """Whether a request (by default IKE_SA_INIT) got no answer, or one without an SA payload."""
    try:
        answer = (call or s.sa_init)()
    except (Timeout, MalformedError):
        return True
    return IKEv2_SA not in answer


def answers_on(s: Session, sa: IkeSa) -> bool:
    """Whether the peer still answers inside SK on an IKE SA that has ended. A peer that has deleted it cannot."""
    message = Outgoing([])
    fields = {"init_SPI": sa.spi_i, "resp_SPI": sa.spi_r, "exch_type": int(ExchangeType.INFORMATIONAL)}
    fields |= {"flags": FLAG_INITIATOR if sa.initiator else 0, "id": sa.requests.next_id}
    for name, value in fields.items():
        setattr(message.header, name, value)
    # HDR, SK {}  -->     with the old keys
    (wire,), _ = sa.envelope.seal(message)
    # Compare flags and message ID: an answer to an earlier request, such as the Delete, may still be in flight.
    answer = bytes([FLAG_RESPONSE | (0 if sa.initiator else FLAG_INITIATOR)]) + wire[MESSAGE_ID:LENGTH]
    request = Datagram(wire, sa.local, sa.remote)
    return _is_answered(s, request, lambda data: data[:16] == wire[:16] and data[FLAGS:LENGTH] == answer)


def takes_on(s: Session, sa: IkeSa, child: ChildSa, packet: bytes, *, or_on: ChildSa | None = None) -> bool:
    """Whether the peer still uses a Child SA that has ended: it replies on it to ``packet``, which asks for a reply.

    ``or_on`` is another Child SA on which it may reply.
    """
    sealed = child.outbound.seal(packet, 4 if packet[0] >> 4 == 4 else 41)
    inbound = {each.inbound.spi.to_bytes(4) for each in (child, or_on or child)}
    return _is_answered(s, Datagram(sealed, *esp_route(sa)), lambda data: data[:4] in inbound)


def _is_answered(s: Session, datagram: Datagram, is_answer: Callable[[bytes], bool]) -> bool:
    """Send a datagram, and wait for octets from the peer that ``is_answer`` accepts."""
    answers: list[bytes] = []
    peer = datagram.remote.host

    def watch(_time: float, seen: Datagram, _fate: str) -> None:
        if seen.local.host == peer and not s.sends(seen) and is_answer(seen.data):
            answers.append(seen.data)

    with s.network.observe(watch):
        s.network.inject(datagram)
        s.network.run(lambda: bool(answers), limit=PATIENCE)
    return bool(answers)
