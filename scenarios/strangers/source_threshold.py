# SPDX-License-Identifier: GPL-2.0-or-later
"""Cookies for a single source."""

from __future__ import annotations

from fynx_scapy import Address, Session
from fynx_scapy.events import MessageSent
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.taps import Datagram


def _knock(s: Session, number: int, host: str) -> None:
    """Send the same request with another SPI, from another address."""
    wire = next(event.wire[0] for who, event in s.events if who == "initiator" and isinstance(event, MessageSent))
    data = number.to_bytes(2) + wire[2:]
    s.peer.receive(Datagram(data, Address(s.peer.host, 500), Address(host, 500)), s.network.now)


@scenario("RFC 8019 section 4.2", requirements=("7296-2.6-02",))
def source_threshold(run: Run) -> None:
    """Each source has its own threshold: above it that source needs cookies, and others do not."""
    s = run.session(peer={"source_threshold": 2, "cookie_threshold": None})
    s.sa_init()
    for number in range(1, 6):
        _knock(s, number, "203.0.113.9")
    # Two of the five are admitted, and the one from another source.
    expect(s.peer.half_open, "half-open IKE SAs").equals(3)
    s.network.run(s.network.now + 1.0)
    # <--  HDR(A,0), N(COOKIE)   three times
    theirs = expect(s.events).at("responder")
    for number in (3, 4, 5):
        theirs.sent(number).notifies("COOKIE")
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->   <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    s.auth()
    expect(s.sa.established, "the other source's IKE SA established").holds()


if __name__ == "__main__":
    main(__file__)
