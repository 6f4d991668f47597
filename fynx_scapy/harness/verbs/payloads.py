# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs for whole payloads: left out, repeated, exchanged, added, cut, too long."""

from __future__ import annotations

from scapy.packet import Packet

from fynx_scapy.errors import LocalError
from fynx_scapy.harness.verbs.mutation import CHECKS, Scene, payload_verb
from fynx_scapy.harness.verbs.paths import Place
from fynx_scapy.iana import NotifyType, PayloadType, ProtocolId, lookup
from fynx_scapy.ike.message import Outgoing, notify
from fynx_scapy.layers.ikev2 import IKEv2_Delete, IKEv2_Payload, IKEv2_VendorID

CRITICAL = 0x80
_IDENTITIES = (PayloadType.IDi, PayloadType.IDr)


@payload_verb
def drop(_: Scene, message: Outgoing, *payloads: str) -> None:
    """Leave out these payloads, all of each kind. LocalError when there is none of a kind."""
    for word in payloads:
        place = Place.of(word)
        if place.payload_type in _IDENTITIES:
            message.fill()  # AUTH covers it
        place.find(message)
        message.payloads[:] = [payload for payload in message.payloads if not place.fits(payload)]


@payload_verb
def only(_: Scene, message: Outgoing, *payloads: str) -> None:
    """Leave out every payload but these."""
    places = [Place.of(word) for word in payloads]
    message.payloads[:] = [each for each in message.payloads if any(place.fits(each) for place in places)]


@payload_verb
def duplicate(_: Scene, message: Outgoing, payload: str, times: int = 1) -> None:
    """Repeat a payload right behind itself."""
    place = Place.of(payload)
    message.fill()
    found, index = place.find(message), place.index(message)
    message.payloads[index:index] = [found.copy() for _ in range(times)]


@payload_verb
def swap(_: Scene, message: Outgoing, one: str, other: str) -> None:
    """Exchange the places of two payloads."""
    first, second = Place.of(one).index(message), Place.of(other).index(message)
    payloads = message.payloads
    payloads[first], payloads[second] = payloads[second], payloads[first]


@payload_verb
def reverse(_: Scene, message: Outgoing) -> None:
    """Send the payloads in the opposite order."""
    message.payloads.reverse()


@payload_verb
def move_last(_: Scene, message: Outgoing, payload: str) -> None:
    """Send a payload behind all others."""
    message.payloads.append(message.payloads.pop(Place.of(payload).index(message)))


@payload_verb
def insert(_: Scene, message: Outgoing, payload: Packet, at: int = 1) -> None:
    """Add a payload, by default behind the first."""
    message.payloads.insert(at, payload.copy())


@payload_verb
def insert_many(_: Scene, message: Outgoing, payload: Packet, count: int, at: int = 1) -> None:
    """Add the same payload so many times."""
    message.payloads[at:at] = [payload.copy() for _ in range(count)]


@payload_verb
def insert_unknown(
    _: Scene, message: Outgoing, payload_type: int = 200, *, critical: bool = False, at: int = 1
) -> None:
    """Add a payload of an unassigned type, critical or not."""
    unknown = IKEv2_Payload(payload_type=payload_type, flags=CRITICAL if critical else 0, load=b"\x01\x02")
    message.payloads.insert(at, unknown)


@payload_verb
def insert_notify(
    _: Scene, message: Outgoing, notify_type: str | int, data: bytes = b"", *, protocol: int = 0, spi: bytes = b"",
    at: int | None = None,
) -> None:  # fmt: skip
    """Add a Notify, by default as the last payload."""
    kind = lookup(NotifyType, notify_type)
    place = len(message.payloads) if at is None else at
    message.payloads.insert(place, notify(kind, data, protocol=protocol, spi=spi))


@payload_verb
def only_notify(_: Scene, message: Outgoing, notify_type: str | int, data: bytes = b"") -> None:
    """Send nothing but this Notify."""
    message.payloads[:] = [notify(lookup(NotifyType, notify_type), data)]


@payload_verb
def notify_flood(_: Scene, message: Outgoing, count: int, notify_type: str | int = 40000) -> None:
    """Add many Notify payloads of one status type."""
    message.payloads += [notify(lookup(NotifyType, notify_type), bytes(4)) for _ in range(count)]


@payload_verb
def stuff(scene: Scene, message: Outgoing, octets: int) -> None:
    """Make the message longer by vendor IDs, so many octets in all."""
    left = octets
    while left > 0:
        size = min(left, 60_000)
        message.payloads.append(IKEv2_VendorID(vendorID=scene.randomness.octets(max(1, size - 4))))
        left -= size


@payload_verb
def wrong_length(_: Scene, message: Outgoing, payload: str, by: int) -> None:
    """Let the length of a payload be wrong by so many octets; the payload itself is not changed."""
    message.fill()
    found = Place.of(payload).find(message)
    size = len(found.octets()) + by
    if not 0 <= size <= 0xFFFF:
        raise LocalError(f"expected a length from 0 to 65,535 for {payload}, found {size}")
    found.length = size


@payload_verb
def set_length(_: Scene, message: Outgoing, payload: str, length: int) -> None:
    """Let a payload say that it has this length in octets, its generic header included."""
    message.fill()
    Place.of(payload).find(message).length = length


@payload_verb
def truncate_payload(_: Scene, message: Outgoing, payload: str, octets: int) -> None:
    """Cut so many octets off the end of a payload's body. Its length says what is left."""
    message.fill()
    place = Place.of(payload)
    found, index = place.find(message), place.index(message)
    body = found.octets()[4:]
    if octets > len(body):
        raise LocalError(f"expected at least {octets} octets in {payload}, found {len(body)}")
    message.payloads[index] = _raw(found, body[: len(body) - octets])


@payload_verb
def extend_payload(scene: Scene, message: Outgoing, payload: str, octets: int) -> None:
    """Add so many random octets to a payload's body. Its length says so."""
    message.fill()
    place = Place.of(payload)
    found, index = place.find(message), place.index(message)
    message.payloads[index] = _raw(found, found.octets()[4:] + scene.randomness.octets(octets))


@payload_verb
def empty_payload(_: Scene, message: Outgoing, payload: str) -> None:
    """Send only the generic header of a payload."""
    place = Place.of(payload)
    found, index = place.find(message), place.index(message)
    message.payloads[index] = _raw(found, b"")


@payload_verb
def set_body(_: Scene, message: Outgoing, payload: str, body: bytes) -> None:
    """Send these octets as the body of a payload."""
    place = Place.of(payload)
    found, index = place.find(message), place.index(message)
    message.payloads[index] = _raw(found, body)


@payload_verb
def retype(_: Scene, message: Outgoing, payload: str, payload_type: int) -> None:
    """Send a payload under another payload type."""
    message.fill()
    place = Place.of(payload)
    found, index = place.find(message), place.index(message)
    message.payloads[index] = _raw(found, found.octets()[4:], payload_type)


@payload_verb
def next_payload(_: Scene, message: Outgoing, payload: str, payload_type: int) -> None:
    """Let a payload announce another type for the one that follows."""
    Place.of(payload).find(message).next_payload = payload_type


@payload_verb
def delete_spi(_: Scene, message: Outgoing, protocol: str | int, *spis: bytes) -> None:
    """Send only a Delete payload for these SPIs."""
    message.payloads[:] = [IKEv2_Delete(proto=lookup(ProtocolId, protocol), SPI=list(spis))]


@payload_verb
def delete_child_as(scene: Scene, message: Outgoing, protocol: str | int, size: int = 4) -> None:
    """Send only a Delete payload with the right SPI of our Child SA, under this protocol and with this SPI size."""
    spi = scene.session.child.inbound.spi.to_bytes(4).rjust(size, b"\0")[-size:]
    message.payloads[:] = [IKEv2_Delete(proto=lookup(ProtocolId, protocol), SPI=[spi], SPIsize=size)]


def _raw(like: Packet, body: bytes, payload_type: int | None = None) -> IKEv2_Payload:
    """A payload with octets for a body, and the flags of another."""
    kind = int(like.payload_type) if payload_type is None else payload_type
    return IKEv2_Payload(payload_type=kind, flags=int(like.flags), load=body)


def _check_word(payload: str, *_: object, **__: object) -> None:
    Place.of(payload)


for _verb in (
    "duplicate", "move_last", "wrong_length", "set_length", "truncate_payload", "extend_payload", "empty_payload",
    "set_body", "retype", "next_payload",
):  # fmt: skip
    CHECKS[_verb] = _check_word
CHECKS["delete_spi"] = CHECKS["delete_child_as"] = lambda protocol, *_, **__: lookup(ProtocolId, protocol)
CHECKS["drop"] = CHECKS["only"] = CHECKS["swap"] = lambda *words: [Place.of(word) for word in words]
CHECKS["insert_notify"] = CHECKS["only_notify"] = lambda notify_type, *_, **__: lookup(NotifyType, notify_type)
