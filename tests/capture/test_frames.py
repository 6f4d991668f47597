# SPDX-License-Identifier: GPL-2.0-or-later
"""pcap and pcapng, whole and damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fynx_scapy.capture.reading.frames import Frame, frames
from fynx_scapy.errors import CaptureError
from tests.capture.build import enhanced, interface, option, pcap, section, stream
from tests.shared import shared

FRAME = bytes(range(60))


def read(data: bytes) -> list[Frame]:
    return list(frames(stream(data), "a.pcap"))


def read_until_error(data: bytes) -> tuple[list[Frame], str]:
    found = []
    try:
        for frame in frames(stream(data), "a.pcap"):
            found.append(frame)
    except CaptureError as error:
        return found, str(error)
    pytest.fail("no CaptureError")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_pcap_in_either_order_and_resolution(order: str, nano: bool) -> None:
    found = read(pcap([FRAME, FRAME[:20]], order=order, nano=nano))
    assert [(f.number, f.time, f.data) for f in found] == [(1, 1000.25, FRAME), (2, 1001.25, FRAME[:20])]
    assert [f.offset for f in found] == [24, 24 + 16 + 60]


def test_gzip_and_path(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap.gz"
    path.write_bytes(gzip.compress(pcap([FRAME])))
    assert [f.data for f in frames(path)] == [FRAME]


def test_truncated_pcap_gives_what_is_there_and_the_offset() -> None:
    found, error = read_until_error(pcap([FRAME, FRAME, FRAME])[:-10])
    assert len(found) == 2
    assert error == "a.pcap: packet 3 at offset 176: the file ends at offset 242, 10 octets short"


def test_truncated_record_header() -> None:
    found, error = read_until_error(pcap([FRAME]) + b"\0\0\0")
    assert len(found) == 1
    assert "packet 2 at offset 100: the file ends at offset 103, 13 octets short" in error


def test_a_length_that_cannot_be() -> None:
    found, error = read_until_error(pcap([FRAME]) + b"\0" * 8 + b"\xff\xff\xff\x7f" * 2)
    assert len(found) == 1
    assert "packet 2 at offset 100: a captured length of 2147483647 octets is impossible" in error


def test_snapped_frame_says_what_is_missing() -> None:
    data = bytearray(pcap([FRAME]))
    data[24 + 12 : 24 + 16] = (1500).to_bytes(4, "little")
    assert read(bytes(data))[0].missing == 1440


@pytest.mark.parametrize("data", [b"", b"abc", b"not a capture at all"])
def test_no_capture(data: bytes) -> None:
    with pytest.raises(CaptureError, match=r"^a.pcap: header: "):
        read(data)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_with_options(order: str) -> None:
    comment = option(order, 1, b"eins: zwei") + option(order, 0, b"")
    resolution = option(order, 9, b"\x09") + option(order, 14, (5).to_bytes(8, "little" if order == "<" else "big"))
    data = section(order) + interface(order, 101, resolution) + enhanced(FRAME, 1_500_000_000, order, options=comment)
    (found,) = read(data)
    assert (found.time, found.linktype, found.data, found.comment) == (6.5, 101, FRAME, "eins: zwei")


def test_pcapng_binary_resolution_and_two_sections() -> None:
    first = section() + interface(options=option("<", 9, b"\x81")) + enhanced(FRAME, 5)
    second = section(">") + interface(">", 101) + enhanced(FRAME, 3_000_000, ">", wire=100)
    found = read(first + second)
    assert [(f.number, f.time, f.linktype, f.missing) for f in found] == [(1, 2.5, 1, 0), (2, 3.0, 101, 40)]


def test_pcapng_damage() -> None:
    good = section() + interface() + enhanced(FRAME, 5)
    found, error = read_until_error(good + enhanced(FRAME, 6)[:-30])
    assert len(found) == 1
    assert f"block at offset {len(good)}, after packet 1: the file ends" in error
    found, error = read_until_error(good + b"\6\0\0\0\x0b\0\0\0" + bytes(3))
    assert "a block length of 11 octets is impossible" in error


def test_a_damaged_record_of_the_right_length_is_reported_and_the_rest_is_read() -> None:
    good = section() + interface() + enhanced(FRAME, 5)
    for bad, text in (
        (enhanced(FRAME, 6, index=3), "packet 2 names interface 3, which has no description block"),
        (b"\6\0\0\0\x10\0\0\0" + bytes(4) + b"\x10\0\0\0", "a block of type 6 cannot have 16 octets"),
    ):
        first, second, third = read(good + bad + enhanced(FRAME, 7))
        assert (first.fault, first.data, third.fault, third.data) == ("", FRAME, "", FRAME)
        assert second.fault == f"a.pcap: block at offset {len(good)}, after packet 1: {text}"
        assert (second.number, third.number, third.offset) == (2, 3, len(good + bad))


def test_byte_order_may_change_with_a_section() -> None:
    data = b"".join(section(order) + interface(order) + 2 * enhanced(FRAME, 5, order) for order in "<><>>")
    assert [(f.number, f.order, f.data == FRAME) for f in read(data)] == [
        (number, order, True) for number, order in enumerate("<<>><<>>>>", 1)
    ]


def test_every_cut_of_a_file_ends_in_frames_or_an_error() -> None:
    for whole in (pcap([FRAME, FRAME]), section() + interface() + enhanced(FRAME, 5) + enhanced(FRAME, 6)):
        for end in range(len(whole)):
            try:
                assert len(read(whole[:end])) <= 2
            except CaptureError as error:
                assert "offset" in str(error)  # noqa: PT017 -- both outcomes are right, the text has to be


def test_external_captures_are_read() -> None:
    counts = {path.name: len(list(frames(path))) for path in shared("captures/external").glob("*.pcap*")}
    assert len(counts) >= 25
    assert counts["ipsec_isakmp_esp.pcap"] == 834
