# SPDX-License-Identifier: GPL-2.0-or-later
"""A flood of IKE_SA_INIT requests from spoofed sources."""

from __future__ import annotations

from fynx_scapy import Address, Session
from fynx_scapy.events import IkeSaEstablished, KeysDerived, MessageDropped, MessageSent
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.taps import Datagram


def _knock(s: Session, number: int, host: str) -> None:
    """Send the same request with another SPI, from another address."""
    wire = next(event.wire[0] for who, event in s.events if who == "initiator" and isinstance(event, MessageSent))
    data = number.to_bytes(2) + wire[2:]
    s.peer.receive(Datagram(data, Address(s.peer.host, 500), Address(host, 500)), s.network.now)


@scenario(
    "RFC 7296 section 2.6",
    requirements=(
        "7296-2.6-02",
        "7296-2.6-i04",
    ),
)
def flood(run: Run) -> None:
    """Above the threshold every source gets a cookie and no state is kept; an initiator that returns it gets in."""
    s = run.session(peer={"cookie_threshold": 10})
    s.sa_init()
    for number in range(1, 201):
        # HDR(A,0), SAi1, KEi, Ni  -->   from two hundred sources
        _knock(s, number, f"203.0.113.{number}")
    expect(s.peer.half_open, "half-open IKE SAs").equals(10)
    theirs = expect(s.events).at("responder")
    s.network.run(s.network.now + 1.0)
    theirs = expect(s.events).at("responder")
    # <--  HDR(A,0), N(COOKIE)
    theirs.sent(150).notifies("COOKIE")
    theirs.has(KeysDerived, times=10).lacks(MessageDropped)
    # HDR(A,0), SAi1, KEi, Ni  -->   <--  HDR(A,0), N(COOKIE)   and so on: a legitimate peer
    good = s.client.connect(s.config, s.network.now)
    s.network.run(s.network.now + 1.0)
    expect(good.established, "the legitimate peer established").holds()
    expect(s.events).at("responder").has(IkeSaEstablished)


if __name__ == "__main__":
    main(__file__)
