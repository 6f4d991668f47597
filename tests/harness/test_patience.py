# SPDX-License-Identifier: GPL-2.0-or-later
"""A live peer that takes no new IKE SA for a while is waited for, and what failed meanwhile runs again."""

from __future__ import annotations

import pytest

from fynx_scapy.harness import Run, Verdict, expect, sanity
from fynx_scapy.harness.campaign import Campaign
from fynx_scapy.harness.plan import plan
from fynx_scapy.harness.sanity import Health, Stretch, alive
from fynx_scapy.harness.subject import Subject
from fynx_scapy.harness.target import Target
from tests.harness.peers import made

PEER = Target(address="192.0.2.2", psk=b"secret")


class Busy:
    """A peer that holds no sane conversation for so many seconds, and the clock of the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.now, self.until, self.held = 0.0, seconds, 0
        monkeypatch.setattr(sanity, "converse", self.converse)
        monkeypatch.setattr("fynx_scapy.harness.sanity.time", self)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def converse(self, *_: object) -> Health:
        self.held += 1
        if self.now >= self.until:
            return Health(Stretch.LIVENESS)
        self.now += 5.0  # until it is a timeout
        return Health(Stretch.NOTHING, "no answer")


@pytest.mark.parametrize(
    ("busy", "patience", "reached", "held"),
    [
        (0.0, 40.0, Stretch.LIVENESS, 1),
        (30.0, 40.0, Stretch.LIVENESS, 7),
        (30.0, 0.0, Stretch.NOTHING, 3),
        (1000.0, 40.0, Stretch.NOTHING, 8),
    ],
)
def test_a_peer_is_waited_for_as_long_as_patience_lasts(
    monkeypatch: pytest.MonkeyPatch, busy: float, patience: float, reached: Stretch, held: int
) -> None:
    peer = Busy(monkeypatch, busy)
    health = alive(PEER, Stretch.LIVENESS, patience=patience)
    assert (health.reached, peer.held) == (reached, held)
    assert bool(health.waited) is (held > sanity.ATTEMPTS)


def test_what_failed_before_a_pause_runs_again_and_the_pause_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Busy(monkeypatch, 30.0)
    tries: list[float] = []

    def refused(run: Run) -> None:
        """Fails while the peer takes no IKE SA."""
        tries.append(peer.now)
        expect(peer.now >= 30.0, "the peer takes IKE SAs").equals(True)

    monkeypatch.setattr(Subject, "_unproven", lambda *_: "")  # the scenario has no session: there is no peer
    subject = Subject(PEER, patience=40.0)
    subject.health = Health(Stretch.LIVENESS)  # as if it had been met
    running = Campaign(plan([made(refused)], [subject.name]), [subject])
    (result,) = running.run()
    assert (result.verdict, len(tries), len(result.retried)) == (Verdict.PASS, 2, 1)
    assert running.ended == {}
    (remark,) = running.remarks
    assert remark.startswith("after refused the peer took no new IKE SA for 3")
