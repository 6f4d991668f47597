# SPDX-License-Identifier: GPL-2.0-or-later
"""A run of the fuzzer: conversations whose messages are edited, one after the other, until the cases are done.

The conversations come in blocks. Each block has a world of its own and ends with a conversation without edits, a wait,
and a look at the peer's memory. A seed makes the same cases: those of a conversation depend on its number and on what
the conversations before it showed.
"""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from fynx_scapy.checks import Checked, one_of, seconds, setting, whole
from fynx_scapy.errors import Timeout
from fynx_scapy.fuzz import behaviour, grammar, packets, playing
from fynx_scapy.fuzz.edits import Edit
from fynx_scapy.fuzz.faults import Failures, Fault, Kind, attempted, fault_of
from fynx_scapy.fuzz.growth import SUSPECTS, Meter, Suspect
from fynx_scapy.fuzz.playing import Played
from fynx_scapy.fuzz.steps import BASES, INITIATOR, PACKET, REQUEST, RESPONDER, RESPONSE, Step, Talk
from fynx_scapy.fuzz.weights import Weights
from fynx_scapy.fuzz.worlds import World
from fynx_scapy.ike.extensions import Fragmentation
from fynx_scapy.ike.message import Outgoing, OutgoingEsp
from fynx_scapy.net import guard
from fynx_scapy.session import Session

Chance = random.Random

COUNTS = (1, 1, 1, 1, 2, 2, 3, 4)
"""How many edits a message gets."""
FROM_CORPUS = 0.3
"""How often a case begins with the edits of an earlier one."""
SETUP = 0.35
"""How often a conversation begins with an edited handshake."""
REPEATED = 3
"""How often a conversation is held again to see whether it makes the peer's memory grow each time."""
IDLE = 8
"""After how many conversations without a case the run ends: the peer does not take part."""
CLEARED = 3
"""How often something that did not grow again is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Checked):
    """What a run does."""

    cases: int = setting(1000, whole(1, 1_000_000_000, "cases"))
    seed: int = setting(0, whole(0, 1 << 63))
    roles: str = setting("both", one_of(INITIATOR, RESPONDER, "both"))
    """Which end of the IKE SA we are."""
    block: int = setting(400, whole(1, 1_000_000, "cases"))
    """How many cases are run before the peer's memory is looked at, and the state is saved."""
    length: int = setting(12, whole(1, 1000, "cases"))
    """The most cases of one conversation."""
    slow: float = setting(2.0, seconds())
    """How long an answer may take, in seconds."""
    wait: float = setting(30.0, seconds())
    """How long to wait for a live peer to begin a conversation."""

    @property
    def choice_of_roles(self) -> tuple[str, ...]:
        """The roles as a tuple."""
        return (INITIATOR, RESPONDER) if self.roles == "both" else (self.roles,)


@dataclass(slots=True)
class Progress:
    """What was done so far."""

    cases: int = 0
    talks: int = 0
    blocks: int = 0
    unsent: int = 0
    """Cases whose message could not be sent, for example because it did not fit."""
    seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    bases: Counter[str] = field(default_factory=Counter)
    edits: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Cases a second."""
        return self.cases / self.seconds if self.seconds else 0.0


Found = Callable[["Fuzzer", Fault, Sequence[Talk], Suspect | None], object]
"""Called with a fault, the conversations that led to it, the last one last, and what grows, if that is the fault."""
MakeWorld = Callable[[int | str], World]
"""Makes the world of a block, by the block's number, or of a trial."""


class Fuzzer:
    """A run of the fuzzer. ``found`` is called for each new fault, ``after`` at the end of each block."""

    def __init__(
        self,
        plan: Plan,
        make: MakeWorld,
        *,
        found: Found,
        meter: Meter | None = None,
        tell: Callable[[Fuzzer], object] = lambda fuzzer: None,
        after: Callable[[Fuzzer], object] = lambda fuzzer: None,
    ) -> None:
        self.plan, self._make, self._found, self._meter = plan, make, found, meter
        self._tell, self._after = tell, after
        self.weights = Weights()
        self.progress = Progress()
        self.known: set[str] = set()
        """The keys of the faults that were found."""
        self.world: World | None = None
        self._idle, self._gone = 0, False
        self._cleared: Counter[str] = Counter()
        self.recent: list[Talk] = []
        """The conversations of this block."""

    def run(self) -> None:
        """Run until the cases are done. What the network raises for want of a peer reaches the caller."""
        while self.progress.cases < self.plan.cases:
            self.block()
            world = self.world
            if self._gone and world is not None and world.live and world.gone() is not None:
                raise Timeout("the peer does not take part any more, and does not come back")

    def block(self) -> None:
        """Run one block of cases, in a world of its own."""
        began, before, progress = time.perf_counter(), self.progress.seconds, self.progress
        end = min(self.plan.cases, progress.cases + self.plan.block)
        self.world = world = self._make(progress.blocks)
        self._gone = False
        self.recent.clear()
        try:
            self._look(world, begin=True)
            while progress.cases < end and not self._gone and self.conversation(world, end):
                progress.seconds = before + time.perf_counter() - began
                self._tell(self)
            self._look(world, begin=False)
        finally:
            world.end()
        progress.blocks += 1
        progress.seconds = before + time.perf_counter() - began
        self._after(self)

    def _look(self, world: World, *, begin: bool) -> None:
        """Hold a conversation without edits, wait, and look at the peer's memory."""
        if (fault := world.gone()) is not None:
            self._gone = True
            self._report(fault)
            return
        world.quiet()
        if self._meter is None:
            return
        if begin:
            self._meter.begin(self)
            return
        doubtful = (one for one in self._meter.grown() if self._cleared[one.key] < CLEARED)
        if suspects := list(itertools.islice(doubtful, SUSPECTS)):
            self._watch(world, suspects)

    def _watch(self, world: World, suspects: Sequence[Suspect]) -> None:
        """Hold the conversations of this block once more, and see which of them makes a suspect grow again."""
        growing: dict[str, list[Talk]] = {suspect.key: [] for suspect in suspects}
        for talk in list(self.recent):
            before = [suspect.size() for suspect in suspects]
            self.again(world, talk)
            for suspect, size in zip(suspects, before, strict=True):
                if suspect.size() > size:
                    growing[suspect.key].append(talk)
        for suspect in suspects:
            culprit = next((one for one in growing[suspect.key] if self.grows(world, suspect, [one])), None)
            if culprit is None:
                self._cleared[suspect.key] += 1
            else:
                text = f"{suspect.text}; each repetition of a conversation makes it grow"
                self._report(Fault(Kind.GROWTH, f"growth {suspect.key}", text), [culprit], suspect)

    def grows(self, world: World, suspect: Suspect, talks: Sequence[Talk], times: int = REPEATED) -> bool:
        """Whether conversations make a suspect grow each time, for good."""
        for _ in range(times):
            before = suspect.size()
            for talk in talks:
                self.again(world, talk)
            world.quiet()
            if suspect.size() <= before:
                return False
        return True

    def again(self, world: World, talk: Talk) -> None:
        """Hold a conversation with the edits that it had."""
        session = world.open()
        attempted(lambda: list(playing.perform(session, talk, wait=self.plan.wait)))
        attempted(lambda: world.close(session, doubtful=talk.doubtful))

    # One conversation

    def conversation(self, world: World, end: int) -> bool:
        """Hold one conversation, some of whose messages are edited. Returns whether the peer can go on."""
        self.progress.talks += 1
        chance = Chance(f"{self.plan.seed} conversation {self.progress.talks}")
        role = chance.choice(self.plan.choice_of_roles)
        session = world.open()
        failures, steps = Failures(session), list[Step]()
        setup = self._setup(chance, role)
        _, error = guard.attempt(
            lambda: playing.set_up(session, Talk((setup or Step("liveness"),), role), wait=self.plan.wait)
        )
        fault = None if error is None else attempted(_raise, error)
        length = chance.randint(1, self.plan.length)
        while fault is None and error is None and length and self.progress.cases < end:
            step = setup or self._next(chance, world, session)
            setup = None
            if step is None:
                break
            length -= 1
            world.wait()
            played, keys = self._case(chance, session, step)
            steps.append(played.step)
            self._learn(played, keys, session)
            fault = fault_of(played, self.plan.slow)
        if steps:
            self.recent.append(Talk(tuple(steps), role))
        doubtful = Talk(tuple(steps), role).doubtful
        fault = fault or attempted(lambda: world.close(session, doubtful=doubtful)) or failures.fault()
        if fault is not None:
            self._report(fault)
        return self._goes_on(world, began=error is None, done=len(steps))

    def _goes_on(self, world: World, *, began: bool, done: int) -> bool:
        """Whether the peer still takes part. It gets another chance before its silence is a finding."""
        self._idle = 0 if done else self._idle + 1
        if began and not world.live:
            return True
        if not began:
            fault = world.gone()
            if fault is not None:
                self._gone = True
                self._report(replace(fault, key=f"{fault.key} after {self._last()}"))
                return False
        if self._idle >= IDLE:
            raise Timeout(f"no case could be run in {IDLE} conversations: the peer did not take part")
        return True

    def _last(self) -> str:
        steps = [step for talk in self.recent[-1:] for step in talk.steps[-1:]]
        return ", ".join(f"{step.base} {step.at}" for step in steps) or "nothing"

    def _setup(self, chance: Chance, role: str) -> Step | None:
        """An edited message of the handshake, or None: the handshake goes without."""
        if chance.random() >= SETUP:
            return None
        return Step(chance.choice(("init", "auth", "auth")), REQUEST if role == INITIATOR else RESPONSE)

    def _next(self, chance: Chance, world: World, session: Session) -> Step | None:
        """The next exchange on an established IKE SA, or None when there is none any more."""
        at = chance.choice((REQUEST, REQUEST, RESPONSE)) if world.asks else REQUEST
        names = [name for name, base in BASES.items() if not base.setup and playing.possible(session, base)]
        if not names:
            return None
        name = chance.choices(names, [BASES[name].weight for name in names])[0]
        return Step(name, at if BASES[name].exchange else PACKET)

    def _case(self, chance: Chance, session: Session, step: Step) -> tuple[Played, list[str]]:
        """Run one exchange with edits that are chosen once its message is known."""
        keys: list[str] = []
        spis = playing.known_spis(session)

        def plan(message: Outgoing) -> list[Edit]:
            edits = list(self.weights.start(chance, step.base, step.at)) if chance.random() < FROM_CORPUS else []
            if isinstance(message, OutgoingEsp):
                found = packets.choices(message, session.child.outbound)
            else:
                fragments = message.encrypted and bool(session.sa.of(Fragmentation).peer)
                found = grammar.choices(message, spis, encrypted=message.encrypted, fragments=fragments)
            for _ in range(chance.choice(COUNTS) - (1 if edits else 0)):
                choice = self.weights.pick(chance, step, found)
                keys.append(choice.key)
                edits.append(choice.make(chance))
            return edits

        return playing.play(session, step, plan, wait=self.plan.wait), keys

    def _learn(self, played: Played, keys: Sequence[str], session: Session) -> None:
        progress, step = self.progress, played.step
        progress.cases += 1
        if not played.sent:
            progress.unsent += 1
        signature = behaviour.signature(played, session)
        progress.answers[signature[1]] += 1
        progress.bases[f"{step.base} {step.at}"] += 1
        progress.edits.update(edit.op for edit in step.edits)
        self.weights.learn(step, keys, signature)

    def _report(self, fault: Fault, talks: Sequence[Talk] | None = None, suspect: Suspect | None = None) -> None:
        """Report a fault that is new."""
        if fault.key in self.known:
            return
        self.known.add(fault.key)
        self._found(self, fault, list(talks if talks is not None else self.recent), suspect)


def _raise(error: Exception) -> None:
    raise error
