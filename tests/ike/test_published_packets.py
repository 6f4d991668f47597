# SPDX-License-Identifier: GPL-2.0-or-later
"""What broke other implementations, by public advisories: fragments, and what is inside ESP."""

from __future__ import annotations

import random

import pytest

from fynx_scapy.iana import ExchangeType
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.events import (
    Event,
    MessageDropped,
    MessageReceived,
)
from fynx_scapy.ike.message import Datagram, DatagramKind, Outgoing
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.layers.ikev2 import (
    IKEv2_VendorID,
)
from fynx_scapy.net.echo import echo_request
from tests.ike.pair import Pair, alice, bob
from tests.ike.published import BOTH, OTHER, sa_of, usable

# -- fragments --------------------------------------------------------------------------------------------------------


def fragments_of(sa: IkeSa, octets: int, size: int, seed: int) -> list[bytes]:
    """A request of an end's next message ID, sealed in pieces of at most ``size`` octets."""
    message = Outgoing([IKEv2_VendorID(vendorID=random.Random(seed).randbytes(octets))])
    exchange = ExchangeType.IKE_AUTH if sa.connecting else ExchangeType.INFORMATIONAL
    flags = 8 if sa.initiator else 0
    for name, value in {
        "init_SPI": sa.spi_i, "resp_SPI": sa.spi_r, "exch_type": int(exchange), "flags": flags,
        "id": sa.requests.next_id,
    }.items():  # fmt: skip
        setattr(message.header, name, value)
    wires, _ = sa.envelope.seal(message, size)
    assert len(wires) > 1
    return wires


def handed(pair: Pair, sa: IkeSa, who: str, wires: list[bytes]) -> list[Event]:
    end = getattr(pair, who)
    for wire in wires:
        end.receive(Datagram(wire, sa.remote, sa.local), pair.network.now)
    return end.events()


@BOTH
@pytest.mark.parametrize("authenticated", [True, False])
def test_first_fragments_with_growing_totals_take_bounded_memory(sender, authenticated):
    """RFC 7383 section 2.6.1: each larger total starts over, and the timer with it."""
    pair = Pair(bob(reassembly_limit=4000))
    pair.alice.connect(alice(reassembly_limit=4000), 0.0, authenticate=authenticated)
    pair.network.run()
    sa, far = sa_of(pair, sender), sa_of(pair, OTHER[sender])
    timers = len(far.endpoint.timers)
    for seed, size in enumerate(range(600, 140, -2)):
        handed(pair, sa, OTHER[sender], fragments_of(sa, 1000, size, seed)[:1])
        assert len(far.fragments) <= 1
        assert far.fragments.octets <= 600
        assert len(far.endpoint.timers) <= timers + 1
    assert usable(pair)


# CVE-2026-33824: fragments of IKE_AUTH, from somebody who is not authenticated, that repeat or contradict each other
@pytest.mark.parametrize("authenticated", [True, False])
@BOTH
def test_fragments_that_repeat_or_contradict_each_other_are_never_mixed(sender, authenticated):
    pair = Pair()
    pair.alice.connect(alice(), 0.0, authenticate=authenticated)
    pair.network.run()
    if sender == "bob" and not authenticated:
        sa, far = pair.bobs, sa_of(pair, "alice")
        events = handed(pair, sa, "alice", fragments_of(sa, 900, 300, 1))
        assert {type(event) for event in events} == {MessageDropped}
        assert not far.fragments
        return
    sa, far = sa_of(pair, sender), sa_of(pair, OTHER[sender])
    first, second = fragments_of(sa, 900, 300, 1), fragments_of(sa, 900, 300, 2)
    # The same numbers with other contents: what came first stays.
    events = handed(pair, sa, OTHER[sender], [*first[:2], *second[:2], *first[:2]])
    assert [type(event) for event in events] == [MessageDropped] * 4
    assert far.fragments.octets == len(first[0]) + len(first[1])
    events = handed(pair, sa, OTHER[sender], first[2:])
    (received,) = [event for event in events if isinstance(event, MessageReceived)]
    assert received.payloads[0].vendorID == random.Random(1).randbytes(900)
    assert not far.fragments


# CVE-2022-34718: ESP whose inner packet is an IPv6 fragment, and extension headers that do not end
_IPV6 = echo_request("2001:db8:1::1", "2001:db8:2::1")
CHAINS = {
    "a first fragment": (44, bytes([58, 0, 0, 1, 0, 0, 0, 9])),
    "a later fragment": (44, bytes([58, 0, 1, 0, 0, 0, 0, 9])),
    "a fragment of a fragment": (44, bytes([44, 0, 0, 1, 0, 0, 0, 9]) * 2),
    "a fragment header cut short": (44, bytes([58, 0, 0])),
    "options that run over": (0, bytes([58, 255]) + bytes(6)),
    "options without end": (60, bytes([60, 0, 1, 4, 0, 0, 0, 0]) * 150),
    "a routing header": (43, bytes([58, 0, 0, 0, 0, 0, 0, 0])),
}


@BOTH
@pytest.mark.parametrize(("kind", "chain"), CHAINS.values(), ids=CHAINS)
def test_extension_headers_in_esp_are_read_or_dropped(sender, kind, chain):
    ours = ChildConfig(local_ts="::/0", remote_ts="::/0")
    pair = Pair(bob(children=(ours,)))
    pair.connect(alice(children=(ours,)))
    sa, far = sa_of(pair, sender), getattr(pair, OTHER[sender])
    (child,) = sa.children.values()
    packet = _IPV6[:4] + len(chain).to_bytes(2) + bytes([kind]) + _IPV6[7:40] + chain
    data = child.outbound.seal(packet, 41)
    far.receive(Datagram(data, sa.remote._replace(port=0), sa.local._replace(port=0), DatagramKind.ESP), 0.0)
    arrived, events = far.packets(), far.events()
    assert arrived == [packet] or any(isinstance(event, MessageDropped) and event.reason for event in events)
