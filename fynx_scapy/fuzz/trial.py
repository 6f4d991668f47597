# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds conversations once more, with a peer of its own, and looks for one fault: to minimise it and to show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from fynx_scapy.fuzz import playing
from fynx_scapy.fuzz.faults import Failures, Fault, Kind, attempted, fault_of
from fynx_scapy.fuzz.growth import SUSPECTS, Meter
from fynx_scapy.fuzz.steps import Talk
from fynx_scapy.fuzz.worlds import World
from fynx_scapy.net import guard
from fynx_scapy.session import Session

WARM, ROUNDS, REPEATS = 1, 2, 4
"""How often conversations are held before memory is looked at, and then how often in each of two rounds."""


def held(world: World, talk: Talk, *, slow: float, wait: float | None = None) -> Iterator[Fault]:
    """Hold one conversation with the edits that it has. The faults that it shows by itself."""
    session = world.open()
    failures = Failures(session)
    for played in _steps(session, talk, wait):
        if (fault := fault_of(played, slow)) is not None:
            yield fault
    later = attempted(lambda: world.close(session, doubtful=talk.doubtful)) or failures.fault()
    if later is not None:
        yield later


def _steps(session: Session, talk: Talk, wait: float | None) -> list[playing.Played]:
    """The steps of a conversation, as far as it goes."""
    done: list[playing.Played] = []

    def perform() -> None:
        done.extend(playing.perform(session, talk, wait=wait))

    guard.attempt(perform)
    return done


def shows(
    world: World,
    talks: Sequence[Talk],
    kind: Kind,
    *,
    slow: float,
    wait: float | None = None,
    meter: Callable[[], Meter] | None = None,
) -> Fault | None:
    """The first fault of a kind that these conversations show with a fresh peer, or None."""
    if kind is Kind.GROWTH:
        return _growth(world, talks, meter(), wait) if meter is not None else None
    for talk in talks:
        for fault in held(world, talk, slow=slow, wait=wait):
            if fault.kind is kind:
                return fault
    return world.gone() if kind in (Kind.SILENT, Kind.CRASH) else None


def _growth(world: World, talks: Sequence[Talk], meter: Meter, wait: float | None) -> Fault | None:
    """Whether repetitions make something grow by at least one item each, in each of several rounds."""

    def repeat(times: int) -> None:
        for _ in range(times):
            for talk in talks:
                for _ in held(world, talk, slow=1e9, wait=wait):
                    pass
        world.quiet()

    repeat(WARM)
    meter.begin(talks)
    repeat(REPEATS)
    suspects = [(suspect, suspect.size()) for suspect in islice(meter.grown(), SUSPECTS)]
    for _ in range(ROUNDS - 1):
        repeat(REPEATS)
        suspects = [(suspect, suspect.size()) for suspect, size in suspects if suspect.size() >= size + REPEATS]
    if not suspects:
        return None
    suspect, _size = suspects[0]
    return Fault(Kind.GROWTH, f"growth {suspect.key}", f"{suspect.text}; each repetition makes it grow")
