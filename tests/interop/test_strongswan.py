# SPDX-License-Identifier: GPL-2.0-or-later
"""Every scenario that configures its peer, in every role, with this machine's strongSwan and that of Debian sid.

A test's name says which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fynx_scapy import scenarios
from fynx_scapy.capture.dissect import dissect
from fynx_scapy.harness import Role, Scenario, Verdict
from fynx_scapy.keylog import KeyLog
from fynx_scapy.lab.peer import Peer
from fynx_scapy.lab.strongswan import StrongSwan, StrongSwanSid
from fynx_scapy.lab.trial_runner import run_trial

KINDS = (StrongSwan, StrongSwanSid)
CASES = [
    pytest.param(kind, trial, role, id=f"{kind.name}-{trial.name}-{role.value}")
    for kind in KINDS
    for trial in scenarios.everything().values()
    for role in trial.roles
    if trial.configures and trial.setting.needs <= kind.capabilities
]


@pytest.mark.parametrize(("kind", "trial", "role"), CASES)
def test_trial(
    versions: Callable[[type[Peer]], str], kind: type[Peer], trial: Scenario, role: Role, tmp_path: Path
) -> None:
    version = versions(kind)
    outcome = run_trial(trial, role, kind.name)
    assert (outcome.result.verdict, outcome.result.reason) == (Verdict.PASS, ""), _told(outcome)
    assert outcome.version == version
    outcome.save_capture(tmp_path / "capture.pcapng")
    opens(tmp_path / "capture.pcapng")


def _told(outcome) -> str:
    return (
        f"{outcome.result.reason}\n{outcome.result.stages[0].ladder() if outcome.result.stages else ''}\n{outcome.log}"
    )


def opens(capture: Path) -> None:
    """What really travelled opens with our keys, to the last message and packet, and every ICV is good."""
    records = list(dissect(capture, KeyLog.load(capture.with_suffix(".keys"))))
    protected = [record for record in records if record["kind"] == "esp" or record.get("encrypted")]
    assert not [record for record in protected if not record["decrypted"] or record["icv"] != "ok"]


def test_there_are_enough_of_them() -> None:
    counts = Counter((case.values[0], case.values[2]) for case in CASES)
    assert all(counts[kind, role] >= 40 for kind in KINDS for role in Role)
