# SPDX-License-Identifier: GPL-2.0-or-later
"""Which payload may appear in which message, and how often: one table, one function that holds a message against it.

The rows are RFC 7296 appendix C; a row has the round of its exchange, since a responder may answer and wait for more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, name_of
from fynx_scapy.ike.cookies import challenge_fault
from fynx_scapy.ike.message import Message
from fynx_scapy.layers.ikev2 import IKEv2_Payload

Count = tuple[int, int]
ONE: Count = (1, 1)
MAYBE: Count = (0, 1)
MANY: Count = (0, 255)
NONE: Count = (0, 0)

REQUEST, RESPONSE = False, True
REKEY_IKE = "rekey of the IKE SA"
CHILDLESS = "without a Child SA"
P = PayloadType


@dataclass(frozen=True, slots=True)
class Rule:
    """``payloads``: least and most of each type.

    ``alone``: one of these notifies instead makes the message complete (an error, a COOKIE).
    """

    encrypted: bool
    payloads: Mapping[int, Count]
    notifies_alone: bool = False


_AUTHENTICATION: dict[int, Count] = {P.CERT: MANY, P.CERTREQ: MANY, P.AUTH: ONE, P.CP: MAYBE, P.N: MANY, P.V: MANY}
_IKE: dict[int, Count] = {P.SA: ONE, P.KE: ONE, P.Nonce: ONE, P.N: MANY, P.V: MANY}
_CHILD: dict[int, Count] = _IKE | {P.KE: MAYBE, P.TSi: ONE, P.TSr: ONE}

RULES: Mapping[tuple[int, bool, int, str], Rule] = {
    # HDR, [N(COOKIE), [PS,]] SAi1, KEi, Ni  -->
    (ExchangeType.IKE_SA_INIT, REQUEST, 0, ""): Rule(
        False, {P.PS: MAYBE, P.SA: ONE, P.KE: ONE, P.Nonce: ONE, P.N: MANY, P.V: MANY}
    ),
    # <--  HDR, SAr1, KEr, Nr, [CERTREQ,]   or   <--  HDR, N(COOKIE)
    (ExchangeType.IKE_SA_INIT, RESPONSE, 0, ""): Rule(
        False, {P.SA: ONE, P.KE: ONE, P.Nonce: ONE, P.CERTREQ: MANY, P.N: MANY, P.V: MANY}, notifies_alone=True
    ),
    # HDR, [PS,] SK {IDi, [CERT,] [CERTREQ,] [IDr,] AUTH, [CP,] SAi2, TSi, TSr}  -->
    (ExchangeType.IKE_AUTH, REQUEST, 0, ""): Rule(
        True, {P.PS: MAYBE, P.IDi: ONE, P.IDr: MAYBE, **_AUTHENTICATION, P.SA: ONE, P.TSi: ONE, P.TSr: ONE}
    ),
    # <--  HDR, SK {IDr, [CERT,] AUTH, [CP,] SAr2, TSi, TSr}   or, the Child SA having failed,   <--  HDR, SK {IDr,
    # [CERT,] AUTH, N}
    (ExchangeType.IKE_AUTH, RESPONSE, 0, ""): Rule(
        True, {P.IDr: ONE, **_AUTHENTICATION, P.SA: MAYBE, P.TSi: MAYBE, P.TSr: MAYBE}, notifies_alone=True
    ),
    # HDR, SK {IDi, [CERT,] [CERTREQ,] [IDr,] AUTH, [CP]}  -->     RFC 6023 section 5
    (ExchangeType.IKE_AUTH, REQUEST, 0, CHILDLESS): Rule(
        True, {P.IDi: ONE, P.IDr: MAYBE, **_AUTHENTICATION, P.SA: NONE, P.TSi: NONE, P.TSr: NONE}
    ),
    # <--  HDR, SK {IDr, [CERT,] AUTH, [CP]}
    (ExchangeType.IKE_AUTH, RESPONSE, 0, CHILDLESS): Rule(
        True, {P.IDr: ONE, **_AUTHENTICATION, P.SA: NONE, P.TSi: NONE, P.TSr: NONE}, notifies_alone=True
    ),
    # HDR, SK {[N(REKEY_SA),] SA, Ni, [KEi,] TSi, TSr}  -->
    (ExchangeType.CREATE_CHILD_SA, REQUEST, 0, ""): Rule(True, _CHILD),
    # <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
    (ExchangeType.CREATE_CHILD_SA, RESPONSE, 0, ""): Rule(True, _CHILD, notifies_alone=True),
    # HDR, SK {SA, Ni, KEi}  -->
    (ExchangeType.CREATE_CHILD_SA, REQUEST, 0, REKEY_IKE): Rule(True, _IKE),
    # <--  HDR, SK {SA, Nr, KEr}
    (ExchangeType.CREATE_CHILD_SA, RESPONSE, 0, REKEY_IKE): Rule(True, _IKE, notifies_alone=True),
    # HDR, SK {[N,] [D,] [CP,] …}  <-->
    (ExchangeType.INFORMATIONAL, REQUEST, 0, ""): Rule(True, {P.N: MANY, P.D: MANY, P.CP: MAYBE, P.V: MANY}),
    (ExchangeType.INFORMATIONAL, RESPONSE, 0, ""): Rule(True, {P.N: MANY, P.D: MANY, P.CP: MAYBE, P.V: MANY}),
}  # fmt: skip


def malformed(message: Message) -> str | None:
    """What is wrong with the first payload that could not be read, or None."""
    return next((payload.malformed for payload in message.payloads if payload.malformed), None)


def check(message: Message, exchange_round: int = 0, variant: str = "") -> None:
    """Hold a message against its row. PeerError says which notify answers what is wrong.

    Unknown critical payloads come first (section 2.5), then payloads that could not be read, then the counts. A
    payload that the registry knows but the row does not is ignored: section 2.5 lets a later version add it.
    """
    for payload in message.payloads:
        if type(payload) is IKEv2_Payload and payload.flags & 0x80:
            kind = payload.payload_type
            raise PeerError(
                NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, bytes([kind]), f"the unknown payload {kind} is critical"
            )
    wrong = malformed(message)
    if wrong:
        raise PeerError(NotifyType.INVALID_SYNTAX, reason=wrong)
    rule = RULES.get((message.header.exchange, message.header.response, exchange_round, variant))
    if rule is None:
        return
    name = f"{message.header.exchange_name} {'response' if message.header.response else 'request'}"
    if rule.encrypted != message.encrypted:
        raise PeerError(
            NotifyType.INVALID_SYNTAX, reason=f"expected {name} {'inside' if rule.encrypted else 'outside'} SK"
        )
    found = Counter(payload.payload_type for payload in message.payloads)
    if rule.notifies_alone and found.keys() <= {P.N, P.V} and found[P.N]:
        wrong = None if rule.encrypted else challenge_fault(message)
        if wrong:
            raise PeerError(NotifyType.INVALID_SYNTAX, reason=wrong)
        return
    for kind, (least, most) in rule.payloads.items():
        if not least <= found[kind] <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise PeerError(
                NotifyType.INVALID_SYNTAX,
                reason=f"expected {wanted} {name_of(PayloadType, kind)} in {name}, found {found[kind]}",
            )
