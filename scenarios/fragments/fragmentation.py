# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE fragmentation."""

from __future__ import annotations

from fynx_scapy.events import MessageReceived, MessageSent
from fynx_scapy.harness import EVERY, Run, expect, main, scenario
from fynx_scapy.iana import PayloadType
from fynx_scapy.layers.ikev2 import parse_message

SIZE = 256
"""Octets of an IP packet with a fragment."""
SUITES = {
    "fragmentation": "aes256gcm16-prfsha512-modp3072",
    "fragmentation_cbc": "aes128-sha256-prfsha256-modp3072",
    "fragmentation_chacha20": "chacha20poly1305-prfsha256-modp3072",
}
"""A scenario for each kind of cipher. The KE payload alone is longer than a fragment."""


def fragmentation(run: Run) -> None:
    """With support announced by both, messages above 256 octets of IP are fragmented, and reassembled.

    IKE_SA_INIT is never fragmented. Only the first fragment names the first payload type; every fragment has the
    message's header.
    """
    run.establish()
    # HDR, SAi1, KEi, Ni, N(IKEV2_FRAGMENTATION_SUPPORTED)  -->
    # <--  HDR, SAr1, KEr, Nr, N(IKEV2_FRAGMENTATION_SUPPORTED)
    for message in (run.requests("IKE_SA_INIT")[-1], run.answer("IKE_SA_INIT")):
        expect(message).notify_data("IKEV2_FRAGMENTATION_SUPPORTED").equals(b"")
    # HDR, SKF(NextPld=SA, 1/m) {...}, HDR, SKF(NextPld=0, 2/m) {...}, …  -->
    # <--  HDR, SKF(NextPld=SA, 1/n) {...}, …
    run.s.rekey_ike()
    for kind in (MessageSent, MessageReceived):
        events = [event for event in run.events if isinstance(event, kind)]
        expect(max(len(event.wire) for event in events), f"fragments of one {kind.__name__}").between(2, 20)
        for event in events:
            _check(event)
    run.send_traffic(count=1)
    run.agree()


def _check(event: MessageSent | MessageReceived) -> None:
    """The size of the packets of a message, and the fields of its fragments."""
    if not event.encrypted:
        expect(len(event.wire), "datagrams of a message in the clear").equals(1)
        return
    largest = max(len(octets) + 20 + 8 + 4 for octets in event.wire)
    expect(largest, "octets of the largest IP packet with the message").between(20 + 8 + 4 + 28, SIZE)
    for number, wire in enumerate(event.wire, 1) if len(event.wire) > 1 else ():
        header, payloads = parse_message(wire)
        skf = payloads[-1]
        expect((skf.frag_number, skf.frag_total), "number and total").equals((number, len(event.wire)))
        first = int(event.payloads[0].payload_type) if number == 1 else PayloadType.NONE
        expect(int(skf.next_payload), "next payload").equals(int(first))
        for field in ("init_SPI", "resp_SPI", "version", "exch_type", "flags", "id"):
            expect(getattr(header, field), field).equals(getattr(event.header, field))


for name, suite in SUITES.items():
    scenario(
        "RFC 7383 section 2.5",
        roles=EVERY,
        name=name,
        needs={"fragments"},
        requirements=(
            "7383-2.2-i01", "7383-2.3-03", "7383-2.3-i01", "7383-2.4-03", "7383-2.5-01", "7383-2.5-02", "7383-2.5-03",
            "7383-2.5-04", "7383-2.5-05", "7383-2.5-06", "7383-2.5-07", "7383-2.5.1-01",
        ),
        config={"fragment_size": SIZE, "ike": suite},
        ours={"fragment_size": SIZE},
    )(fragmentation)  # fmt: skip


if __name__ == "__main__":
    main(__file__)
