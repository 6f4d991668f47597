# SPDX-License-Identifier: GPL-2.0-or-later
"""Write and run scenarios: ``from fynx_scapy.harness import expect, scenario``."""

from __future__ import annotations

from fynx_scapy.harness.details import CaseDetails, Change
from fynx_scapy.harness.expect import ExpectationFailed, expect
from fynx_scapy.harness.forge import (
    PATIENCE,
    STRANGER,
    answers_on,
    clear,
    deliver,
    encrypted,
    foreign,
    forge,
    insert,
    only,
    rogue,
    stranger,
    takes_on,
    unanswered,
    unknown,
    without,
)
from fynx_scapy.harness.manifest import ExpectedFailure, Manifest
from fynx_scapy.harness.reachability import Contact, Unreached
from fynx_scapy.harness.requirements import Requirement, requirement
from fynx_scapy.harness.role import BOTH, EVERY, INITIATORS, RESPONDERS, Role
from fynx_scapy.harness.runner import Result, Verdict, run
from fynx_scapy.harness.scenario import Scenario, scenario
from fynx_scapy.harness.script import main, play
from fynx_scapy.harness.signed import certificates_in, schemes_of
from fynx_scapy.harness.stage import Run, Stage
from fynx_scapy.harness.tally import Tally
from fynx_scapy.harness.target import Target
from fynx_scapy.harness.worlds.credentials import Credentials, EndAuth
from fynx_scapy.harness.worlds.embedded import EmbeddedWorld
from fynx_scapy.harness.worlds.peers import DYNAMIC, PeerChild, PeerConfig
from fynx_scapy.harness.worlds.target import TargetWorld
from fynx_scapy.harness.worlds.world import Driver, World

__all__ = [
    "BOTH",
    "DYNAMIC",
    "EVERY",
    "INITIATORS",
    "PATIENCE",
    "RESPONDERS",
    "STRANGER",
    "CaseDetails",
    "Change",
    "Contact",
    "Credentials",
    "Driver",
    "EmbeddedWorld",
    "EndAuth",
    "ExpectationFailed",
    "ExpectedFailure",
    "Manifest",
    "PeerChild",
    "PeerConfig",
    "Requirement",
    "Result",
    "Role",
    "Run",
    "Scenario",
    "Stage",
    "Tally",
    "Target",
    "TargetWorld",
    "Unreached",
    "Verdict",
    "World",
    "answers_on",
    "certificates_in",
    "clear",
    "deliver",
    "encrypted",
    "expect",
    "foreign",
    "forge",
    "insert",
    "main",
    "only",
    "play",
    "requirement",
    "rogue",
    "run",
    "scenario",
    "schemes_of",
    "stranger",
    "takes_on",
    "unanswered",
    "unknown",
    "without",
]
