# SPDX-License-Identifier: GPL-2.0-or-later
"""Stateful replay: repeat a recorded conversation with a live or an embedded peer, and compare the responses.

The engine starts each exchange and handles windows, keys and retransmissions. A payloads tap puts the recorded payloads
into each of our requests before it is encrypted.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from scapy.packet import Packet

from fynx_scapy.capture.follow.exchanges import (
    AUTH,
    CREATE_CHILD,
    DELETE_CHILD,
    DELETE_IKE,
    INFORMATIONAL,
    INIT,
    OTHER,
    REKEY_CHILD,
    REKEY_IKE,
    kind_of,
)
from fynx_scapy.capture.replay import configs
from fynx_scapy.capture.replay.compare import FieldDifference, compare
from fynx_scapy.capture.replay.rebuild import BEYOND, copied, kind, loosened, rebuilt, spis
from fynx_scapy.capture.replay.recording import Recording, Step, name
from fynx_scapy.capture.replay.stand_in import StandIn, answering
from fynx_scapy.errors import FynxError, Timeout
from fynx_scapy.iana import ExchangeType, NotifyType, name_of
from fynx_scapy.ike.config import Retransmission
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.credentials.certificates import Certificate
from fynx_scapy.ike.events import IkeSaEstablished, IkeSaFailed, MessageReceived, MessageSent
from fynx_scapy.ike.message import Address, Outgoing
from fynx_scapy.ike.path import nat
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import IKEv2_Delete
from fynx_scapy.pki.trust import Trust
from fynx_scapy.session import Session

Starter: TypeAlias = "Callable[[Player, Step], None]"
RETRANSMISSION = Retransmission(timeout=1.0, base=1.5, tries=3)


class ReplayVerdict(enum.Enum):
    """The result for one recorded request."""

    SAME = "as recorded"
    DIFFERS = "differs"
    UNANSWERED = "not answered"
    NOT_PLAYED = "not played"
    PEERS = "the peer's own"
    KEPT = "left out"
    EXTRA = "not recorded"


BAD = frozenset({ReplayVerdict.DIFFERS, ReplayVerdict.UNANSWERED, ReplayVerdict.NOT_PLAYED, ReplayVerdict.EXTRA})


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """One request and how its response compares. ``number`` is the recorded request's packet, 0 for a new request."""

    number: int
    title: str
    verdict: ReplayVerdict
    differences: tuple[FieldDifference, ...] = ()
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "packet": self.number,
            "message": self.title,
            "verdict": self.verdict.value,
            "differences": [each.as_dict() for each in self.differences],
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a replay. ``established`` says whether the IKE SA was established, ``expected`` the same for the
    recording.

    ``left_out`` names what a replay does without, ``losses`` what in the capture could not be read.
    """

    outcomes: tuple[ReplayOutcome, ...]
    established: bool
    expected: bool
    left_out: tuple[str, ...] = ()
    error: str = ""
    losses: tuple[str, ...] = ()

    @property
    def differences(self) -> list[FieldDifference]:
        """All differences, in order."""
        return [difference for outcome in self.outcomes for difference in outcome.differences]

    @property
    def ok(self) -> bool:
        """Whether every response is as recorded, the IKE SA was established as then, and nothing was lost."""
        as_recorded = self.established == self.expected and not any(done.verdict in BAD for done in self.outcomes)
        return as_recorded and not self.losses

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "ok": self.ok,
            "established": self.established,
            "recorded_established": self.expected,
            "left_out": list(self.left_out),
            "losses": list(self.losses),
            "error": self.error,
            "messages": [each.as_dict() for each in self.outcomes],
        }


@dataclass(slots=True)
class _Sent:
    """A request of ours, the recorded step that it replays (None: not recorded), and the response to it."""

    step: Step | None
    title: str
    key: tuple[bytes, int] = (b"", 0)
    answer: tuple[Packet, Sequence[Packet]] | None = None


def session(
    recording: Recording,
    target: str | Address | None = None,
    psk: bytes | str | None = None,
    certificate: Certificate | None = None,
    trust: Trust | None = None,
    **more: Any,
) -> Session:
    """A session for a replay, with a live peer or an embedded one that is configured like the recorded responder.

    ``certificate`` signs for an initiator that signed, ``trust`` judges a responder that did. An embedded peer pins the
    one, and makes up what the other judges. ``more`` are arguments of `Session`, such as its network.

    Raises what `configs.initiator` and `Session` raise.
    """
    auths = recording.of(AUTH)
    judged = target is None and bool(auths) and configs.signs(auths[0].response)
    stand_in = StandIn.made(configs.named(recording)) if judged else None
    trust = stand_in.trust if stand_in is not None else trust
    config = configs.initiator(recording, psk, certificate, trust).replace(retransmission=RETRANSMISSION)
    if target is not None:
        return Session(target, config=config, **more)
    peer: Any = configs.responder(recording, config) | answering(config, stand_in)
    if recording.initiator == recording.responder:  # recorded on loopback; in memory each peer needs an address
        return Session(config=config, peer=peer, **more)
    return Session(config=config, peer=peer, local=recording.initiator, remote=recording.responder, **more)


@dataclass(slots=True)
class Player:
    """Plays the initiator of ``recording`` in a new session.

    With ``keep``, the recorded Delete of the IKE SA is not sent, so the IKE SA stays up.
    """

    recording: Recording
    session: Session
    keep: bool = False
    timeout: float | None = None
    """How many seconds each step waits for its answer; None for as long as it is sent again."""
    current: Step | None = None
    """The step that is being played, if it was `begin` that plays it."""
    loose: bool = False
    """Whether lengths and numbers in the payloads are computed anew, for a case that changes them."""
    _sent: list[_Sent] = field(default_factory=list)
    _spis: dict[bytes, bytes] = field(default_factory=dict)
    _left_out: set[str] = field(default_factory=set)

    def play(self) -> Report:
        """Play all steps of the initiator in order, and compare the responses."""
        seen, error = len(self.session.events), ""
        remove = self.session.tap("payloads", self._tap, lambda message: not int(message.header.flags) & FLAG_RESPONSE)
        try:
            for step in self.recording.steps:
                if self._is_due(step):
                    try:
                        self._start[step.kind](self, step)
                    except FynxError as failure:
                        error = error or str(failure)
                    if not self.session.sa.connecting and not self.session.sa.established:
                        break
        finally:
            remove()
        events = [event for who, event in self.session.events[seen:] if who == self.session.name]
        self._answers(events)
        established = any(isinstance(event, IkeSaEstablished) for event in events)
        error = next((event.reason for event in events if isinstance(event, IkeSaFailed)), error)
        left_out = tuple(sorted(self._left_out))
        recording = self.recording
        return Report(tuple(self._outcomes()), established, recording.established, left_out, error, recording.losses)

    def begin(self) -> Callable[[Callable[[], bool]], None]:
        """Have our requests be the recorded ones from now on. Returns a function that plays them until it is told to
        stop; that one raises what the steps raise."""
        remove = self.session.tap("payloads", self._tap, lambda message: not int(message.header.flags) & FLAG_RESPONSE)

        def play(enough: Callable[[], bool]) -> None:
            try:
                for step in self.recording.steps:
                    if enough():
                        return
                    if self._is_due(step):
                        self.current = step
                        self._start[step.kind](self, step)
            finally:
                self.current = None
                remove()

        return play

    def _is_due(self, step: Step) -> bool:
        if not step.ours or step.kind == OTHER or any(sent.step is step for sent in self._sent):
            return False
        return not (step.kind == DELETE_IKE and self.keep)

    # Sending

    def _tap(self, message: Outgoing) -> None:
        """For each of our requests, find the recorded request that it replays, and use that one's payloads."""
        wanted = kind_of(int(message.header.exch_type), message.payloads)
        played = [sent.step for sent in self._sent]
        due = (step for step in self.recording.of(wanted) if not any(step is done for done in played))
        step = next(due, None)
        again = [done for done in played if done is not None and done.kind == INIT] if wanted == INIT else []
        template = step or (again[-1] if again else None)
        if template is not None:
            recorded = template.request.payloads
            self._left_out.update(name(payload) for payload in recorded if kind(payload) in BEYOND)
            if wanted == INFORMATIONAL and template.request.notify(NotifyType.NAT_DETECTION_SOURCE_IP) is not None:
                message.payloads += nat.detection(message, self.session.sa.local, self.session.sa.remote)
            message.payloads[:] = rebuilt(recorded, message.payloads)
            for payload in message.payloads if self.loose else ():
                loosened(payload)
            self._spis |= spis(recorded, message.payloads)
        exchange = name_of(ExchangeType, int(message.header.exch_type))
        title = f"{exchange} {{{', '.join(map(name, message.payloads))}}}"
        self._sent.append(_Sent(step, title))

    def _init(self, _: Step) -> None:
        if not self._sent:  # the engine makes retries
            self.session.sa_init(timeout=self.timeout)

    def _auth(self, _: Step) -> None:
        self.session.auth(timeout=self.timeout)

    def _create_child(self, step: Step) -> None:
        self.session.create_child(configs.child(self.recording, step), timeout=self.timeout)

    def _rekey_child(self, step: Step) -> None:
        rekey = step.request.notify(NotifyType.REKEY_SA)
        self.session.rekey_child(self._child([bytes(rekey.SPI)] if rekey is not None else []), timeout=self.timeout)

    def _rekey_ike(self, _: Step) -> None:
        self.session.rekey_ike(timeout=self.timeout)

    def _delete_child(self, step: Step) -> None:
        delete = step.request.get(IKEv2_Delete)
        self.session.delete(self._child(list(delete.SPI) if delete is not None else []), timeout=self.timeout)

    def _delete_ike(self, _: Step) -> None:
        self.session.delete(timeout=self.timeout)

    def _informational(self, step: Step) -> None:
        detection = (NotifyType.NAT_DETECTION_SOURCE_IP, NotifyType.NAT_DETECTION_DESTINATION_IP)
        payloads = [copied(payload) for payload in step.request.payloads if kind(payload) not in detection]
        if self.timeout is None:
            self.session.request("INFORMATIONAL", *payloads)
        elif self.session.request("INFORMATIONAL", *payloads, timeout=self.timeout) is None:
            raise Timeout(f"no answer to INFORMATIONAL within {self.timeout:g} s")

    def _child(self, recorded: Sequence[bytes]) -> ChildSa:
        """The Child SA that replaces a recorded SPI of the initiator. The newest if there is none."""
        today = [int.from_bytes(self._spis.get(spi, b"")) for spi in recorded]
        children = self.session.sa.children.values()
        return next((child for child in children if child.inbound.spi in today), self.session.child)

    _start: ClassVar[Mapping[str, Starter]] = {
        INIT: _init,
        AUTH: _auth,
        CREATE_CHILD: _create_child,
        REKEY_CHILD: _rekey_child,
        REKEY_IKE: _rekey_ike,
        DELETE_CHILD: _delete_child,
        DELETE_IKE: _delete_ike,
        INFORMATIONAL: _informational,
    }

    # Comparing

    def _answers(self, events: Sequence[Any]) -> None:
        """Match each request with its response, by SPI and message ID."""
        waiting = list(self._sent)
        underway: list[_Sent] = []
        for event in events:
            if isinstance(event, MessageSent) and not int(event.header.flags) & FLAG_RESPONSE and waiting:
                sent = waiting.pop(0)
                sent.key = (event.header.init_SPI, int(event.header.id))
                underway.append(sent)
            elif isinstance(event, MessageReceived) and int(event.header.flags) & FLAG_RESPONSE:
                key = (event.header.init_SPI, int(event.header.id))
                asked = next((sent for sent in reversed(underway) if sent.key == key and sent.answer is None), None)
                if asked is not None:
                    asked.answer = (event.header, event.payloads)

    def _outcomes(self) -> list[ReplayOutcome]:
        by_step = {id(sent.step): sent for sent in self._sent if sent.step is not None}
        found = [self._outcome(step, by_step.get(id(step))) for step in self.recording.steps]
        for sent in self._sent:
            if sent.step is None:
                answer = ", ".join(map(name, sent.answer[1])) if sent.answer else "nothing"
                found.append(ReplayOutcome(0, sent.title, ReplayVerdict.EXTRA, reason=f"answered with {answer}"))
        return found

    def _outcome(self, step: Step, sent: _Sent | None) -> ReplayOutcome:
        number, title = step.request.numbers[0], step.request.title
        if not step.ours:
            return ReplayOutcome(number, title, ReplayVerdict.PEERS, reason="the new peer sends its own requests")
        if sent is None:
            if step.kind == DELETE_IKE and self.keep:
                return ReplayOutcome(number, title, ReplayVerdict.KEPT, reason="the IKE SA is kept")
            reason = "the engine has no such exchange" if step.kind == OTHER else "the conversation ended before it"
            return ReplayOutcome(number, title, ReplayVerdict.NOT_PLAYED, reason=reason)
        if step.response is None:
            return ReplayOutcome(number, title, ReplayVerdict.SAME, reason="no answer was recorded")
        if sent.answer is None:
            return ReplayOutcome(number, title, ReplayVerdict.UNANSWERED)
        differences = tuple(compare(step.response, *sent.answer))
        return ReplayOutcome(number, title, ReplayVerdict.DIFFERS if differences else ReplayVerdict.SAME, differences)


def play(
    recording: Recording,
    target: str | Address | None = None,
    psk: bytes | str | None = None,
    certificate: Certificate | None = None,
    trust: Trust | None = None,
) -> Report:
    """Replay a recorded conversation with a live peer, or with an embedded one."""
    with session(recording, target, psk, certificate, trust) as made:
        return Player(recording, made).play()
