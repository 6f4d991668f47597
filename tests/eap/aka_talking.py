# SPDX-License-Identifier: GPL-2.0-or-later
"""Conversations of EAP-AKA and EAP-AKA', and what changes their packets on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scapy.layers.eap import EAP

from fynx_scapy.eap.aka.keys import keys, keys_prime
from fynx_scapy.eap.aka.peer import AkaPeer, AkaPrimePeer
from fynx_scapy.eap.aka.server import AkaPrimeServer, AkaServer
from fynx_scapy.eap.aka.usim import Subscriber, Subscribers, Usim
from fynx_scapy.errors import AuthenticationError
from fynx_scapy.layers.ikev2.eap import EAP_AKA
from fynx_scapy.layers.ikev2.eap import aka as layers
from tests.eap.talking import Talk

K, OPC = bytes(range(16)), bytes(range(16, 32))
CAROL = "0232010000000000@example"
Change = Callable[[EAP], None]


def usim(**fields: Any) -> Usim:
    return Usim(K, OPC, **fields)


def users(**fields: Any) -> Subscribers:
    return Subscribers({CAROL: Subscriber(K, OPC, **fields)})


def talk(prime: bool, *, ours: Any = None, theirs: Any = None, identity: str = CAROL, **sides: Any) -> Talk:
    """A conversation; ``ours`` and ``theirs`` are fields of the methods."""
    ours, theirs = {"usim": usim()} | (ours or {}), {"subscribers": users()} | (theirs or {})
    kinds = (AkaPrimePeer, AkaPrimeServer) if prime else (AkaPeer, AkaServer)
    return Talk([kinds[0](**ours)], [kinds[1](**theirs)], identity=identity, **sides)


def changed(subtype: int, change: Change, times: int = 1) -> Callable[[bytes], bytes]:
    """Changes the first packets of a subtype."""
    left = times

    def edit(octets: bytes) -> bytes:
        nonlocal left
        if len(octets) > 5 and octets[4] in (23, 50) and octets[5] == subtype and left:
            left -= 1
            packet = EAP(octets)
            change(packet)
            packet.len = None
            return bytes(packet)
        return octets

    return edit


def without(kind: type) -> Change:
    def change(packet: EAP) -> None:
        packet.attributes = [each for each in packet.attributes if not isinstance(each, kind)]

    return change


def with_(*more: Any) -> Change:
    def change(packet: EAP) -> None:
        packet.attributes = [*packet.attributes, *more]

    return change


def flipped(kind: Any) -> Change:
    def change(packet: EAP) -> None:
        value = bytes(packet[kind].value)
        packet[kind].value = value[:-1] + bytes([value[-1] ^ 1])

    return change


def valued(kind: Any, value: bytes) -> Change:
    def change(packet: EAP) -> None:
        packet.attributes = [kind(value=value) if isinstance(each, kind) else each for each in packet.attributes]

    return change


def resealed(made: Talk, prime: bool, up: Change) -> Talk:
    """A peer that has the keys and keeps to no rule: it changes its response to the challenge, under its own MAC."""
    found: list[Any] = []

    def down(octets: bytes) -> bytes:
        if octets[4:6] in (b"\x17\1", b"\x32\1"):
            packet = EAP(octets)
            vector = usim().answer(packet[layers.AT_RAND].value, packet[layers.AT_AUTN].value)
            found[:] = [keys_prime(CAROL.encode(), vector, b"WLAN") if prime else keys(CAROL.encode(), vector)]
        return octets

    def change(packet: EAP) -> None:
        up(packet)
        packet.len = None
        packet.attributes = found[0].sealed(packet).attributes

    made.down, made.up = down, changed(layers.CHALLENGE, change)
    return made


def answered(**theirs: Any) -> tuple[Talk, EAP, Any]:
    """A peer that has answered the challenge: the conversation, the challenge, and the keys."""
    made = talk(False, theirs=theirs)
    request = made.server.begin()
    while not isinstance(request, EAP_AKA) or request.subtype != layers.CHALLENGE:
        request = made.server.receive(bytes(made.peer.receive(bytes(request)) or b""))
    made.peer.receive(bytes(request))
    vector = usim().answer(request[layers.AT_RAND].value, request[layers.AT_AUTN].value)
    return made, request, keys(CAROL.encode(), vector)


def failed(made: Talk) -> tuple[str, str]:
    """What the peer says, and the server."""
    with pytest.raises(AuthenticationError) as caught:
        made.run()
    assert made.server.outcome is None
    assert made.peer.outcome is None
    return str(caught.value), str(made.server.error)
