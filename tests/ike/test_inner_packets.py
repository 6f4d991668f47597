# SPDX-License-Identifier: GPL-2.0-or-later
"""What comes out of a tunnel-mode Child SA: one IP packet, of the version that the next header says (RFC 4303)."""

from __future__ import annotations

import pytest

from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.events import EspReceived, MessageDropped
from fynx_scapy.ike.message import Datagram, DatagramKind
from fynx_scapy.net.echo import echo_request
from tests.esp.test_tunnel import BROKEN
from tests.ike.pair import Pair, alice, bob

OTHER = {"alice": "bob", "bob": "alice"}
NETS = {"alice": ("10.1.0.1", "10.2.0.1"), "bob": ("10.2.0.1", "10.1.0.1")}
NETS6 = {"alice": ("2001:db8:1::1", "2001:db8:2::1"), "bob": ("2001:db8:2::1", "2001:db8:1::1")}
BOTH = pytest.mark.parametrize("sender", ["alice", "bob"])


def connected() -> Pair:
    # Wide selectors: what is malformed must not be dropped for lying outside of them.
    ours = ChildConfig(local_ts=("0.0.0.0/0", "::/0"), remote_ts=("0.0.0.0/0", "::/0"))
    pair = Pair(bob(children=(ours,)))
    assert pair.connect(alice(children=(ours,))).children
    return pair


def arrive(pair: Pair, sender: str, payload: bytes, next_header: int) -> list[bytes]:
    """Seal a payload as it is, hand it to the other end, and return what comes out there."""
    (sa,) = getattr(pair, sender).sas.values()
    (child,) = sa.children.values()
    here, there = sa.local._replace(port=0), sa.remote._replace(port=0)
    receiver = getattr(pair, OTHER[sender])
    receiver.receive(
        Datagram(child.outbound.seal(payload, next_header), there, here, DatagramKind.ESP), pair.network.now
    )
    return receiver.packets()


@BOTH
@pytest.mark.parametrize("tfc", [0, 7, 700])
@pytest.mark.parametrize(("nets", "next_header"), [(NETS, 4), (NETS6, 41)])
def test_an_inner_packet_arrives_without_its_tfc_padding(sender, tfc, nets, next_header):
    pair, packet = connected(), echo_request(*nets[sender])
    assert arrive(pair, sender, packet + bytes(tfc), next_header) == [packet]


@BOTH
@pytest.mark.parametrize(("nets", "next_header"), [(NETS, 41), (NETS6, 4)])
def test_an_inner_packet_of_the_other_version_is_dropped(sender, nets, next_header):
    pair = connected()
    assert arrive(pair, sender, echo_request(*nets[sender]), next_header) == []
    (event,) = getattr(pair, OTHER[sender]).events()
    assert isinstance(event, MessageDropped)
    assert "next header" in event.reason


@pytest.mark.sample(3)
@BOTH
@pytest.mark.parametrize(("packet", "next_header"), BROKEN.values(), ids=BROKEN)
def test_an_inner_packet_that_does_not_fit_its_lengths_is_dropped(sender, packet, next_header):
    pair = connected()
    assert arrive(pair, sender, packet, next_header) == []
    (event,) = getattr(pair, OTHER[sender]).events()
    assert isinstance(event, MessageDropped)
    assert event.reason
    # The Child SA carries on.
    good = echo_request(*NETS[sender])
    assert arrive(pair, sender, good, 4) == [good]
    assert any(isinstance(event, EspReceived) for event in getattr(pair, OTHER[sender]).events())
