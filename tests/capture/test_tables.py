# SPDX-License-Identifier: GPL-2.0-or-later
"""A capture as DataFrames: times are exact, whole numbers stay whole."""

from __future__ import annotations

import io
import pickle
import struct

import pytest

from fynx_scapy.capture import Capture, KeyLog
from fynx_scapy.capture.headers.times import Time, fine, nanoseconds
from fynx_scapy.capture.scale import Results
from fynx_scapy.capture.showing.tables import TABLES, TIMES, typed
from tests.capture.build import ipv4, udp

pandas = pytest.importorskip("pandas", reason="pandas is not installed")

RAW_IP = 101
SECONDS = 1_767_225_599
FRACTIONS = (0, 1, 123_456_789, 999_999_999, 500_000_001)
MESSAGE = bytes(range(1, 9)) + bytes(8) + bytes([0, 0x20, 34, 8]) + bytes(4) + (28).to_bytes(4)


def packets() -> list[bytes]:
    esp = [ipv4(50, (7).to_bytes(4) + number.to_bytes(4) + bytes(32)) for number in range(1, len(FRACTIONS))]
    return [ipv4(17, udp(500, 500, MESSAGE)), *esp]


def pcap(magic: int, stamps: list[tuple[int, int]]) -> bytes:
    head = struct.pack("<IHHiIII", magic, 2, 4, 0, 0, 65535, RAW_IP)
    pairs = zip(stamps, packets(), strict=True)
    return head + b"".join(struct.pack("<4I", *stamp, len(octets), len(octets)) + octets for stamp, octets in pairs)


def block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def pcapng(resolution: int, offset: int, stamps: list[int]) -> bytes:
    options = struct.pack("<HHB3xHHq", 9, 1, resolution, 14, 8, offset) + bytes(4)
    head = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(
        1, struct.pack("<HHI", RAW_IP, 0, 0) + options
    )
    for stamp, octets in zip(stamps, packets(), strict=True):
        head += block(6, struct.pack("<5I", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(octets), len(octets)) + octets)
    return head


def times(data: bytes) -> list[int]:
    with Capture(io.BytesIO(data), KeyLog()) as capture:
        found = [*capture.to_pandas("messages").time, *capture.to_pandas("packets").time]
        flow = capture.to_pandas("flows").iloc[0]
    stamps = [stamp.value for stamp in found]
    assert all(str(stamp.tz) == "UTC" for stamp in found)
    assert [flow["first"].value, flow["last"].value] == [stamps[1], stamps[-1]]
    return stamps


def test_times_of_microseconds_are_exact() -> None:
    for second in (0, SECONDS, 2**32 - 1):
        wanted = [second * 10**9 + fraction // 1000 * 1000 for fraction in FRACTIONS]
        assert times(pcap(0xA1B2C3D4, [(second, fraction // 1000) for fraction in FRACTIONS])) == wanted
        assert times(pcapng(6, 0, [stamp // 1000 for stamp in wanted])) == wanted


def test_times_of_nanoseconds_are_exact() -> None:
    wanted = [SECONDS * 10**9 + fraction for fraction in FRACTIONS]
    assert times(pcap(0xA1B23C4D, [(SECONDS, fraction) for fraction in FRACTIONS])) == wanted
    assert times(pcapng(9, 0, wanted)) == wanted
    assert times(pcapng(9, 1_000_000, wanted)) == [stamp + 10**15 for stamp in wanted]
    halves = [stamp * 2 for stamp in range(10**15, 10**15 + len(FRACTIONS))]
    assert times(pcapng(0x80 | 30, 0, halves)) == [stamp * 10**9 // 2**30 for stamp in halves]


@pytest.mark.parametrize(("resolution", "offset"), [(0, 0), (6, 2**62), (6, -(2**62)), (0xFF, 0), (127, 0), (9, 2**62)])
def test_absurd_times_are_no_times(resolution: int, offset: int) -> None:
    data = pcapng(resolution, offset, [0, 1, 2**64 - 1, 2**63, 5])
    with Capture(io.BytesIO(data), KeyLog()) as capture:
        for name in TABLES:
            frame = capture.to_pandas(name)
            for column in set(TIMES) & set(frame.columns):
                assert str(frame[column].dtype) == "datetime64[ns, UTC]"


def test_whole_numbers_stay_whole() -> None:
    with Capture(io.BytesIO(pcapng(6, 0, [1, 2, 3, 4, 5])), KeyLog()) as capture:
        messages, esp = capture.to_pandas("messages"), capture.to_pandas("packets")
    assert {str(messages[name].dtype) for name in ("sport", "dport")} == {"UInt16"}
    assert {str(esp[name].dtype) for name in ("inner_sport", "inner_dport")} == {"UInt16"}
    assert messages.sport.tolist() == [500]
    assert esp.inner_sport.isna().all()
    assert str(esp.sequence.dtype) == "Int64"
    assert {type(value) for value in [*messages.src, *esp.dst]} == {str}


def test_missing_values_make_no_floats() -> None:
    row = {"sport": 4500, "sequence": 2**53 + 1, "highest": 2**64 - 1, "first": None}
    frame = typed([row, dict.fromkeys(row)])
    assert frame.sport.tolist() == [4500, pandas.NA]
    assert frame.sequence[0] == 2**53 + 1
    assert frame.highest[0] == 2**64 - 1
    assert frame["first"].isna().all()


def test_results_of_many_captures_have_the_same_types() -> None:
    results = Results()
    assert list(results.to_pandas("messages").sport) == []
    results.tables["messages"].append({"sport": 500, "time": SECONDS + 0.123456})
    results.tables["messages"].append({"sport": None, "time": None})
    frame = results.to_pandas("messages")
    assert str(frame.sport.dtype) == "UInt16"
    assert frame.time[0].value == SECONDS * 10**9 + 123_456_000


def test_a_fine_time_is_a_float_that_holds_more() -> None:
    time = fine(SECONDS, 123_456_789, 10**9)
    assert time == SECONDS + 0.123456789
    assert nanoseconds(time) == nanoseconds(pickle.loads(pickle.dumps(time))) == SECONDS * 10**9 + 123_456_789
    assert isinstance(time, Time)
    assert nanoseconds(float("inf")) is nanoseconds(float("nan")) is nanoseconds(None) is None
