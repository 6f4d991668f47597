# SPDX-License-Identifier: GPL-2.0-or-later
"""A sample of what `scripts/fuzz` and `scripts/fuzz --stateful` run at length."""

from __future__ import annotations

import random

import pytest

from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.strangers import unprotected
from tests.shared import shared
from tools import fuzzing
from tools.fuzzing import CHECK_EVERY, INSIDE_EVERY, Fuzz, corpus, fuzz
from tools.mutations import mutated
from tools.stateful import run
from tools.stateful.life import STEPS
from tools.stateful.run import run_lives


@pytest.mark.parametrize(
    ("count", "seed"), [(400, 0), *(pytest.param(1000, seed, marks=pytest.mark.slow) for seed in range(5))]
)
def test_mutants_break_nothing(count: int, seed: int) -> None:
    result = fuzz(count, seed)
    assert result.datagrams == count
    assert result.inside == count // INSIDE_EVERY
    assert result.checks == count // CHECK_EVERY + 1
    assert set(result.kinds) == {*Fuzz(seed, corpus(None)).ways, "ICMP"}
    # It is no good fuzzing if nothing gets past the first look.
    assert result.malformed > count // 10
    assert {"MessageDropped", "IntegrityFailed", "PeerNotified"} <= result.events.keys()


def test_captures_are_mutated_too() -> None:
    captures = shared("captures/lab")
    assert len(corpus(captures)) > len(corpus(None)) + 100


def test_a_seed_repeats_itself() -> None:
    assert fuzz(60, 3) == fuzz(60, 3)


def test_mutations_change_something() -> None:
    chance = random.Random(0)
    octets = bytes(range(64))
    assert sum(mutated(octets, bytes(64), chance) != octets for _ in range(500)) > 450


def test_a_failure_says_how_to_see_it_again(monkeypatch, capsys) -> None:
    monkeypatch.setattr("fynx_scapy.ike.router.replies.wrong_version", lambda *arguments: 1 // 0)
    assert fuzzing.main(["200", "5"]) == 1
    told = capsys.readouterr().err
    assert "ZeroDivisionError" in told
    count = int(told.split("again: scripts/fuzz ")[1].split()[0])
    assert f"datagram {count - 1} of seed 5: " in told
    assert fuzzing.main([str(count - 1), "5"]) == 0
    assert fuzzing.main([str(count), "5"]) == 1


# A hostile peer that has the keys


@pytest.mark.parametrize(("steps", "seed"), [(500, 1), pytest.param(20000, 2, marks=pytest.mark.slow)])
def test_a_peer_with_the_keys_breaks_nothing(steps: int, seed: int) -> None:
    result = run_lives(steps, seed)
    assert not result.faults, next(iter(result.faults.values()))
    assert result.steps == steps
    # It is no good if nothing gets anywhere.
    done = {name.removeprefix("step ") for name in result.counts if name.startswith("step ")}
    assert done == {"end", *(act.__name__ for act in STEPS)}
    reached = ("IkeSaEstablished", "IkeSaRekeyed", "ChildSaInstalled", "ChildSaRekeyed", "EspReceived", "PeerMoved")
    assert all(result.counts[f"event {name}"] > 5 for name in reached), result.counts


@pytest.mark.slow
def test_a_life_repeats_itself() -> None:
    assert run_lives(300, 3).counts == run_lives(300, 3).counts
    # A life can be run without those before it.
    assert run_lives(300, 3).counts - run_lives(250, 3).counts == run_lives(50, 3, first=1).counts


def raises(monkeypatch) -> None:
    """An exception leaves the endpoint."""
    monkeypatch.setattr(Informational, "_remove_outbound", lambda self, delete: dict[int, int]()[id(delete)])


def believes(monkeypatch) -> None:
    """Anybody can keep an IKE SA alive."""

    def in_the_clear(sa, datagram, header) -> bool:
        sa.last_heard = sa.now + 1
        return False

    monkeypatch.setattr(unprotected, "in_the_clear", in_the_clear)


def remembers(monkeypatch) -> None:
    """No IKE SA is ever let go."""
    monkeypatch.setattr(Endpoint, "release", lambda self, sa: None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (raises, "KeyError at "),
        (believes, "an unprotected datagram changed the time of the last sign of life"),
        (remembers, "are left after hours of silence"),
    ],
)
def test_what_is_wrong_is_found_and_can_be_seen_again(plant, told, monkeypatch, capsys) -> None:
    plant(monkeypatch)
    assert run.main(["750", "4"]) == 1
    report = capsys.readouterr().out
    assert told in report
    steps, seed, life = report.split("again: scripts/fuzz --stateful ")[1].split()[:3]
    assert run.main([steps, seed, life]) == 1
