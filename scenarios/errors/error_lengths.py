# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams that are too short or too long."""

from __future__ import annotations

from fynx_scapy.events import MessageDropped, MessageSent
from fynx_scapy.harness import Run, deliver, expect, main, scenario, stranger
from fynx_scapy.layers.ikev2 import (
    IKEv2,
    IKEv2_AUTH,
    IKEv2_SA,
)


@scenario("RFC 7296 section 3.1", requirements=("7296-3.1-i03",), live="in part")
def error_lengths(run: Run) -> None:
    """A datagram whose size differs from the header's length is dropped with the reason, and never answered."""
    s = run.session()
    whole = bytes(IKEv2(init_SPI=b"A" * 8, exch_type="IKE_SA_INIT", flags=0x08))
    for data in (b"", whole[:27], whole + b"\0", whole[:24] + bytes.fromhex("ffffffff")):
        answers = deliver(s, data, source=stranger(s))
        for answer in answers:  # it may answer with an error
            expect(answer).lacks(IKEv2_SA)
    if run.embedded("why they were dropped, and silence"):
        expect(s.events).at("responder").has(MessageDropped, times=4).lacks(MessageSent)
        expect(s.peer.sas, "IKE SAs").fails()
    expect(s.connect()).has(IKEv2_AUTH)


if __name__ == "__main__":
    main(__file__)
