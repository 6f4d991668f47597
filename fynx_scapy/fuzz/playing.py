# SPDX-License-Identifier: GPL-2.0-or-later
"""Plays the steps of a case on a session: whoever has the request begins, and our message is edited on its way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fynx_scapy.errors import FynxError, LocalError, OutOfReach, Timeout
from fynx_scapy.fuzz.edits import Edit
from fynx_scapy.fuzz.sending import Editor, Plan
from fynx_scapy.fuzz.steps import PACKET, REQUEST, RESPONDER, RESPONSE, Base, Step, Talk
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.events import Event, InternalError
from fynx_scapy.ike.exchanges import Exchange
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.sa import IkeSa, State
from fynx_scapy.layers.ikev2 import IKEv2
from fynx_scapy.net import guard
from fynx_scapy.session import Session
from fynx_scapy.text import printable

PATIENCE = 60.0
"""How long an exchange may take with an embedded peer, in virtual seconds."""
ECHO = 0.4
"""How long to wait for an inner packet that answers, in seconds."""
GIVEN_UP = 120.0
"""After how many virtual seconds both ends have given up what the other has forgotten."""


@dataclass(slots=True)
class Played:
    """What happened in one step."""

    step: Step
    """The step with the edits that were made."""
    types: tuple[str, ...] = ()
    """The payloads of our message before it was edited."""
    sent: bool = False
    """Whether our message was sent."""
    error: Exception | None = None
    """What ended the step: one of our errors, or an exception that nobody expected."""
    events: list[tuple[str, Event]] = field(default_factory=list)
    began: float = 0.0
    took: float = 0.0
    """On the clock of the network, in seconds: how long the exchange took."""
    seconds: float = 0.0
    """The same in real time."""

    @property
    def crash(self) -> InternalError | None:
        """The exception that nobody expected, of either end, as an event."""
        for _, event in self.events:
            if isinstance(event, InternalError):
                return event
        if self.error is not None and not isinstance(self.error, FynxError):
            return guard.described(self.began, "a step", self.error)
        return None


def establish(session: Session, role: str, *, wait: float | None = None) -> None:
    """Set up the IKE SA of a session with its first Child SA, without edits.

    As responder we wait for the peer, which an embedded one does at once. One of our errors when it does not come up.
    """
    if role != RESPONDER:
        session.connect()
    else:
        _invite(session)
        session.accept(timeout=wait if wait is not None else PATIENCE)
    if not session.live:
        session.network.run()
    if established(session) is None:
        raise Timeout("the handshake did not set up an IKE SA")


def _invite(session: Session) -> None:
    """Have an embedded peer connect to us; a live one does so when it wants to."""
    if session.live:
        return
    if not session.client.configs:
        session.client.configs = [session.config.replace(remote=None)]
    with session.network.acting() as now:
        there = Address(session.client.host, session.client.config.port or 500)
        session.peer.connect(session.peer.configs[0].replace(remote=there), now)


def play(session: Session, step: Step, plan: Plan | None = None, *, wait: float | None = None) -> Played:
    """Run one step. ``plan`` chooses the edits once the message is known; by default those of the step are made.

    ``wait`` is how many seconds a live peer has to begin an exchange. Raises no error of the peer's or of ours.
    """
    fixed: Callable[[object], tuple[Edit, ...]] = lambda _: step.edits  # noqa: E731 -- the plan that a step brings
    network = session.network
    played = Played(step, began=network.now)
    started = time.perf_counter()
    with (
        network.subscribe(lambda who, event: played.events.append((who, event)), esp=step.at == PACKET),
        Editor(session.client, step.rules.exchange, plan or fixed, response=step.at == RESPONSE) as editor,
    ):
        _, played.error = guard.attempt(_ACTS[step.at], session, step, wait)
        played.took = network.now - played.began
        if not session.live:
            _, later = guard.attempt(network.run)
            played.error = played.error or later
    played.seconds = time.perf_counter() - started
    played.sent, played.types = editor.sent, tuple(editor.types)
    played.step = step.with_edits(editor.edits)
    return played


def _ours(session: Session, step: Step, _: float | None) -> None:
    """We begin the exchange."""
    begin: dict[str, Callable[[], IKEv2]] = {
        "init": session.sa_init,
        "auth": session.auth,
        "liveness": session.liveness,
        "create_child": session.create_child,
        "rekey_child": session.rekey_child,
        "rekey_ike": session.rekey_ike,
        "delete_child": lambda: session.delete(session.child),
        "delete_ike": session.delete,
    }
    begin[step.base]()


def _theirs(session: Session, step: Step, wait: float | None) -> None:
    """The peer begins the exchange."""
    if step.rules.setup:
        _invite(session)
        session.accept(timeout=wait if wait is not None else PATIENCE)
        return
    if session.live:
        raise OutOfReach(f"a live peer cannot be asked for {step.base}")
    begin: dict[str, Callable[[IkeSa], Exchange]] = {
        "liveness": lambda sa: sa.liveness(),
        "create_child": lambda sa: sa.create_child(),
        "rekey_child": lambda sa: sa.rekey_child(_newest(sa)),
        "rekey_ike": lambda sa: sa.rekey(),
        "delete_child": lambda sa: sa.delete_child(_newest(sa)),
        "delete_ike": lambda sa: sa.delete_ike(),
    }
    with session.network.acting():
        exchange = begin[step.base](session.peer_sa)
    session.network.run(lambda: exchange.done, limit=PATIENCE)


def _newest(sa: IkeSa) -> ChildSa:
    children = [child for child in sa.children.values() if not child.deleting]
    if not children:
        raise LocalError("the peer has no Child SA")
    return children[-1]


def _packet(session: Session, _step: Step, _wait: float | None) -> None:
    """We send a ping through the newest Child SA."""
    session.ping(timeout=ECHO)


_ACTS = {REQUEST: _ours, RESPONSE: _theirs, PACKET: _packet}


def established(session: Session) -> IkeSa | None:
    """The IKE SA of a session, if it is established."""
    sa, _ = guard.attempt(lambda: session.sa)
    return sa if sa is not None and sa.established else None


def possible(session: Session, base: Base) -> bool:
    """Whether the IKE SA of a session allows an exchange now."""
    sa = established(session)
    return sa is not None and (not base.child or any(not child.deleting for child in sa.children.values()))


def set_up(session: Session, talk: Talk, *, wait: float | None = None) -> None:
    """Run what comes before the first step of a conversation. One of our errors when the peer does not take part.

    A step of IKE_AUTH as initiator needs an IKE_SA_INIT that nobody edits. As responder the whole handshake is the
    peer's: it is part of the step, and so is IKE_SA_INIT for its initiator.
    """
    first = talk.steps[0]
    if not first.rules.setup:
        establish(session, talk.role, wait=wait)
    elif first.base == "auth" and talk.role != RESPONDER:
        session.sa_init()


def perform(session: Session, talk: Talk, *, wait: float | None = None) -> Iterator[Played]:
    """Run a conversation with the edits that it has. A step that the IKE SA does not allow any more is left out.

    One of our errors when the handshake before the first step fails.
    """
    set_up(session, talk, wait=wait)
    for step in talk.steps:
        if step.rules.setup or possible(session, step.rules):
            yield play(session, step, wait=wait)


def finish(session: Session) -> None:
    """End what a conversation has left at an embedded peer and at our end. Time passes until both have given up."""
    network = session.network
    for endpoint in (session.client, session.peer):
        with network.acting():
            for sa in list(endpoint.sas.values()):
                if sa.established and sa.successor is None:
                    guard.attempt(sa.delete_ike)
                elif sa.connecting and sa.initiator and not sa.requests.pending:
                    guard.attempt(sa.forget)  # a step of IKE_SA_INIT alone leaves it, and nothing waits on it
        network.run()
    if any(sa.state is not State.CLOSED for end in (session.client, session.peer) for sa in end.sas.values()):
        network.run(network.now + GIVEN_UP)


def sane(session: Session) -> str:
    """Hold a conversation without edits: set up, ask for a sign of life, delete. Returns what went wrong, or nothing.

    The session must have no IKE SA that is established.
    """
    acts: tuple[Callable[[], object], ...] = (session.sa_init, session.auth, session.liveness, session.delete)
    for act in acts:
        _, error = guard.attempt(act)
        if error is not None:
            return f"{type(error).__name__} in {_name(act)}: {printable(str(error), 200)}"
        if not session.live:
            _, error = guard.attempt(session.network.run)
        if error is not None:
            return f"{type(error).__name__} after {_name(act)}: {printable(str(error), 200)}"
        if act in acts[1:3] and established(session) is None:
            return f"{_name(act)} did not leave an established IKE SA"
    return ""


def _name(act: Callable[[], object]) -> str:
    return str(getattr(act, "__name__", act))


def known_spis(session: Session) -> list[bytes]:
    """The SPIs of our Child SAs, of both directions."""
    children = [child for sa in session.client.sas.values() for child in sa.children.values()]
    return [spi.to_bytes(4) for child in children[-4:] for spi in (child.outbound.spi, child.inbound.spi)]
