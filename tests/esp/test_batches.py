# SPDX-License-Identifier: GPL-2.0-or-later
"""seal_many and open_many: the packets, counters and windows are those of one call per packet."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP

from fynx_scapy.errors import IntegrityError, LocalError, MalformedError, ReplayError
from fynx_scapy.esp import EspParts, InboundSa
from fynx_scapy.iana import Encr, Integ
from tests.esp.suites import CBC, GCM, IMPLICIT, SUITES, Suite, inbound, octets, outbound
from tests.examples import examples

PING = bytes(IP(src="10.1.0.1", dst="10.2.0.1") / ICMP() / b"0123456789")
each_suite = pytest.mark.parametrize("suite", SUITES, ids=str)
LENGTHS = (0, 1, 2, 3, 13, 14, 15, 16, 17, 64, 1400)


@pytest.mark.sample(3)
@each_suite
@pytest.mark.parametrize("esn", [False, True])
def test_many_are_as_one_by_one(suite: Suite, esn: bool) -> None:
    payloads = [octets("payload", length) for length in LENGTHS]
    together, alone = outbound(suite, esn=esn), outbound(suite, esn=esn)
    packets = together.seal_many(payloads, 99)
    assert packets == [alone.seal(payload, 99) for payload in payloads]
    assert together.seal(PING, 4) == alone.seal(PING, 4)
    assert (together.seq, together.packets, together.bytes) == (alone.seq, alone.packets, alone.bytes)
    receiver, other = inbound(suite, esn=esn), inbound(suite, esn=esn)
    assert receiver.open_many(packets) == [other.open(packet) for packet in packets]
    assert state(receiver) == state(other)
    assert receiver.highest == len(LENGTHS)


def state(receiver: InboundSa) -> list[object]:
    """All that an SA counts and remembers."""
    window = receiver.window
    names = ("packets", "bytes", "dummies", "replays", "integrity_failures", "malformed", "failures_in_a_row")
    return [getattr(receiver, name) for name in names] + [window.highest, window.missing]


# What the network does to a run of packets, and what the peer puts among them.
EVENTS = st.sampled_from(["lost", "twice", "late", "forged", "noise", "cut", "dummy", "padding"])


@settings(max_examples=examples(60), deadline=None)
@given(
    events=st.lists(st.tuples(EVENTS, st.integers(0, 12)), max_size=8),  # each, and how many ordinary packets after it
    esn=st.booleans(),
    start=st.sampled_from([0, (1 << 32) - 20]),
    size=st.integers(1, 6),
    data=st.data(),
)
def test_a_batch_is_as_one_by_one_whatever_arrives(
    events: list[tuple[str, int]], esn: bool, start: int, size: int, data: st.DataObject
) -> None:
    sender = outbound(esn=esn, seq=start)
    receiver, other = inbound(esn=esn, highest=start), inbound(esn=esn, highest=start)
    arriving: list[bytes] = []
    for event in [each for odd, plain in events for each in (odd, *[""] * plain)]:
        if sender.seq == sender.limit:
            break
        packet = sender.seal(PING, 4)
        if event == "dummy":
            packet = sender.seal_dummy(40) if sender.seq < sender.limit else packet
        elif event == "padding":
            packet = EspParts(PING, 4, seq=sender.seq, padding=bytes(6)).build(sender)
        if event == "forged":
            packet = packet[:20] + bytes((packet[20] ^ 1,)) + packet[21:]
        elif event == "cut":
            packet = packet[: data.draw(st.integers(0, 30))]
        elif event == "twice":
            arriving.append(packet)
        if event == "late":
            arriving.insert(max(0, len(arriving) - data.draw(st.integers(0, 70))), packet)
        elif event != "lost":
            arriving.append(packet)
        if event == "noise":
            arriving.append(packet[:4] + b"\0\x10\0\0" + packet[8:-1] + bytes((packet[-1] ^ 1,)))
    for at in range(0, len(arriving), size):
        batch = arriving[at : at + size]
        assert list(map(repr, receiver.open_many(batch))) == list(map(repr, map(other._attempt, batch)))
        assert state(receiver) == state(other)


def test_nothing_to_do() -> None:
    sender = outbound()
    assert sender.seal_many([], 4) == []
    assert (sender.seq, sender.packets, inbound().open_many([])) == (0, 0, [])


@pytest.mark.parametrize(("esn", "last"), [(False, 0xFFFF_FFFF), (True, 0xFFFF_FFFF_FFFF_FFFF)])
@pytest.mark.parametrize("suite", [GCM, CBC, *IMPLICIT[:1]], ids=str)
def test_a_batch_takes_all_its_numbers_or_none(suite: Suite, esn: bool, last: int) -> None:
    sender = outbound(suite, esn=esn, seq=last - 3)
    with pytest.raises(LocalError, match=r"3 sequence numbers are left, .* a batch of 4 packets, of which none"):
        sender.seal_many([PING] * 4, 4)
    assert (sender.seq, sender.packets) == (last - 3, 0)
    assert len(sender.seal_many([PING] * 3, 4)) == 3
    with pytest.raises(LocalError, match="used up"):
        sender.seal(PING, 4)


@pytest.mark.parametrize("suite", [GCM, Suite(Encr.ENCR_AES_CTR, 128, Integ.AUTH_HMAC_SHA2_256_128)], ids=str)
def test_counted_ivs_never_repeat_in_batches_either(suite: Suite) -> None:
    sender = outbound(suite)
    packets = [sender.seal(PING, 4, seq=seq) for seq in (5, 5, 0)]
    packets += [*sender.seal_many([PING] * 3, 4), sender.seal(PING, 4), *sender.seal_many([PING] * 2, 4)]
    assert len({packet[8:16] for packet in packets}) == len(packets)
    assert [int.from_bytes(packet[4:8]) for packet in packets] == [5, 5, 0, *range(1, 7)]


def test_a_batch_does_not_repeat_the_iv_of_a_crafted_packet() -> None:
    sender = outbound()
    crafted = EspParts(PING, 4, iv=(1).to_bytes(8)).build(sender)
    packets = [crafted, *sender.seal_many([PING] * 2, 4)]
    assert [int.from_bytes(packet[8:16]) for packet in packets] == [1, 2, 3]


def test_one_bad_packet_harms_no_other() -> None:
    sender, receiver = outbound(), inbound()
    good = sender.seal_many([PING] * 4, 4)
    forged = good[1][:4] + (1000).to_bytes(4) + good[1][8:]
    results = receiver.open_many(
        [good[0], forged, good[0], b"short", good[1], outbound(spi=5).seal(PING, 4), *good[2:]]
    )
    assert [item if isinstance(item, tuple) else type(item) for item in results] == [
        (PING, 4), IntegrityError, ReplayError, MalformedError, (PING, 4), MalformedError, (PING, 4), (PING, 4),
    ]  # fmt: skip
    assert (receiver.highest, receiver.packets, receiver.failures_in_a_row) == (4, 4, 0)
    assert (receiver.integrity_failures, receiver.replays, receiver.malformed) == (1, 1, 2)


def test_a_next_header_that_does_not_fit_takes_no_number() -> None:
    sender = outbound()
    for next_header in (-1, 256):
        with pytest.raises(LocalError, match="next header between 0 and 255"):
            sender.seal_many([PING], next_header)
    assert (sender.seq, sender.packets) == (0, 0)


def test_a_peer_that_begins_its_numbers_anew_in_a_batch_is_refused() -> None:
    """RFC 4303 section 3.3.3: they must not cycle."""
    sender, receiver = outbound(), inbound(highest=0xFFFF_FFFF)
    again = [sender.seal(PING, 4, seq=seq) for seq in range(3)]
    assert [type(result) for result in receiver.open_many(again)] == [ReplayError] * 3
    assert (receiver.highest, receiver.packets, receiver.replays) == (0xFFFF_FFFF, 0, 3)
