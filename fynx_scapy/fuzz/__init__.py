# SPDX-License-Identifier: GPL-2.0-or-later
"""Stateful fuzzing: messages inside SK with a correct ICV are edited field by field, in every exchange and either role.

A finding is saved as a scenario that holds the conversations again:

>>> from fynx_scapy.fuzz import Edit, Step, Talk, replay
>>> TALKS = (Talk((Step("create_child", "request", (Edit("set", "SA.prop[0].proto", 77),)),)),)
"""

from __future__ import annotations

from fynx_scapy.fuzz.edits import Edit
from fynx_scapy.fuzz.faults import Fault, Kind
from fynx_scapy.fuzz.fuzzer import Fuzzer, Plan
from fynx_scapy.fuzz.growth import Containers, Resident
from fynx_scapy.fuzz.hunt import Hunt
from fynx_scapy.fuzz.minimise import Budget
from fynx_scapy.fuzz.replaying import replay
from fynx_scapy.fuzz.saving import Finding, Store
from fynx_scapy.fuzz.steps import Step, Talk
from fynx_scapy.fuzz.verbs import edited
from fynx_scapy.fuzz.worlds import EmbeddedWorld, LiveWorld

__all__ = [
    "Budget",
    "Containers",
    "Edit",
    "EmbeddedWorld",
    "Fault",
    "Finding",
    "Fuzzer",
    "Hunt",
    "Kind",
    "LiveWorld",
    "Plan",
    "Resident",
    "Step",
    "Store",
    "Talk",
    "edited",
    "replay",
]
