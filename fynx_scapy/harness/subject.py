# SPDX-License-Identifier: GPL-2.0-or-later
"""A live peer under test: whether it still lives, and what is expected of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from fynx_scapy.errors import LabError, Timeout
from fynx_scapy.harness.manifest import Manifest
from fynx_scapy.harness.pace import Pace
from fynx_scapy.harness.reachability import Contact, Watcher
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.runner import Result, Verdict, run
from fynx_scapy.harness.sanity import Health, Stretch, alive, converse
from fynx_scapy.harness.scenario import Scenario
from fynx_scapy.harness.target import Target
from fynx_scapy.harness.worlds.target import TargetWorld
from fynx_scapy.harness.worlds.world import World
from fynx_scapy.iana import ExchangeType
from fynx_scapy.ike.events import Event, IkeSaEstablished, MessageReceived, MessageSent, PeerDead

SILENCE = re.compile(
    r"no message of the peer|no answer|no ping came back|\b0 answers to it|no earlier than our retransmission"
)
"""What a case says of a peer that did not answer, or not in time."""
SPARED = "not run: it may end the peer; ask for it by its name, or by its suite (suite:cve, suite:crash)"
SUSPICIOUS = frozenset({Verdict.FAIL, Verdict.ERROR})


@dataclass(slots=True)
class Subject:
    """One live peer of a campaign. ``manifest`` and ``version`` say what is expected of it.

    ``rate`` is the most datagrams a second that it is sent; 0 is no limit. ``retries`` is how often a scenario runs
    again that failed because of silence: a datagram may have been lost.
    """

    target: Target
    manifest: Manifest = field(default_factory=Manifest)
    version: str = ""
    rate: float = 0.0
    retries: int = 1
    patience: float = 0.0
    """For how many seconds a peer may not answer a sane conversation before it counts as dead."""
    watch: Watcher | None = None
    world: World | None = None
    """With whom the scenarios run; by default with the target."""
    twins: Sequence[Subject] = ()
    """More peers of the same kind, each in a lab of its own, that share its scenarios."""
    asked: Callable[[Scenario], bool] = lambda scenario: False
    """Whether somebody asked for a scenario that may end the peer. Otherwise only a lab's peer gets it."""
    contact: Contact = field(init=False)
    health: Health | None = None
    """How far the first sane conversation came; None before it."""
    dead: str = ""
    """Why no more scenarios run, in words; empty as long as the peer lives."""
    pauses: list[str] = field(default_factory=list)
    """When it had to be waited for, in words."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.rate:
            self.target = replace(self.target, open_socket=Pace(self.rate).opening(self.target.open_socket))
        self.contact = Contact(self.target, self.watch)

    @property
    def each(self) -> tuple[Subject, ...]:
        """It and its twins."""
        return (self, *self.twins)

    @property
    def name(self) -> str:
        """Its address, as the user wrote it."""
        return self.target.address

    def meet(self) -> Health:
        """Reach the peer, and hold the first sane conversation. Unreached when it does not answer.

        ConfigError and TransportError as in `Session`.
        """
        self.contact.make()
        self.health = converse(self.target, self.watch, "sane conversation, first")
        if not self.health.sane:  # all that passes later is doubted, so a lost datagram must not be why
            again = converse(self.target, self.watch, "sane conversation, first")
            self.health = max(self.health, again, key=lambda health: health.reached)
        return self.health

    def examine(self, what: str) -> Health:
        """After ``what``, see whether the peer still lives: the sane conversation comes as far as the first one did."""
        with self._lock:
            assert self.health is not None, "the peer was met before"
            least = self.health.reached
            health = alive(self.target, least, self.watch, patience=self.patience)
            if health.reached >= least and health.waited:
                self.pauses.append(f"after {what} the peer took no new IKE SA for {health.waited:.0f} s")
            if health.reached < least and not self.dead:
                self.dead = f"the peer stopped answering after {what}: {_symptom(health, least)}"
            return health

    def attempt(
        self,
        scenario: Scenario,
        role: Role,
        *,
        watch: Watcher | None = None,
        wait: float | None = None,
        stopped: Callable[[], bool] = lambda: False,
        remark: Callable[[str], object] = lambda words: None,
    ) -> Result:
        """Run a scenario, and see whether the peer still lives.

        Again, if a lost datagram may be why it failed, or a peer that took no new IKE SA for a while.
        ``wait`` is how many seconds the peer may take to connect to us. It does not run again once ``stopped`` says so.
        ``remark`` is called with what was done to the peer, in words.
        """
        if scenario.harmful and not (self.asked(scenario) or (self.world is not None and self.world.expendable)):
            return Result(scenario, Verdict.SKIP, SPARED, 0.0, [], role=role)
        retried: list[str] = []
        row = self.manifest.row(scenario, role, self.version)
        while True:
            world = self.world or TargetWorld(self.target, wait=wait)
            pauses = len(self.pauses)
            result = self._run(scenario, role, world, watch)
            if world.clear():
                result = replace(result, left_behind=())
            result = replace(self.verified(result), retried=tuple(retried))
            if self.dead and world.revive():
                remark(f"{self.dead}; it was started again")
                self.dead = ""
                return replace(result, left_behind=())
            fails_as_expected = row is not None and row.verdict == result.verdict.value
            doubtful = silent(result) or len(self.pauses) > pauses  # a peer without room answers something else
            again = doubtful and not self.dead and not fails_as_expected and len(retried) < self.retries
            if not again or stopped():
                return result
            retried.append(result.reason)

    def _run(self, scenario: Scenario, role: Role, world: World, watch: Watcher | None) -> Result:
        try:
            with world.around(scenario.setting, role) as around:
                contact = self.contact if around is world else None
                return run(scenario, watch=watch, contact=contact, role=role, world=around)
        except LabError as error:
            return Result(scenario, Verdict.ERROR, str(error), 0.0, [], role=role)

    def verified(self, result: Result) -> Result:
        """The result of a scenario after the peer was looked at, if the result is suspicious.

        FAIL where the peer stopped answering, ERROR where it passed but has shown nothing.
        """
        if why := self._unproven(result):
            return replace(result, verdict=Verdict.ERROR, reason=why)
        if self.health is None or (result.verdict not in SUSPICIOUS and not result.left_behind):
            return result
        self.examine(result.scenario.name)
        if not self.dead:
            return result
        reason = f"the peer stopped answering: {self.dead.partition(': ')[2]}"
        return replace(
            result, verdict=Verdict.FAIL, reason="; ".join(filter(None, [reason, result.reason])), peer=self.name
        )

    def _unproven(self, result: Result) -> str:
        """Why a PASS shows nothing: with this peer, what is right comes no further than what is wrong."""
        if result.verdict is not Verdict.PASS:
            return ""
        if not result.stages:
            return "it passed, but it has shown nothing: it had no session with the live peer"
        if self.health is None or self.health.sane:
            return ""
        events = [event for stage in result.stages for _, event in stage.events]
        if any(isinstance(event, IkeSaEstablished) for event in events):
            return ""
        if self.health.reached >= Stretch.INIT and not any(_of_auth(event) for event in events):
            return ""
        return f"it passed, but it has shown nothing: a sane conversation fails as well ({self.health.reason})"


def _of_auth(event: Event) -> bool:
    return isinstance(event, MessageSent | MessageReceived) and int(event.header.exch_type) == ExchangeType.IKE_AUTH


def _symptom(health: Health, least: Stretch) -> str:
    names = {Stretch.ANSWER: "IKE_SA_INIT", Stretch.INIT: "IKE_SA_INIT", Stretch.AUTH: "IKE_AUTH"}
    step = names.get(Stretch(health.reached + 1), "the liveness check")
    return (
        f"a sane conversation came to its end before, and now fails at {step} ({health.reason})"
        if (least is Stretch.LIVENESS)
        else f"a sane conversation fails at {step} ({health.reason})"
    )


def silent(result: Result) -> bool:
    """Whether something that we sent had no answer, so that a lost datagram may be why the scenario failed."""
    stage = result.stages[-1] if result.stages else None
    if result.verdict not in SUSPICIOUS or stage is None:
        return False
    if result.details is not None and SILENCE.search(result.details.found):
        return True
    events = [event for _, event in stage.events[: stage.reached]]
    if any(isinstance(event, PeerDead) for event in events) or result.reason.startswith(f"{Timeout.__name__}: "):
        return True
    return not any(isinstance(event, MessageReceived) for event in events)
