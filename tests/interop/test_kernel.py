# SPDX-License-Identifier: GPL-2.0-or-later
"""Trials with peers in a guest, whose ESP is a Linux kernel's: strongSwan's kernel trials, libreswan and OpenIKED.

They are deselected unless asked for (``-m kernel``, scripts/test-kernel), because a guest has to be had first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fynx_scapy import scenarios
from fynx_scapy.errors import LabError
from fynx_scapy.harness import Role, Scenario, Verdict
from fynx_scapy.lab.guest import Guest
from fynx_scapy.lab.kernel import KernelStrongSwan
from fynx_scapy.lab.lab import booted
from fynx_scapy.lab.strongswan import StrongSwan
from fynx_scapy.lab.trial_runner import PEERS, run_trial
from tests.interop.test_strongswan import opens

pytestmark = pytest.mark.kernel


CHOSEN = frozenset(
    {
        "psk",
        "keys_differ",
        "ipv6",
        "rekey_child_by_us",
        "rekey_child_by_peer",
        "rekey_ike_by_us",
        "rekey_ike_by_peer",
        "delete_ike_by_us",
        "delete_ike_by_peer",
        "delete_child_by_peer",
        "esn_gcm",
        "transport_gcm",
    }
)
"""What is held with others than strongSwan; `fynx lab matrix --peer NAME` holds everything that they can."""


def _wanted(peer: str, trial: Scenario) -> bool:
    """What the kernel is needed for; strongSwan's other trials are held in a namespace, in a tenth of the time."""
    if not trial.setting.needs <= PEERS[peer].capabilities:
        return False
    if peer == KernelStrongSwan.name:
        return not trial.setting.needs <= StrongSwan.capabilities
    return trial.name in CHOSEN


def _group(peer: str) -> pytest.MarkDecorator:
    """Two guests at most, each with cases of its own."""
    return pytest.mark.xdist_group("guest" if peer == KernelStrongSwan.name else "another guest")


CASES = [
    pytest.param(peer, trial, role, id=f"{peer}-{trial.name}-{role.value}", marks=_group(peer))
    for peer, made in PEERS.items()
    if made.guest
    for trial in scenarios.everything().values()
    for role in trial.roles
    if not role.asynchronous  # a guest is slow, and what is below is the same
    if _wanted(peer, trial)
]


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    """One guest for all; tests are skipped where it cannot come up."""
    packages = sorted({name for made in PEERS.values() for name in made.packages})
    try:
        with booted(*packages) as found:
            yield found
    except LabError as error:
        pytest.skip(f"no live peer: {error}")


@pytest.mark.parametrize(("peer", "trial", "role"), CASES)
def test_trial(guest: Guest, peer: str, trial: Scenario, role: Role, tmp_path: Path) -> None:
    outcome = run_trial(trial, role, peer, guest=guest)
    assert (outcome.result.verdict, outcome.result.reason) == (Verdict.PASS, ""), outcome.log[-20000:]
    outcome.save_capture(tmp_path / "capture.pcapng")
    opens(tmp_path / "capture.pcapng")


def test_there_are_enough_of_them() -> None:
    kernel = [case for case in CASES if case.values[0] == KernelStrongSwan.name]
    assert len(kernel) >= 10
    assert {(case.values[0], case.values[2]) for case in CASES} == {
        (peer, role) for peer, made in PEERS.items() if made.guest for role in (Role.INITIATOR, Role.RESPONDER)
    }
