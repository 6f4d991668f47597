# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs scenarios and gives each a verdict. Each has its own network and its own randomness.

With a `Target` the peer is live. Scenarios that support a live peer run against it; all others get the verdict SKIP.
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
from fynx_scapy.harness.details import CaseDetails
from fynx_scapy.harness.manifest import ExpectedFailure
from fynx_scapy.harness.reachability import Contact, Watcher
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.scenario import Scenario
from fynx_scapy.harness.stage import Run, Stage
from fynx_scapy.harness.target import Target
from fynx_scapy.harness.worlds.world import Unsupported, World
from fynx_scapy.ike.events import InternalError
from fynx_scapy.net import guard
from fynx_scapy.net.silence import heard
from fynx_scapy.text import printable_lines

PEER_FAULTS = (AuthenticationError, MalformedError, PeerError, Timeout)
"""Errors blamed on a live peer once it has answered: the verdict FAIL."""


class Verdict(enum.Enum):
    """The verdict on a scenario."""

    PASS = "PASS"
    """All expectations were met."""
    SKIP = "SKIP"
    """It was not run: it needs an embedded peer, or something optional that this live peer does not have."""
    FAIL = "FAIL"
    """An expectation was not met."""
    XFAIL = "XFAIL"
    """It failed as a manifest expects of this peer."""
    XPASS = "XPASS"
    """It passed, but a manifest expects it to fail: the manifest is out of date."""
    ERROR = "ERROR"
    """It could not be completed."""
    NOT_RUN = "NOT RUN"
    """The run ended before its turn."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a scenario."""

    scenario: Scenario
    verdict: Verdict
    reason: str
    """Why it did not pass; empty for PASS."""
    seconds: float
    """Real time."""
    stages: Sequence[Stage] = field(repr=False)
    left_out: tuple[str, ...] = ()
    """Checks that were left out because the peer is live."""
    left_behind: tuple[str, ...] = ()
    """What may still be left at a live peer."""
    step: str = ""
    """The line of the scenario that failed."""
    in_part: bool = False
    """Whether only a part of the scenario could be checked, because the peer is live."""
    role: Role = Role.INITIATOR
    """Which end of the IKE SA we were."""
    details: CaseDetails | None = None
    """What a case changed, expected and found."""
    expected_failure: ExpectedFailure | None = None
    """The row of a manifest that expects it to fail."""
    peer: str = ""
    """The address of the live peer; empty for an embedded one."""
    retried: tuple[str, ...] = ()
    """Why earlier tries failed, if there were any: each had no answer, and a datagram may have been lost."""
    counted: tuple[int, int] | None = None
    """The number of sessions and packets, where they were counted before: a journal remembers them without stages."""

    def as_dict(self) -> dict[str, Any]:
        """The result as plain values for JSON."""
        sessions, packets = self.counted or (
            len(self.stages),
            sum(len(stage.ladder().packets) for stage in self.stages),
        )
        return {
            "name": self.scenario.name,
            "title": self.scenario.title,
            "source": self.scenario.source,
            "topic": self.scenario.topic,
            "role": self.role.value,
            "severity": self.scenario.severity,
            "suites": sorted(self.scenario.suites),
            "requirements": [requirement.id for requirement in self.scenario.requirements],
            "verdict": self.verdict.value,
            "reason": self.reason,
            "in_part": self.in_part,
            "left_out": list(self.left_out),
            "left_behind": list(self.left_behind),
            "step": self.step,
            "seconds": round(self.seconds, 6),
            "sessions": sessions,
            "packets": packets,
            "peer": self.peer,
            "retried": list(self.retried),
            "remembered": self.counted is not None and not self.stages,
            "details": self.details.as_dict() if self.details is not None else None,
            "expected_failure": self.expected_failure.as_dict() if self.expected_failure is not None else None,
        }


def run(
    scenario: Scenario,
    *,
    seed: int = 0,
    watch: Watcher | None = None,
    target: Target | None = None,
    contact: Contact | None = None,
    role: Role | None = None,
    world: World | None = None,
) -> Result:
    """Run one scenario, in a ``world``, by default against a ``target``, else against an embedded peer.

    Any error in it becomes its verdict.

    A live peer must have answered before (``contact`` knows whether it has) and must answer again afterwards.
    ``role`` is one of the scenario's, by default the first.
    """
    role = role or scenario.roles[0]
    stage = Run(
        scenario.name,
        seed,
        watch,
        target,
        able=bool(scenario.live),
        contact=contact,
        role=role,
        world=world,
        setting=scenario.setting,
    )

    def act() -> None:
        if lacking := stage.world.lacks(scenario.setting):
            raise Unsupported(lacking)
        try:
            scenario.body(stage)
            stage.check()
        finally:
            stage.mark()
            stage.close()
        stage.confirm()

    result = judge(scenario, act, stage.stages, stage.left_out, live=stage.world.live)
    in_part = stage.world.live and (scenario.live == "in part" or bool(stage.left_out))
    return replace(result, left_behind=tuple(stage.left_behind), in_part=in_part, role=role, details=stage.details)


def judge(
    scenario: Scenario,
    act: Callable[[], None],
    stages: list[Stage],
    left_out: Sequence[str] = (),
    *,
    live: bool = False,
) -> Result:
    """Call ``act`` and judge its outcome. ``act`` fills ``stages`` and ``left_out``."""
    started, home = time.perf_counter(), inspect.getfile(scenario.body)
    verdict, reason, step = Verdict.PASS, "", ""
    # An error in one scenario, or in the engine, becomes the verdict on that scenario; the run continues.
    _, error = guard.attempt(act)
    if isinstance(error, Unsupported) or (isinstance(error, OutOfReach) and live):
        verdict, reason = Verdict.SKIP, f"not run: {error}"
    elif error is not None:
        verdict, reason, step = _blamed(error, stages, live=live), _because(error, home), _step(error, home)
        if not isinstance(error, AssertionError):
            reason = f"{type(error).__name__}: {reason}"
    if verdict is Verdict.PASS and (internal := _internal(stages)) is not None:
        verdict, reason = Verdict.ERROR, internal
    return Result(scenario, verdict, reason, time.perf_counter() - started, stages, tuple(left_out), step=step)


def _blamed(error: Exception, stages: Sequence[Stage], *, live: bool) -> Verdict:
    """FAIL for an expectation that was not met and for an error of a live peer that has answered; else ERROR."""
    failed = isinstance(error, AssertionError) or (live and isinstance(error, PEER_FAULTS) and _heard(stages))
    return Verdict.FAIL if failed else Verdict.ERROR


def _heard(stages: Sequence[Stage]) -> bool:
    """Whether the peer has ever answered."""
    return any(heard([event for _, event in stage.events]) for stage in stages)


def _internal(stages: Sequence[Stage]) -> str | None:
    """An internal error that a network has caught. After it, PASS means nothing."""
    events = (event for stage in stages for _, event in stage.events if isinstance(event, InternalError))
    return next(
        (f"internal error while handling {event.doing}: {event.error} at {event.where}" for event in events), None
    )


def _because(error: BaseException, home: str) -> str:
    """The text of an exception, and where it happened: the line of the file ``home``, else of the file that raised."""
    frame = _frame(error, home)
    place = f" ({Path(frame.filename).name}:{frame.lineno})" if frame else ""
    return f"{printable_lines(str(error)) or 'no reason given'}{place}"


def _step(error: BaseException, home: str) -> str:
    """The source text of that line."""
    frame = _frame(error, home)
    return (frame.line or "").strip() if frame else ""


_ROWS = str(Path(__file__).parent / "cases" / "registering.py")
"""Where the body of every row of cases is: its line says nothing about the row."""


def _frame(error: BaseException, home: str) -> traceback.FrameSummary | None:
    if home == _ROWS and isinstance(error, AssertionError):
        return None
    frames = traceback.extract_tb(error.__traceback__)[1:]
    frames = [frame for frame in frames if frame.filename == home][-1:] or frames[-1:]
    return frames[0] if frames else None
