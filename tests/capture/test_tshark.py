# SPDX-License-Identifier: GPL-2.0-or-later
"""Payload lists and inner packets are those that tshark finds, wherever tshark can open them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fynx_scapy.capture.dissect import dissect
from fynx_scapy.iana import PayloadType
from tests.shared import FOLDER, shared

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed"),
]
NAMES = sorted(path.stem for path in (FOLDER / "captures/lab").glob("*.pcap")) or ["absent"]
FIELDS = (
    "frame.number", "isakmp.exchangetype", "isakmp.typepayload", "isakmp.enc.contained",
    "esp.spi", "esp.sequence", "esp.protocol", "esp.contained_data", "esp.icv_good",
)  # fmt: skip
UNKNOWN_TO_TSHARK = {"IKE_INTERMEDIATE", "IKE_FOLLOWUP_KE"}


def tshark(pcap: Path, config: Path) -> dict[int, dict[str, str]]:
    """tshark's fields of each IPsec packet, opened with the tables beside the capture."""
    for table in ("ikev2_decryption_table", "esp_sa"):
        shutil.copy(pcap.with_suffix("." + table), config / table)
    options = ("esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE")
    command = ["tshark", "-n", "-r", str(pcap), "-Y", "isakmp or esp", "-T", "fields"]
    for option in options:
        command += ["-o", option]
    for name in FIELDS:
        command += ["-e", name]
    environment = {**os.environ, "WIRESHARK_CONFIG_DIR": str(config)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    packets = (dict(zip(FIELDS, line.split("\t"), strict=True)) for line in run.stdout.splitlines())
    return {int(packet["frame.number"]): packet for packet in packets}


def types(payloads: list[dict[str, Any]]) -> Iterator[int]:
    """Payload types in the order of the message, with the proposals (2) and transforms (3) of an SA, as tshark does."""
    for payload in payloads:
        yield PayloadType[payload["type"]]
        for proposal in payload.get("prop", []):
            yield from (2, *[3] * len(proposal["trans"]))
        yield from types(payload.get("payloads", []))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_as_tshark(name: str, tmp_path: Path) -> None:
    pcap = shared("captures/lab") / f"{name}.pcap"
    theirs = tshark(pcap, tmp_path)
    ours = {record["number"]: record for record in dissect(pcap) if record["kind"] in ("ike", "esp")}
    assert set(theirs) == set(ours)
    compared: Counter[str] = Counter()
    for number, record in ours.items():
        their = theirs[number]
        if record["kind"] == "ike":
            found = [int(kind) for kind in their["isakmp.typepayload"].split(",")]
            last = record["payloads"][-1]["type"]
            can = record["exchange"] not in UNKNOWN_TO_TSHARK
            if can and (last != "SK" or their["isakmp.enc.contained"]):
                assert list(types(record["payloads"])) == found, number
                compared["opened" if last == "SK" else "reassembled" if last == "SKF" else "plain"] += 1
        else:
            assert int(their["esp.spi"], 16) == int(record["spi"], 16)
            assert int(their["esp.sequence"]) == record["seq"]
            if their["esp.contained_data"]:
                assert int(their["esp.protocol"], 16) == record["next_header"], number
                contained = their["esp.contained_data"]  # with TFC padding, which is not the inner packet
                assert contained.startswith(record["inner"])
                assert not contained.removeprefix(record["inner"]).strip("0")
                compared["esp"] += 1
    print(name, dict(compared))
    assert compared["plain"] >= 1
    if pcap.with_suffix(".ikev2_decryption_table").stat().st_size:
        assert compared["opened"] >= 1 or name == "6.0-6-mlkem768-multike"
    expected = sum(1 for r in ours.values() if r["kind"] == "esp") if pcap.with_suffix(".esp_sa").stat().st_size else 0
    assert compared["esp"] == expected
