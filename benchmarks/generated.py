# SPDX-License-Identifier: GPL-2.0-or-later
"""A capture of any size for measuring: one IKE SA, a Child SA that is rekeyed repeatedly, and ESP.

Made by our own engine and ESP SAs from a seed, so that the same call makes the same octets; kept in the user's
temporary folder. Link type Ethernet, ESP without UDP, AES-GCM with 128-bit keys, inner packets of 1400 octets: UDP of
50 inner flows.
"""

from __future__ import annotations

import os
import struct
import tempfile
from pathlib import Path

from fynx_scapy import Session
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.esp import OutboundSa
from fynx_scapy.keylog import EspKeys
from fynx_scapy.net.recorder import EPOCH, Recorder

REKEYS = 20
INNER = 1400
_VERSION = 1
_ETHERNET = bytes.fromhex("02000000000202000000000108 00".replace(" ", ""))


def generated(octets: int) -> tuple[Path, Path]:
    """A capture of about ``octets`` octets, and the folder with its key tables (Wireshark's names, and keys.json)."""
    folder = Path(tempfile.gettempdir()) / f"fynx-benchmark-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    capture = folder / f"v{_VERSION}-{octets}.pcap"
    keys = capture.with_suffix(".keys")
    if not capture.exists() or not keys.exists():
        _write(capture, keys, octets)
    return capture, keys


def _record(time: float, packet: bytes) -> bytes:
    frame = _ETHERNET + packet
    seconds = int(time)
    return struct.pack("<4I", seconds, int((time - seconds) * 1e6), len(frame), len(frame)) + frame


def _inner(count: int) -> bytes:
    """A UDP datagram of one of 50 flows, as an IPv4 packet of 1400 octets."""
    flow = count % 50
    data = struct.pack("!HHHH", 1000 + flow, 2000, INNER - 20, 0) + count.to_bytes(8) * ((INNER - 28) // 8 + 1)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, INNER, count & 0xFFFF, 0, 64, 17, 0, b"\x0a\1\0\1", b"\x0a\2\0\1")
    return (head + data)[:INNER]


def _outer(source: str, destination: str, payload: bytes) -> bytes:
    ends = bytes(map(int, source.split("."))) + bytes(map(int, destination.split(".")))
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, 50, 0) + ends + payload


def _outbound(keys: EspKeys) -> OutboundSa:
    assert keys.spi is not None
    encr = encryption(keys.encr.id, keys.encr.key_length, esp=True)
    return OutboundSa(spi=keys.spi, encr=encr, key=keys.key)


def _write(capture: Path, key_folder: Path, octets: int) -> None:
    recorder = Recorder()
    session = Session(psk="benchmark", seed=20, proposals="aes128gcm16-prfsha256-x25519", esp_proposals="aes128gcm16")
    recorder.watch(session.network, "benchmark")
    session.sa_init()
    session.auth()
    taken, count, time = 0, 0, float(EPOCH)
    share = octets // (REKEYS + 1)
    partial = capture.with_suffix(".part")
    with partial.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for turn in range(REKEYS + 1):
            if turn:
                session.rekey_child()
            packets = list(recorder.packets())
            for packet in packets[taken:]:
                time += 0.001
                file.write(_record(time, bytes(packet)))
            taken = len(packets)
            both = [_outbound(keys) for keys in recorder.keys().esp[-2:]]
            ends = [(keys.src, keys.dst) for keys in recorder.keys().esp[-2:]]
            while file.tell() < share * (turn + 1):
                side = count & 1
                time += 0.00001
                file.write(_record(time, _outer(*ends[side], both[side].seal(_inner(count), 4))))
                count += 1
    recorder.keys().save(key_folder)
    partial.rename(capture)
