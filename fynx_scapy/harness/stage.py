# SPDX-License-Identifier: GPL-2.0-or-later
"""What a scenario is handed, and the sessions that it makes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Unpack

from fynx_scapy.errors import FynxError, OutOfReach
from fynx_scapy.harness.expect import expect, fail
from fynx_scapy.harness.reachability import Contact, Unreached, Watcher, watching
from fynx_scapy.harness.target import Target
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.events import Event, PeerDead
from fynx_scapy.ladder import Ladder
from fynx_scapy.layers.ikev2 import IKEv2
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.memory import Network
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session import Session
from fynx_scapy.session_setup import SessionFields


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
