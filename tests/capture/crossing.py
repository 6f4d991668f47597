# SPDX-License-Identifier: GPL-2.0-or-later
"""Two conversations between the same hosts whose packets alternate, as when both hosts begin at the same time."""

from __future__ import annotations

from itertools import chain, zip_longest
from pathlib import Path

from scapy.utils import RawPcapNgReader

from fynx_scapy.keylog import KeyLog
from fynx_scapy.net.memory import Network
from fynx_scapy.net.recorder import Recorder
from fynx_scapy.session import Session
from tests.capture.build import pcap

HOSTS = ("192.0.2.1", "192.0.2.2")
RAW_IP = 101


def conversation(folder: Path, name: str, seed: int, keys: KeyLog, *, pings: int, swapped: bool) -> list[bytes]:
    """The IP packets of one conversation: a handshake, pings, a rekey of each SA with pings, a Delete."""
    local, remote = reversed(HOSTS) if swapped else HOSTS
    recorder, network = Recorder(), Network(seed=seed)
    recorder.watch(network, name)
    s = Session(network=network, psk="secret", seed=seed, local=local, remote=remote)
    s.connect()
    for renew in (s.rekey_child, s.rekey_ike, s.delete):
        for _ in range(pings):
            s.ping()
        renew()
    path = folder / f"{name}.pcapng"
    recorder.save_capture(path)
    keys.update(recorder.keys())
    with RawPcapNgReader(str(path)) as reader:
        return [octets for octets, _ in reader]


def crossing(folder: Path, *, pings: int = 1) -> Path:
    """A capture of two conversations, packet by packet in turn, with their keys beside it."""
    keys = KeyLog()
    one = conversation(folder, "one", 1, keys, pings=pings, swapped=False)
    two = conversation(folder, "two", 2, keys, pings=pings, swapped=True)
    frames = [frame for frame in chain.from_iterable(zip_longest(one, two)) if frame is not None]
    path = folder / "crossing.pcap"
    path.write_bytes(pcap(frames, RAW_IP))
    keys.save(path.with_suffix(".keys"))
    return path
