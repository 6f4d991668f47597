# SPDX-License-Identifier: GPL-2.0-or-later
"""Plays a case: the base conversation, the mutation on its way out, and the judgement of what followed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from fynx_scapy.checks import shown
from fynx_scapy.errors import ConfigError, FynxError, LocalError, OutOfReach, Timeout
from fynx_scapy.harness.cases.at import At
from fynx_scapy.harness.cases.base import Base, base_named
from fynx_scapy.harness.cases.case import Case, Sign
from fynx_scapy.harness.cases.changes import Picture, limited, of_datagrams, of_message, of_octets
from fynx_scapy.harness.cases.outcome import SILENT, accepted, survives
from fynx_scapy.harness.cases.seen import Seen, patience
from fynx_scapy.harness.details import CaseDetails, Change
from fynx_scapy.harness.expect import fail
from fynx_scapy.harness.setting import Setting
from fynx_scapy.harness.stage import Run
from fynx_scapy.harness.verbs.mutation import NOTHING, Mutation, Scene
from fynx_scapy.harness.worlds.credentials import CREDENTIALS, Credentials
from fynx_scapy.harness.worlds.target import TargetWorld
from fynx_scapy.harness.worlds.world import Conversation, Unsupported
from fynx_scapy.iana import ExchangeType, NotifyType, name_of
from fynx_scapy.ike.config import EndpointConfig, Retransmission
from fynx_scapy.ike.message import Datagram, DatagramKind, Outgoing, OutgoingEsp
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import build_message
from fynx_scapy.session import Session

SCHEDULE = Retransmission(timeout=1.0, base=2.0, tries=2)
"""Our schedule with an embedded peer: a silence is known after seven seconds of virtual time."""
GOES_ON = str(accepted())
OWN_REASONS = frozenset({NotifyType.NO_ADDITIONAL_SAS, NotifyType.TEMPORARY_FAILURE})
"""A peer with as many SAs as it allows, or busy with another exchange, answers so whatever is asked."""
QUIET = 0.25
"""A live peer has done what it does unasked when it was silent for so many seconds."""


class NotReached(LocalError):  # noqa: N818 -- the name says what happened
    """The case did not come to its message, or did not change it: it has shown nothing."""

    code = "local.not-reached"


def play(case: Case, run: Run) -> None:
    """Run a case. ExpectationFailed when the peer did something else, NotReached when the message was never sent.

    OutOfReach instead of NotReached with a live peer: what it is configured for may lead elsewhere.
    """
    try:
        _play(case, run)
    except NotReached as error:
        if run.world.live:
            raise OutOfReach(f"with this peer the case does not come to its message: {error}") from None
        raise


def _play(case: Case, run: Run) -> None:
    base, at = base_named(case.base), At.of(case.at)
    recorded = run.world.conversation
    if recorded is not None:
        if isinstance(case.base, Base) or not recorded.knows(base.name):
            raise Unsupported(f"the case has steps of its own ({base.name}), which no recording replaces")
        base, at = _recorded(base, at)
    s = run.session(**_fields(case, base, run))
    asks = at.esp or not at.response
    if asks or base.established:
        base.prepare(run, s)
    if at.esp and run.world.live:
        run.needs(s.sa.children, "the peer has no Child SA with the algorithms of the case")
    run.details = CaseDetails(mutation=str(case.do), expected=str(case.then))
    seen = Seen(s)
    if recorded is not None:
        played = recorded.begin(s, patience(s))
        base = replace(base, start=lambda _session, _timeout: played(lambda: seen.fired > 0))
    # Before the exchange: where we answer, we have installed the Child SA when our answer can be changed.
    seen.known = frozenset(spi for sa in s.client.sas.values() for spi in sa.children)
    with _armed(Aim(case.do, case.sign, at, base.exchange, base.established, base.name), s, seen, recorded) as arm:
        seen.watching = True
        inbox = s.network.hosts[s.name].inbox
        before = len(inbox)
        try:
            if asks:
                base.start(s, patience(s))
            else:
                base.provoke(run.driver(s))
        except OutOfReach:
            raise
        except FynxError as error:
            seen.error = error
        if base.established and isinstance(seen.error, Timeout) and seen.sa is not None:
            seen.sa.requests.clear()  # before they are given up, which would end the IKE SA at our end
        _settle(s, seen, case.then.patience)
        seen.packets = len(inbox) - before
        seen.watching = False
        seen.finish()
    if s._sa is None and any(sa.established for sa in s.client.sas.values()):
        s.accept(timeout=1.0)  # the peer has set it up: probes go through it
    if recorded is not None and not seen.fired and arm.broken is None:
        raise Unsupported(f"the recording has no request of {base.name} that fits")
    arm.check()
    fault = case.then.fault(seen)
    run.details = CaseDetails(str(case.do), limited(arm.changes), str(case.then), fault or str(seen))
    if fault is not None and run.world.live and GOES_ON in str(case.then) and _policy(seen):
        raise OutOfReach("the peer does not have the algorithms of the case: NO_PROPOSAL_CHOSEN")
    if fault is None and run.world.live and (own := _own_reason(seen)) and not _expects(case, own):
        raise OutOfReach(f"the peer refuses it for a reason of its own, which shows nothing: {own}")
    if fault is None and run.world.live and _unasked(case, seen, arm.changes):
        raise OutOfReach("the peer does not have the algorithms of the case: it refused them, not what was changed")
    if fault is not None:
        fail(f"{case.then} after {case.do}", fault)


def _recorded(base: Base, at: At) -> tuple[Base, At]:
    """The base conversation without its own steps, and the first of the recorded requests that fit."""
    if at.response or at.esp:
        raise Unsupported("of a recording only the requests of its initiator are played")
    bare = replace(base, prepare=lambda _run, _session: None, ours={}, peer={}, endpoint=None)
    return bare, replace(at, round=at.round or 1)


def _policy(seen: Seen) -> bool:
    """Whether the peer refused what was offered, and nothing else: then its policy may say so."""
    errors = {int(message.error.type) for message in seen.answers if message.error is not None}
    return errors == {NotifyType.NO_PROPOSAL_CHOSEN}


def _own_reason(seen: Seen) -> str:
    """The notify by which the peer refused for a reason that what was changed has no part in; empty if there is none.

    Such an answer is no sign that it noticed the change.
    """
    errors = {int(message.error.type) for message in seen.to_it if message.error is not None}
    return name_of(NotifyType, errors.pop()) if len(errors) == 1 and errors <= OWN_REASONS else ""


def _expects(case: Case, notify: str) -> bool:
    """Whether a case is about that notify, or about nothing but the peer's survival."""
    return notify in str(case.then) or str(case.then) == str(survives())


def _unasked(case: Case, seen: Seen, changes: Sequence[Change]) -> bool:
    """Whether the peer refused the proposals that the case needs, and so never judged what was changed elsewhere."""
    if not {"proposals", "esp_proposals"} & set(case.ours) or "NO_PROPOSAL_CHOSEN" in str(case.then):
        return False
    elsewhere = all(
        change.stage == "payloads" and change.field != "payloads" and change.field.split(" ")[0] != "SA"
        for change in changes
    )
    return elsewhere and _policy(seen)


def _fields(case: Case, base: Base, run: Run) -> dict[str, Any]:
    """The arguments of the session."""
    if case.given is not None and run.world.live and not run.world.configurable:
        raise Unsupported("the case makes the credentials of both ends, which a live peer does not have")
    fields: dict[str, Any] = {**base.ours, **case.ours, **(case.given() if case.given is not None else {})}
    peer = {**base.peer, **case.peer}
    if peer:
        fields["peer"] = peer
    endpoint: EndpointConfig | None = case.endpoint or base.endpoint
    if endpoint is not None:
        fields["endpoint"] = endpoint
    if case.auth is not None:
        fields = _authenticated(case, case.auth, run, fields)
    if not run.world.live and "config" not in fields:
        fields.setdefault("retransmission", SCHEDULE)
    return fields


def _authenticated(case: Case, auth: Credentials, run: Run, fields: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a session in which both ends authenticate in this way."""
    asked, setting = fields.pop("peer", {}), Setting(config={"auth": auth})
    if run.world.live:
        if not (run.world.configurable and isinstance(run.world, TargetWorld)):
            raise Unsupported("the case says how the peer authenticates, which it cannot be told")
        fields["peer"] = {CREDENTIALS: auth, **asked}
        config = run.world.config(fields)
    else:
        config = run.world.our_config(setting, retransmission=SCHEDULE)
        fields = dict(run.world.meet(run.role, config, setting, fields))
        fields["peer"] |= asked
    return {**fields, "config": config if case.tune is None else case.tune(config)}


def _settle(s: Session, seen: Seen, more: float) -> None:
    """Let time pass until the peer has done what it does. A live one may be silent for ``more`` seconds before.

    An embedded one is given them where the outcome is about time: it needs none to think.
    """
    if not s.live:
        s.network.run(limit=60.0)
        if more > SILENT:
            s.network.run(s.network.now + more)
        return
    last = [len(seen.heard), s.network.now]

    def rested() -> bool:
        if len(seen.heard) != last[0]:
            last[:] = [len(seen.heard), s.network.now]
        return s.network.now - last[1] >= QUIET + more

    s.network.run(rested, limit=2.0 + more)


@contextlib.contextmanager
def mutated(session: Session, do: Mutation, *, at: str = "request", sign: Sign = "sent") -> Iterator[list[Change]]:
    """Change our messages by verbs inside this context, at a prompt or in a function; gives the changes so far.

    ``at`` says which messages, as in a row: ``request``, ``IKE_AUTH request``, ``response``, ``packet``. NotReached at
    the end when no such message was sent, or the verbs made no difference. ConfigError for what is no place or verb.
    """
    if not isinstance(do, Mutation):
        raise ConfigError(f"expected a mutation, such as drop('KE'), found {shown(do)}")
    if sign not in (known := get_args(Sign)):
        raise ConfigError(f"expected sign to be one of {', '.join(known)}, found {sign!r}")
    aim = Aim(do, sign, At.of(at), None, established=True, name="this session")
    with _armed(aim, session, Seen(session), None) as arm:
        yield arm.changes
    arm.check()


@dataclass(frozen=True, slots=True)
class Aim:
    """What is changed, and in which messages. Without an ``exchange`` it is any, unless ``at`` names one."""

    do: Mutation
    sign: Sign
    at: At
    exchange: int | None
    established: bool
    """Whether the exchange is one of an established IKE SA."""
    name: str

    def fits(self, message: Outgoing) -> bool:
        """Whether it is such a message, whichever its round."""
        if self.exchange is None and message.kind is DatagramKind.IKE:
            return self.at.fits(message, int(message.header.exch_type))
        return self.at.fits(message, self.exchange or 0)


@contextlib.contextmanager
def _armed(aim: Aim, s: Session, seen: Seen, recorded: Conversation | None) -> Iterator[_Arm]:
    """The mutation acts on our messages inside this context, and what follows is watched."""
    scene = Scene(s)
    arm = _Arm(aim, scene, seen, recorded)
    with contextlib.ExitStack() as undo:
        for stage, tap in (("payloads", arm.first), ("parts", arm.first), ("datagrams", arm.sending)):
            undo.callback(s.client.taps.add(stage, tap, arm.chosen))
        for mutation in aim.do:
            if mutation.stage:
                undo.callback(s.client.taps.add(mutation.stage, arm.tap(mutation), arm.chosen))
        undo.enter_context(s.network.subscribe(seen.event))
        undo.enter_context(s.network.observe(seen.datagram))
        yield arm


class _Arm:
    """The taps of one case."""

    def __init__(self, aim: Aim, scene: Scene, seen: Seen, conversation: Conversation | None) -> None:
        self._conversation = conversation
        self._aim, self._scene, self._seen = aim, scene, seen
        self._decided: list[tuple[Outgoing, bool]] = []
        self._count = 0
        self._before: bytes | None = None
        self.broken: FynxError | None = None
        """What a verb raised."""
        self.changed = False
        self.changes: list[Change] = []
        """What the verbs have changed, for reports."""

    def chosen(self, message: Outgoing) -> bool:
        """Whether this message is the one to change."""
        for known, decision in self._decided:
            if known is message:
                return decision
        recorded = self._conversation
        if not self._aim.fits(message) or not (recorded is None or recorded.fits(message, self._aim.name)):
            return False
        self._count += 1
        decision = self._aim.at.round in (None, self._count)
        self._decided.append((message, decision))
        return decision

    def first(self, message: Outgoing) -> None:
        """Before all changes: note which message it is."""
        seen = self._seen
        self._scene.message = message
        seen.fired += 1
        if seen.fired == 1 and not self._aim.at.esp:
            seen.message_id = int(message.header.id) if self._aim.established else None
            seen.sa = self._scene.find()
            if message.encrypted:
                header = message.header
                response = bool(int(header.flags) & FLAG_RESPONSE)
                seen.after = bytes(header.init_SPI), bytes(header.resp_SPI), response, int(header.id)
        if self._aim.sign == "before":
            message.fill()
            if int(message.header.exch_type) == ExchangeType.IKE_SA_INIT:
                self._before = build_message(message.header, message.payloads)

    def sending(self, message: Outgoing, datagrams: Sequence[Datagram], attempt: int) -> None:
        """After all changes: what AUTH is to cover."""
        if self._before is not None and not attempt:
            self._scene.sa.init_sent = self._before

    def tap(self, mutation: Mutation) -> Any:
        """The tap of one mutation."""

        def change(message: Outgoing) -> None:
            before, seen = _picture(message), Picture.of(message)
            self._act(mutation, message, message)
            self.changed |= _picture(message) != before
            self.changes += of_message(mutation.stage, message, seen)

        def octets(message: Outgoing, data: bytes) -> bytes:
            after: bytes = self._act(mutation, message, data)
            self.changed |= after != data
            self.changes += of_octets(mutation.stage, message, data, after)
            return after

        def datagrams(message: Outgoing, sent: list[Datagram], attempt: int) -> Any:
            if attempt and not mutation.every:
                return sent
            before = list(sent)
            after = self._act(mutation, message, sent)
            self.changed |= list(after) != before
            self.changes += of_datagrams(mutation.stage, before, after)
            return after

        return {"payloads": change, "parts": change, "plaintext": octets, "wire": octets}.get(mutation.stage, datagrams)

    def _act(self, mutation: Mutation, message: Outgoing, subject: Any) -> Any:
        self._scene.message = message
        try:
            return mutation.act(self._scene, subject)
        except FynxError as error:
            self.broken = error
            raise

    def check(self) -> None:
        """NotReached when the mutation was not made, or made no difference."""
        seen, aim = self._seen, self._aim
        if self.broken is not None:
            raise NotReached(f"{aim.do}: {self.broken}")
        if not seen.fired:
            reason = f": {seen.error}" if seen.error is not None else ""
            raise NotReached(
                f"expected to send a message that fits {str(aim.at)!r} of {aim.name}, but none was sent{reason}"
            )
        if not self.changed and aim.do != NOTHING:
            raise NotReached(f"expected {aim.do} to change what is sent, but it made no difference")


def _picture(message: Outgoing) -> Any:
    """What a verb may change, to see whether it did."""
    if isinstance(message, OutgoingEsp):
        return replace(message.parts)
    values = [(value, name in layer.fields) for layer, name, value in message.computed]
    around = message.encrypted, message.iv, [bytes(payload) for payload in message.outer]
    return build_message(message.header, message.payloads), message.sk.fields.copy(), values, around
