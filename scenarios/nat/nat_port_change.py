# SPDX-License-Identifier: GPL-2.0-or-later
"""A NAT that changes its mapping."""

from __future__ import annotations

from fynx_scapy import Address
from fynx_scapy.events import PeerMoved
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.net import Nat


@scenario("RFC 7296 section 2.23", requirements=("7296-2.23-15", "7296-2.23-01"))
def nat_port_change(run: Run) -> None:
    """The peer follows to a new port and address once an authentic packet arrives from there."""
    s = run.session()
    nat = s.network.add_nat(Nat({"192.0.2.1"}, "198.51.100.1"))
    s.connect()
    (peer,) = s.peer.sas.values()
    s.ping()
    here = Address("192.0.2.1", 4500)

    # ESP  ==>   from another port: ESP and IKE both follow
    nat.forget()
    s.ping()
    expect(peer.remote, "the peer's idea of us").equals(nat.mappings[here])
    expect(s.events).at("responder").has(PeerMoved, times=1, new=nat.mappings[here])

    # HDR, SK {}  -->   by another address
    nat.move("198.51.100.2")
    s.liveness()
    expect(peer.remote.host, "the peer's idea of us").equals("198.51.100.2")
    # <--  HDR, SK {}   and its own requests go there
    asked = peer.liveness()
    s.network.run()
    expect(asked.done and not asked.error, "an answer").holds()
    s.ping()


if __name__ == "__main__":
    main(__file__)
