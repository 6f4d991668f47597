# SPDX-License-Identifier: GPL-2.0-or-later
"""What counts as a finding, and how a conversation is judged, in the run and when a finding is tried again."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from typing import Any

from fynx_scapy.errors import FynxError
from fynx_scapy.fuzz.behaviour import answered
from fynx_scapy.fuzz.edits import shape
from fynx_scapy.fuzz.playing import Played
from fynx_scapy.ike.events import InternalError
from fynx_scapy.net import guard
from fynx_scapy.session import Session
from fynx_scapy.session_setup import INITIATOR as OURS


class Kind(enum.StrEnum):
    """The kinds of findings."""

    CRASH = "crash"
    """An exception in the engine; the process of a live peer ended, or nothing answers at its address."""
    SILENT = "silent"
    """The peer does not take part in a conversation without edits any more."""
    GROWTH = "growth"
    """The peer's memory grows with each repetition, and is not released."""
    SLOW = "slow"
    """An answer took longer than the bound."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that a peer did wrong. ``key`` tells faults apart: the same place in the code, or the same edits."""

    kind: Kind
    key: str
    text: str
    """One line: what happened, and where."""


def crash_of(event: InternalError, who: str) -> Fault:
    """The fault that an exception in an embedded peer, or in our own end, is."""
    whose = "our own end" if who == OURS else "the peer"
    reason = f": {event.reason}" if event.reason else ""
    text = f"{event.error} at {event.where} in {whose}, while it handled {event.doing}{reason}"
    return Fault(Kind.CRASH, f"{who} {event.error} at {event.where}", text)


def fault_of(played: Played, slow: float) -> Fault | None:
    """The fault that one step showed by itself. ``slow`` is the longest that an answer may take, in seconds."""
    for who, event in played.events:
        if isinstance(event, InternalError):
            return crash_of(event, who)
    if played.crash is not None:
        return crash_of(played.crash, _whose(played.crash))
    if played.seconds > slow and answered(played):
        kinds = ", ".join(sorted({f"{shape(edit.path)} {edit.op}" for edit in played.step.edits}))
        text = f"{played.step.base} {played.step.at} took {played.seconds:.2f} s, expected at most {slow:g} s"
        return Fault(Kind.SLOW, f"{played.step.base} {played.step.at} {kinds}", text)
    return None


def _whose(event: InternalError) -> str:
    """Whose exception it was that ended a step: where the engine is told to raise it, the network does not say."""
    return "" if event.doing == "a step" else OURS


class Failures:
    """The exceptions that a network has caught since this was made, also between two steps."""

    def __init__(self, session: Session) -> None:
        self._network = session.network
        self._before = Counter(session.network.failures)

    def fault(self) -> Fault | None:
        """The first host's last exception as a fault, if there was one."""
        for who, event in self._network.last_failure.items():
            if self._network.failures[who] > self._before[who]:
                return crash_of(event, who)
        return None


def attempted(act: Any, *args: Any) -> Fault | None:
    """Do something that should raise at most our own errors; anything else is a crash."""
    _, error = guard.attempt(act, *args)
    if error is None or isinstance(error, FynxError):
        return None
    event = guard.described(0.0, "a step", error)
    return crash_of(event, _whose(event))
