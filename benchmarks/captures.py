# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures: our index compared with Scapy's PcapReader and tshark, our decryption with tshark's, the audit with both.

They run alternately, each in a separate process, so that other load affects all of them equally. The capture is
generated (generated.py): 200 MB of ESP with 20 rekeys, and 2 GB for the memory. Without tshark its rows are left out,
and the run says so.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.generated import generated

SMALL, LARGE = 200_000_000, 2_000_000_000
TURNS = 5

INDEX = """
import json, sys, time
from pathlib import Path
from fynx_scapy.capture import Capture
start = time.perf_counter(), time.process_time()
index = Capture(sys.argv[1]).index
took = time.perf_counter() - start[0], time.process_time() - start[1]
assert "scapy" not in sys.modules and "pandas" not in sys.modules
print(json.dumps([*took, index.packets, sum(flow.packets for flow in index.flows)]))
"""
PCAP_READER = """
import json, sys, time
import scapy.all
start = time.perf_counter(), time.process_time()
with scapy.all.PcapReader(sys.argv[1]) as reader:
    packets = sum(1 for _ in reader)
print(json.dumps([time.perf_counter() - start[0], time.process_time() - start[1], packets]))
"""
DECRYPT = """
import json, sys
from fynx_scapy.capture import Capture
capture = Capture(sys.argv[1], sys.argv[2])
flows = capture.inner_flows
print(json.dumps([sum(flow.packets for flow in flows), len(flows), capture.icvs["opened"]]))
"""
# Of this program alone: ru_maxrss of a child begins with what its parent had before it became another program.
PEAK = """
import re
print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
"""


def _environment() -> dict[str, str]:
    """This process's environment, but with compiled modules kept from run to run, as for a user."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Run:
    """One process: its output, and what it took: ``seconds``, ``processor`` (seconds)."""

    def __init__(self, *command: str | Path, environment: dict[str, str] | None = None) -> None:
        start = time.perf_counter()
        with subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**_environment(), **(environment or {})},
            cwd=Path(__file__).resolve().parent.parent,
        ) as process:
            assert process.stdout is not None
            self.output = process.stdout.read().decode()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds = time.perf_counter() - start
        self.processor = usage.ru_utime + usage.ru_stime
        if process.returncode not in (0, 1):
            raise SystemExit(f"{command[0]} ended with status {process.returncode}")


def python(code: str, *arguments: str | Path) -> Run:
    """Run a separate Python process."""
    return Run(sys.executable, "-c", code, *arguments)


def peak(code: str, *arguments: str | Path) -> int:
    """The peak memory of a Python process, in octets (Linux)."""
    return int(python(code + PEAK, *arguments).output.splitlines()[-1]) * 1024


def tshark(capture: Path, keys: Path, *options: str) -> Run:
    """tshark with our key tables as its own configuration, and nothing else of the user's."""
    return Run("tshark", "-n", "-r", capture, *options, environment={"WIRESHARK_CONFIG_DIR": str(keys)})


def decrypting(capture: Path, keys: Path) -> Run:
    """tshark decrypts ESP and counts the protocols within."""
    return tshark(capture, keys, "-o", "esp.enable_encryption_decode:TRUE", "-q", "-z", "io,phs")


def inner_udp(phs: str) -> int:
    """How many UDP datagrams tshark found inside ESP: the row below esp, ip in its table of protocols."""
    inside = phs.partition("esp ")[2]
    return next((int(line.split("frames:")[1].split()[0]) for line in inside.splitlines() if "udp " in line), 0)


def measured(size: int, turns: int) -> dict[str, list[Run]]:
    """Each side ``turns`` times, in turn; Scapy's reader once, which takes long enough."""
    capture, keys = generated(size)
    have = shutil.which("tshark") is not None
    runs: dict[str, list[Run]] = {}
    alone = capture.with_name(f"{capture.stem}-without-keys.pcap")  # beside the capture there are its keys
    alone.unlink(missing_ok=True)
    alone.hardlink_to(capture)
    audit = (sys.executable, "-m", "fynx_scapy.cli", "audit")
    for _ in range(turns):
        runs.setdefault("index", []).append(python(INDEX, capture))
        runs.setdefault("PcapReader", []).append(python(PCAP_READER, capture))
        command = (sys.executable, "-m", "fynx_scapy.cli", "capture", capture, "--json")
        runs.setdefault("fynx capture --no-decrypt", []).append(Run(*command, "--no-decrypt"))
        runs.setdefault("fynx audit, no keys", []).append(Run(*audit, alone, "--json"))
        if have:
            runs.setdefault("tshark -z conv,ip", []).append(tshark(capture, keys, "-q", "-z", "conv,ip"))
        runs.setdefault("fynx capture --keys", []).append(Run(*command, "--keys", keys))
        runs.setdefault("fynx audit --keys", []).append(Run(*audit, capture, "--json", "--keys", keys))
        if have:
            runs.setdefault("tshark decrypting", []).append(decrypting(capture, keys))
    return runs


def checked(runs: dict[str, list[Run]]) -> int:
    """Check that every program saw and decrypted every packet, else raise SystemExit. Returns the number of packets."""
    packets, esp = json.loads(runs["index"][0].output)[2:]
    document = json.loads(runs["fynx capture --keys"][0].output)
    sides = {
        "PcapReader": (json.loads(runs["PcapReader"][0].output)[2], packets),
        "fynx capture --no-decrypt": (json.loads(runs["fynx capture --no-decrypt"][0].output)["packets"], packets),
        "fynx capture --keys": (document["esp"]["opened"], esp),
        "fynx audit, no keys": (_audited(runs["fynx audit, no keys"])["esp"]["closed"], esp),
        "fynx audit --keys": (_audited(runs["fynx audit --keys"])["esp"]["opened"], esp),
        "inner flows": (sum(flow["packets"] for flow in document["inner_flows"]), esp),
    }
    if "tshark decrypting" in runs:
        sides["tshark decrypting"] = (inner_udp(runs["tshark decrypting"][0].output), esp)
    for name, (found, expected) in sides.items():
        if found != expected:
            raise SystemExit(f"{name}: expected {expected} packets, found {found}")
    return int(packets)


def _audited(runs: list[Run]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(runs[0].output)["captures"][0]
    return document


def inside(runs: list[Run]) -> list[float]:
    """The processor seconds that the work itself took, without start-up."""
    return [json.loads(run.output)[1] for run in runs]


def main() -> None:
    """Measure and print: seconds, medians; ratios; memory."""
    runs = measured(SMALL, TURNS)
    packets = checked(runs)
    heading = f"{SMALL // 10**6} MB of ESP, {packets} packets, medians of {TURNS}; seconds"
    print(f"{heading:<58}{'elapsed':>9}{'processor':>11}")
    median = statistics.median
    for name in ("index", "PcapReader"):
        elapsed = median(json.loads(run.output)[0] for run in runs[name])
        print(f"{f'{name}, inside the process':<58}{elapsed:9.2f}{median(inside(runs[name])):11.2f}")
    for name in list(runs)[2:]:
        elapsed, processor = median(run.seconds for run in runs[name]), median(run.processor for run in runs[name])
        print(f"{f'{name}, the whole process':<58}{elapsed:9.2f}{processor:11.2f}")
    pairs = [("PcapReader", "index", inside)]
    pairs += [(name, ours, lambda runs: [run.seconds for run in runs]) for name, ours in (
        ("fynx audit, no keys", "fynx capture --no-decrypt"), ("fynx audit --keys", "fynx capture --keys"),
        ("tshark -z conv,ip", "fynx capture --no-decrypt"), ("tshark decrypting", "fynx capture --keys"),
    ) if name in runs]  # fmt: skip
    for theirs, ours, figure in pairs:
        each = [b / a for a, b in zip(figure(runs[ours]), figure(runs[theirs]), strict=True)]
        heading = f"{theirs} takes … times as long as {ours}"
        print(f"{heading:<58}{median(each):9.2f}   ({min(each):.2f} to {max(each):.2f})")
    if "tshark decrypting" not in runs:
        print("tshark is not installed: no rows for it")
    print(f"{'peak memory in MB':<58}{'200 MB':>9}{'2 GB':>11}")
    for name, code in (("index", INDEX), ("decryption to inner flows", DECRYPT)):
        small, large = (peak(code, *generated(size)) / 2**20 for size in (SMALL, LARGE))
        print(f"{name:<58}{small:9.1f}{large:11.1f}")


if __name__ == "__main__":
    main()
