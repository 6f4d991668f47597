# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in NAT traversal and in UDP encapsulation."""

from __future__ import annotations

from dataclasses import replace

from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.child import transport
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, Route
from fynx_scapy.ike.path import nat
from fynx_scapy.ike.path.keepalive import Keepalives
from fynx_scapy.ike.path.nat import NatDetection
from fynx_scapy.ike.sa_messages import SaMessages
from fynx_scapy.ike.traffic.receiver import Receiver
from tests.faults.fault import Faulty, fault

# NAT traversal


@fault("natt", "7296-2.23-07")
def sends_no_hashes(bad: Faulty) -> None:
    """Sends no NAT_DETECTION notifies."""
    bad.swap(NatDetection, "offer", lambda original, extension, message, exchange, request: ())


@fault("natt", "7296-2.23-07")
def hashes_no_port(bad: Faulty) -> None:
    """Computes the hashes of NAT detection with port 0."""

    def detection(original, message, local, remote, **named):
        return original(message, local._replace(port=0), remote._replace(port=0), **named)

    bad.swap_function(nat.detection, detection)


@fault("natt", "7296-2.23-02", "7296-2.23-12", "7296-2.23-09")
def stays_on_port_500(bad: Faulty) -> None:
    """Does not move to port 4500 when there is a NAT."""
    bad.swap_function(nat.float_ports, lambda original, sa: None)


@fault("natt", "7296-2.23-11", "3948-4-03")
def sends_no_keepalives(bad: Faulty) -> None:
    """Sends no keepalives behind a NAT."""
    bad.swap(Keepalives, "_due", lambda original, keepalives, path, now: None)


@fault("natt", "7296-2.11-01", "7296-2.23-01")
def answers_to_port_500(bad: Faulty) -> None:
    """Sends its answer to port 500, whatever port the request came from."""

    def transmit(original, sa, message, exchange_type, message_id, request):
        if request is not None and request.local.port == 500:
            request.remote = request.remote._replace(port=500)
        return original(sa, message, exchange_type, message_id, request)

    bad.swap(SaMessages, "transmit", transmit)


@fault("natt", "7296-2.11-02")
def answers_from_port_500(bad: Faulty) -> None:
    """Sends its answer from port 500 although the request came to port 4500."""

    def transmit(original, sa, message, exchange_type, message_id, request):
        if request is not None and not sa.nat:
            request.local = request.local._replace(port=500)
        return original(sa, message, exchange_type, message_id, request)

    bad.swap(SaMessages, "transmit", transmit)


@fault("natt", "7296-2.23-16")
def follows_from_behind_a_nat(bad: Faulty) -> None:
    """Follows a peer to another address although it is itself behind a NAT."""
    bad.swap_function(nat._follows, lambda original, sa: True)


@fault("natt", "7296-2.23-15")
def never_follows(bad: Faulty) -> None:
    """Goes on sending to the address from which its peer has moved."""
    bad.swap_function(nat._follows, lambda original, sa: False)


@fault("natt", "7296-2.23-i02")
def follows_old_packets(bad: Faulty) -> None:
    """Follows its peer to the source address of a packet that was sent before."""

    def receive(original, datagram, now):
        for sa in list(bad.endpoint.sas.values()):
            old = sa.answers.kept.values()
            if nat._follows(sa) and any(request == datagram.data for request, _ in old):
                sa.local, sa.remote = datagram.local, datagram.remote
        original(datagram, now)

    bad.wrap("receive", receive)


@fault("natt", "7296-2-03", "3948-2.2-i01")
def sends_no_marker(bad: Faulty) -> None:
    """Sends IKE messages on port 4500 without the non-ESP marker."""

    def transmit(original, message, datagrams, attempt=0):
        original(message, [replace(d, marker=False) if d.kind is DatagramKind.IKE else d for d in datagrams], attempt)

    bad.wrap("transmit", transmit)


@fault("natt", "7296-2.23-14", "7296-2.23.1-04", "7296-2.23.1-05")
def takes_a_range_in_transport_mode(bad: Faulty) -> None:
    """Takes a range of addresses in the traffic selectors of transport mode behind a NAT."""

    def seen(original, selectors, host, *, natted):
        found = original(selectors, host, natted=natted)
        if found is None and natted and selectors:
            return transport._placed(selectors, host), selectors[0].addresses[0]
        return found

    bad.swap_function(transport._seen, seen)


# UDP encapsulation


@fault("udp-encap", "7296-2.23-13", "7296-2.23-04")
def drops_esp_in_udp_without_a_nat(bad: Faulty) -> None:
    """Drops ESP in UDP when it has detected no NAT."""

    def receive(original, receiver, datagram):
        sa, _ = bad.endpoint.children.get(int.from_bytes(datagram.data[:4]), (None, None))
        if sa is None or sa.nat or datagram.kind is not DatagramKind.ESP_IN_UDP:
            return original(receiver, datagram)
        return bad.endpoint.drop(datagram, DropReason.UNKNOWN_ESP_SPI, "ESP in UDP without a NAT")

    bad.swap(Receiver, "receive", receive)


@fault("udp-encap", "7296-2.23-04")
def drops_plain_esp_behind_a_nat(bad: Faulty) -> None:
    """Drops ESP that is not encapsulated when it has detected a NAT."""

    def receive(original, receiver, datagram):
        sa, _ = bad.endpoint.children.get(int.from_bytes(datagram.data[:4]), (None, None))
        if sa is None or not sa.nat or datagram.kind is not DatagramKind.ESP:
            return original(receiver, datagram)
        return bad.endpoint.drop(datagram, DropReason.UNKNOWN_ESP_SPI, "plain ESP")

    bad.swap(Receiver, "receive", receive)


@fault("udp-encap", "7296-2.23-03")
def takes_esp_on_port_500(bad: Faulty) -> None:
    """Takes a datagram on port 500 that begins with the SPI of a Child SA for ESP."""

    def receive(original, datagram, now):
        spi = int.from_bytes(datagram.data[:4])
        if datagram.kind is DatagramKind.IKE and datagram.local.port == 500 and spi in bad.endpoint.children:
            datagram = replace(datagram, kind=DatagramKind.ESP_IN_UDP)
        original(datagram, now)

    bad.wrap("receive", receive)


@fault("udp-encap", "3948-2.3-05")
def answers_keepalives(bad: Faulty) -> None:
    """Answers a keepalive with a keepalive."""

    def receive(original, datagram, now):
        original(datagram, now)
        if datagram.kind is DatagramKind.KEEPALIVE:
            answer = Datagram(b"\xff", datagram.local, datagram.remote, DatagramKind.KEEPALIVE)
            bad.endpoint.transmit(None, [answer])

    bad.wrap("receive", receive)


@fault("udp-encap", "3948-2.3-04")
def sends_long_keepalives(bad: Faulty) -> None:
    """Sends keepalives of four octets."""

    def transmit(original, message, datagrams, attempt=0):
        long = [replace(d, data=b"\xff" * 4) if d.kind is DatagramKind.KEEPALIVE else d for d in datagrams]
        original(message, long, attempt)

    bad.wrap("transmit", transmit)


@fault("udp-encap", "3948-2.1-01")
def sends_esp_from_another_port(bad: Faulty) -> None:
    """Sends ESP in UDP from another port than IKE."""

    def route(original, sa):
        found = original(sa)
        if found.kind is DatagramKind.ESP_IN_UDP:
            return Route(Address(found.local.host, 4501), found.remote, found.kind)
        return found

    bad.swap_function(nat.esp_route, route)


@fault("udp-encap", "7296-2.23-05", "7296-2.23-12", "7296-2.23-09")
def sends_plain_esp_behind_a_nat(bad: Faulty) -> None:
    """Sends ESP without UDP although there is a NAT."""

    def route(original, sa):
        return Route(Address(sa.local.host, 0), Address(sa.remote.host, 0), DatagramKind.ESP)

    bad.swap_function(nat.esp_route, route)


@fault("udp-encap", "3948-4-03")
def sends_keepalives_beside_traffic(bad: Faulty) -> None:
    """Sends keepalives although other packets keep the NAT's mapping."""

    def due(original, keepalives, path, now):
        for sa in path.sas:
            sa.last_sent = min(sa.last_sent, now - path.interval)
        path.sent = min(path.sent, now - path.interval)
        original(keepalives, path, now)

    bad.swap(Keepalives, "_due", due)
