# SPDX-License-Identifier: GPL-2.0-or-later
"""Further faults, chosen later: how an endpoint builds and reads ESP packets, and UDP around them."""

from __future__ import annotations

import struct

from scapy.layers.inet import UDP

from fynx_scapy.errors import MalformedError
from fynx_scapy.esp import ip, padding
from fynx_scapy.esp import scapy as packets
from fynx_scapy.esp.inbound import InboundSa
from fynx_scapy.esp.ip import NO_NEXT_HEADER, PROTO_IPV4
from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.esp.replay import LIMIT_32, ReplayWindow
from tests.faults.fault import Faulty, later


def _trailers(bad: Faulty, change) -> None:
    """Change Padding | Pad Length of every packet: ``change(align, length)`` for a payload of so many octets."""

    def made(original, align):
        found = padding.Trailers(align)
        found._padded = [change(align, length) for length in range(align)]
        return found

    bad.swap_function(padding.trailers, made)


@later("esp-padding", "4303-2.4-03", "4303-2.4-i02", connects=False)
def pads_with_zeros(bad: Faulty) -> None:
    """Pads ESP packets with zeros."""
    _trailers(bad, lambda align, length: bytes(-(length + 2) % align) + bytes((-(length + 2) % align,)))


@later("esp-padding", "4303-2.4-i01")
def aligns_to_two_octets(bad: Faulty) -> None:
    """Ends the plaintext of a packet at a multiple of two octets where the cipher needs no whole blocks."""

    def change(align: int, length: int) -> bytes:
        return padding.PADDED[-(length + 2) % (2 if align == 4 else align)]

    _trailers(bad, change)


@later("esp-padding", "4303-2.6-01")
def sends_dummies_that_look_like_ip(bad: Faulty) -> None:
    """Sends dummy packets with the next header of IPv4."""

    def seal(original, sa, payload, next_header, *rest, **named):
        return original(sa, payload, PROTO_IPV4 if next_header == NO_NEXT_HEADER else next_header, *rest, **named)

    bad.swap(OutboundSa, "seal", seal)


@later("esp-padding", "4303-2.6-03")
def wants_ip_in_dummy_packets(bad: Faulty) -> None:
    """Refuses a dummy packet whose content is no IP packet."""

    def open_(original, sa, packet):
        payload, next_header = original(sa, packet)
        if next_header == NO_NEXT_HEADER and payload[:1] != b"\x45":
            raise MalformedError("a dummy packet without an IP packet")
        return payload, next_header

    bad.swap(InboundSa, "open", open_)


@later("esp-padding", "4303-2.7-02")
def counts_tfc_padding_in_the_inner_packet(bad: Faulty) -> None:
    """Adds the octets of TFC padding to the length in the header of the inner packet."""

    def padded(original, payload, next_header, octets):
        if next_header == PROTO_IPV4:
            payload = payload[:2] + (len(payload) + octets).to_bytes(2) + payload[4:]
            return payload + bytes(octets)
        return original(payload, next_header, octets)

    bad.swap_function(padding.tfc_padded, padded)


@later("esp-sequence/replay", "4303-2.2-02", connects=False)
def leaves_the_sequence_number_out(bad: Faulty) -> None:
    """Sends ESP packets without a Sequence Number field."""

    def short(packet: bytes) -> bytes:
        return packet[:4] + packet[8:]

    bad.swap(OutboundSa, "seal", lambda original, sa, *rest, **named: short(original(sa, *rest, **named)))
    bad.swap(OutboundSa, "seal_many", lambda original, sa, *rest: [short(one) for one in original(sa, *rest)])


@later("esp-sequence/replay", "4303-3.4.3-i02")
def stays_in_one_subspace(bad: Faulty) -> None:
    """Never raises the upper half of the receiver's extended sequence number."""

    def located(window, seql):
        return (window.highest & ~LIMIT_32) + seql

    bad.swap(ReplayWindow, "locate", lambda original, window, seql: located(window, seql))
    bad.swap(ReplayWindow, "check", lambda original, window, seql: located(window, seql))


@later("udp-encap", "3948-2.1-02")
def fills_in_udp_checksums(bad: Faulty) -> None:
    """Sends ESP in UDP over IPv4 with a UDP checksum."""

    def header(original, outer, sport, dport, payload):
        head = original(outer, sport, dport, payload)
        if ip.ip_version(outer) == 6:
            return head
        pseudo = outer[12:20] + struct.pack(">BBH", 0, ip.PROTO_UDP, len(head) + len(payload))
        return head[:6] + (ip.checksum(pseudo + head + payload) or 0xFFFF).to_bytes(2)

    bad.swap_function(ip.udp_header, header)


@later("udp-encap", "3948-2.1-03")
def wants_no_udp_checksum(bad: Faulty) -> None:
    """Drops ESP in UDP over IPv4 whose UDP checksum is not zero."""

    def unprotect(original, sa, packet):
        if not isinstance(packet, bytes) and UDP in packet and packet[UDP].chksum:
            raise MalformedError("a UDP checksum")
        return original(sa, packet)

    bad.swap_function(packets.unprotect, unprotect)
