# SPDX-License-Identifier: GPL-2.0-or-later
"""NAT traversal and UDP encapsulation (RFC 7296 section 2.23, RFC 3948): ports, markers, keepalives, and ESP both ways.

A wrong hash makes the peer believe in a NAT; there is none on the path.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from fynx_scapy import ChildConfig, IkeConfig, Psk, Session
from fynx_scapy.harness import BOTH, Role, Run, expect
from fynx_scapy.harness.cases import case
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_Notify, IKEv2_TSi, IKEv2_TSr
from fynx_scapy.scenarios.negative.beginnings import asked, payloads
from fynx_scapy.scenarios.negative.conduct import alive, for_a_while
from fynx_scapy.taps import Datagram, DatagramKind, Outgoing

ESP, IN_UDP, KEEPALIVE = DatagramKind.ESP, DatagramKind.ESP_IN_UDP, DatagramKind.KEEPALIVE


@dataclass(slots=True)
class Sent:
    """The datagrams that the peer has sent, and when."""

    at: list[float] = field(default_factory=list)
    datagrams: list[Datagram] = field(default_factory=list)

    def of(self, *kinds: DatagramKind) -> list[Datagram]:
        """Those of some kinds."""
        return [one for one in self.datagrams if one.kind in kinds]


@contextlib.contextmanager
def listening(s: Session) -> Iterator[Sent]:
    """What the peer sends inside this context."""
    found = Sent()

    def look(time: float, datagram: Datagram, _fate: str) -> None:
        remote = s.config.remote
        if remote is not None and datagram.local.host == remote.host and not s.sends(datagram):
            found.at.append(time)
            found.datagrams.append(datagram)

    with s.network.observe(look):
        yield found


def believing(s: Session, kind: NotifyType) -> None:
    """Our next IKE_SA_INIT messages have a wrong hash in this Notify."""

    def tap(message: Outgoing) -> None:
        if int(message.header.exch_type) == ExchangeType.IKE_SA_INIT:
            for payload in message.payloads:
                if isinstance(payload, IKEv2_Notify) and payload.type == kind:
                    payload.notify = bytes(range(20))

    s.client.taps.add("payloads", tap)


PEER_BEHIND, US_BEHIND = NotifyType.NAT_DETECTION_DESTINATION_IP, NotifyType.NAT_DETECTION_SOURCE_IP


@case(
    requirements=(
        "7296-2.23-02", "7296-2.23-05", "7296-2.23-09", "7296-2.23-12", "7296-2-03", "3948-2.1-01", "3948-2.2-i01",
        "7296-3.1-i02",
    ),
    roles=(Role.RESPONDER,),
    severity="high",
)  # fmt: skip
def nat_peer_moves_to_port_4500(run: Run) -> None:
    """Our hash tells the peer that it is behind a NAT. Then: from IKE_AUTH on it uses port 4500, also for ESP."""
    s = run.session()
    believing(s, PEER_BEHIND)
    with listening(s) as seen:
        run.establish(s)
        run.driver(s).send()
        for_a_while(s, 1.0)
    ports = [(one.local.port, one.remote.port) for one in seen.of(DatagramKind.IKE)]
    expect(ports[0], "ports of IKE_SA_INIT").equals((500, 500))
    expect(set(ports[1:]), "ports from IKE_AUTH on").equals({(4500, 4500)})
    markers = {one.wire[:4] for one in seen.of(DatagramKind.IKE)[1:]}
    expect(markers, "the first octets of these").equals({bytes(4)})
    packets = seen.of(ESP, IN_UDP)
    expect([one.kind for one in packets], "ESP").equals([IN_UDP])
    expect((packets[0].local.port, packets[0].remote.port), "ports of ESP").equals((4500, 4500))


@case(
    requirements=("7296-2.23-11", "3948-2.3-01", "3948-2.3-04", "3948-4-03", "3948-2.1-01"),
    roles=(Role.RESPONDER,),
    live=False,
)
def nat_peer_sends_keepalives(run: Run) -> None:
    """The peer believes that it is behind a NAT, and nothing is sent. Then: every 20 seconds it sends one octet."""
    s = run.session()
    believing(s, PEER_BEHIND)
    run.establish(s)
    with listening(s) as seen:
        run.driver(s).send()
        for_a_while(s, 50.0)
    packets = seen.of(IN_UDP)
    kept = seen.of(KEEPALIVE)
    expect(len(kept), "keepalives within 50 seconds").between(2, 3)
    expect({one.data for one in kept}, "octets").equals({b"\xff"})
    ports = {(one.local.port, one.remote.port) for one in packets}
    expect({(one.local.port, one.remote.port) for one in kept}, "their ports").equals(ports)


@case(requirements=("3948-4-03",), roles=(Role.RESPONDER,), severity="low", live=False)
def nat_peer_that_sends_needs_no_keepalives(run: Run) -> None:
    """The peer believes that it is behind a NAT, and sends packets. Then: it sends no keepalives."""
    s = run.session()
    believing(s, PEER_BEHIND)
    run.establish(s)
    driver = run.driver(s)
    with listening(s) as seen:
        for _ in range(12):
            driver.send()
            for_a_while(s, 5.0)
    expect(len(seen.of(KEEPALIVE)), "keepalives").equals(0)


@case(requirements=("7296-2.23-04", "7296-2.23-13"), severity="high", live=False)
def nat_plain_esp_taken(run: Run) -> None:
    """The peer believes in a NAT, and we send ESP without UDP. Then: it takes it."""
    s = run.session()
    believing(s, US_BEHIND)
    run.establish(s)
    packet = s.echo()
    with listening(s) as seen:
        s.network.inject(plain(s, packet))
        for_a_while(s, 1.0)
    expect(len(seen.of(ESP, IN_UDP)), "answers to it").equals(1)


def plain(s: Session, packet: bytes) -> Datagram:
    """An inner packet in ESP without UDP."""
    here, there = s.sa.local._replace(port=0), s.sa.remote._replace(port=0)
    return Datagram(s.child.outbound.seal(packet, 4), here, there, ESP)


@case(requirements=("7296-2.23-13", "7296-2.23-04", "7296-2.23-i01", "3948-1-02"), roles=BOTH, severity="high")
def esp_in_udp_without_nat(run: Run) -> None:
    """There is no NAT, and we send ESP in UDP from and to port 4500. Then: the peer takes it."""
    s = run.session()
    run.establish(s)
    one = plain(s, s.echo())
    there = s.config.remote_natt_port
    moved = replace(
        one, kind=IN_UDP, local=one.local._replace(port=s.client.config.natt_port),
        remote=one.remote._replace(port=there),
    )  # fmt: skip
    with listening(s) as seen:
        s.network.inject(moved)
        for_a_while(s, 1.0)
    expect(len(seen.of(ESP, IN_UDP)), "answers to it").equals(1)


@case(requirements=("7296-2.23-03",), roles=BOTH, live=False)
def esp_on_port_500(run: Run) -> None:
    """We send ESP in UDP to port 500. Then: the peer does not take it for ESP."""
    s = run.session()
    run.establish(s)
    one = plain(s, s.echo())
    moved = replace(
        one, kind=DatagramKind.IKE, local=one.local._replace(port=500), remote=one.remote._replace(port=500)
    )
    with listening(s) as seen:
        s.network.inject(moved)
        for_a_while(s, 1.0)
    expect(len(seen.of(ESP, IN_UDP)), "answers to it").equals(0)
    expect(alive(s), "the peer alive in the IKE SA").holds()


@case(requirements=("4303-2.1-01", "7296-2.6-i01"), roles=BOTH, live=False)
def packets_from_another_address(run: Run) -> None:
    """ESP comes from another address than that of the IKE SA, and so does a request. Then: the SPI decides."""
    s = run.session()
    run.establish(s)
    one = plain(s, s.echo())
    with listening(s) as seen:
        s.network.inject(replace(one, local=one.local._replace(host="198.51.100.77")))
        for_a_while(s, 1.0)
    expect(len(seen.of(ESP, IN_UDP)), "answers to the packet").equals(1)

    def elsewhere(_message: Outgoing, datagrams: list[Datagram], _attempt: int) -> list[Datagram]:
        return [replace(each, local=each.local._replace(host="198.51.100.77")) for each in datagrams]

    with listening(s) as seen:
        undo = s.client.taps.add("datagrams", elsewhere)
        s.sa.liveness()
        for_a_while(s, 1.0)
        undo()
    expect(len(seen.of(DatagramKind.IKE)), "answers to the request").equals(1)
    expect({each.remote.host for each in seen.of(DatagramKind.IKE)}, "where to").equals({"198.51.100.77"})


@case(requirements=("7296-2.11-01", "7296-2.11-02", "7296-2.23-01"), live=False)
def requests_from_any_port(run: Run) -> None:
    """Our requests come from port 40,000, to port 500. Then: the answers go back there, from port 500."""
    s = run.session()

    def elsewhere(_message: Outgoing, datagrams: list[Datagram], _attempt: int) -> list[Datagram]:
        return [replace(each, local=each.local._replace(port=40_000)) for each in datagrams]

    s.client.taps.add("datagrams", elsewhere, lambda message: message.kind is DatagramKind.IKE)
    with listening(s) as seen:
        s.sa_init()
        s.auth()
    expect({(one.local.port, one.remote.port) for one in seen.of(DatagramKind.IKE)}, "ports").equals({(500, 40_000)})


@case(requirements=("7296-2.11-02", "7296-2.23-01", "7296-2-03"), live=False)
def requests_to_port_4500(run: Run) -> None:
    """Our requests go to port 4500 from the first one on. Then: the answers come from there, with the marker."""
    s = run.session()
    assert s.config.remote is not None
    s.config = s.config.replace(remote=s.config.remote._replace(port=4500))
    with listening(s) as seen:
        s.connect()
    messages = seen.of(DatagramKind.IKE)
    expect({(one.local.port, one.remote.port) for one in messages}, "ports").equals({(4500, 4500)})
    expect({one.wire[:4] for one in messages}, "markers").equals({bytes(4)})


TRANSPORT = IkeConfig(
    local_id="alice", remote_id="bob", auth=Psk("fynx"),
    children=(ChildConfig(mode="transport", local_ts=("192.0.2.0/24",), remote_ts=("192.0.2.0/24",)),),
)  # fmt: skip


@case(
    requirements=("7296-2.23-14", "7296-2.23.1-01", "7296-2.23.1-04", "7296-2.23.1-05"),
    roles=(Role.RESPONDER,),
    live=False,
)
def transport_mode_offers_one_address(run: Run) -> None:
    """The peer asks for transport mode. Then: TSi and TSr have one address each, those of the IKE SA."""
    s = run.session(config=TRANSPORT)
    run.establish(s)
    request = asked(s, ExchangeType.IKE_AUTH)[0]
    sides = [
        [(ts.starting_address_v4, ts.ending_address_v4) for ts in payloads(request, layer)[0].traffic_selector]
        for layer in (IKEv2_TSi, IKEv2_TSr)
    ]
    theirs, ours = s.sa.remote.host, s.sa.local.host
    expect(sides, "the addresses of TSi and TSr").equals([[(theirs, theirs)], [(ours, ours)]])
