# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs scenarios with live peers: each in a lab of its own, with the chosen peer and in the chosen role."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fynx_scapy.errors import ConfigError, LabError
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.runner import Result, Verdict, run
from fynx_scapy.harness.scenario import Scenario
from fynx_scapy.keylog import KeyLog
from fynx_scapy.lab.guest import Guest
from fynx_scapy.lab.kernel import KernelStrongSwan
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.libreswan import Libreswan, LibreswanSid
from fynx_scapy.lab.made import MadeWorld, made_for
from fynx_scapy.lab.openiked import OpenIked, OpenIkedSid
from fynx_scapy.lab.peer import Peer, PeerConfig
from fynx_scapy.lab.strongswan import StrongSwan, StrongSwanSid, StrongSwanTrixie
from fynx_scapy.lab.world import LabWorld
from fynx_scapy.net.recorder import Recorder

_KINDS: tuple[type[Peer], ...] = (
    StrongSwan, StrongSwanTrixie, StrongSwanSid, KernelStrongSwan, Libreswan, LibreswanSid, OpenIked, OpenIkedSid,
)  # fmt: skip
PEERS: Mapping[str, type[Peer]] = {kind.name: kind for kind in _KINDS}
"""The available peers, by name."""


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """The result of one scenario with one peer in one role. ``version`` and ``log`` are the peer's."""

    trial: Scenario
    peer: str
    version: str
    role: Role
    result: Result
    log: str = field(repr=False)
    frames: Callable[[Path], None] = field(repr=False)
    keys: KeyLog = field(repr=False)

    @property
    def name(self) -> str:
        """Peer, scenario and role."""
        return f"{self.peer}-{self.trial.name}-{self.role.value}"

    def save_capture(self, path: str | os.PathLike[str]) -> None:
        """Write the capture as pcapng, and the key tables that decrypt it to a folder NAME.keys beside it."""
        place = Path(path)
        self.frames(place)
        self.keys.save(place.with_suffix(".keys"))

    def as_dict(self) -> dict[str, Any]:
        """The outcome as plain values for JSON."""
        about = {"peer": self.peer, "version": self.version, "role": self.role.value, "driver": self.role.driver}
        return self.result.as_dict() | about


def run_trial(trial: Scenario, role: Role, peer: str = StrongSwan.name, *, guest: Guest | None = None) -> TrialOutcome:
    """Run one scenario. A peer that needs a ``guest`` boots one unless it is given.

    Any error in the scenario becomes its verdict; LabError when its lab cannot be set up.
    """
    make = peer_named(peer)
    with made_for(trial.setting, role, make, guest) as lab:
        version, recorder = lab.peer.version, Recorder()
        world = MadeWorld(lab) if trial.configures else LabWorld(lab)
        result = run(trial, role=role, world=world, watch=recorder.watch)
        save = lab.sniffer.save if trial.configures else recorder.save_capture
        return TrialOutcome(trial, peer, version, role, result, lab.peer.log(), save, recorder.keys())


def capabilities(name: str) -> frozenset[str]:
    """The capabilities of the peer with that name."""
    return peer_named(name).capabilities


def peer_named(name: str) -> type[Peer]:
    """The peer with that name; ConfigError when there is none."""
    if name not in PEERS:
        near = difflib.get_close_matches(name, PEERS, n=1)
        known = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"expected one of the peers {', '.join(PEERS)}, found {name!r}{known}")
    return PEERS[name]


def installed(name: str, guest: Guest | None = None) -> str | None:
    """The version of a peer on this machine, found by starting it once; None when it cannot be started."""
    try:
        with Lab(PeerConfig().changed(**peer_named(name).defaults), peer=peer_named(name), guest=guest) as lab:
            return lab.peer.version
    except LabError:
        return None


def good(outcome: TrialOutcome) -> bool:
    """Whether the verdict is PASS."""
    return outcome.result.verdict is Verdict.PASS
