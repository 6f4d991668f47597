# SPDX-License-Identifier: GPL-2.0-or-later
"""Fragments of one message, split in two ways."""

from __future__ import annotations

from fynx_scapy import Identity, IkeConfig, Psk
from fynx_scapy.events import MessageDropped, MessageReceived
from fynx_scapy.exchanges import Informational
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_VendorID
from fynx_scapy.taps import Datagram, Envelope, Outgoing, Taps


@scenario("RFC 7383 section 2.6", requirements=("7383-2.6-01", "7383-2.6-04"), live="in part")
def fragments_of_two_sets(run: Run) -> None:
    """A larger total restarts the reassembly, a smaller one is discarded: two sets are never mixed.

    A peer that reduces its fragment size does this (section 2.5.2).
    """
    s = run.session(
        config=IkeConfig(
            local_id=Identity.of("alice"), remote_id=Identity.of("bob"), auth=Psk("fynx"), fragment_size=300
        )
    )
    announced = expect(s.sa_init()).has_notify("IKEV2_FRAGMENTATION_SUPPORTED")
    run.needs(announced, "the peer does not announce IKEV2_FRAGMENTATION_SUPPORTED")
    s.auth()
    sa, size = s.sa, 400
    payload = IKEv2_VendorID(vendorID=bytes(range(250)) * 3)
    large: list[Datagram] = []

    def both(message: Outgoing, datagrams: list[Datagram], _attempt: int) -> list[Datagram]:
        envelope = Envelope(Taps(), s.client.randomness.octets)
        envelope.protect(sa.suite, sa.keys, initiator=True)
        again = Outgoing(message.payloads, header=message.header)
        envelope._ivs = 1000
        large[:] = [Datagram(wire, sa.local, sa.remote) for wire in envelope.seal(again, size)[0]]
        # All large fragments but the last, the first small one, the last large one, then the other small ones.
        return [*large[:-1], datagrams[0], large[-1], *datagrams[1:]]

    s.client.taps.add("datagrams", both)
    # HDR, SKF(1/3) {...}, HDR, SKF(2/3) {...}  -->
    # HDR, SKF(1/4) {...}  -->
    # HDR, SKF(3/3) {...}  -->
    # HDR, SKF(2/4) {...}, HDR, SKF(3/4) {...}, HDR, SKF(4/4) {...}  -->
    exchange = sa.start(Informational(sa, payload))
    s.network.run()
    expect(exchange.error, "error").equals(None)
    if not run.embedded("which fragments the peer has put together"):
        return
    theirs = expect(s.events).at("responder")
    got = [event for _, event in theirs.events if isinstance(event, MessageReceived)][-1]
    expect(got.payloads[0].vendorID, "the Vendor ID received").equals(payload.vendorID)
    expect(bool(set(got.wire) & {d.data for d in large}), "a fragment of the other set").equals(False)
    dropped = [event for _, event in theirs.events if isinstance(event, MessageDropped)]
    expect([event.data for event in dropped], "what was discarded").equals([large[-1].data])


if __name__ == "__main__":
    main(__file__)
