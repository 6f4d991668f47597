# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs scenarios, each on its own network and with randomness of its own, and turns what happens into verdicts."""

from __future__ import annotations

import enum
import struct
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scapy.error import Scapy_Exception

from fynx_scapy.errors import FynxError
from fynx_scapy.harness.scenario import Scenario
from fynx_scapy.ike.events import Event
from fynx_scapy.ladder import Ladder
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.memory import Network
from fynx_scapy.session import Session

CRASHES = (
    FynxError, Scapy_Exception, struct.error, ArithmeticError, AttributeError, BufferError, EOFError, ImportError,
    LookupError, MemoryError, NameError, OSError, RuntimeError, StopIteration, TypeError, ValueError,
)  # fmt: skip
"""What ends one scenario and not the whole run: a fault in it or in the engine is the verdict ERROR of this one alone.

KeyboardInterrupt and SystemExit end the run."""


class Verdict(enum.Enum):
    """PASS; FAIL when an expectation was not met; ERROR when the scenario could not be carried through."""

    PASS = "PASS"
    FAIL = "FAIL"
    ERROR = "ERROR"


@dataclass(slots=True)
class Stage:
    """One session of a scenario with its network. ``label`` tells it from the others of the same scenario."""

    label: str
    network: Hosts
    session: Session | None = None

    @property
    def events(self) -> list[tuple[str, Event]]:
        """What happened on it, at both ends."""
        return self.network.events

    def ladder(self) -> Ladder:
        """The conversation as a ladder."""
        return Ladder(self.events) if self.session is None else self.session.ladder()


Watcher = Callable[[Network, str], None]


class Run:
    """What a scenario is handed: it makes sessions that repeat themselves for the same seed.

    ``watch`` is called with each new network and what happens there (the recorder's `watch`).
    """

    def __init__(self, name: str, seed: int = 0, watch: Watcher | None = None) -> None:
        self.name, self.seed = name, seed
        self.stages: list[Stage] = []
        self._watch = watch

    def session(self, label: str = "", **overrides: Any) -> Session:
        """A session against an embedded peer; ``overrides`` are `Session`'s arguments, ``label`` is its heading."""
        # By name, so that the order of scenarios does not matter, and by number, so that no two sessions share an SPI.
        seed = f"{self.seed} {self.name} {len(self.stages)}"
        network = overrides.pop("network", None) or Network(seed=seed)
        stage = Stage(label, network)
        self.stages.append(stage)
        if self._watch is not None:
            self._watch(network, f"{self.name} ({label})" if label else self.name)
        arguments: dict[str, Any] = {"seed": seed, "network": network} | overrides
        stage.session = Session(**arguments)
        return stage.session


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a scenario. ``seconds`` is real time."""

    scenario: Scenario
    verdict: Verdict
    reason: str
    seconds: float
    stages: list[Stage] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The result as plain values for JSON."""
        return {
            "name": self.scenario.name,
            "title": self.scenario.title,
            "source": self.scenario.source,
            "requirements": [found.id for found in self.scenario.requirements],
            "verdict": self.verdict.value,
            "reason": self.reason,
            "seconds": round(self.seconds, 6),
            "sessions": len(self.stages),
            "packets": sum(len(stage.ladder().packets) for stage in self.stages),
        }


def run(scenario: Scenario, *, seed: int = 0, watch: Watcher | None = None) -> Result:
    """Run one scenario. Whatever goes wrong in it becomes its verdict."""
    stage = Run(scenario.name, seed, watch)
    return judge(scenario, lambda: scenario.body(stage), stage.stages)


def judge(scenario: Scenario, act: Callable[[], None], stages: list[Stage]) -> Result:
    """Do it, and say what became of it. ``stages`` is filled meanwhile."""
    started = time.perf_counter()
    verdict, reason = Verdict.PASS, ""
    try:
        act()
    except AssertionError as error:
        verdict, reason = Verdict.FAIL, _because(error)
    except CRASHES as error:
        verdict, reason = Verdict.ERROR, f"{type(error).__name__}: {_because(error)}"
    return Result(scenario, verdict, reason, time.perf_counter() - started, stages)


def _because(error: BaseException) -> str:
    """What an exception says, and the line of the scenario (else of whatever raised it) where it happened."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    frames = [frame for frame in frames if "scenarios" in Path(frame.filename).parts][-1:] or frames[-1:]
    place = f" ({Path(frames[0].filename).name}:{frames[0].lineno})" if frames else ""
    return f"{str(error) or 'no reason given'}{place}"
