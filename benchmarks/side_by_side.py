# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares our whole handshake with Scapy's contrib layer building and dissecting four IKE_SA_INIT messages.

They run alternately, each in a separate process, so that other load affects both equally.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TURNS, ROUNDS = 5, 40


def measured(script: str) -> list[list[float]]:
    """Elapsed and processor time of each round of a script beside this one, in milliseconds."""
    done = subprocess.run([sys.executable, HERE / script, str(ROUNDS)], capture_output=True, text=True, check=True)
    return [[seconds * 1000 for seconds in both] for both in json.loads(done.stdout)]


def main() -> None:
    """Measure, and print medians and their ratio; processor time is what a busy machine leaves comparable."""
    times: dict[str, list[list[float]]] = {"contrib.py": [], "ours.py": []}
    for _ in range(TURNS):
        for script, found in times.items():
            found += measured(script)
    names = {
        "contrib.py": "scapy.contrib.ikev2: four IKE_SA_INIT built and dissected",
        "ours.py": "fynx-scapy: a whole handshake, PSK and X25519, both ends",
    }
    print(f"{f'milliseconds, {TURNS * ROUNDS} rounds each':<60}{'median':>8}{'fastest':>9}{'processor':>11}")
    medians = []
    for script, name in names.items():
        elapsed, processor = zip(*times[script], strict=True)
        medians.append((statistics.median(elapsed), statistics.median(processor)))
        print(f"{name:<60}{medians[-1][0]:8.2f}{min(elapsed):9.2f}{medians[-1][1]:11.2f}")
    (contrib, contrib_processor), (ours, ours_processor) = medians
    print(f"{'ratio of the medians':<60}{ours / contrib:8.2f}{'':9}{ours_processor / contrib_processor:11.2f}")


if __name__ == "__main__":
    main()
