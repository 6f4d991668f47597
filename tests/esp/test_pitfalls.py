# SPDX-License-Identifier: GPL-2.0-or-later
"""One test for each fault or gap of Scapy's SecurityAssociation, which we do not have."""

from __future__ import annotations

import timeit

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet, Raw

from fynx_scapy.errors import ConfigError, LocalError, MalformedError, ReplayError
from fynx_scapy.esp.scapy import protect, unprotect
from fynx_scapy.iana import Encr, Integ
from fynx_scapy.layers.esp import ESP
from tests.esp.suites import CBC, GCM, Suite, inbound, octets_of, outbound

WRAP = 1 << 32
OUTER = IP(src="192.0.2.1", dst="192.0.2.2")
INNER = IP(src="10.1.0.1", dst="10.2.0.1") / ICMP() / b"inside"


@pytest.mark.parametrize(
    ("encr", "size"), [(Encr.ENCR_AES_GCM_8, 8), (Encr.ENCR_AES_GCM_12, 12), (Encr.ENCR_AES_GCM_16, 16)]
)
def test_icv_sizes_of_aes_gcm_are_honoured(encr: Encr, size: int) -> None:
    """Scapy ignores 8 and 12 (secdev/scapy#4903)."""
    suite = Suite(encr, 128)
    packet = outbound(suite).seal(bytes(18), 99)
    assert len(packet) == 8 + 8 + 20 + size
    assert inbound(suite).open(packet) == (bytes(18), 99)
    full = outbound(GCM).seal(bytes(18), 99)
    assert full.startswith(packet)  # the tag is the same, cut short


def test_the_counter_ends_with_a_clear_error() -> None:
    """Scapy: struct.error."""
    sender = outbound(seq=WRAP - 1)
    with pytest.raises(LocalError, match="used up"):
        protect(sender, INNER, outer=OUTER)


def test_the_upper_half_of_esn_advances() -> None:
    """Scapy's never does (secdev/scapy#2149, #2389, #3908)."""
    sender, receiver = outbound(esn=True, seq=WRAP - 2), inbound(esn=True, highest=WRAP - 2)
    for number in (WRAP - 1, WRAP, WRAP + 1):
        packet = protect(sender, INNER, outer=OUTER)
        assert (sender.seq, packet[ESP].seq) == (number, number % WRAP)
        assert unprotect(receiver, packet)
    assert receiver.highest == WRAP + 1


def test_number_zero_can_be_sent_at_any_time() -> None:
    """Scapy takes 0 for "not given" once its counter has moved."""
    sender = outbound()
    for _ in range(3):
        protect(sender, INNER, outer=OUTER)
    packet = protect(sender, INNER, outer=OUTER, seq=0)
    assert packet[ESP].seq == 0
    assert unprotect(inbound(replay_window=0), packet)
    assert protect(sender, INNER, outer=OUTER)[ESP].seq == 4


def test_replays_are_noticed() -> None:
    """Scapy does not check."""
    receiver, packet = inbound(), protect(outbound(), INNER, outer=OUTER)
    assert unprotect(receiver, packet)
    with pytest.raises(ReplayError):
        unprotect(receiver, packet)


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_arguments_are_not_changed(mode: str) -> None:
    """Scapy's decrypt() changes the packet that it is given."""

    def state(packet: Packet) -> tuple[str, bytes, list[dict[str, object]]]:
        return packet.command(), bytes(packet), [dict(packet[layer].fields) for layer in packet.layers()]

    outer = OUTER.copy() if mode == "tunnel" else None
    inner = INNER.copy()
    before = state(inner)
    packet = protect(outbound(mode=mode), inner, outer=outer, udp=(4500, 4500))
    assert state(inner) == before
    assert outer is None or state(outer) == state(OUTER)
    received = IP(bytes(packet))
    before = state(received)
    assert unprotect(inbound(mode=mode), received)
    assert state(received) == before


def test_no_ip_is_needed_below_esp() -> None:
    """Scapy wants an IP or IPv6 layer there."""
    packet = protect(outbound(), INNER, outer=OUTER, udp=(4500, 4500))
    for below in (packet, packet[UDP], packet[ESP], bytes(packet[ESP]), Raw(bytes(packet[ESP]))):
        assert octets_of(unprotect(inbound(), below)) == bytes(INNER)


@pytest.mark.parametrize("size", [0, 15, 16, 19, 21, 24, 36])
def test_key_length_is_checked_when_the_sa_is_made(size: int) -> None:
    """Scapy finds out with the first packet. AES-GCM with 128 bits takes 16 octets and 4 of salt."""
    for direction in (outbound, inbound):
        with pytest.raises(ConfigError):
            direction(GCM, key=bytes(size))


def test_fragments_are_refused_with_a_clear_error() -> None:
    """Scapy mishandles them: it opens what it should discard, and seals later fragments as if they were whole."""
    packet = protect(outbound(), INNER, outer=OUTER)
    packet.flags |= "MF"
    del packet.chksum
    with pytest.raises(MalformedError, match="reassemble first"):
        unprotect(inbound(), packet)
    with pytest.raises(LocalError, match="reassemble the fragments first"):
        protect(outbound(mode="transport"), IP(frag=1) / bytes(8))


@pytest.mark.parametrize("flags", ["", "DF"])
@pytest.mark.parametrize("tos", [0, 0xB8, 0x28])
def test_dscp_and_df_are_carried_to_the_outer_header(tos: int, flags: str) -> None:
    packet = protect(outbound(), IP(src="10.1.0.1", dst="10.2.0.1", tos=tos, flags=flags) / UDP(), outer=OUTER)
    assert (packet.tos, str(packet.flags)) == (tos, flags)


def test_tfc_padding_and_dummy_packets_exist() -> None:
    sender, receiver = outbound(), inbound()
    assert len(sender.seal(bytes(INNER), 4, tfc_pad=1000)) > 1000
    assert receiver.open(sender.seal_dummy(9)) == (bytes(9), 59)


@pytest.mark.parametrize(
    "suite",
    [
        Suite(Encr.ENCR_AES_CBC, 128, Integ.AUTH_AES_XCBC_96),
        Suite(Encr.ENCR_NULL_AUTH_AES_GMAC, 128),  # secdev/scapy#3935
        Suite(Encr.ENCR_AES_GCM_16_IIV, 128),
        Suite(Encr.ENCR_AES_CCM_8_IIV, 128),
        Suite(Encr.ENCR_CHACHA20_POLY1305_IIV),
    ],
    ids=str,
)
def test_algorithms_that_scapy_lacks(suite: Suite) -> None:
    assert inbound(suite).open(outbound(suite).seal(bytes(INNER), 4)) == (bytes(INNER), 4)


def test_nat_traversal_over_ipv6() -> None:
    """secdev/scapy#4371."""
    outer = IPv6(src="2001:db8::1", dst="2001:db8::2")
    packet = protect(outbound(), INNER, outer=outer, udp=(4500, 4500))
    assert octets_of(unprotect(inbound(), IPv6(bytes(packet)))) == bytes(INNER)


@pytest.mark.parametrize("suite", [GCM, CBC], ids=str)
def test_a_packet_costs_microseconds(suite: Suite) -> None:
    """Scapy takes 1 to 2 ms for 1,400 octets; the bound leaves room for a slow and busy machine."""
    sender, receiver, payload = outbound(suite), inbound(suite), bytes(1400)
    best = min(timeit.repeat(lambda: receiver.open(sender.seal(payload, 99)), number=50, repeat=10)) / 50
    assert best < 0.000_5
