# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs scenarios, each on its own network and with randomness of its own, and turns what happens into verdicts.

With a `Target` the peer is a live one: scenarios that are made for it run there, all others get the verdict SKIP.
"""

from __future__ import annotations

import enum
import inspect
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fynx_scapy.errors import AuthenticationError, MalformedError, OutOfReach, PeerError, Timeout
from fynx_scapy.harness.reachability import Contact, Watcher
from fynx_scapy.harness.scenario import Scenario
from fynx_scapy.harness.stage import Run, Stage
from fynx_scapy.harness.target import Target
from fynx_scapy.ike.events import InternalError
from fynx_scapy.net import guard
from fynx_scapy.net.silence import heard
from fynx_scapy.text import printable_lines

PEER_FAULTS = (AuthenticationError, MalformedError, PeerError, Timeout)
"""Errors blamed on a live peer once it has answered: the verdict FAIL."""


class Verdict(enum.Enum):
    """PASS; FAIL when an expectation was not met; ERROR when the scenario could not be carried through.

    SKIP when it was not run: it asks for what there is only in an embedded peer, or what this live one need not have.
    """

    PASS = "PASS"
    SKIP = "SKIP"
    FAIL = "FAIL"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a scenario. ``seconds`` is real time; ``left_out`` is what a live peer could not be asked for.

    ``left_behind`` is what may still be at a live peer, ``step`` the line of the scenario that did not hold.
    """

    scenario: Scenario
    verdict: Verdict
    reason: str
    seconds: float
    stages: list[Stage] = field(repr=False)
    left_out: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()
    step: str = ""
    in_part: bool = False
    """Whether a live peer could not be asked for all that the scenario checks."""

    def as_dict(self) -> dict[str, Any]:
        """The result as plain values for JSON."""
        return {
            "name": self.scenario.name,
            "title": self.scenario.title,
            "source": self.scenario.source,
            "requirements": [found.id for found in self.scenario.requirements],
            "verdict": self.verdict.value,
            "reason": self.reason,
            "in_part": self.in_part,
            "left_out": list(self.left_out),
            "left_behind": list(self.left_behind),
            "step": self.step,
            "seconds": round(self.seconds, 6),
            "sessions": len(self.stages),
            "packets": sum(len(stage.ladder().packets) for stage in self.stages),
        }


def run(
    scenario: Scenario,
    *,
    seed: int = 0,
    watch: Watcher | None = None,
    target: Target | None = None,
    contact: Contact | None = None,
) -> Result:
    """Run one scenario, against an embedded peer or a ``target``. Whatever goes wrong in it becomes its verdict.

    A live peer must have answered before (``contact`` knows whether it has), and must answer again afterwards.
    """
    stage = Run(scenario.name, seed, watch, target, able=bool(scenario.live), contact=contact)

    def act() -> None:
        try:
            scenario.body(stage)
            stage.check()
        finally:
            stage.mark()
            stage.close()
        stage.confirm()

    result = judge(scenario, act, stage.stages, stage.left_out, live=target is not None)
    in_part = target is not None and (scenario.live == "in part" or bool(stage.left_out))
    return replace(result, left_behind=tuple(stage.left_behind), in_part=in_part)


def judge(
    scenario: Scenario,
    act: Callable[[], None],
    stages: list[Stage],
    left_out: Sequence[str] = (),
    *,
    live: bool = False,
) -> Result:
    """Do it, and say what became of it. ``stages`` and ``left_out`` are filled meanwhile."""
    started, home = time.perf_counter(), inspect.getfile(scenario.body)
    verdict, reason, step = Verdict.PASS, "", ""
    # A fault in one scenario, or in the engine under it, is the verdict of this one; the run goes on with the others.
    _, error = guard.attempt(act)
    if isinstance(error, OutOfReach) and live:
        verdict, reason = Verdict.SKIP, f"not run: {error}"
    elif error is not None:
        verdict, reason, step = _blamed(error, stages, live=live), _because(error, home), _step(error, home)
        if not isinstance(error, AssertionError):
            reason = f"{type(error).__name__}: {reason}"
    if verdict is Verdict.PASS and (internal := _internal(stages)) is not None:
        verdict, reason = Verdict.ERROR, internal
    return Result(scenario, verdict, reason, time.perf_counter() - started, stages, tuple(left_out), step=step)


def _blamed(error: Exception, stages: Sequence[Stage], *, live: bool) -> Verdict:
    """FAIL for an expectation that was not met, and for what a live peer does once it has answered; else ERROR."""
    failed = isinstance(error, AssertionError) or (live and isinstance(error, PEER_FAULTS) and _heard(stages))
    return Verdict.FAIL if failed else Verdict.ERROR


def _heard(stages: Sequence[Stage]) -> bool:
    """Whether the peer has ever answered."""
    return any(heard([event for _, event in stage.events]) for stage in stages)


def _internal(stages: Sequence[Stage]) -> str | None:
    """A fault of ours that a network has caught: whatever else happened, no verdict stands on it."""
    events = (event for stage in stages for _, event in stage.events if isinstance(event, InternalError))
    return next((f"a fault of ours: {event.error} in {event.doing}, at {event.where}" for event in events), None)


def _because(error: BaseException, home: str) -> str:
    """What an exception says, and the line of the file ``home`` (else of whatever raised it) where it happened."""
    frame = _frame(error, home)
    place = f" ({Path(frame.filename).name}:{frame.lineno})" if frame else ""
    return f"{printable_lines(str(error)) or 'no reason given'}{place}"


def _step(error: BaseException, home: str) -> str:
    """That line itself."""
    frame = _frame(error, home)
    return (frame.line or "").strip() if frame else ""


def _frame(error: BaseException, home: str) -> traceback.FrameSummary | None:
    frames = traceback.extract_tb(error.__traceback__)[1:]
    frames = [frame for frame in frames if frame.filename == home][-1:] or frames[-1:]
    return frames[0] if frames else None
