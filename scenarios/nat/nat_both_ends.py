# SPDX-License-Identifier: GPL-2.0-or-later
"""Both peers behind NATs."""

from __future__ import annotations

from fynx_scapy import Address
from fynx_scapy.events import KeepaliveSent, PeerMoved
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.net import Nat


@scenario("RFC 7296 section 2.23", requirements=("7296-2.23-16", "7296-2.23-11", "7296-2.23-01", "7296-2.11-01"))
def nat_both_ends(run: Run) -> None:
    """A peer behind a NAT sends keepalives and follows no address change, but answers a request to its source."""
    s = run.session()
    ours = s.network.add_nat(Nat({"192.0.2.1"}, "198.51.100.1"))
    theirs = Nat({"192.0.2.2"}, "203.0.113.1")
    s.network.add_nat(theirs.forward(Address("192.0.2.2", 500)).forward(Address("192.0.2.2", 4500)))
    s.config = s.config.replace(remote=Address("203.0.113.1", 500))
    s.connect()
    (peer,) = s.peer.sas.values()
    expect((s.sa.nat_before_us, s.sa.nat_before_peer), "NATs").equals((True, True))
    s.ping()
    s.network.run(30.0)
    expect(s.events).at("initiator").has(KeepaliveSent, times=1)
    expect(s.events).at("responder").has(KeepaliveSent, times=1)

    where = peer.remote
    ours.forget()
    # HDR, SK {}  -->   by a new port
    # <--  HDR, SK {}   to that port, and to that port alone
    s.liveness()
    expect(peer.remote, "the peer's idea of us").equals(where)
    expect(s.events).lacks(PeerMoved)


if __name__ == "__main__":
    main(__file__)
