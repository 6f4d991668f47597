# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures that are damaged or absurd, with every command: one clear error, and what was read before it is kept."""

from __future__ import annotations

import gzip
import io
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fynx_scapy.capture import Capture
from fynx_scapy.cli import main
from fynx_scapy.errors import CaptureError
from tests.capture.build import enhanced, ethernet, ike, interface, ipv4, option, pcap, section, udp

COMMANDS = ("audit", "capture", "decrypt", "dissect", "follow")
FRAME = ethernet(ipv4(17, udp(500, 500, ike())))
NG = section() + interface() + enhanced(FRAME, 1)


def run(command: str, path: object, tmp_path: Path) -> Result:
    more = ["-o", str(tmp_path / "out.pcapng")] if command == "decrypt" else []
    return CliRunner().invoke(main, [command, str(path), *more], catch_exceptions=False)


def record(frame: bytes, captured: int, wire: int) -> bytes:
    return struct.pack("<4I", 1, 0, captured, wire) + frame


NOTHING = {
    "empty": b"",
    "one octet": b"\xd4",
    "half a header": pcap([FRAME])[:12],
    "gzip of nothing": gzip.compress(b""),
    "gzip of no capture": gzip.compress(b"no capture at all"),
    "gzip cut in its header": gzip.compress(pcap([FRAME]))[:6],
    "no gzip": b"\x1f\x8bjunk and more junk",
    "byte-order magic": bytes.fromhex("0a0d0d0a1c00000078563412") + bytes(16),
}
LATER = {
    "gzip cut": gzip.compress(pcap([FRAME]), 0)[:-4],
    "block length 0": NG + struct.pack("<III", 6, 0, 0),
    "block length 33": NG + struct.pack("<II", 6, 33) + bytes(40),
    "huge block": NG + struct.pack("<II", 6, 0xFFFFFFFC) + bytes(40),
    "later section": NG + struct.pack("<III", 0x0A0D0D0A, 28, 0x12345678) + bytes(16),
    "unknown interface": NG + enhanced(FRAME, 1, index=5),
    "huge record": pcap([FRAME]) + record(bytes(40), 0xFFFFFFFF, 60),
}
HARMLESS = {
    "snap length 0": pcap([FRAME])[:16] + bytes(4) + pcap([FRAME])[20:],
    "largest snap length": pcap([FRAME])[:16] + b"\xff" * 4 + pcap([FRAME])[20:],
    "beyond the snap length": pcap([FRAME])[:16] + struct.pack("<I", 20) + pcap([FRAME])[20:],
    "more captured than sent": pcap([]) + record(FRAME, len(FRAME), 20),
    "nothing sent": pcap([]) + record(FRAME, len(FRAME), 0),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("octets", NOTHING.values(), ids=NOTHING)
def test_of_which_nothing_can_be_read(command: str, octets: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_bytes(octets)
    done = run(command, path, tmp_path)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("octets", LATER.values(), ids=LATER)
def test_damage_keeps_what_was_read_before(command: str, octets: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_bytes(octets)
    done = run(command, path, tmp_path)
    assert done.exit_code == 1, done.stderr
    assert sum(line.startswith("error: ") for line in done.stderr.splitlines()) == 1
    if command == "dissect":
        assert done.stdout.count("INFORMATIONAL") == 1


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("octets", HARMLESS.values(), ids=HARMLESS)
def test_lengths_that_contradict_each_other_are_read(command: str, octets: bytes, tmp_path: Path) -> None:
    """The captured length says how much there is. All else is what the writer claimed."""
    path = tmp_path / "odd"
    path.write_bytes(octets)
    assert run(command, path, tmp_path).exit_code == 0


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("octets", [b"", pcap([FRAME])[:12]], ids=["at once", "in its header"])
def test_a_pipe_whose_writer_ends(command: str, octets: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(octets,))
    writer.start()
    done = run(command, path, tmp_path)
    writer.join()
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_can_be_read_by_several_passes(command: str, tmp_path: Path) -> None:
    path, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(path)
    file.write_bytes(NG)
    writer = threading.Thread(target=path.write_bytes, args=(NG,))
    writer.start()
    done, expected = run(command, path, tmp_path), run(command, file, tmp_path)
    writer.join()
    assert done.exit_code == expected.exit_code
    assert done.output.replace(str(path), "X").split() == expected.output.replace(str(file), "X").split()


class Endless(io.RawIOBase):
    """A stream of zeros that cannot be read twice."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self.taken += len(buffer)
        return len(buffer)


def test_a_stream_without_end_that_is_no_capture_is_not_copied() -> None:
    stream = Endless()
    with pytest.raises(CaptureError, match="expected pcap or pcapng"):
        assert Capture(io.BufferedReader(stream, 4)).index
    assert stream.taken == 4


def skf(number: int, total: int) -> bytes:
    body = struct.pack("!HH", number, total) + bytes(40)
    return ike(b"response", body=struct.pack("!BBH", 0, 0, 4 + len(body)) + body, kind=53)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("number", "total"), [(0, 2), (3, 2), (1, 0), (65535, 1)])
def test_a_fragment_with_a_number_that_is_not_valid(command: str, number: int, total: int, tmp_path: Path) -> None:
    path = tmp_path / "skf.pcap"
    path.write_bytes(pcap([ethernet(ipv4(17, udp(500, 500, skf(number, total))))]))
    done = run(command, path, tmp_path)
    assert done.exit_code == 1
    assert f"error: packet 1: fragment {number} of {total}: expected a number from 1 to the total" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_device_without_end(command: str, tmp_path: Path) -> None:
    done = run(command, "/dev/zero", tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")


def stamped(resolution: int, offset: int, stamp: int) -> bytes:
    options = option("<", 9, bytes([resolution])) + option("<", 14, struct.pack("<q", offset)) + bytes(4)
    return section() + interface(options=options) + enhanced(FRAME, stamp) + enhanced(FRAME, 0)


TIMES: dict[str, bytes] = {
    "largest stamp in seconds": stamped(0, 0, 2**64 - 1),
    "largest offset": stamped(6, 2**62, 5),
    "smallest offset": stamped(6, -(2**62), 5),
    "2^-127": stamped(0xFF, 0, 5),
    "10^-127": stamped(127, 0, 5),
}
SHOWING: dict[str, Callable[[Path], list[str]]] = {
    "dissect": lambda _: [],
    "dissect --json": lambda _: [],
    "capture": lambda _: [],
    "capture --ladder": lambda _: [],
    "capture --json": lambda _: [],
    "audit --all": lambda _: [],
    "audit --html": lambda folder: [str(folder / "page.html")],
    "follow": lambda _: [],
    "decrypt -o": lambda folder: [str(folder / "out.pcapng")],
}


@pytest.mark.parametrize("words", SHOWING)
@pytest.mark.parametrize("octets", TIMES.values(), ids=TIMES)
def test_absurd_times_end_no_command(words: str, octets: bytes, tmp_path: Path) -> None:
    path = tmp_path / "times.pcapng"
    path.write_bytes(octets)
    command, *options = words.split()
    done = CliRunner().invoke(main, [command, str(path), *options, *SHOWING[words](tmp_path)], catch_exceptions=False)
    assert done.exit_code in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
