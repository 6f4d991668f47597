# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs scenarios, each on its own network and with randomness of its own, and turns what happens into verdicts.

With a `Target` the peer is a live one: scenarios that are made for it run there, all others get the verdict SKIP.
"""

from __future__ import annotations

import contextlib
import enum
import inspect
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

from fynx_scapy.errors import AuthenticationError, FynxError, MalformedError, OutOfReach, PeerError, Timeout
from fynx_scapy.harness.expect import expect, fail
from fynx_scapy.harness.reachability import Contact, Unreached, Watcher, watching
from fynx_scapy.harness.scenario import Scenario
from fynx_scapy.harness.target import Target
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.events import Event, InternalError, PeerDead
from fynx_scapy.ladder import Ladder
from fynx_scapy.layers.ikev2 import IKEv2
from fynx_scapy.net import guard
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.memory import Network
from fynx_scapy.net.silence import heard
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session import Session
from fynx_scapy.session_setup import SessionFields
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


@dataclass(slots=True)
class Stage:
    """One session of a scenario with its network. ``label`` tells it from the others of the same scenario."""

    label: str
    network: Hosts
    session: Session | None = None
    reached: int | None = None
    """How many events there were when the scenario ended, on its last stage."""

    @property
    def events(self) -> list[tuple[str, Event]]:
        """What happened on it, at both ends."""
        return self.network.events

    def ladder(self) -> Ladder:
        """The conversation as a ladder."""
        return Ladder(self.events) if self.session is None else self.session.ladder()


class Run:
    """What a scenario is handed: it makes sessions that repeat themselves for the same seed.

    ``watch`` is called with each new network (the recorder's `watch`); what it returns is called by `close`. With a
    ``target`` the sessions are live ones, one at a time: the next one, and `close`, delete the IKE SAs of the one
    before. ``contact`` is what is known of the target already.
    """

    def __init__(
        self,
        name: str,
        seed: int = 0,
        watch: Watcher | None = None,
        target: Target | None = None,
        *,
        able: bool = True,
        contact: Contact | None = None,
    ) -> None:
        self.name, self.seed, self.target, self.able = name, seed, target, able
        self.contact = contact or (Contact(target, watch) if target is not None else None)
        self.stages: list[Stage] = []
        self.left_out: list[str] = []
        self.left_behind: list[str] = []
        self._answered = False
        self._refused = 0
        self._open: Session | None = None
        self._watch = watch
        self._watching = contextlib.ExitStack()

    @property
    def live(self) -> bool:
        """Whether the peer is a live one."""
        return self.target is not None

    def embedded(self, what: str) -> bool:
        """Whether the peer is embedded; with a live one, ``what`` comes next is noted as left out."""
        if self.live:
            self.left_out.append(what)
        return not self.live

    def needs(self, met: object, what: str) -> None:
        """Go on only where the peer can do what no RFC demands of it: ``what`` a live one is without is no fault."""
        if not met and self.live:
            raise OutOfReach(what)
        if not met:
            fail(f"no peer of which is to be said: {what}", "one")

    def child(self, ours: ChildConfig) -> ChildConfig:
        """A Child SA of ours as the peer takes it: with a live one's selectors."""
        return ours if self.target is None else self.target.child(ours)

    def refused(self, answer: IKEv2) -> bool:
        """Whether a live peer has none of the algorithms that were offered, which is noted; its policy may be so."""
        if not self.live or not expect(answer).has_notify("NO_PROPOSAL_CHOSEN"):
            return False
        self.left_out.append(f"{self.stages[-1].label or 'its algorithms'} (refused: NO_PROPOSAL_CHOSEN)")
        self._refused += 1
        return True

    def close(self) -> None:
        """Leave nothing at a live peer, and no watcher on the networks so far."""
        last, self._open = self._open, None
        with self._watching.pop_all():
            if last is not None:
                parting = last.leave()
                self._answered = parting.answered
                self.left_behind += parting.left

    def mark(self) -> None:
        """Note how far the scenario came, before its IKE SAs are deleted."""
        if self.stages:
            self.stages[-1].reached = len(self.stages[-1].events)

    def check(self) -> None:
        """OutOfReach when a live peer has refused whatever was asked of it.

        ExpectationFailed when the silence of an embedded peer is that of one which nothing has reached.
        """
        for stage in self.stages if not self.live else ():
            gave_up = {who for who, event in stage.events if isinstance(event, PeerDead)}
            if gave_up and not {who for who, _ in stage.events} - gave_up:
                fail("a sign of life of the peer, whose silence else says nothing", "none")
        if self.live and self.stages and self._refused == len(self.stages):
            raise OutOfReach("the peer refused every suite that the scenario offers")

    def confirm(self) -> None:
        """Make sure that a live peer still answers: its silence is a verdict only between two signs of life.

        The answer to our last Delete is one, else it is asked anew. ExpectationFailed when it does not answer.
        """
        if self.contact is None or not self.stages or self._answered:
            return
        try:
            self.contact.make()
        except Unreached as error:
            fail("the peer to answer after the scenario as it did before, for silence to say anything", error)
        self.left_behind += self.contact.left

    def session(self, label: str = "", **overrides: Unpack[SessionFields]) -> Session:
        """A session against an embedded peer; ``overrides`` are `Session`'s arguments, ``label`` is its heading.

        Against a live one when there is a target, which then gives credentials, identities and selectors; OutOfReach
        when that will not do.
        """
        if self.target is not None:
            return self._live(self.target, label, dict(overrides))
        # By name, so that the order of scenarios does not matter, and by number, so that no two sessions share an SPI.
        seed = f"{self.seed} {self.name} {len(self.stages)}"
        network = overrides.get("network") or Network(seed=seed)
        stage = Stage(label, network)
        self.stages.append(stage)
        self._watched(network, label)
        stage.session = Session(**(SessionFields(seed=seed) | overrides | SessionFields(network=network)))
        return stage.session

    def _live(self, target: Target, label: str, overrides: dict[str, Any]) -> Session:
        target.config(overrides)
        if not self.able:
            raise OutOfReach("it looks into an embedded peer, or changes what travels")
        self.close()
        if self.contact is not None and not self.contact.heard:
            self.contact.make()
        network = UdpNetwork(open_socket=target.open_socket)
        try:
            session = target.session(overrides, network)
        except FynxError:
            network.close()
            raise
        self._open = session
        self.stages.append(Stage(label, network, session))
        self._watched(network, label)
        return session

    def _watched(self, network: Hosts, label: str) -> None:
        name = f"{self.name} ({label})" if label else self.name
        self._watching.callback(watching(self._watch, network, name))


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
