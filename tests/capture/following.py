# SPDX-License-Identifier: GPL-2.0-or-later
"""Feeding a capture to a Follower, and what comes out of it counted."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fynx_scapy.capture.follow import Follower
from fynx_scapy.capture.follow.decrypt import OpenResult
from fynx_scapy.capture.follow.sas import IkeOpened
from fynx_scapy.capture.reading.packets import IpsecPacket
from fynx_scapy.capture.reading.walk import Walk
from fynx_scapy.keylog import KeyLog


def ipsec(path: Path) -> Iterator[IpsecPacket]:
    """Every IPsec packet of a capture."""
    yield from Walk().read(path)


@dataclass
class Followed:
    """What following a capture came to."""

    follower: Follower
    messages: list[IkeOpened] = field(default_factory=list)
    packets: list[OpenResult] = field(default_factory=list)

    @property
    def sealed(self) -> int:
        """Protected messages whose ICV verifies and which are open."""
        return sum(m.opened is not None and m.opened.icv == "ok" and not m.closed for m in self.messages)

    @property
    def esp(self) -> int:
        """ESP packets whose ICV verifies and which are open."""
        return sum(packet.icv == "ok" and packet.plaintext is not None for packet in self.packets)

    @property
    def auth(self) -> list[tuple[str, bool | None]]:
        """Role and verdict of each AUTH payload, retransmissions left out."""
        return [(verdict.role, verdict.verified) for sa in self.follower.ike_sas for verdict in sa.auth]


def follow(path: Path, keys: KeyLog, **options: Any) -> Followed:
    """Feed a capture in its order, and try once more what stayed closed."""
    found = Followed(Follower(keys, **options))
    for packet in ipsec(path):
        number, time = packet.frame.number, packet.frame.time
        if packet.kind == "ike":
            message = found.follower.ike(packet.data, number, time, packet.src, packet.sport, packet.dst, packet.dport)
            found.messages.append(message)
        elif packet.kind == "esp":
            found.packets.append(found.follower.esp(packet.data, packet.src, packet.dst))
    again = {message.number: message for message in found.follower.retry()}
    found.messages = [again.get(message.number, message) for message in found.messages]
    return found


def least(path: Path, seed: int = 0) -> KeyLog:
    """From a lab capture's keys.json: the shared secrets as one shuffled list, PPK, PSK and MSK. Nothing else."""
    document = json.loads(path.read_text())
    secrets = [secret for sa in document["ike_sas"] + document["child_sas"] for secret in sa["ke_secrets"]]
    random.Random(seed).shuffle(secrets)
    traced = {
        label: ["0x" + entry["hex"] for entry in document.get("auth_trace", []) if entry["label"] == label]
        for label in ("PPK", "secret")
    }
    return KeyLog(secrets=secrets, ppk=traced["PPK"], psk=traced["secret"])
