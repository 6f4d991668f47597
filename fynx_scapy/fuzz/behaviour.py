# SPDX-License-Identifier: GPL-2.0-or-later
"""What a peer did, as a signature: two cases with the same one taught us the same.

Of any peer it has the kind of answer, the state of the IKE SA afterwards, and how long the answer took. Of an embedded
peer it also has the events that it reported, with the reasons that it gave.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from fynx_scapy.errors import FynxError
from fynx_scapy.fuzz.playing import Played
from fynx_scapy.iana import NotifyType, PayloadType, name_of
from fynx_scapy.ike.events import (
    ChildSaInstalled,
    EspReceived,
    Event,
    ExchangeDropped,
    IkeSaEstablished,
    IkeSaFailed,
    IntegrityFailed,
    MessageDropped,
    MessageReceived,
    PeerDead,
    ReplayDropped,
    RequestRefused,
    SaDeleted,
)
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import IKEv2_Notify
from fynx_scapy.layers.ikev2.payload import payload_type_of
from fynx_scapy.session import Session
from fynx_scapy.session_setup import INITIATOR as OURS

Signature = tuple[str, ...]
LONGEST = 70
NAMED = (
    EspReceived, ReplayDropped, ExchangeDropped, PeerDead, IntegrityFailed, IkeSaEstablished, ChildSaInstalled,
)  # fmt: skip
"""The events of an embedded peer that say enough by their names."""
_NUMBERS = re.compile(r"\b[0-9a-f]{6,}\b|\d+|'[^']*'")


def answers(events: Iterable[tuple[str, Event]]) -> list[str]:
    """Each message that we received, as its kind: ``SA,KE,Nonce`` or ``N(INVALID_SYNTAX)``. Requests have a ``?``."""
    found = []
    for who, event in events:
        if who == OURS and isinstance(event, EspReceived):
            found.append("ESP")
        if who == OURS and isinstance(event, MessageReceived):
            words = [
                f"N({name_of(NotifyType, int(payload.type))})"
                if isinstance(payload, IKEv2_Notify) and isinstance(payload.type, int)
                else PayloadType.notation(payload_type_of(payload))
                for payload in event.payloads
            ]
            request = "" if int(event.header.flags or 0) & FLAG_RESPONSE else "?"
            found.append(request + (",".join(dict.fromkeys(words)) or "empty"))
    return found


def answered(played: Played) -> bool:
    """Whether the peer sent us anything in a step."""
    return any(who == OURS and isinstance(event, MessageReceived | EspReceived) for who, event in played.events)


def signature(played: Played, session: Session) -> Signature:
    """The behaviour of the peer in one step."""
    step, events = played.step, played.events
    inside = [] if session.live else sorted({text for who, event in events if who != OURS for text in _told(event)})
    return (
        f"{step.base} {step.at}",
        " > ".join(answers(events)) or "silence",
        f"error {played.error.code}" if isinstance(played.error, FynxError) else "",
        f"ours {_state(session)}",
        f"timing {_bucket(played.took if session.live or not answered(played) else 0.0)}",
        *inside,
    )


def _state(session: Session) -> str:
    """The state of our IKE SA, and how many Child SAs it has: none, one, several."""
    sas = list(session.client.sas.values())
    newest = sas[-1] if sas else None
    if newest is None:
        return "none"
    return f"{newest.state.value} {min(2, len(newest.children))}"


def _bucket(seconds: float) -> int:
    """Times that differ by less than a factor of four are the same."""
    return max(0, round(math.log(max(seconds, 0.001) * 1000, 4)))


def _told(event: Event) -> list[str]:
    """What an embedded peer told of itself, without numbers."""
    if isinstance(event, MessageDropped):
        return [f"dropped {event.code}: {_plain(event.reason)}"]
    if isinstance(event, RequestRefused):
        return [f"refused {event.code}: {_plain(event.reason)}"]
    if isinstance(event, SaDeleted):
        return [f"deleted {'child' if event.child_spis else 'ike'} {event.code}"]
    if isinstance(event, IkeSaFailed):
        return [f"failed {event.code}: {_plain(event.reason)}"]
    if isinstance(event, NAMED):
        return [type(event).__name__]
    return []


def _plain(text: str) -> str:
    return _NUMBERS.sub("#", text)[:LONGEST]
