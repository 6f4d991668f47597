# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE fragmentation."""

from __future__ import annotations

import functools

from fynx_scapy import Identity, IkeConfig, Proposal, Psk
from fynx_scapy.events import MessageReceived, MessageSent
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import PayloadType, ProtocolId
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_VendorID, parse_message
from fynx_scapy.taps import Datagram

SUITES = (
    "aes128gcm16-prfsha256-x25519", "aes128-sha256-prfsha256-x25519", "chacha20poly1305-prfsha256-x25519",
)  # fmt: skip


@scenario(
    "RFC 7383 section 2.5",
    requirements=(
        "7383-2.2-i01", "7383-2.3-03", "7383-2.3-i01", "7383-2.4-03", "7383-2.5-01", "7383-2.5-02", "7383-2.5-03",
        "7383-2.5-04", "7383-2.5-05", "7383-2.5-06", "7383-2.5-07", "7383-2.5.1-01",
    ),
    live="in part",
)  # fmt: skip
def fragmentation(run: Run) -> None:
    """With support announced by both, messages above 300 octets of IP are fragmented, with every cipher.

    IKE_SA_INIT is never fragmented. Only the first fragment names the first payload type; every fragment has the
    message's header.
    """
    for suite in SUITES:
        config = IkeConfig(
            local_id=Identity.of("alice"),
            remote_id=Identity.of("bob"),
            auth=Psk("fynx"),
            proposals=Proposal.parse_all((suite,), ProtocolId.IKE),
            fragment_size=300,
        )
        s = run.session(suite, config=config)
        sizes: list[int] = []
        s.network.observe(functools.partial(note, sizes, "sent" if s.live else "delivered"))
        # HDR, SAi1, KEi, Ni, N(IKEV2_FRAGMENTATION_SUPPORTED)  -->
        # <--  HDR, SAr1, KEr, Nr, N(IKEV2_FRAGMENTATION_SUPPORTED)
        init = s.sa_init()
        if run.refused(init):
            continue
        announced = expect(init).has_notify("IKEV2_FRAGMENTATION_SUPPORTED")
        run.needs(announced, "the peer does not announce IKEV2_FRAGMENTATION_SUPPORTED")
        expect(init).notify_data("IKEV2_FRAGMENTATION_SUPPORTED").equals(b"")
        sizes.clear()
        # HDR, SKF(NextPld=IDi, 1/2) {...}, HDR, SKF(NextPld=0, 2/2) {...}  -->
        # <--  HDR, SKF(NextPld=IDr, 1/2) {...}, ...
        expect(s.auth()).has(IKEv2_AUTH)
        # HDR, SKF(NextPld=V, 1/m) {...}, ...  -->
        # <--  HDR, SK {}
        expect(s.request("INFORMATIONAL", IKEv2_VendorID(vendorID=bytes(range(256)) * 3))).empty()
        expect(max(sizes), "octets of an IP packet").between(200, 300)
        for who in s.ends:
            sent = [e for at, e in s.events if at == who and isinstance(e, MessageSent)]
            received = [e for at, e in s.events if at != who and isinstance(e, MessageReceived)]
            if not s.live:
                expect([e.wire for e in received], "fragments received").equals([e.wire for e in sent])
            expect(len(sent[0].wire), "messages of IKE_SA_INIT").equals(1)
            for event in sent[1:]:
                if len(event.wire) == 1:
                    continue
                for number, wire in enumerate(event.wire, 1):
                    header, payloads = parse_message(wire)
                    skf = payloads[-1]
                    expect((skf.frag_number, skf.frag_total), "number and total").equals((number, len(event.wire)))
                    first = int(event.payloads[0].payload_type) if number == 1 else PayloadType.NONE
                    expect(int(skf.next_payload), "next payload").equals(int(first))
                    for field in ("init_SPI", "resp_SPI", "version", "exch_type", "flags", "id"):
                        expect(getattr(header, field), field).equals(getattr(event.header, field))
        expect(len(s.ping()), "octets of the reply").between(28, 1500)


def note(sizes: list[int], wanted: str, _time: float, datagram: Datagram, fate: str) -> None:
    """Record the size of an IP packet."""
    if fate == wanted:
        sizes.append(len(datagram.wire) + 28)


if __name__ == "__main__":
    main(__file__)
