# SPDX-License-Identifier: GPL-2.0-or-later
"""Floods over UDP on loopback, in separate processes, and how long a legitimate peer takes to connect meanwhile.

>>> print(run("offers that are refused"))

The flood has the legitimate peer's address, which is the harder case, and returns no cookies.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fynx_scapy import ChildConfig, Endpoint, IkeConfig, Session
from fynx_scapy.errors import FynxError
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.message import NON_ESP_MARKER, Address
from fynx_scapy.net.udp import UdpNetwork, free_ports
from tools.flood import big_offer, initial, refused_offer, request

HOST = "127.0.0.1"
LIMIT = 3.0
"""The most seconds that a legitimate peer may take."""


def _stray(seed: int) -> bytes:
    return initial(b"", seed, exchange=37, spi_r=b"B" * 8, only=[(200, bytes(60_000))])


FLOODS: Mapping[str, tuple[Callable[[int], bytes], float]] = {
    "offers that are refused": (refused_offer, 3000.0),
    "offers of 64 KB that are refused": (big_offer, 20.0),
    "valid offers": (lambda seed: request(str(seed)), 3000.0),
    "60 KB on unknown SPIs": (_stray, 1000.0),
}
"""The kinds of floods: what is sent, and how many per second."""


@dataclass(frozen=True, slots=True)
class Report:
    """``took``: seconds for each legitimate peer, infinity if it did not connect. Memory in MiB."""

    name: str
    sent: int
    seconds: float
    took: tuple[float, ...]
    memory: int
    processor: float

    def __str__(self) -> str:
        took = ", ".join(f"{seconds:.2f}" for seconds in self.took)
        return (
            f"{self.name}: {self.sent} in {self.seconds:.1f} s; legitimate peers connected after {took} s; "
            f"the responder used {self.processor:.1f} s of processor time and {self.memory} MiB"
        )


def run(name: str, seconds: float = 8.0, peers: int = 3) -> Report:
    """Send one of `FLOODS` for some seconds, while legitimate peers connect one after the other."""
    port, natt_port = free_ports(HOST)
    with _process("respond", str(port), str(natt_port)) as responder:
        assert responder.stdout is not None
        responder.stdout.readline()
        with _process("flood", name, str(natt_port), str(seconds)) as flood:
            assert flood.stdout is not None
            flood.stdout.readline()
            time.sleep(seconds / 8)  # let the flood start
            took = tuple(_connect(natt_port) for _ in range(peers))
            sent, lasted = flood.communicate()[0].split()
        memory, processor = responder.communicate()[0].split()
    return Report(name, int(sent), float(lasted), took, int(memory), float(processor))


def _process(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tools.udp_flood", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parent.parent)


def _connect(port: int) -> float:
    begun = time.monotonic()
    with Session(Address(HOST, port), psk="secret", local_id="alice", remote_id="bob") as s:
        try:
            s.connect()
        except FynxError:
            return float("inf")
        took = time.monotonic() - begun
        s.delete()
    return took


def _respond(port: str, natt_port: str) -> None:
    """Serve until standard input is closed."""
    child = ChildConfig(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24")
    config = IkeConfig(auth="secret", local_id="bob", remote_id="alice", children=(child,), force_encapsulation=True)
    ports = EndpointConfig(port=int(port), natt_port=int(natt_port), marker_always=True)
    with UdpNetwork() as network:
        network.add(Endpoint(HOST, [config], config=ports), "bob", native=False)
        print("ready", flush=True)
        over: list[int] = []
        network.watch(sys.stdin, over.append)
        network.run(lambda: bool(over), limit=600)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    print(pages * os.sysconf("SC_PAGE_SIZE") >> 20, time.process_time())


def _flood(name: str, port: str, seconds: str) -> None:
    """Send at the given rate, and ignore the answers."""
    import socket

    make, rate = FLOODS[name]
    # Building a request takes longer than refusing it: build some hundreds and change their SPIs.
    made = [NON_ESP_MARKER + make(seed) for seed in range(min(256, int(4 * rate)))]
    print("ready", flush=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        begun, sent = time.monotonic(), 0
        while (now := time.monotonic() - begun) < float(seconds):
            for _ in range(int(now * rate) - sent):
                data = made[sent % len(made)]
                out.sendto(data[:4] + os.urandom(8) + data[12:], (HOST, int(port)))
                sent += 1
            time.sleep(0.005)
    print(sent, now)


if __name__ == "__main__":
    if sys.argv[1] == "respond":
        _respond(*sys.argv[2:])
    else:
        _flood(*sys.argv[2:])
