# SPDX-License-Identifier: GPL-2.0-or-later
"""Bursts of requests from a peer with the keys: how much state may they create?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fynx_scapy.iana import NotifyType, ProtocolId
from fynx_scapy.ike.message import notify
from fynx_scapy.layers.ikev2 import IKEv2_Delete, build_payloads, first_type
from tools.stateful import payloads as lists
from tools.stateful import wire

if TYPE_CHECKING:
    from tools.stateful.life import Life


def again_and_again(life: Life) -> None:
    """Send the same request many times, each as a new one, on the newest IKE SA."""
    sa, chance = life.target(), life.chance
    exchange, make = chance.choice(lists.REQUESTS)
    first, content = lists.plain(chance, make(sa, chance))
    life.tell(f"{make.__name__} {sa!r}")
    for _ in range(40):
        newest = (sa if sa.peer_rekeyed is None else sa.peer_rekeyed.sa).newest
        found = life.us.sas.get(newest.own_spi)
        if found is not newest:
            break
        sa = found
        head = wire.header(sa, exchange, sa.answers.expected, response=False)
        life.receive(wire.seal(sa, chance, head, first, content), sa)
        life.drain()


def come_and_go(life: Life) -> None:
    """Rekey a Child SA and delete the old one, repeatedly, without time passing."""
    sa, chance = life.target(), life.chance
    for _ in range(80):
        if life.us.sas.get(sa.own_spi) is not sa or not sa.children:
            break
        spi = next(iter(sa.children.values())).outbound.spi.to_bytes(4)
        rekey = [notify(NotifyType.REKEY_SA, protocol=ProtocolId.ESP, spi=spi), *lists.new_child(sa, chance)]
        for exchange, payloads in ((36, rekey), (37, [IKEv2_Delete(proto=ProtocolId.ESP, SPI=[spi])])):
            head = wire.header(sa, exchange, sa.answers.expected, response=False)
            life.receive(wire.seal(sa, chance, head, first_type(payloads), build_payloads(payloads)), sa)
            life.drain()
