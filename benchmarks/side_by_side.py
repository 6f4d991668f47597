# SPDX-License-Identifier: GPL-2.0-or-later
"""Our whole handshake beside what Scapy's contrib layer takes to build and dissect four IKE_SA_INIT messages.

The two run in turn, each in a process of its own, so that whatever else the machine does meets both alike.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TURNS, ROUNDS = 5, 40


def measured(script: str) -> list[float]:
    """The times of one run of a script beside this one, in milliseconds."""
    done = subprocess.run([sys.executable, HERE / script, str(ROUNDS)], capture_output=True, text=True, check=True)
    return [seconds * 1000 for seconds in json.loads(done.stdout)]


def main() -> None:
    """Measure, and print medians and their ratio."""
    times: dict[str, list[float]] = {"contrib.py": [], "ours.py": []}
    for _ in range(TURNS):
        for script, found in times.items():
            found += measured(script)
    rows = [
        ("scapy.contrib.ikev2: four IKE_SA_INIT built and dissected", times["contrib.py"]),
        ("fynx-scapy: a whole handshake, PSK and X25519, both ends", times["ours.py"]),
    ]
    print(f"{'milliseconds':<60}{'median':>8}{'fastest':>9}")
    for name, found in rows:
        print(f"{name:<60}{statistics.median(found):8.2f}{min(found):9.2f}")
    contrib, ours = (statistics.median(found) for _, found in rows)
    print(f"{'ratio of the medians':<60}{ours / contrib:8.2f}")


if __name__ == "__main__":
    main()
