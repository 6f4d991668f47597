# SPDX-License-Identifier: GPL-2.0-or-later
"""Forged and replayed packets from another address."""

from __future__ import annotations

from fynx_scapy import Address
from fynx_scapy.events import IntegrityFailed, PeerMoved, ReplayDropped
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.net import Nat
from fynx_scapy.taps import Datagram, DatagramKind

ELSEWHERE, PEER = Address("198.51.100.66", 4500), Address("192.0.2.2", 4500)


@scenario("RFC 7296 section 2.23", requirements=("7296-2.23-i02",))
def nat_forged_move(run: Run) -> None:
    """Forged and replayed packets from another address, IKE or ESP, change no address."""
    s = run.session()
    s.network.add_nat(Nat({"192.0.2.1"}, "198.51.100.1"))
    seen: list[Datagram] = []
    s.network.observe(
        lambda time, datagram, fate: seen.append(datagram) if datagram.local.host == "192.0.2.1" else None
    )
    s.connect()
    (peer,) = s.peer.sas.values()
    s.ping()
    s.liveness()
    where = peer.remote
    esp, ike = (
        next(d for d in reversed(seen) if d.kind is kind) for kind in (DatagramKind.ESP_IN_UDP, DatagramKind.IKE)
    )

    # ESP  ==>   a copy, and the next sequence number under the same ICV
    for data in (esp.data, esp.data[:7] + bytes([esp.data[7] + 1]) + esp.data[8:]):
        s.network.inject(Datagram(data, ELSEWHERE, PEER, DatagramKind.ESP_IN_UDP))
    s.network.run()
    expect(s.events).at("responder").has(ReplayDropped, times=1).has(IntegrityFailed, times=1)
    # HDR, SK {}  -->   a copy, which is answered from the cache, and the next message ID under the same ICV
    for data in (ike.data, ike.data[:23] + bytes([ike.data[23] + 1]) + ike.data[24:]):
        s.network.inject(Datagram(data, ELSEWHERE, PEER))
    s.network.run()
    expect(s.events).at("responder").has(IntegrityFailed, times=2).lacks(PeerMoved)
    expect(peer.remote, "the peer's idea of us").equals(where)
    s.ping()


if __name__ == "__main__":
    main(__file__)
