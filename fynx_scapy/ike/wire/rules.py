# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules for the payloads of each message and their number, and the check of a message against them.

The rows of RFC 7296 appendix C are in the classes of the exchanges. A message without a row is refused.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from scapy.packet import Packet

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import NotifyType, PayloadType, name_of
from fynx_scapy.ike.message import Message, unprocessed
from fynx_scapy.layers.ikev2 import IKEv2_Notify

COOKIE_SIZES = range(1, 65)
"""Octets of a cookie (section 2.6)."""

Count = tuple[int, int]
ONE: Count = (1, 1)
MAYBE: Count = (0, 1)
MANY: Count = (0, 255)
NONE: Count = (0, 0)

P = PayloadType


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule for one message: the minimum and the maximum number of payloads of each type."""

    payloads: Mapping[int, Count]
    encrypted: bool = True
    """Whether the payloads must be inside SK."""
    notifies_alone: bool = False
    """Whether a response may consist of Notify payloads only, such as a COOKIE or a refused Child SA."""


class Phase(enum.Enum):
    """When an exchange is allowed."""

    BEFORE_AUTH = "before both peers are authenticated"
    ESTABLISHED = "once both peers are authenticated"
    ANY = "at any time"


class Round(NamedTuple):
    """A request and its answer."""

    request: Rule
    response: Rule
    exchange_type: int | None = None
    """The exchange type of both; None for the one that the exchange begins with."""
    phase: Phase | None = None
    """When they are allowed; None for the phase of the exchange."""


ANYTHING = Rule({})
"""Any payloads inside SK."""


def malformed(message: Message) -> str | None:
    """What is wrong with the first malformed payload, or None."""
    return next((p.malformed for p in message.payloads if p.malformed and not _left_out(p)), None)


def _left_out(payload: Packet) -> bool:
    """Whether a fault of this payload is none of the message: nobody reads it, or its reader judges it."""
    return unprocessed(payload) or (isinstance(payload, IKEv2_Notify) and payload.tolerable)


def check(message: Message, rule: Rule | None) -> None:
    """Check a message against its row. PeerError says which notify answers the error.

    Unknown critical payloads are checked first (section 2.5), then malformed payloads, then the numbers of payloads. A
    known payload type that is not in the row is ignored: section 2.5 lets a later version add it. An error Notify alone
    is a complete answer to any request (section 2.21).
    """
    for payload in message.payloads:
        kind = payload.payload_type
        if unprocessed(payload) and payload.critical and (rule is None or kind not in rule.payloads):
            raise PeerError(
                NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD,
                bytes([kind]),
                f"expected no critical payload of an unknown type, found type {kind}",
            )
    wrong = malformed(message)
    if wrong:
        raise PeerError(NotifyType.INVALID_SYNTAX, reason=wrong)
    name = f"{message.header_fields.exchange_name} {'response' if message.header_fields.response else 'request'}"
    if rule is None:
        raise PeerError(NotifyType.INVALID_SYNTAX, reason=f"expected a message of a known exchange, found {name}")
    if rule.encrypted != message.encrypted:
        raise PeerError(
            NotifyType.INVALID_SYNTAX, reason=f"expected {name} {'inside' if rule.encrypted else 'outside'} SK"
        )
    counts = Counter(payload.payload_type for payload in message.payloads)
    enough = counts[P.N] if rule.notifies_alone else message.error() is not None
    if message.header_fields.response and enough and counts.keys() <= {P.N, P.V}:
        wrong = None if rule.encrypted else challenge_fault(message)
        if wrong:
            raise PeerError(NotifyType.INVALID_SYNTAX, reason=wrong)
        return
    for kind, (least, most) in rule.payloads.items():
        if not least <= counts[kind] <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise PeerError(
                NotifyType.INVALID_SYNTAX,
                reason=f"expected {wanted} {name_of(PayloadType, kind)} in {name}, found {counts[kind]}",
            )


def check_phase(request: Message, phase: Phase, *, connecting: bool) -> None:
    """PeerError (INVALID_SYNTAX) when a request is not allowed in this phase."""
    if phase is not Phase.ANY and (phase is Phase.BEFORE_AUTH) != connecting:
        when = "before the peer is authenticated" if connecting else "on an established IKE SA"
        raise PeerError(NotifyType.INVALID_SYNTAX, reason=f"expected no {request.header_fields.exchange_name} {when}")


def challenge_fault(message: Message) -> str | None:
    """What is wrong with a COOKIE or PUZZLE answer, or None.

    Such an answer may be forged, so it is ignored (RFC 7296 section 2.6, RFC 8019 section 7.1.2).
    """
    cookie = message.notify(NotifyType.COOKIE)
    if cookie is None:
        return "expected a COOKIE beside PUZZLE, found none" if message.has_notify(NotifyType.PUZZLE) else None
    size = len(bytes(cookie.notify or b""))
    return None if size in COOKIE_SIZES else f"expected a cookie of 1 to 64 octets, found {size}"
