# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in ESP: sequence numbers, the replay window, padding, and what is done with packets."""

from __future__ import annotations

from fynx_scapy.errors import IntegrityError, MalformedError, ReplayError
from fynx_scapy.esp import padding, tunnel
from fynx_scapy.esp.framing import opener
from fynx_scapy.esp.inbound import InboundSa
from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.esp.replay import LIMIT_32, ReplayWindow
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.life.lifetimes import ChildLife
from fynx_scapy.ike.message import Datagram
from fynx_scapy.ike.traffic.children import Children
from fynx_scapy.ike.traffic.lanes import DUMMY
from fynx_scapy.ike.traffic.receiver import Receiver
from fynx_scapy.ike.traffic.sender import Sender
from tests.faults.ciphers import unverified
from tests.faults.fault import Faulty, fault

# Sequence numbers and replay


@fault("esp-sequence/replay", "4303-3.4.3-01", "4303-3.4.3-05", "4303-2.2-03")
def has_no_replay_window(bad: Faulty) -> None:
    """Delivers a packet as often as it comes."""
    _each_inbound(bad, lambda one: setattr(one, "window", ReplayWindow(0, esn=one.esn)))


def _each_inbound(bad: Faulty, change) -> None:
    def made(original, one, **named):
        original(one, **named)
        change(one)

    bad.swap(InboundSa, "__init__", made)


@fault("esp-sequence/replay", "4303-3.4.3-10", "4303-2.2-03")
def has_a_short_replay_window(bad: Faulty) -> None:
    """Drops a packet that comes 16 or more packets late."""
    _each_inbound(bad, lambda one: setattr(one, "window", ReplayWindow(16, esn=one.esn)))


@fault("esp-sequence/replay", "4303-3.4.3-i01", "4303-2.2-03")
def takes_packets_below_its_window(bad: Faulty) -> None:
    """Delivers a packet that is older than the window."""

    def check(original, window, seql):
        try:
            return original(window, seql)
        except ReplayError as error:
            if "below the window" in str(error):
                return window.locate(seql)
            raise

    bad.swap(ReplayWindow, "check", check)


@fault("esp-sequence/replay", "4303-3.4.3-08", "4303-3.4.3-i03")
def moves_the_replay_window_before_the_icv(bad: Faulty) -> None:
    """Counts a packet as received before its ICV has verified."""

    def open_(original, one, packet):
        try:
            return original(one, packet)
        except IntegrityError:
            one.window.accept(one.window.locate(int.from_bytes(packet[4:8])))
            raise

    bad.swap(InboundSa, "open", open_)


@fault("esp-sequence/replay", "4303-3.4.3-04")
def takes_sequence_number_zero(bad: Faulty) -> None:
    """Takes a packet with the sequence number 0."""

    def check(original, window, seql):
        return 0 if not seql and not window.esn else original(window, seql)

    bad.swap(ReplayWindow, "check", check)


def _each_outbound(bad: Faulty, change) -> None:
    def made(original, one, **named):
        original(one, **named)
        change(one)

    bad.swap(OutboundSa, "__init__", made)


@fault("esp-sequence/replay", "4303-3.3.3-i01", "4303-2.2-01")
def begins_with_sequence_number_2(bad: Faulty) -> None:
    """Sends its first packet with the sequence number 2."""
    _each_outbound(bad, lambda one: setattr(one, "seq", 1))


@fault("esp-sequence/replay", "4303-2.2-01")
def counts_by_two(bad: Faulty) -> None:
    """Raises the sequence number by two with each packet."""

    def seal(original, one, *rest, **named):
        packet = original(one, *rest, **named)
        one.seq += 1
        return packet

    bad.swap(OutboundSa, "seal", seal)
    bad.swap(
        OutboundSa,
        "seal_many",
        lambda original, one, payloads, kind: [seal(OutboundSa.seal, one, p, kind) for p in payloads],
    )


@fault("esp-sequence/replay", "4303-3.3.3-01", "4303-2.2-i01")
def wraps_its_sequence_number(bad: Faulty) -> None:
    """Begins again with sequence number 1 after the last one."""

    def seal(original, one, *rest, **named):
        if one._seq >= LIMIT_32 and not one.esn:
            one._seq = 0
        return original(one, *rest, **named)

    bad.swap(OutboundSa, "seal", seal)
    bad.swap(ChildLife, "_end", lambda original, life, limit: None)  # else the Child SA ends before that


@fault("esp-sequence/replay", "4303-2.2.1-02", "4303-3.3.3-i02")
def leaves_the_high_half_out_of_the_icv(bad: Faulty) -> None:
    """Computes the ICV without the high half of an extended sequence number."""
    for kind in (InboundSa, OutboundSa):
        bad.swap(kind, "__init__", lambda original, one, **named: original(one, **(named | {"esn": False})))


# Processing


@fault("esp-processing", "4303-3.4.4.1-01", "4303-3.4.4.1-05", "4303-3.4.4.2-01")
def takes_any_esp_icv(bad: Faulty) -> None:
    """Delivers a packet whose ICV is wrong."""

    def made(original, encr, key, integ, auth_key, *, spi, esn):
        open_ = original(encr, key, integ, auth_key, spi=spi, esn=esn)
        icv_size = integ.icv_size if integ is not None else encr.icv_size

        def lax(packet: bytes, seq: int) -> bytes:
            try:
                return open_(packet, seq)
            except IntegrityError:
                body = 8 + encr.iv_size
                return unverified(encr, key, packet[8:body], packet[body : len(packet) - icv_size])

        return lax

    bad.swap_function(opener, made)


@fault("esp-processing", "4303-3.4.2-01")
def takes_any_spi(bad: Faulty) -> None:
    """Takes a packet with an unknown SPI for one of its only Child SA."""
    _any_spi(bad, lambda spi: spi > 255)


def _any_spi(bad: Faulty, wrong) -> None:
    def receive(original, receiver, datagram):
        spi, known = int.from_bytes(datagram.data[:4]), bad.endpoint.children
        if spi not in known and wrong(spi) and known:
            named = next(iter(known)).to_bytes(4) + datagram.data[4:]
            datagram = Datagram(named, datagram.local, datagram.remote, datagram.kind, datagram.tos)
        original(receiver, datagram)

    bad.swap(Receiver, "receive", receive)


@fault("esp-processing", "4303-2.1-01")
def wants_esp_from_one_address(bad: Faulty) -> None:
    """Drops a packet that comes from another address than that of the IKE SA."""

    def receive(original, receiver, datagram):
        sa, _ = bad.endpoint.children.get(int.from_bytes(datagram.data[:4]), (None, None))
        if sa is None or sa.remote.host == datagram.remote.host:
            return original(receiver, datagram)
        return bad.endpoint.drop(datagram, DropReason.UNKNOWN_ESP_SPI, "from another address")

    bad.swap(Receiver, "receive", receive)


@fault("esp-processing", "7296-2.24-01")
def loses_congestion_marks(bad: Faulty) -> None:
    """Does not copy a congestion mark from the outer to the inner header."""

    def receive(original, receiver, datagram):
        clear = Datagram(datagram.data, datagram.local, datagram.remote, datagram.kind, 0)
        original(receiver, clear)

    bad.swap(Receiver, "receive", receive)


@fault("esp-processing", "7296-2.24-01")
def sends_no_ecn(bad: Faulty) -> None:
    """Does not copy ECN from the inner to the outer header."""

    def send(original, sender, sa, child, payload, next_header, tfc, length, tos):
        return original(sender, sa, child, payload, next_header, tfc, length, tos & ~3)

    bad.swap(Sender, "_send", send)
    bad.swap_function(tunnel.traffic_class, lambda original, packet: original(packet) & ~3)


@fault("esp-processing", "3948-3.1.1-01")
def delivers_packets_outside_its_selectors(bad: Faulty) -> None:
    """Delivers an inner packet that the traffic selectors of its Child SA do not allow."""

    def outside(original, receiver, lane, datagram, packet):
        inbox = receiver.inbox if lane.sa.inbox is None else lane.sa.inbox
        inbox.put(packet)

    bad.swap(Receiver, "_outside", outside)


# Padding


@fault("esp-padding", "4303-2.6-02", "4303-3.4.4.1-i01", "4303-2.6-03")
def delivers_dummy_packets(bad: Faulty) -> None:
    """Delivers a packet with next header 59."""

    def inner(original, lane, payload, next_header, remote, tos):
        if next_header == DUMMY:
            receiver = bad.endpoint._receiver
            (receiver.inbox if lane.sa.inbox is None else lane.sa.inbox).put(payload)
        return original(lane, payload, next_header, remote, tos)

    bad.swap(Receiver, "_inner", inner)


@fault("esp-padding", "4303-2.6-02")
def does_not_count_dummy_packets(bad: Faulty) -> None:
    """Takes a packet with next header 59 for a malformed one, before its window moves."""

    def unpadded(original, plaintext, check):
        payload, next_header = original(plaintext, check)
        if next_header == DUMMY:
            raise MalformedError("a dummy packet")
        return payload, next_header

    bad.swap_function(padding.unpadded, unpadded)


@fault("esp-padding", "4303-2.4-04")
def takes_any_padding(bad: Faulty) -> None:
    """Delivers a packet whose padding is not 1, 2, 3."""
    _each_inbound(bad, lambda one: setattr(one, "check_padding", False))


@fault("esp-padding", "4303-2.5-i01")
def takes_a_pad_length_beyond_the_packet(bad: Faulty) -> None:
    """Takes a Pad Length that is larger than the packet for no padding."""

    def unpadded(original, plaintext, check):
        try:
            return original(plaintext, check)
        except MalformedError:
            if plaintext[-2] <= len(plaintext) - 2:
                raise
            return original(plaintext[:-2] + b"\0" + plaintext[-1:], check)

    bad.swap_function(padding.unpadded, unpadded)


@fault("esp-padding", "4303-2.7-03", "7296-1.3.1-i01")
def sends_tfc_padding_unwanted(bad: Faulty) -> None:
    """Sends TFC padding, whether the peer takes it or not."""

    def seal(original, one, payload, next_header, tfc_pad=0, seq=None):
        return original(one, payload, next_header, 16 if next_header in (4, 41) else tfc_pad, seq)

    bad.swap(OutboundSa, "seal", seal)
    bad.swap(
        OutboundSa,
        "seal_many",
        lambda original, one, payloads, kind: [seal(OutboundSa.seal, one, p, kind) for p in payloads],
    )


@fault("esp-padding", "4303-2.7-01")
def drops_tfc_padding(bad: Faulty) -> None:
    """Drops a packet with TFC padding."""

    def unpadded(original, plaintext, check):
        payload, next_header = original(plaintext, check)
        if next_header in (4, 41) and len(payload) != len(plaintext) - 2 - plaintext[-2]:
            raise MalformedError("TFC padding")
        return payload, next_header

    bad.swap_function(padding.unpadded, unpadded)


@fault("esp-padding", "4303-2.4-02")
def drops_long_padding(bad: Faulty) -> None:
    """Drops a packet with 16 octets of padding or more."""

    def unpadded(original, plaintext, check):
        if plaintext[-2] >= 16:
            raise MalformedError("long padding")
        return original(plaintext, check)

    bad.swap_function(padding.unpadded, unpadded)


# Format


@fault("esp-format", "4303-2.1-i01", "4303-2.1-06")
def chooses_reserved_spis(bad: Faulty) -> None:
    """Chooses SPIs from 1 to 255."""

    def new(original, children):
        return next(spi for spi in range(1, 256) if spi not in bad.endpoint.children)

    bad.swap(Children, "new_spi", new)


@fault("esp-format", "4303-2.1-06")
def takes_spi_zero(bad: Faulty) -> None:
    """Takes a packet with SPI 0 for one of its only Child SA."""
    _any_spi(bad, lambda spi: spi == 0)
