# SPDX-License-Identifier: GPL-2.0-or-later
"""One pass over a capture: what is counted in place is counted as the long way counts it, and nothing is lost."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.capture.index import Index
from fynx_scapy.capture.reading import fragments as fragments_module
from fynx_scapy.errors import CaptureError
from tests.capture.build import (
    LINK_HEADERS,
    enhanced,
    esp,
    ethernet,
    ike,
    interface,
    ipv4,
    ipv6,
    pcap,
    section,
    stream,
    tcp,
    udp,
)
from tests.shared import FOLDER, shared

CAPTURES = sorted(path for path in FOLDER.glob("captures/*/*.pcap*")) or [Path("absent")]


def scan(data: bytes, ports: frozenset[int] = frozenset()) -> Index:
    return Index(ports).scan(stream(data), "a.pcap")


def figures(index: Index) -> dict[str, Any]:
    return {
        "flows": [flow.as_dict() | {"ports": flow.ports} for flow in index.flows],
        "kinds": index.kinds,
        "foreign": index.foreign,
        "packets": (index.packets, index.octets, index.first, index.last),
        "messages": list(index.messages),
        "problems": index.problems,
    }


class Long(Index):
    """An index that learns no flow."""

    def _learn(self, head: bytes, flow: Any) -> None:
        pass


def both(data: bytes) -> Index:
    """The index, after both ways have agreed."""
    found, slow = scan(data), Long().scan(stream(data), "a.pcap")
    assert figures(found) == figures(slow)
    return found


@pytest.mark.parametrize(("linktype", "before4", "before6"), LINK_HEADERS)
def test_every_link_type(linktype: int, before4: bytes, before6: bytes) -> None:
    numbers = (1, 2, 2, 5, 4, 1)
    frames = [before4 + ipv4(50, esp(n)) for n in numbers]
    frames += [before4 + ipv4(17, udp(4500, 4500, esp(n, 0x55))) for n in numbers]
    frames += [before6 + ipv6(50, esp(n, 0x66)) for n in numbers]
    frames += [before6 + ipv6(17, udp(4500, 4501, esp(n, 0x77))) for n in numbers]
    found = both(pcap(frames, linktype))
    assert found.kinds == Counter(esp=24)
    ends = [("10.0.0.1", 0x11223344, ""), ("10.0.0.1", 0x55, "UDP"), ("fd00::1", 0x66, ""), ("fd00::1", 0x77, "UDP")]
    assert [(flow.src, flow.spi, flow.encapsulation) for flow in found.flows] == ends
    for flow in found.flows:
        assert (flow.packets, flow.octets, flow.missing, flow.reordered) == (6, 240, 1, 1)
        assert (flow.duplicates, flow.replays, flow.lowest, flow.highest) == (1, 1, 1, 5)


@pytest.mark.parametrize("order", "<>")
def test_both_formats_in_both_orders(order: str) -> None:
    frames = [ethernet(ipv4(50, esp(n))) for n in range(1, 6)]
    ng = section(order) + interface(order) + b"".join(enhanced(f, 10**6 * n, order) for n, f in enumerate(frames, 1))
    for data in (pcap(frames, order=order), pcap(frames, order=order, nano=True), ng):
        (flow,) = both(data).flows
        assert (flow.packets, flow.seconds) == (5, 4.0)


def test_what_is_not_ordinary_goes_the_long_way() -> None:
    whole = ipv4(50, esp(3, size=64))
    options = bytearray(ipv4(50, bytes(4) + esp(4)))
    options[0] = 0x46
    short = ethernet(ipv4(50, esp(5)))[:50]
    frames = [
        ethernet(ipv4(50, esp(1))),
        ethernet(ipv4(50, esp(2))) + bytes(9),  # Ethernet's padding
        ethernet(ipv4(50, whole[20:52], ident=9, fragment=0x2000)),
        ethernet(ipv4(50, whole[52:], ident=9, fragment=4)),
        ethernet(bytes(options)),
        short,
        ethernet(ipv6(60, b"\x32\0" + bytes(6) + esp(1, 0x66))),
        ethernet(ipv6(0, b"\x2c\0" + bytes(6) + b"\x32\0\0\1\0\0\0\7" + esp(2, 0x66)[:16])),
        ethernet(ipv6(44, b"\x32\0\0\x10\0\0\0\7" + esp(2, 0x66)[16:])),
        ethernet(ipv4(51, b"\x32\x04\0\0" + struct.pack("!II", 0x99, 1) + bytes(12) + esp(1, 0xAA))),
        ethernet(ipv4(17, udp(500, 500, ike()))),
        ethernet(ipv4(17, udp(4500, 4500, bytes(4) + ike()))),
        ethernet(ipv4(17, udp(4500, 4500, b"\xff"))),
        ethernet(ipv4(17, udp(53, 53, bytes(40)))),
        ethernet(ipv4(6, tcp(80, 80, 1, bytes(40)))),
        ethernet(ipv4(1, bytes(40))),
        bytes(12) + b"\x08\x06" + bytes(40),
    ]
    found = both(pcap(frames))
    assert found.kinds == Counter(esp=8, ah=1, ike=2, keepalive=1)
    assert found.foreign == 4
    assert [(flow.protocol, flow.spi, flow.packets, flow.cut) for flow in found.flows] == [
        ("esp", 0x11223344, 5, 1), ("esp", 0x66, 2, 0), ("ah", 0x99, 1, 0),
        ("esp", 0xAA, 1, 0),
    ]  # fmt: skip
    assert [problem.number for problem in found.problems] == [6]
    assert "the capture holds 16 of 40 octets" in found.problems[0].text
    assert found.losses == []


def test_ports_of_ones_own() -> None:
    back = ipv4(17, udp(9999, 7777, esp(1)), src="10.0.0.2", dst="10.0.0.1")
    data = pcap([ethernet(ipv4(17, udp(7777, 9999, bytes(4) + ike()))), ethernet(back)])
    assert scan(data).kinds == Counter(ike=1, esp=1)  # learnt from the IKE message
    only = pcap([ethernet(ipv4(17, udp(9999, 7777, esp(1))))])
    assert scan(only).foreign == 1
    assert scan(only, frozenset({7777})).kinds == Counter(esp=1)


def test_fragments_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments_module, "MOST_FRAGMENTED", 4)
    frames = [ethernet(ipv4(50, bytes(16), ident=n, fragment=0x2000)) for n in range(10)]
    index = scan(pcap(frames))
    assert index.kinds == Counter(fragment=10)
    assert [problem.number for problem in index.problems] == list(range(1, 11))
    assert len(index._walk.fragments._waiting) == 4


def small() -> bytes:
    frames = [ethernet(ipv4(50, esp(n))) for n in range(1, 4)] + [ethernet(ipv4(17, udp(500, 500, ike())))]
    return pcap(frames)


def small_ng() -> bytes:
    frames = [ethernet(ipv4(50, esp(n))) for n in range(1, 4)] + [ethernet(ipv4(17, udp(500, 500, ike())))]
    return section() + interface() + b"".join(enhanced(frame, n) for n, frame in enumerate(frames))


@pytest.mark.parametrize("whole", [small(), small_ng()], ids=["pcap", "pcapng"])
def test_cut_off_anywhere_what_is_there_is_read_and_the_rest_reported(whole: bytes) -> None:
    clean = set()
    for end in range(len(whole) + 1):
        try:
            index = scan(whole[:end])
        except CaptureError as error:
            assert end < 28, error  # noqa: PT017 -- nothing but the header may be missing
            continue
        assert sum(index.kinds.values()) == index.packets <= 4
        if index.problems:
            (problem,) = index.problems
            assert problem.number == index.packets + 1
            assert f"at offset {problem.offset}" in problem.text
            assert problem.offset < end
        else:
            clean.add(end)
    records = [24, 114, 204, 294, 380] if whole == small() else [28, 48, 156, 264, 372, 476]
    assert clean == {*records, len(whole)}


@given(st.binary(max_size=200))
def test_noise_behind_a_header_raises_nothing(noise: bytes) -> None:
    for header in (pcap([]), section() + interface()):
        index = scan(header + noise)
        assert index.packets == sum(index.kinds.values()) + index.foreign


def test_gzip_and_a_pipe(tmp_path: Path) -> None:
    expected = figures(scan(small()))
    packed = tmp_path / "a.pcap.gz"
    packed.write_bytes(gzip.compress(small()))
    assert figures(Index().scan(packed, "a.pcap")) == expected
    reading, writing = os.pipe()

    def feed() -> None:
        with os.fdopen(writing, "wb", buffering=0) as file:
            for at in range(0, len(small()), 7):
                file.write(small()[at : at + 7])

    thread = threading.Thread(target=feed)
    thread.start()
    with os.fdopen(reading, "rb") as file:
        assert figures(Index().scan(file, "a.pcap")) == expected
    thread.join()


def test_damaged_gzip_is_reported(tmp_path: Path) -> None:
    packed = tmp_path / "a.pcap.gz"
    whole = pcap([ethernet(ipv4(50, esp(1) + os.urandom(1000))) for _ in range(50)])
    packed.write_bytes(gzip.compress(whole)[:30_000])
    index = Index().scan(packed)
    assert 20 < index.packets < 30
    (problem,) = index.problems
    assert f"packet {index.packets + 1} at offset" in problem.text


@pytest.mark.sample(3)
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_real_captures_are_counted_the_same_both_ways(path: Path) -> None:
    shared("captures")
    found = Index().scan(path, "a")
    assert figures(found) == figures(Long().scan(path, "a"))
    # Dissected or reported, none lost: no capture of these has fragments that become whole.
    assert found.packets == sum(found.kinds.values()) + found.foreign


def test_the_index_needs_neither_scapy_nor_pandas() -> None:
    code = (
        "import sys; sys.modules['scapy'] = sys.modules['pandas'] = None; from fynx_scapy.capture import Capture; "
        f"c = Capture({str(shared('captures/lab') / 'psk-ppk.pcap')!r}); "
        "print(len(c.flows), len(c.conversations), len(c.exchanges))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("4 1 7\n", "")
