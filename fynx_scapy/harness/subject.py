# SPDX-License-Identifier: GPL-2.0-or-later
"""A live peer under test: whether it still lives, and what is expected of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

from fynx_scapy.harness.manifest import Manifest
from fynx_scapy.harness.pace import Pace
from fynx_scapy.harness.reachability import Contact, Watcher
from fynx_scapy.harness.runner import Result, Verdict
from fynx_scapy.harness.sanity import Health, Stretch, alive, converse
from fynx_scapy.harness.target import Target
from fynx_scapy.harness.worlds.world import World
from fynx_scapy.ike.events import PeerDead

SILENCE = ("no message of the peer", "no answer")
"""What a case says of a peer that did not answer."""
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
    watch: Watcher | None = None
    world: World | None = None
    """With whom the scenarios run; by default with the target."""
    contact: Contact = field(init=False)
    health: Health | None = None
    """How far the first sane conversation came; None before it."""
    dead: str = ""
    """Why no more scenarios run, in words; empty as long as the peer lives."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.rate:
            self.target = replace(self.target, open_socket=Pace(self.rate).opening(self.target.open_socket))
        self.contact = Contact(self.target, self.watch)

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
        return self.health

    def examine(self, what: str) -> Health:
        """After ``what``, see whether the peer still lives: the sane conversation comes as far as the first one did."""
        with self._lock:
            assert self.health is not None, "the peer was met before"
            least = self.health.reached
            health = alive(self.target, least, self.watch)
            if health.reached < least and not self.dead:
                self.dead = f"the peer stopped answering after {what}: {_symptom(health, least)}"
            return health

    def verified(self, result: Result) -> Result:
        """The result of a scenario after the peer was looked at, if the result is suspicious.

        FAIL where the peer stopped answering.
        """
        if self.health is None or (result.verdict not in SUSPICIOUS and not result.left_behind):
            return result
        self.examine(result.scenario.name)
        if not self.dead:
            return result
        reason = f"the peer stopped answering: {self.dead.partition(': ')[2]}"
        return replace(
            result, verdict=Verdict.FAIL, reason="; ".join(filter(None, [reason, result.reason])), peer=self.name
        )


def _symptom(health: Health, least: Stretch) -> str:
    names = {Stretch.ANSWER: "IKE_SA_INIT", Stretch.INIT: "IKE_SA_INIT", Stretch.AUTH: "IKE_AUTH"}
    step = names.get(Stretch(health.reached + 1), "the liveness check")
    return (
        f"a sane conversation came to its end before, and now fails at {step} ({health.reason})"
        if (least is Stretch.LIVENESS)
        else f"a sane conversation fails at {step} ({health.reason})"
    )


def silent(result: Result) -> bool:
    """Whether one of our requests had no answer, so that a lost datagram may be why the scenario failed."""
    stage = result.stages[-1] if result.stages else None
    if result.verdict not in SUSPICIOUS or stage is None:
        return False
    if result.details is not None and any(words in result.details.found for words in SILENCE):
        return True
    return any(isinstance(event, PeerDead) for _, event in stage.events[: stage.reached])
