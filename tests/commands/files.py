# SPDX-License-Identifier: GPL-2.0-or-later
"""A capture of our own for the commands, copies of it with something wrong, and a way to run a command."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result
from scapy.utils import RawPcapNgReader

from fynx_scapy import Session
from fynx_scapy.cli import main
from fynx_scapy.net.recorder import Recorder

PSK = "the key of the tests"
RAW_IP = 101
READERS = ("audit", "capture", "decrypt", "dissect", "follow", "replay")


class Files:
    """A capture of our own, its keys, and what is wrong with copies of it."""

    def __init__(self, folder: Path) -> None:
        session, recorder = Session(psk=PSK, seed=3), Recorder()
        recorder.watch(session.network, "rule")
        session.connect()
        session.ping("10.2.0.1")
        session.delete()
        self.folder = folder
        self.good = folder / "good.pcapng"
        recorder.save_capture(self.good)
        self.keys = folder / "elsewhere"
        recorder.keys().save(self.keys)
        (self.keys / "psk.secrets").write_text(f'psk "{PSK}"\n')
        octets = self.good.read_bytes()
        self.cut = self._file("cut.pcapng", octets[:-10])
        self.text = self._file("text.pcap", b"this is no capture\n")
        self.empty = self._file("empty.pcap", b"")
        self.missing = folder / "missing.pcap"

    def frames(self) -> list[bytes]:
        """The IP packets of the good one."""
        with RawPcapNgReader(str(self.good)) as reader:
            return [octets for octets, _ in reader]

    def _file(self, name: str, octets: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(octets)
        return path


def fynx(command: str, files: Files, capture: object, *more: object, stdin: bytes | None = None) -> Result:
    words = [command, capture, "--keys", files.keys, *more]
    if command == "decrypt" and "-o" not in more:
        words += ["-o", files.folder / "out.pcapng"]
    return CliRunner().invoke(main, [str(word) for word in words], input=stdin, catch_exceptions=False)


def errors(done: Result) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]
