# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP segments joined for a TUN device. Scapy cuts them again, as a kernel does, and what comes out is what went in."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt
from scapy.packet import Packet, Raw
from scapy.utils import checksum

from fynx_scapy.net.coalesce import MOST_SEGMENTS, PLAIN, coalesced
from tests.examples import examples

VNET = struct.Struct("=BBHHHH")
STAMPS = [("NOP", None), ("NOP", None), ("Timestamp", (7, 8))]
VERSIONS = pytest.mark.parametrize("version", [4, 6])


def network(version: int, **fields: Any) -> Packet:
    if version == 4:
        return IP(**{"src": "10.1.0.1", "dst": "10.2.0.1", "flags": "DF"} | fields)
    return IPv6(**{"src": "fd01::1", "dst": "fd02::1"} | fields)


def segment(version: int, data: bytes, seq: int = 1000, *, ip: dict[str, Any] | None = None, **tcp: Any) -> bytes:
    fields = {"sport": 40000, "dport": 5201, "ack": 77, "flags": "A", "options": STAMPS} | tcp
    return bytes(network(version, **ip or {}) / TCP(seq=seq, **fields) / Raw(data))


def stream(version: int, sizes: Sequence[int], seq: int = 1000, *, push: bool = False, **tcp: Any) -> list[bytes]:
    made = []
    for number, size in enumerate(sizes):
        flags = "PA" if push and number == len(sizes) - 1 else "A"
        made.append(segment(version, bytes([number]) * size, seq % 2**32, flags=flags, **tcp))
        seq += size
    return made


def cut(write: list[bytes]) -> list[bytes]:
    """The packets of a write, cut as `tcp_gso_segment` of Linux does, checksums by Scapy."""
    header, *rest = write
    if header == PLAIN:
        (packet,) = rest
        return [packet]
    flags, kind, head, size, start, offset = VNET.unpack(header)
    whole = b"".join(rest)
    version = whole[0] >> 4
    assert (flags, kind, offset) == (1, {4: 1, 6: 4}[version], 16)
    packet = (IP if version == 4 else IPv6)(whole)
    assert len(bytes(packet)) == len(whole)
    assert head == len(rest[0]) == start + packet[TCP].dataofs * 4
    # The field has the pseudo-header's sum; with all that follows added, the checksum verifies.
    summed = checksum(whole[start:])
    complete = whole[: start + 16] + struct.pack("!H", summed) + whole[start + 18 :]
    assert bytes(type(packet)(complete)) == complete
    fresh = type(packet)(complete)
    del fresh[TCP].chksum
    assert fresh.__class__(bytes(fresh))[TCP].chksum == summed
    found = []
    data = whole[head:]
    for begin in range(0, len(data), size):
        piece = packet.copy()
        piece[TCP].remove_payload()
        piece[TCP].seq = (packet[TCP].seq + begin) % 2**32
        if begin + size < len(data):
            piece[TCP].flags = str(packet[TCP].flags).replace("P", "")
        del piece[TCP].chksum
        if version == 4:
            del piece.len, piece.chksum
        else:
            del piece.plen
        found.append(bytes(piece / Raw(data[begin : begin + size])))
    return found


def without_id(packet: bytes) -> bytes:
    """A packet without what means nothing where it must not be fragmented (RFC 6864)."""
    return packet[:4] + packet[6:10] + packet[12:] if packet[:1] == b"\x45" else packet


def check(packets: Sequence[bytes]) -> list[list[bytes]]:
    """Join the packets, and see that a kernel makes the same of it; returns the writes."""
    writes = coalesced(packets)
    for buffers, originals in writes:
        assert list(map(without_id, cut(buffers))) == list(map(without_id, originals))
    assert sorted(packet for _, originals in writes for packet in originals) == sorted(packets)
    return [buffers for buffers, _ in writes]


@VERSIONS
@pytest.mark.parametrize("sizes", [[1348, 1348, 1348, 700], [1, 1, 1], [1347, 1347, 9], [2, 1]])
@pytest.mark.parametrize("push", [True, False])
def test_segments_that_follow_one_another_are_one_write(version: int, sizes: list[int], push: bool) -> None:
    (write,) = check(stream(version, sizes, push=push))
    assert len(write) == 2 + len(sizes)


@VERSIONS
@given(data=st.data())
@settings(max_examples=examples(25))
def test_what_is_joined_can_be_cut_again(version: int, data: st.DataObject) -> None:
    """Two flows in any order, with odd sizes, options, gaps, PSH, FIN and ECN."""
    packets: list[bytes] = []
    seqs = [data.draw(st.sampled_from([5, 2**32 - 3])), 9]
    options = data.draw(st.sampled_from([[], STAMPS, [("NOP", None)] * 40]))
    for _ in range(data.draw(st.integers(1, 8))):
        flow = data.draw(st.integers(0, 1))
        size = data.draw(st.sampled_from([3, 3, 3, 4, 1, 0]))
        gap = data.draw(st.sampled_from([0, 0, 0, 0, 1]))
        flags = data.draw(st.sampled_from(["A", "A", "A", "PA", "FA", "EA", "CA", "R", "S"]))
        tos = data.draw(st.sampled_from([0, 0, 0, 3]))
        seq = (seqs[flow] + gap) % 2**32
        seqs[flow] = seq + size
        ip = {"tos": tos} if version == 4 else {"tc": tos}
        fields = {"flags": flags, "sport": 40000 + flow, "options": options}
        packets.append(segment(version, bytes([len(packets)]) * size, seq, ip=ip, **fields))
    writes = coalesced(packets)
    check(packets)
    for port in (40000, 40001):  # within a flow the order stays

        def ours(packet: bytes, port: int = port) -> bool:
            return struct.unpack_from("!H", packet, 20 if version == 4 else 40)[0] == port

        came = [packet for _, originals in writes for packet in originals if ours(packet)]
        assert came == list(filter(ours, packets))


DIFFERENT: dict[str, dict[str, Any]] = {
    "acknowledgement": {"ack": 78},
    "window": {"window": 5},
    "options": {"options": [("NOP", None), ("NOP", None), ("Timestamp", (7, 9))]},
    "fewer options": {"options": []},
    "urgent pointer": {"urgptr": 1},
    "source port": {"sport": 40001},
    "destination port": {"dport": 5202},
    "FIN": {"flags": "FA"},
    "RST": {"flags": "RA"},
    "SYN": {"flags": "SA"},
    "URG": {"flags": "UA"},
    "ECE": {"flags": "EA"},
    "CWR": {"flags": "CA"},
    "no ACK": {"flags": ""},
    "reserved bits": {"reserved": 1},
    "a gap": {"seq": 1101},
    "an overlap": {"seq": 1099},
    "the same once more": {"seq": 1000},
}


@VERSIONS
@pytest.mark.parametrize("what", DIFFERENT)
def test_segments_that_differ_stay_apart(version: int, what: str) -> None:
    changed = {"seq": 1100} | DIFFERENT[what]
    packets = [segment(version, b"a" * 100), segment(version, b"b" * 100, **changed)]
    assert len(check(packets)) == 2


IN_ALL = [{"ttl": 9}, {"tos": 3}, {"tos": 4}, {"src": "10.1.0.9"}]
NEVER_JOINED = [{"flags": 0}, {"flags": "MF"}, {"frag": 1}, {"options": [b"\x01" * 4]}]


@pytest.mark.parametrize("field", [*IN_ALL, *NEVER_JOINED])
def test_differences_in_the_header_of_ipv4(field: dict[str, Any]) -> None:
    packets = [segment(4, b"a" * 100), segment(4, b"b" * 100, 1100, ip=field)]
    assert len(check(packets)) == 2
    assert len(check([segment(4, b"a" * 100, ip=field), packets[1]])) == (
        1 if set(field) & {"ttl", "tos", "src"} else 2
    )


@pytest.mark.parametrize("field", [{"hlim": 9}, {"tc": 3}, {"fl": 4}, {"dst": "fd02::9"}])
def test_differences_in_the_header_of_ipv6(field: dict[str, Any]) -> None:
    packets = [segment(6, b"a" * 100), segment(6, b"b" * 100, 1100, ip=field)]
    assert len(check(packets)) == 2
    assert len(check([segment(6, b"a" * 100, ip=field), packets[1]])) == 1


@VERSIONS
def test_a_smaller_segment_and_one_with_push_are_the_last(version: int) -> None:
    smaller, pushed = stream(version, [10, 9, 9, 9]), stream(version, [10, 10], push=True)
    assert [len(write) - 2 for write in check(smaller)] == [2, 2]
    assert len(check([*pushed, *stream(version, [10, 10], 1020)])) == 2
    assert len(check(stream(version, [9, 10]))) == 2  # the first says how large they are
    assert [len(write) - 2 for write in check([*smaller[:2], smaller[1]])] == [2, 0]  # it came twice


@VERSIONS
def test_other_packets_stay_as_they_are(version: int) -> None:
    udp = bytes(network(version) / UDP(sport=1, dport=2) / Raw(b"x" * 9))
    pure = segment(version, b"")
    packets = [udp, udp, pure, pure, b"", b"\x45", b"\x60" + bytes(30), bytes(60), pure[:25]]
    assert len(check(packets)) == len(packets)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=90),
            st.tuples(st.sampled_from([4, 6]), st.integers(0, 99), st.binary(max_size=3)).map(
                lambda given: (base := segment(given[0], b"data"))[: given[1]] + given[2] + base[given[1] + 3 :]
            ),
        ),
        max_size=6,
    )
)
def test_nothing_that_a_peer_sends_is_lost_or_raises(packets: list[bytes]) -> None:
    assert sorted(packet for _, originals in coalesced(packets) for packet in originals) == sorted(packets)


@VERSIONS
@pytest.mark.parametrize("padded", range(3))
def test_what_stands_behind_a_packet_is_no_data(version: int, padded: int) -> None:
    """Zeros do not change its checksum."""
    packets = stream(version, [8, 8, 6])
    packets[padded] += bytes(2)
    assert packets[padded] in [packet for buffers, _ in coalesced(packets) for packet in buffers]
    packets = [segment(version, bytes(8), seq) + bytes(2) for seq in (1000, 1010)]
    assert [buffers for buffers, _ in coalesced(packets)] == [[PLAIN, packet] for packet in packets]


def test_another_version_of_ip_is_none_of_ours() -> None:
    packets = [b"\x70" + packet[1:] for packet in stream(6, [9, 9])]
    assert [buffers for buffers, _ in coalesced(packets)] == [[PLAIN, packet] for packet in packets]


@VERSIONS
def test_flows_may_alternate(version: int) -> None:
    one, other = stream(version, [50] * 3), stream(version, [60] * 3, sport=40001)
    assert len(check([packet for both in zip(one, other, strict=True) for packet in both])) == 2


@VERSIONS
def test_nothing_overtakes_a_packet_of_its_flow(version: int) -> None:
    begin, end = stream(version, [50, 50]), stream(version, [50, 50], 1100)
    syn = segment(version, b"", flags="S")
    assert len(check([*begin, syn, *end])) == 3
    # With an option or an extension header the ports stand elsewhere. It may be of any flow.
    if version == 4:
        hidden = segment(4, b"a", ip={"options": [b"\x01" * 4]})
    else:
        hidden = bytes(network(6) / IPv6ExtHdrDestOpt() / TCP(seq=1, flags="A") / Raw(b"a"))
    assert len(check([*begin, hidden, *end])) == 3


@VERSIONS
@pytest.mark.parametrize("size", [100, 101])
def test_a_wrong_checksum_stays_wrong(version: int, size: int) -> None:
    """The kernel would not look at it again. So all of them go one by one, and it drops the one that is damaged."""
    for damaged in range(3):
        packets = stream(version, [size] * 3)
        packets[damaged] = packets[damaged][:-1] + b"\xff"
        assert [buffers for buffers, _ in coalesced(packets)] == [[PLAIN, packet] for packet in packets]


@VERSIONS
def test_damage_to_one_packet_does_not_make_up_for_damage_to_another(version: int) -> None:
    for one, other in ((0, 1), (1, 2), (0, 2)):
        packets = stream(version, [1000] * 3)
        for damaged, change in ((one, 1), (other, -1)):
            packet = packets[damaged]
            packets[damaged] = packet[:-2] + (int.from_bytes(packet[-2:]) + change).to_bytes(2)
        assert [buffers for buffers, _ in coalesced(packets)] == [[PLAIN, packet] for packet in packets]


@VERSIONS
@pytest.mark.parametrize("bit", [1, 128])
def test_any_octet_may_be_damaged(version: int, bit: int) -> None:
    """Only a flow label, a TTL and the like are in no checksum of IPv6. They have to be the same in all segments."""
    packets = stream(version, [11, 11, 11])
    for at in range(len(packets[1])):
        damaged = packets[1][:at] + bytes([packets[1][at] ^ bit]) + packets[1][at + 1 :]
        writes = coalesced([packets[0], damaged, packets[2]])
        assert [PLAIN, damaged] in [buffers for buffers, _ in writes]


@VERSIONS
def test_a_joined_segment_has_a_limit(version: int) -> None:
    head = (20 if version == 4 else 40) + 32
    whole = stream(version, [1000])[0]
    # By octets: copies with other sequence numbers would need checksums of their own, so the data makes up for it.
    packets = [_moved(whole, head, number * 1000) for number in range(70)]
    writes = [buffers for buffers, _ in coalesced(packets)]
    assert len(writes) == 2
    assert sum(map(len, writes[0][1:])) <= 65535 < sum(map(len, writes[0][1:])) + 1000
    # By number: a write takes a limited number of buffers.
    tiny = stream(version, [2])[0]
    writes = [
        buffers for buffers, _ in coalesced([_moved(tiny, head, number * 2) for number in range(MOST_SEGMENTS + 1)])
    ]
    assert [len(write) - 2 for write in writes] == [MOST_SEGMENTS, 0]


def _moved(packet: bytes, head: int, octets: int) -> bytes:
    """A segment that comes so many octets later. What its sequence number gains, its first data lose."""
    at = head - 32
    seq, first = int.from_bytes(packet[at + 4 : at + 8]), int.from_bytes(packet[head : head + 2])
    data = ((first - octets) % 0xFFFF).to_bytes(2)
    return packet[: at + 4] + (seq + octets).to_bytes(4) + packet[at + 8 : head] + data + packet[head + 2 :]


@VERSIONS
def test_sequence_numbers_begin_anew(version: int) -> None:
    assert [len(write) - 2 for write in check(stream(version, [4] * 4, 2**32 - 8))] == [2, 2]


@pytest.mark.parametrize("size", [64, 100], ids=["a shorter one", "one as long"])
@VERSIONS
def test_where_sequence_numbers_begin_anew_the_next_port_is_another_flow(version: int, size: int) -> None:
    """The carry of the sequence number turns the header that is expected into that of the next port."""
    ours = segment(version, b"a" * 100, 2**32 - 100)
    of_another = segment(version, b"b" * size, 0, dport=5202)
    assert check([ours, of_another]) == [[PLAIN, ours], [PLAIN, of_another]]
