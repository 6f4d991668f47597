# SPDX-License-Identifier: GPL-2.0-or-later
"""What a peer must do: a tree of outcomes, such as ``either(answered("INVALID_SYNTAX"), silent())``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.cases.seen import Heard, Seen
from fynx_scapy.harness.cases.seen import alive as alive_in
from fynx_scapy.iana import ExchangeType, NotifyType, lookup, name_of
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_SA

_ERRORS = 16384
SILENT = 0.5
"""Seconds of a live peer's silence, beside those of any step, before it counts as done: it may be busy."""


class Outcome(ABC):
    """One thing that a peer may have done."""

    patience: float = 0.0
    """How many seconds a live peer may take for it, after its last message."""

    @abstractmethod
    def fault(self, seen: Seen) -> str | None:
        """What was found instead; None if it did this."""

    def __or__(self, other: Outcome) -> Outcome:
        return either(self, other)

    def __and__(self, other: Outcome) -> Outcome:
        return both(self, other)

    def __repr__(self) -> str:
        return f"<{self}>"


@dataclass(frozen=True, repr=False)
class _Judged(Outcome):
    """An outcome with a text and a function that judges."""

    text: str
    judge: Callable[[Seen], str | None]
    patience: float = 0.0

    def fault(self, seen: Seen) -> str | None:
        return self.judge(seen)

    def __str__(self) -> str:
        return self.text


def judged(text: str, judge: Callable[[Seen], str | None], patience: float = 0.0) -> Outcome:
    """An outcome of your own: ``text`` says what must happen, ``judge`` returns what was found instead, or None.

    ``patience`` is how many seconds a live peer may take for it.
    """
    return _Judged(text, judge, patience)


def _longest(outcomes: Sequence[Outcome]) -> float:
    return max((outcome.patience for outcome in outcomes), default=0.0)


def either(*outcomes: Outcome) -> Outcome:
    """One of these."""
    if len(outcomes) < 2:
        raise ConfigError(f"expected two outcomes or more to choose from, found {len(outcomes)}")

    def judge(seen: Seen) -> str | None:
        faults = [outcome.fault(seen) for outcome in outcomes]
        return None if None in faults else _one(fault for fault in faults if fault)

    return _Judged(" or ".join(map(str, outcomes)), judge, _longest(outcomes))


def both(*outcomes: Outcome) -> Outcome:
    """All of these."""

    def judge(seen: Seen) -> str | None:
        for outcome in outcomes:
            if (fault := outcome.fault(seen)) is not None:
                return fault
        return None

    return _Judged(
        " and ".join(f"({outcome})" if " or " in str(outcome) else str(outcome) for outcome in outcomes),
        judge,
        _longest(outcomes),
    )


def _one(texts: object) -> str:
    return "; ".join(dict.fromkeys(str(text) for text in texts))  # type: ignore[attr-defined]


# Answers


def answered(
    notify: str | int | None = None, data: bytes | None = None, *, alone: bool = False, protected: bool | None = None
) -> Outcome:
    """It answers; with ``notify`` the answer has that Notify, with ``data`` these data, ``alone`` nothing beside it.

    ``protected`` says whether the answer must be inside SK; None takes any.
    """
    kind = None if notify is None else lookup(NotifyType, notify)

    def fits(message: Heard) -> bool:
        if protected is not None and message.encrypted != protected:
            return False
        if kind is None:
            return True
        found = [note for note in message.notifies if note.type == kind]
        if not found or (data is not None and bytes(found[0].notify or b"") != data):
            return False
        return not alone or len(message.payloads) == len(message.notifies)

    where = "" if protected is None else " inside SK" if protected else " in the clear"
    name = "an answer" if kind is None else f"N({name_of(NotifyType, kind)}){f' with {data.hex()}' if data else ''}"
    text = f"{name}{where}{' and nothing else' if alone else ''}"
    return _Judged(text, lambda seen: None if any(map(fits, seen.answers)) else str(seen))


def refused(*, protected: bool | None = None) -> Outcome:
    """It answers with an error notify, whichever."""

    def judge(seen: Seen) -> str | None:
        for message in seen.answers:
            if message.error is not None and protected in (None, message.encrypted):
                return None
        return str(seen)

    return _Judged("an error notify", judge)


def silent() -> Outcome:
    """It does not answer the mutated message, in any of its transmissions."""
    return _Judged("no answer", lambda seen: None if not seen.answers else str(seen))


def dropped() -> Outcome:
    """It drops the mutated datagram and nothing else: the honest retransmission is answered as usual."""

    def judge(seen: Seen) -> str | None:
        if not seen.attempts:
            return f"the first transmission had its effect: {seen}"
        return None if seen.error is None and seen.answers else str(seen)

    return _Judged("it drops the datagram, and answers the honest one", judge)


def accepted(*notifies: str | int) -> Outcome:
    """It goes on as if nothing had been changed. Its answer has these status notifies."""
    kinds = [lookup(NotifyType, notify) for notify in notifies]

    def judge(seen: Seen) -> str | None:
        if seen.error is not None or seen.ended or seen.child_failed:
            return f"{seen}{f' ({seen.error})' if seen.error else ''}"
        if seen.attempts:
            return f"it answered no earlier than our retransmission {seen.attempts}"
        answered_ = [message for message in seen.heard if message.error is None]
        refused_ = seen.message_id is not None and any(message.error is not None for message in seen.to_it)
        if refused_ or not answered_:  # after a refusal our end may go on otherwise: with a new IKE SA
            return str(seen)
        have = {note.type for message in seen.heard for note in message.notifies}
        missing = [name_of(NotifyType, kind) for kind in kinds if kind not in have]
        return f"{seen}; without {', '.join(missing)}" if missing else None

    return _Judged("it goes on as usual", judge)


# What becomes of the SAs


def alive() -> Outcome:
    """The IKE SA lives: it answers a request without payloads."""
    return _Judged("the IKE SA lives", lambda seen: None if seen.alive() else f"{seen}; then no answer in the IKE SA")


def carries() -> Outcome:
    """The Child SA carries packets."""
    return _Judged(
        "the Child SA carries packets", lambda seen: None if seen.pings() else f"{seen}; then no ping came back"
    )


def deletes() -> Outcome:
    """It ends the IKE SA: with a Delete, or by answering no more in it."""

    def judge(seen: Seen) -> str | None:
        return None if seen.deleted or seen.ended or not seen.alive() else f"{seen}; then it answered in the IKE SA"

    return _Judged("it ends the IKE SA", judge)


def new_sa_unused() -> Outcome:
    """It does not use the IKE SA that our answer to its rekey was to set up."""

    def judge(seen: Seen) -> str | None:
        successor = seen.sa.successor if seen.sa is not None else None
        if successor is None or not successor.established:
            return None
        with seen.paused():
            return f"{seen}; then an answer in the new IKE SA" if alive_in(seen.session, successor) else None

    return _Judged("it does not use the new IKE SA", judge)


def new_child_unused() -> Outcome:
    """It does not use the Child SA that our answer was to set up."""

    def judge(seen: Seen) -> str | None:
        return f"{seen}; then an answer in the new Child SA" if seen.uses_new_child() else None

    return _Judged("it does not use the new Child SA", judge)


def no_sa() -> Outcome:
    """No IKE SA comes of it: neither end takes it for established."""

    def judge(seen: Seen) -> str | None:
        if seen.established:
            return f"an IKE SA: {seen}"
        wrong = [
            message for message in seen.answers if message.exchange == ExchangeType.IKE_AUTH and message.has(IKEv2_AUTH)
        ]
        return f"an IKE SA: {seen}" if wrong else None

    return _Judged("no IKE SA", judge)


def no_child() -> Outcome:
    """No Child SA comes of our request: its answer has no SA payload."""

    def judge(seen: Seen) -> str | None:
        made = [message for message in seen.to_it if message.encrypted and message.has(IKEv2_SA)]
        return f"a Child SA: {seen}" if made else None

    return _Judged("no Child SA", judge)


def gives_up() -> Outcome:
    """As the initiator, it ends this attempt: none of its later requests is an IKE_AUTH, and no IKE SA comes of it."""

    def judge(seen: Seen) -> str | None:
        later = [message for message in seen.requests if message.exchange == ExchangeType.IKE_AUTH]
        return str(seen) if later or seen.established else None

    return _Judged("it gives the attempt up", judge, SILENT)


def goes_on() -> Outcome:
    """As the initiator, it goes on to IKE_AUTH, or establishes the IKE SA."""

    def judge(seen: Seen) -> str | None:
        later = [message for message in seen.requests if message.exchange == ExchangeType.IKE_AUTH]
        return None if later or seen.established else str(seen)

    return _Judged("it goes on to IKE_AUTH", judge)


def retries(*, cookie: bool = False) -> Outcome:
    """As the initiator, it sends IKE_SA_INIT again; with ``cookie`` with the COOKIE of our answer as first payload."""

    def judge(seen: Seen) -> str | None:
        again = [message for message in seen.requests if message.exchange == ExchangeType.IKE_SA_INIT]
        if cookie:
            again = [m for m in again if m.payloads and getattr(m.payloads[0], "type", None) == NotifyType.COOKIE]
        return None if again else str(seen)

    return _Judged(f"it sends IKE_SA_INIT again{' with the cookie' if cookie else ''}", judge)


# ESP


def delivered(count: int | None = None) -> Outcome:
    """The packet is delivered: its answer comes back, so many times if ``count`` is given."""

    def judge(seen: Seen) -> str | None:
        right = seen.packets > 0 if count is None else seen.packets == count
        return None if right else f"{seen.packets} answers to it"

    return _Judged("it is delivered" if count is None else f"it is delivered {count} times", judge)


def discarded() -> Outcome:
    """The packet is dropped, and a good one after it is delivered."""

    def judge(seen: Seen) -> str | None:
        if seen.packets:
            return f"{seen.packets} answers to it"
        return None if seen.pings() else "no answer to a good packet after it"

    return _Judged("it is dropped, and the next good one delivered", judge)


def survives() -> Outcome:
    """Whatever it answers, it goes on: the runner's sane conversation afterwards shows it."""
    return _Judged("it survives", lambda seen: None)
