# SPDX-License-Identifier: GPL-2.0-or-later
"""The path between the peers: NATs whose ports change, a small MTU, other ports."""

from __future__ import annotations

from fynx_scapy import EndpointFields
from fynx_scapy.errors import Timeout
from fynx_scapy.events import (
    EspSent,
    IcmpReceived,
    KeepaliveSent,
    MessageSent,
    PeerMoved,
)
from fynx_scapy.harness import (
    EVERY,
    INITIATORS,
    RESPONDERS,
    Run,
    expect,
    main,
    scenario,
)
from fynx_scapy.lab import BehindNat
from fynx_scapy.taps import DatagramKind


@scenario("RFC 7296 section 2.23", needs={"nat"}, requirements=("7296-2.23-02", "7296-2.23-15"),
       roles=INITIATORS, site={"nat": BehindNat.OURS}, ours={"keepalive": 0.4})  # fmt: skip
def nat_before_us(run: Run) -> None:
    """We are behind a NAT: all messages use port 4500, and the peer follows when the NAT changes our port."""
    run.establish()
    expect(run.s.sa.nat_before_us, "a NAT before us").holds()
    expect((run.s.sa.local.port, run.s.sa.remote.port), "the ports").equals((4500, 4500))
    run.send_traffic()
    # 0xFF  -->
    run.event(KeepaliveSent)
    before = run.theirs().remote
    expect(before.startswith("10.9.0.1:2"), f"a port of the router at the peer, {before},").holds()
    run.world.move_nat()
    # HDR, SK {}  -->     now from another port
    run.s.liveness()
    run.wait_until(lambda: run.theirs().remote != before, "the peer to have our new port")
    run.wait_for_quiet()  # a peer that cannot update its ESP SA rekeys the Child SA
    run.send_traffic()
    run.agree()


@scenario("RFC 7296 section 2.23", needs={"nat"}, requirements=("7296-2.23-15",), roles=RESPONDERS,
       site={"nat": BehindNat.THEIRS})  # fmt: skip
def nat_before_peer(run: Run) -> None:
    """The peer is behind a NAT: we answer to the source of its packets, also after the NAT changes its port."""
    run.establish()
    expect(run.s.sa.nat_before_peer, "a NAT before the peer").holds()
    run.send_traffic()
    before = run.s.sa.remote
    run.world.move_nat()
    # <--  ESP, now from another port
    run.send_from_there(run.here.inner)
    moved = run.event(PeerMoved)
    expect((moved.old, moved.new.host), "who moved").equals((before, before.host))
    expect(moved.new.port != before.port, "another port").holds()
    run.send_traffic()
    run.agree()


@scenario("RFC 4301 section 8.2", needs={"nat"}, roles=INITIATORS, site={"nat": BehindNat.OURS, "mtu": 1000})
def path_mtu(run: Run) -> None:
    """A router reports that our packet is too big; our later packets fit the reported MTU."""
    run.establish()
    # ESP larger than the path MTU  -->   <--  ICMP fragmentation needed
    expect(lambda: run.s.ping(run.there.inner, size=1200, timeout=0.3)).raises(Timeout)
    told = run.event(IcmpReceived)
    expect((told.mtu, told.reporter), "what the router says").equals((1000, "192.168.1.1"))
    expect(run.s.client.path_mtu.get(run.s.sa.remote.host), "the path MTU for IKE fragments").equals(1000)
    run.s.ping(run.there.inner, size=1200)
    run.send_traffic()


PORTS: EndpointFields = {"port": 10500, "natt_port": 14500}


@scenario("RFC 7296 section 2.23", roles=EVERY, needs={"ports"}, config={**PORTS, "remote_port": 10500},
       endpoint={**PORTS, "marker_always": True}, ours={"remote_natt_port": 14500})  # fmt: skip
def own_ports(run: Run) -> None:
    """Both peers use non-standard ports, and send the non-ESP marker with every IKE message."""
    run.establish()
    run.send_traffic(count=1)
    ports = {(event.local.port, event.remote.port) for event in run.events if isinstance(event, MessageSent)}
    # The initiator changes to the other ports; strongSwan then keeps our port, unless it is 500.
    begins, goes_on = (10500, 10500), (14500, 14500) if run.we_begin else (10500, 14500)
    if not run.we_begin:
        ports.add(begins)  # the peer may begin on its other port, too, as strongSwan does from 6.0.1 on
    expect(ports, "our ports and the peer's").equals({begins, goes_on})
    run.agree()


@scenario("RFC 3948 section 2.1", roles=EVERY, needs={"encapsulated"})
def esp_in_udp(run: Run) -> None:
    """A peer that reports a NAT that does not exist gets its ESP in UDP."""
    run.establish()
    run.send_traffic(count=1)
    kinds = {event.datagram.kind for event in run.events if isinstance(event, EspSent)}
    expect(kinds, "encapsulation of ESP").equals({DatagramKind.ESP_IN_UDP})


if __name__ == "__main__":
    main(__file__)
