# SPDX-License-Identifier: GPL-2.0-or-later
"""A rogue third party: what it can send in the clear to an end that has an IKE SA (RFC 7296 sections 1.5 and 2.21).

It knows the SPIs and addresses, and no key. Nothing that it sends is answered, and no SA ends or changes by it.
"""

from __future__ import annotations

from collections.abc import Callable

from scapy.layers.inet import ICMP
from scapy.packet import Packet

from fynx_scapy import Session
from fynx_scapy.events import IkeSaEstablished
from fynx_scapy.harness import BOTH, Run, expect, rogue
from fynx_scapy.harness.cases import case
from fynx_scapy.iana import ExchangeType, name_of
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_Delete, IKEv2_IDr, IKEv2_Nonce, IKEv2_Notify
from fynx_scapy.taps import RESPONSE

BY_INITIATOR = 0x08
ERRORS = (
    "INVALID_IKE_SPI", "INVALID_SPI", "INVALID_SYNTAX", "INVALID_MAJOR_VERSION", "AUTHENTICATION_FAILED",
    "NO_PROPOSAL_CHOSEN", "INVALID_MESSAGE_ID", "UNSUPPORTED_CRITICAL_PAYLOAD", "TEMPORARY_FAILURE",
    "CHILD_SA_NOT_FOUND", "INITIAL_CONTACT", "REDIRECT",
)  # fmt: skip


def still_there(s: Session) -> None:
    """The IKE SA and its Child SA go on."""
    expect(s.liveness()).empty()
    expect(s.ping()).has(ICMP, type=0)


def flags(s: Session, *, response: bool) -> int:
    """The flags of a message that claims to come from us."""
    return (BY_INITIATOR if s.sa.initiator else 0) | (RESPONSE if response else 0)


def once_established(name: str, what: str, *payloads: Packet, exchange: int = ExchangeType.INFORMATIONAL,
                     ids: tuple[str, ...] = ("7296-2.21.4-05", "7296-2.4-04")) -> None:  # fmt: skip
    """Register a case: this message in the clear, as a request and as a response, with the message IDs that are due."""

    def body(run: Run) -> None:
        s = run.session()
        run.establish(s)
        for response in (False, True):
            for number in (0, s.sa.requests.next_id, s.sa.requests.next_id + 1):
                # HDR, N or D …  -->    in the clear
                answers = rogue(s, *payloads, exch_type=int(exchange), flags=flags(s, response=response), id=number)
                expect(answers, "answers").equals([])
        still_there(s)

    body.__name__, body.__doc__ = name, what
    severity = "critical" if any(isinstance(payload, IKEv2_Delete) for payload in payloads) else "high"
    case(requirements=ids, severity=severity, roles=BOTH)(body)  # type: ignore[arg-type]


for error in ERRORS:
    once_established(
        f"clear_{error.lower()}", f"N({error}) in the clear, under the SPIs of an IKE SA that is up, does nothing.",
        IKEv2_Notify(type=error), ids=("7296-2.21.4-05", "7296-2.4-04", "7296-1.5-03"),
    )  # fmt: skip
once_established(
    "clear_delete_ike", "A Delete of the IKE SA in the clear does nothing.", IKEv2_Delete(proto="IKE", SPI=[]),
    ids=("7296-1.4-01",),
)  # fmt: skip
once_established(
    "clear_delete_esp", "A Delete of Child SAs in the clear does nothing.",
    IKEv2_Delete(proto="ESP", SPI=[bytes([0, 0, 1, number]) for number in range(50)]), ids=("7296-1.4-01",),
)  # fmt: skip
once_established(
    "clear_empty_informational", "An INFORMATIONAL request in the clear is not answered.", ids=("7296-1.4-01",),
)  # fmt: skip
once_established(
    "clear_create_child_sa", "A CREATE_CHILD_SA in the clear does nothing.", IKEv2_Nonce(nonce=bytes(32)),
    exchange=ExchangeType.CREATE_CHILD_SA, ids=("7296-1.4-01",),
)  # fmt: skip
once_established(
    "clear_ike_auth", "An IKE_AUTH in the clear does nothing.", IKEv2_IDr(IDtype=2, ID=b"bob"),
    IKEv2_AUTH(auth_type=2, load=bytes(32)), exchange=ExchangeType.IKE_AUTH, ids=("7296-1.2-02",),
)  # fmt: skip
once_established(
    "clear_ike_sa_init_again", "An IKE_SA_INIT under both SPIs of an IKE SA that is up does nothing.",
    IKEv2_Nonce(nonce=bytes(32)), exchange=ExchangeType.IKE_SA_INIT, ids=("7296-2.4-04",),
)  # fmt: skip
once_established(
    "clear_unknown_exchange", "An exchange of an unknown type in the clear does nothing.",
    exchange=240, ids=("7296-2.4-04",),
)  # fmt: skip


@case(requirements=("7296-2.4-07", "7296-1.5-03"), severity="high", roles=BOTH)
def clear_hints_in_a_burst(run: Run) -> None:
    """A hundred hints in the clear make the peer ask for a sign of life a few times at most, and answer nothing."""
    s = run.session()
    run.establish(s)
    before = len(s.sa.answers.kept), s.sa.answers.expected
    for number in range(100):
        # HDR, N(INVALID_SPI)  -->    in the clear
        kind = "INVALID_IKE_SPI" if number % 2 else "INVALID_SPI"
        answers = rogue(s, IKEv2_Notify(type=kind), flags=flags(s, response=bool(number % 3)), id=number)
        expect(answers, "answers").equals([])
    expect(s.sa.answers.expected - before[1], "requests that the peer made of it").between(0, 5)
    still_there(s)


def before_auth(name: str, what: str, *payloads: Packet, response: bool, exchange: int) -> None:
    """Register a case: after IKE_SA_INIT, before IKE_AUTH, this message in the clear ends nothing."""

    def body(run: Run) -> None:
        s = run.session()
        s.sa_init()
        for number in (0, 1, 2):
            rogue(s, *payloads, exch_type=int(exchange), flags=flags(s, response=response), id=number)
        s.auth()
        expect(s.events).at(s.name).has(IkeSaEstablished)
        still_there(s)

    body.__name__, body.__doc__ = name, what
    case(requirements=("7296-2.4-04", "7296-1-01"), severity="high")(body)


MESSAGES: tuple[tuple[str, int, Callable[[], tuple[Packet, ...]]], ...] = (
    ("invalid_syntax", ExchangeType.IKE_AUTH, lambda: (IKEv2_Notify(type="INVALID_SYNTAX"),)),
    ("authentication_failed", ExchangeType.IKE_AUTH, lambda: (IKEv2_Notify(type="AUTHENTICATION_FAILED"),)),
    ("no_proposal_chosen", ExchangeType.IKE_SA_INIT, lambda: (IKEv2_Notify(type="NO_PROPOSAL_CHOSEN"),)),
    ("delete", ExchangeType.INFORMATIONAL, lambda: (IKEv2_Delete(proto="IKE", SPI=[]),)),
    ("ike_auth", ExchangeType.IKE_AUTH, lambda: (IKEv2_AUTH(auth_type=2, load=bytes(32)),)),
)
for word, exchange, made in MESSAGES:
    for response in (False, True):
        before_auth(
            f"clear_{word}_{'response' if response else 'request'}_before_auth",
            f"{name_of(ExchangeType, exchange)} in the clear after IKE_SA_INIT does not keep the initiator out.",
            *made(), response=response, exchange=exchange,
        )  # fmt: skip
