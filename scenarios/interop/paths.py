# SPDX-License-Identifier: GPL-2.0-or-later
"""The path between the peers: NATs whose ports change, a small MTU, and IPv6."""

from __future__ import annotations

from fynx_scapy import EndpointFields
from fynx_scapy.errors import Timeout
from fynx_scapy.events import EspSent, IcmpReceived, KeepaliveSent, MessageReceived, MessageSent, PeerMoved
from fynx_scapy.harness import expect
from fynx_scapy.lab import INITIATORS, PORT_FLOAT, RESPONDERS, BehindNat, Meeting, known_differences, trial
from fynx_scapy.taps import DatagramKind

SIX = {"local_ts": ("fd02::/64",), "remote_ts": ("fd01::/64",)}


@trial("RFC 7296 section 2.23", needs={"nat"}, requirements=("7296-2.23-02", "7296-2.23-15"),
       roles=INITIATORS, site={"nat": BehindNat.OURS}, ours={"keepalive": 0.4})  # fmt: skip
def nat_before_us(m: Meeting) -> None:
    """We are behind a NAT: all messages use port 4500, and the peer follows when the NAT changes our port."""
    m.establish()
    expect(m.s.sa.nat_before_us, "a NAT before us").holds()
    expect((m.s.sa.local.port, m.s.sa.remote.port), "the ports").equals((4500, 4500))
    m.send_traffic()
    # 0xFF  -->
    m.event(KeepaliveSent)
    before = m.theirs().remote
    expect(before.startswith("10.9.0.1:2"), f"a port of the router at the peer, {before},").holds()
    assert m.lab.topology.router is not None
    m.lab.topology.router.move()
    # HDR, SK {}  -->     now from another port
    m.s.liveness()
    m.wait_until(lambda: m.theirs().remote != before, "the peer to have our new port")
    m.wait_for_quiet()  # a peer that cannot update its ESP SA rekeys the Child SA
    m.send_traffic()
    m.agree()


@trial("RFC 7296 section 2.23", needs={"nat"}, requirements=("7296-2.23-15",), roles=RESPONDERS,
       site={"nat": BehindNat.THEIRS})  # fmt: skip
def nat_before_peer(m: Meeting) -> None:
    """The peer is behind a NAT: we answer to the source of its packets, also after the NAT changes its port."""
    m.establish()
    expect(m.s.sa.nat_before_peer, "a NAT before the peer").holds()
    m.send_traffic()
    before = m.s.sa.remote
    assert m.lab.topology.router is not None
    m.lab.topology.router.move()
    # <--  ESP, now from another port
    m.send_from_there(m.lab.ours.inner)
    moved = m.event(PeerMoved)
    expect((moved.old, moved.new.host), "who moved").equals((before, before.host))
    expect(moved.new.port != before.port, "another port").holds()
    m.send_traffic()
    m.agree()


@trial("RFC 4301 section 8.2", needs={"nat"}, roles=INITIATORS, site={"nat": BehindNat.OURS, "mtu": 1000})
def path_mtu(m: Meeting) -> None:
    """A router reports that our packet is too big; our later packets fit the reported MTU."""
    m.establish()
    # ESP larger than the path MTU  -->   <--  ICMP fragmentation needed
    expect(lambda: m.s.ping(m.lab.theirs.inner, size=1200, timeout=0.3)).raises(Timeout)
    told = m.event(IcmpReceived)
    expect((told.mtu, told.reporter), "what the router says").equals((1000, "192.168.1.1"))
    expect(m.s.client.path_mtu.get(m.s.sa.remote.host), "the path MTU for IKE fragments").equals(1000)
    m.s.ping(m.lab.theirs.inner, size=1200)
    m.send_traffic()


@trial("RFC 7383 section 2.5", needs={"fragments"}, requirements=("7383-2.5.1-01",),
       config={"fragment_size": 256, "ike": "aes256gcm16-prfsha512-modp3072"}, ours={"fragment_size": 256})  # fmt: skip
def fragmentation(m: Meeting) -> None:
    """Both peers fragment IKE messages above 256 octets of IP, and reassemble the other's."""
    m.establish()
    m.s.rekey_ike()
    for kind in (MessageSent, MessageReceived):
        pieces = [len(event.wire) for _, event in m.s.events if isinstance(event, kind)]
        expect(max(pieces), f"fragments of one {kind.__name__}").between(2, 20)
    largest = max(len(octets) + 20 + 8 + 4 for octets in m.wires())
    expect(largest, "the largest IP packet with an IKE message of ours, in octets").between(100, 256)
    m.send_traffic(count=1)
    m.agree()


@trial("RFC 7296 section 2.23", site={"ipv6": True}, config=SIX)
def ipv6(m: Meeting) -> None:
    """IPv6 outside and inside."""
    m.establish()
    m.send_traffic(ipv6=True)
    m.agree()


@trial("RFC 4301 section 5.1.2", site={"ipv6": True})
def ipv4_in_ipv6(m: Meeting) -> None:
    """IPv4 packets in a tunnel over IPv6."""
    m.establish()
    m.send_traffic()
    m.agree()


@trial("RFC 4301 section 5.1.2", config=SIX)
def ipv6_in_ipv4(m: Meeting) -> None:
    """IPv6 packets in a tunnel over IPv4."""
    m.establish()
    m.send_traffic(ipv6=True)
    m.agree()


PORTS: EndpointFields = {"port": 10500, "natt_port": 14500}


@trial("RFC 7296 section 2.23", needs={"ports"}, config={**PORTS, "remote_port": 10500},
       endpoint={**PORTS, "marker_always": True}, ours={"remote_natt_port": 14500})  # fmt: skip
def own_ports(m: Meeting) -> None:
    """Both peers use non-standard ports, and send the non-ESP marker with every IKE message."""
    m.establish()
    m.send_traffic(count=1)
    ports = {(event.local.port, event.remote.port) for _, event in m.s.events if isinstance(event, MessageSent)}
    # The initiator changes to the other ports; strongSwan then keeps our port, unless it is 500.
    begins, goes_on = (10500, 10500), (14500, 14500) if m.we_begin else (10500, 14500)
    if not m.we_begin and PORT_FLOAT in known_differences(m.peer.name, m.peer.version):
        begins = goes_on
    expect(ports, "our ports and the peer's").equals({begins, goes_on})
    m.agree()


@trial("RFC 3948 section 2.1", needs={"encapsulated"})
def esp_in_udp(m: Meeting) -> None:
    """A peer that reports a NAT that does not exist gets its ESP in UDP."""
    m.establish()
    m.send_traffic(count=1)
    kinds = {event.datagram.kind for _, event in m.s.events if isinstance(event, EspSent)}
    expect(kinds, "encapsulation of ESP").equals({DatagramKind.ESP_IN_UDP})
