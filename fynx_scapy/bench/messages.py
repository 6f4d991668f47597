# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_SA_INIT from layers to octets and back, and a whole handshake, beside Scapy's contrib layer."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from fynx_scapy.bench.ends import Ends
from fynx_scapy.bench.figures import Call, Fed, Figure, at_most, interleaved
from fynx_scapy.errors import UnexpectedError
from fynx_scapy.layers.ikev2 import (
    IKEv2,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
    build_message,
    parse_message,
)

SPI_I, SPI_R = bytes(range(1, 9)), bytes(range(11, 19))
INITIATOR, RESPONSE = 0x08, 0x20


def message(flags: int, resp_spi: bytes) -> bytes:
    """An IKE_SA_INIT message: AES-GCM-16 with 128 bits, PRF_HMAC_SHA2_256, Curve25519."""
    transforms = [
        IKEv2_Transform(transform_type=1, transform_id=20, key_length=128),
        IKEv2_Transform(transform_type=2, transform_id=5),
        IKEv2_Transform(transform_type=4, transform_id=31),
    ]
    payloads = [
        IKEv2_SA(prop=[IKEv2_Proposal(proposal=1, proto=1, trans=transforms)]),
        IKEv2_KE(group=31, ke=bytes(32)),
        IKEv2_Nonce(nonce=bytes(32)),
        IKEv2_Notify(type=16388, notify=bytes(20)),
        IKEv2_Notify(type=16389, notify=bytes(20)),
    ]
    return build_message(IKEv2(init_SPI=SPI_I, resp_SPI=resp_spi, exch_type=34, flags=flags), payloads)


def four_messages() -> None:
    """Construct, build and dissect a request and a response, each twice."""
    for _ in range(2):
        parse_message(message(INITIATOR, bytes(8)))
        parse_message(message(RESPONSE, SPI_R))


@contextmanager
def _contrib() -> Iterator[Callable[[], float]]:
    """Scapy's layer in another process: each call has it measure once."""
    command = [sys.executable, "-m", "fynx_scapy.bench.contrib"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield partial(_ask, process)


def _ask(process: subprocess.Popen[str]) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("\n")
        process.stdin.flush()
        return float(process.stdout.readline())
    except (BrokenPipeError, ValueError):
        raise UnexpectedError(f"Scapy's contrib layer ended with status {process.wait()}") from None


def measure(quick: bool) -> list[Figure]:
    """Building and dissecting, ours and Scapy's in turn; and a whole handshake beside the latter."""
    request = message(INITIATOR, bytes(8))
    calls: dict[str, Call | Fed] = {
        "build": partial(message, INITIATOR, bytes(8)),
        "dissect": partial(parse_message, request),
        "four": four_messages,
        "handshake": lambda: Ends().connect(),
    }
    theirs, ours = [], []
    with _contrib() as ask:
        for _ in range(3 if quick else 15):
            theirs.append(ask())
            ours.append(interleaved(calls, rounds=1, seconds=0.01 if quick else 0.03))
    took = {name: statistics.median(each[name] for each in ours) for name in calls}
    scapy = Figure(
        "four IKE_SA_INIT built and dissected: Scapy's contrib layer", statistics.median(theirs) * 1000, "ms"
    )
    return [
        Figure("IKE_SA_INIT with five payloads built", took["build"] * 1e6, "µs"),
        Figure("IKE_SA_INIT with five payloads dissected", took["dissect"] * 1e6, "µs"),
        scapy,
        Figure("four IKE_SA_INIT built and dissected", took["four"] * 1000, "ms", floor=scapy, bound=at_most(0.25)),
        Figure(
            "a whole handshake, both ends, PSK and X25519",
            took["handshake"] * 1000,
            "ms",
            floor=scapy,
            bound=at_most(1),
        ),
    ]
