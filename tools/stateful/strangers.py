# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams from senders without keys: they must not change an IKE SA that has keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from fynx_scapy.ike.message import Address, Datagram, DatagramKind
from fynx_scapy.layers.ikeheader import HEADER_SIZE, LENGTH
from fynx_scapy.layers.ikev2 import IKEv2, build_message
from tools.mutations import mutated
from tools.stateful import payloads as lists
from tools.stateful import wire
from tools.stateful.setting import PEER, US

if TYPE_CHECKING:
    from tools.stateful.life import Life


def clear(life: Life) -> Iterator[Datagram]:
    """A message on the SPIs of an IKE SA, without SK."""
    sa, chance = life.target(), life.chance
    response = chance.random() < 0.5
    exchange, payloads = lists.request(sa, chance)
    waiting = list(sa.requests.pending.values())
    message_id = life.message_id(sa)
    if response and waiting:
        pending = chance.choice(waiting)
        exchange, message_id = pending.kept.exchange_type, pending.kept.message_id
        payloads = lists.answer(sa, chance, pending.message.payloads)
    if chance.random() < 0.3:
        exchange = chance.choice(lists.EXCHANGES)
    head = wire.header(sa, exchange, message_id, response=response)
    data = build_message(head, payloads)
    yield Datagram(data[:65000], sa.local, sa.remote if chance.random() < 0.5 else life.elsewhere())


def forged(life: Life) -> Iterator[Datagram]:
    """An encrypted message with a change between its SPIs and its ICV."""
    sa, chance = life.target(), life.chance
    exchange, payloads = lists.request(sa, chance)
    response = bool(sa.requests.pending) and chance.random() < 0.5
    head = wire.header(sa, exchange, life.message_id(sa), response=response)
    if response:
        kept = chance.choice(list(sa.requests.pending.values())).kept
        head.exch_type, head.id = kept.exchange_type, kept.message_id
    numbers = b"\0\1\0\2" if chance.random() < 0.3 else b""
    data = bytearray(wire.seal(sa, chance, head, *lists.plain(chance, payloads), numbers=numbers))
    data[chance.randrange(HEADER_SIZE, len(data))] ^= 1 << chance.randrange(8)
    yield Datagram(bytes(data), sa.local, sa.remote if chance.random() < 0.5 else life.elsewhere())


def reflected(life: Life) -> Iterator[Datagram]:
    """Our own datagram, reflected."""
    if life.ours:
        yield life.chance.choice(life.ours).turned()


def stranger(life: Life) -> Iterator[Datagram]:
    """An IKE_SA_INIT request from a source that does not continue."""
    sa, chance = life.target(), life.chance
    head = IKEv2(init_SPI=chance.randbytes(8), resp_SPI=bytes(8), exch_type=34, flags=8, id=0)
    payloads = lists.spoiled(sa, chance, lists.ike_rekey(sa, chance))
    data = bytearray(build_message(head, payloads))
    if chance.random() < 0.3:
        data = bytearray(mutated(bytes(data), bytes(data), chance))
        data[LENGTH:HEADER_SIZE] = len(data).to_bytes(4)
    yield Datagram(bytes(data), Address(US, 500), life.elsewhere())


def wrong_esp(life: Life) -> Iterator[Datagram]:
    """Forged ESP, with a known or unknown SPI, and NAT keepalives."""
    chance = life.chance
    spis = [*life.us.children, chance.choice((0, 1, 255, 256, chance.getrandbits(32)))]
    data = chance.choice(spis).to_bytes(4) + chance.randbytes(chance.choice((0, 3, 4, 8, 60)))
    kind = chance.choice((DatagramKind.ESP, DatagramKind.ESP_IN_UDP, DatagramKind.KEEPALIVE))
    yield Datagram(data, Address(US, 4500), Address(PEER, 4500) if chance.random() < 0.5 else life.elsewhere(), kind)


Sending = Callable[["Life"], Iterator[Datagram]]
UNPROTECTED: Sequence[Sending] = (clear, clear, clear, forged, reflected, stranger, wrong_esp)
