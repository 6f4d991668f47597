# SPDX-License-Identifier: GPL-2.0-or-later
"""The limit on half-open IKE SAs."""

from __future__ import annotations

from fynx_scapy import Address, Session
from fynx_scapy.events import IkeSaEstablished, MessageDropped, MessageSent, Retransmitted
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.taps import Datagram


def _knock(s: Session, number: int, host: str) -> None:
    """Send the same request with another SPI, from another address."""
    wire = next(event.wire[0] for who, event in s.events if who == "initiator" and isinstance(event, MessageSent))
    data = number.to_bytes(2) + wire[2:]
    s.peer.receive(Datagram(data, Address(s.peer.host, 500), Address(host, 500)), s.network.now)


@scenario("RFC 7296 section 2.6", requirements=("7296-2.1-06",))
def half_open_limit(run: Run) -> None:
    """Above the limit a request is dropped; half-open IKE SAs expire, and the retransmission is accepted."""
    s = run.session(peer={"half_open_limit": 4, "half_open_lifetime": 10.0, "cookie_threshold": None})
    s.sa_init()
    for number in range(1, 10):
        # HDR(A,0), SAi1, KEi, Ni  -->   from nine strangers, none of whom goes on
        _knock(s, number, f"203.0.113.{number}")
    expect(s.peer.half_open, "half-open IKE SAs").equals(4)
    s.network.run(s.network.now + 1.0)
    expect(s.events).at("responder").has(MessageDropped, times=6)
    late = s.client.connect(s.config, s.network.now)
    s.network.run(s.network.now + 30.0)
    # HDR(A,0), SAi1, KEi, Ni  -->   again, after some seconds;   <--  HDR(A,B), SAr1, KEr, Nr
    expect(late.established, "the late IKE SA established").holds()
    expect(s.events).at("initiator").has(Retransmitted, message_id=0)
    expect(s.events).at("responder").has(IkeSaEstablished)


if __name__ == "__main__":
    main(__file__)
