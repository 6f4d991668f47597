# SPDX-License-Identifier: GPL-2.0-or-later
"""`Run`, the argument of a scenario, and the sessions that it makes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from fynx_scapy.errors import FynxError, OutOfReach
from fynx_scapy.harness.acting import Verbs
from fynx_scapy.harness.details import CaseDetails
from fynx_scapy.harness.expect import ExpectationFailed, expect, fail
from fynx_scapy.harness.reachability import Contact, Unreached, Watcher, watching
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.setting import PLAIN, Setting
from fynx_scapy.harness.target import Target
from fynx_scapy.harness.worlds.embedded import EmbeddedWorld
from fynx_scapy.harness.worlds.target import TargetWorld
from fynx_scapy.harness.worlds.world import Driver, World
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.events import Event, PeerDead
from fynx_scapy.ladder import Ladder
from fynx_scapy.layers.ikev2 import IKEv2
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session import Session
from fynx_scapy.session_setup import SessionFields


@dataclass(slots=True)
class Stage:
    """One session of a scenario, with its network."""

    label: str
    """Distinguishes it from the other sessions of the same scenario."""
    network: Hosts
    session: Session | None = None
    reached: int | None = None
    """The number of events when the scenario ended, on its last stage."""
    ends: Sequence[str] | None = None
    """The names of the left and the right end of its ladder, where there is no session."""

    @property
    def events(self) -> list[tuple[str, Event]]:
        """The events of both endpoints."""
        return self.network.events

    def ladder(self) -> Ladder:
        """The exchanges as a ladder diagram."""
        return Ladder(self.events, self.ends) if self.session is None else self.session.ladder()


class Run(Verbs):
    """The argument of a scenario. It makes sessions; the same seed makes the same sessions.

    ``watch`` is called with each new network (such as the recorder's `watch`); `close` calls what it returns.
    ``world`` says with whom it runs, by default with the ``target``, else with embedded peers. With a live peer there
    is one session at a time: the next session, and `close`, delete the IKE SAs of the one before. ``able`` says whether
    the scenario supports a live peer. ``contact`` is what is already known of the target.
    ``role`` is which end of the IKE SA we are, ``setting`` says how both are configured in `s`. A case sets ``details``
    as soon as it knows them.
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
        role: Role = Role.INITIATOR,
        world: World | None = None,
        setting: Setting = PLAIN,
    ) -> None:
        super().__init__()
        self.setting = setting
        self.name, self.seed, self.able, self.role = name, seed, able, role
        self.world = world or (EmbeddedWorld() if target is None else TargetWorld(target))
        self.target = self.world.target if isinstance(self.world, TargetWorld) else None
        self.contact = contact or (Contact(self.target, watch) if self.target is not None else None)
        self.stages: list[Stage] = []
        self.details: CaseDetails | None = None
        self.left_behind: list[str] = []
        self._answered = False
        self._refused = 0
        self._open: Session | None = None
        self._watch = watch
        self._watching = contextlib.ExitStack()

    def embedded(self, what: str) -> bool:
        """Whether the peer is embedded. If it is live, note that the check ``what`` is left out."""
        if self.world.live:
            self.left_out.append(what)
        return not self.world.live

    def needs(self, met: object, what: str) -> None:
        """Check a precondition that no RFC requires of a peer. ``what`` says how a peer fails to meet it.

        OutOfReach when a live peer does not meet it, so that the scenario is skipped; ExpectationFailed when the
        embedded peer does not.
        """
        if not met and self.world.live:
            raise OutOfReach(what)
        if not met:
            raise ExpectationFailed(f"the embedded peer does not meet a precondition of the scenario: {what}")

    def child(self, ours: ChildConfig) -> ChildConfig:
        """Our configuration of a Child SA; with a live peer, it gets the traffic selectors of the target."""
        return self.world.child(ours)

    def refused(self, answer: IKEv2) -> bool:
        """Whether a live peer refused all offered algorithms, which its policy may do. Notes it as left out."""
        if not self.world.live or not expect(answer).has_notify("NO_PROPOSAL_CHOSEN"):
            return False
        self.left_out.append(f"{self.stages[-1].label or 'its algorithms'} (refused: NO_PROPOSAL_CHOSEN)")
        self._refused += 1
        return True

    def close(self) -> None:
        """Delete the IKE SAs at a live peer, and stop watching the networks."""
        last, self._open = self._open, None
        with self._watching.pop_all():
            if last is not None:
                cleanup = last.leave()
                self._answered = cleanup.answered
                self.left_behind += cleanup.left

    def mark(self) -> None:
        """Note how many events the scenario has, before its IKE SAs are deleted."""
        if self.stages:
            self.stages[-1].reached = len(self.stages[-1].events)

    def check(self) -> None:
        """OutOfReach when a live peer has refused every offer.

        ExpectationFailed when we gave up an embedded peer that reported no event: then nothing reached it, and its
        silence proves nothing.
        """
        for stage in self.stages if not self.world.live else ():
            gave_up = {host for host, event in stage.events if isinstance(event, PeerDead)}
            if gave_up and not {host for host, _ in stage.events} - gave_up:
                fail("at least one event of the embedded peer, or its silence proves nothing", "none")
        if self.world.live and self.stages and self._refused == len(self.stages):
            raise OutOfReach("the peer refused every suite that the scenario offers")

    def confirm(self) -> None:
        """Make sure that a live peer still answers. Its silence counts only if it answers before and afterwards.

        The answer to our last Delete suffices; without one, run IKE_SA_INIT. ExpectationFailed when it does not answer.
        """
        if self.contact is None or not self.stages or self._answered:
            return
        if not self.role.begins and not self.contact.heard:
            return  # it may be a peer that initiates, and never answers
        try:
            self.contact.make()
        except Unreached as error:
            fail("the peer to answer after the scenario as it did before, or its silence proves nothing", error)
        self.left_behind += self.contact.left

    def session(
        self, label: str = "", *, embedded: SessionFields | None = None, **overrides: Unpack[SessionFields]
    ) -> Session:
        """A session, against an embedded peer or the target. ``overrides`` are arguments of `Session`.

        ``embedded`` has more of them for an embedded peer; a live one is taken as it is. ``label`` is its heading. A
        target gives credentials, identities and traffic selectors; OutOfReach when the overrides contradict them.
        """
        if embedded and not self.world.live:
            overrides |= embedded
        if self.world.live and self.world.alone:
            return self._live(label, dict(overrides))
        seed = self._next_seed()
        self.world.check(self.role, overrides)
        network = overrides.get("network") or self.world.network(seed)
        stage = Stage(label, network)
        self.stages.append(stage)
        self._watched(network, label)
        stage.session = self.world.session(self.role, overrides, network, seed)
        return stage.session

    def driver(self, session: Session) -> Driver:
        """What makes the peer of a session act. Its verbs raise OutOfReach where the peer cannot be asked."""
        return self.world.driver(session)

    def _next_seed(self) -> str:
        """The name makes it independent of the order of scenarios; number and role keep SPIs of sessions distinct."""
        role = "" if self.role.begins else f" {self.role.value}"
        return f"{self.seed} {self.name} {len(self.stages)}{role}"

    def _live(self, label: str, overrides: dict[str, Any]) -> Session:
        self.world.check(self.role, overrides)
        if not self.able:
            raise OutOfReach(
                "the scenario looks into an embedded peer, or changes datagrams in transit: "
                "its @scenario has no live=True"
            )
        self.close()
        if self.contact is not None and not self.contact.heard and self.role.begins:
            self.contact.make()
        seed = self._next_seed()
        network = self.world.network(seed)
        try:
            session = self.world.session(self.role, overrides, network, seed)
        except FynxError:
            if isinstance(network, UdpNetwork):
                network.close()
            raise
        self._open = session
        self.stages.append(Stage(label, network, session))
        self._watched(network, label)
        return session

    def _watched(self, network: Hosts, label: str) -> None:
        name = f"{self.name} ({label})" if label else self.name
        self._watching.callback(watching(self._watch, network, name))
