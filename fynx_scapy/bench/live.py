# SPDX-License-Identifier: GPL-2.0-or-later
"""A handshake with a real strongSwan (PSK, X25519), from IKE_SA_INIT to its Child SA."""

from __future__ import annotations

import statistics
import time

from fynx_scapy.bench.ends import Ends
from fynx_scapy.bench.figures import Figure, SkippedError, at_most
from fynx_scapy.errors import LabError, UnexpectedError
from fynx_scapy.harness.role import Role
from fynx_scapy.lab.lab import Lab


def _live(lab: Lab) -> tuple[float, float]:
    """Elapsed and processor time of one handshake with the lab's peer, in seconds."""
    session = lab.session(name="client")
    start, processor = time.perf_counter(), time.thread_time()
    session.connect()
    took = time.perf_counter() - start, time.thread_time() - processor
    if not session.child:
        raise UnexpectedError("the peer set up no Child SA, so there is nothing to measure")
    session.delete()
    lab.network.remove(session.name)
    return took


def _embedded() -> float:
    """Processor time of one handshake with both ends in this process, in seconds."""
    start = time.thread_time()
    Ends().connect()
    return time.thread_time() - start


def measure(quick: bool) -> list[Figure]:
    """One handshake with strongSwan, one by IpsecClient, and one with ourselves, in turn."""
    try:
        with Lab() as lab, Lab(role=Role.CLIENT) as other:
            rounds = [(*_live(lab), _live(other)[0], _embedded()) for _ in range(5 if quick else 55)][2:]
    except LabError as error:
        raise SkippedError(str(error)) from None
    elapsed, processor, client, embedded = (statistics.median(column) * 1000 for column in zip(*rounds, strict=True))
    both = Figure("a handshake with ourselves, processor time of both ends", embedded, "ms")
    return [
        Figure("a handshake with strongSwan, elapsed", elapsed, "ms", bound=at_most(100)),
        Figure("a handshake of IpsecClient with strongSwan, elapsed", client, "ms", bound=at_most(100)),
        both,
        Figure("a handshake with strongSwan, our processor time", processor, "ms", floor=both, bound=at_most(1.5)),
    ]
