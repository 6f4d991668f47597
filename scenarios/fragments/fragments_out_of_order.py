# SPDX-License-Identifier: GPL-2.0-or-later
"""Fragments that arrive twice or out of order."""

from __future__ import annotations

from fynx_scapy import Identity, IkeConfig, Psk
from fynx_scapy.events import MessageDropped, MessageReceived
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_VendorID
from fynx_scapy.taps import Datagram, DatagramKind, Outgoing


def twice_backwards(_message: Outgoing, datagrams: list[Datagram], _attempt: int) -> list[Datagram]:
    return [datagram for datagram in reversed(datagrams) for _ in "12"]


@scenario("RFC 7383 section 2.6", requirements=("7383-2.6-02", "7383-2.6.1-01", "7383-5-i01"), live="in part")
def fragments_out_of_order(run: Run) -> None:
    """A message is processed once its last fragment has arrived, in any order; duplicates are discarded."""
    config = IkeConfig(local_id=Identity.of("alice"), remote_id=Identity.of("bob"), auth=Psk("fynx"), fragment_size=200)
    s = run.session(config=config)
    embedded = run.embedded("the peer's fragments in another order, and why duplicates were dropped")
    for side in (s.client, s.peer) if embedded else (s.client,):
        side.taps.add("datagrams", twice_backwards, when=lambda message: message.kind is DatagramKind.IKE)
    announced = expect(s.sa_init()).has_notify("IKEV2_FRAGMENTATION_SUPPORTED")
    run.needs(announced, "the peer does not announce IKEV2_FRAGMENTATION_SUPPORTED")
    # HDR, SKF(2/2) {...} twice, HDR, SKF(1/2) {...} twice  -->
    expect(s.auth()).has(IKEv2_AUTH)
    expect(s.request("INFORMATIONAL", IKEv2_VendorID(vendorID=bytes(700)))).empty()
    expect(s.events).at("initiator").has(MessageReceived, times=2, encrypted=True)
    if embedded:
        theirs = expect(s.events).at("responder").has(MessageReceived, times=3)
        reasons = {event.reason for _, event in theirs.events if isinstance(event, MessageDropped)}
        expect(any("expected a new fragment" in reason for reason in reasons), "a duplicate that was dropped").holds()
    expect(len(s.ping()), "octets of the reply").between(28, 1500)


if __name__ == "__main__":
    main(__file__)
