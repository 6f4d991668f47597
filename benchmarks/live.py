# SPDX-License-Identifier: GPL-2.0-or-later
"""Times a handshake with strongSwan (X25519, pre-shared key): elapsed time, and our processor time.

In the same run: a whole handshake of two of our endpoints in one process. The lab needs root, or a user
namespace.
"""

from __future__ import annotations

import statistics
import sys
import time

from benchmarks.ours import handshake
from fynx_scapy.errors import LabError
from fynx_scapy.lab.lab import Lab

ROUNDS = 50


def live(lab: Lab) -> tuple[float, float]:
    """Elapsed and processor time of one handshake with the lab's peer, from IKE_SA_INIT to its Child SA, in seconds."""
    s = lab.session(name="client")
    start, processor = time.perf_counter(), time.thread_time()
    s.connect()
    times = time.perf_counter() - start, time.thread_time() - processor
    assert s.child
    s.delete()
    lab.network.remove(s.name)
    return times


def embedded() -> tuple[float, float]:
    """The same with two of our endpoints in one process."""
    start, processor = time.perf_counter(), time.thread_time()
    handshake()
    return time.perf_counter() - start, time.thread_time() - processor


def main() -> None:
    """Measure both in turn, and print the medians in milliseconds."""
    try:
        with Lab() as lab:
            version = lab.peer.version
            pairs = [(live(lab), embedded()) for _ in range(ROUNDS + 5)][5:]
    except LabError as error:
        sys.exit(f"left out: {error}")
    print(f"{f'milliseconds, medians of {ROUNDS} rounds':<60}{'elapsed':>9}{'processor':>11}")
    for name, side in (
        (f"a handshake with strongSwan {version}; the processor time is ours", 0),
        ("both ends ours", 1),
    ):
        elapsed, processor = zip(*(pair[side] for pair in pairs), strict=True)
        print(f"{name:<60}{statistics.median(elapsed) * 1000:9.2f}{statistics.median(processor) * 1000:11.2f}")


if __name__ == "__main__":
    main()
