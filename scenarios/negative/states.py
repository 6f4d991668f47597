# SPDX-License-Identifier: GPL-2.0-or-later
"""Every exchange type in every state to which it does not belong, from the table of rules of the exchanges.

RFC 7296 section 1: all IKE_SA_INIT exchanges come before all IKE_AUTH exchanges, and those before all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from scapy.packet import Packet

from fynx_scapy import Session
from fynx_scapy.exchanges import Phase, responders
from fynx_scapy.harness import BOTH, Run
from fynx_scapy.harness.cases import (
    Base,
    Case,
    Outcome,
    alive,
    answered,
    cases,
    no_child,
    no_sa,
    refused,
    silent,
)
from fynx_scapy.iana import ExchangeType, name_of
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_Delete, IKEv2_IDi, IKEv2_Nonce

UNKNOWN = 240
TYPES = sorted({*(int(kind.exchange_type) for kind in responders()), *map(int, ExchangeType), UNKNOWN} - {0})
"""The exchange types that rules know, all others of the registry, and one that is private."""

CONTENT: dict[int, tuple[Packet, ...]] = {
    ExchangeType.IKE_AUTH: (IKEv2_IDi(IDtype=2, ID=b"mallory"), IKEv2_AUTH(auth_type=2, load=bytes(32))),
    ExchangeType.CREATE_CHILD_SA: (IKEv2_Nonce(nonce=bytes(32)),),
    ExchangeType.INFORMATIONAL: (IKEv2_Delete(proto="IKE", SPI=[]),),
}
"""What the requests hold; the others hold nothing."""


def phases(number: int) -> set[Phase]:
    """The phases in which an exchange may begin, as the exchanges' own classes say; none if there is no class."""
    return {kind.phase for kind in responders() if kind.exchange_type == number}


def belongs(number: int, *, connecting: bool) -> bool:
    """Whether an exchange may begin before, or after, both ends are authenticated."""
    allowed = phases(number)
    return Phase.ANY in allowed or (Phase.BEFORE_AUTH if connecting else Phase.ESTABLISHED) in allowed


def ask(number: int) -> Callable[[Session, float], object]:
    """A step: a request of that type."""
    return lambda s, t: s.request(number, *CONTENT.get(number, ()), timeout=t)


def word(number: int) -> str:
    """The exchange type in a name."""
    return name_of(ExchangeType, number).lower().replace(" ", "_") if number in set(ExchangeType) else f"type_{number}"


def after_init(_run: Run, s: Session) -> None:
    """IKE_SA_INIT is done."""
    s.sa_init()


def before_auth() -> Iterator[Case]:
    """After IKE_SA_INIT, before IKE_AUTH: whatever is protected and no IKE_AUTH is refused, and nothing is set up."""
    for number in TYPES:
        if belongs(number, connecting=True) and number != ExchangeType.INFORMATIONAL:
            continue
        base = Base(
            name=f"{word(number)} before IKE_AUTH", exchange=number, start=ask(number), prepare=after_init,
            provoke=lambda peer: peer.initiate(), established=False,
        )  # fmt: skip
        yield Case(
            f"{word(number)}_before_auth", base=base, then=(refused() | silent()) & no_child() & no_sa(),
            requirements=("7296-1-01", "7296-1-i03"), severity="critical",
            suites=("cve",) if number == ExchangeType.INFORMATIONAL else (),  # CVE-2019-12312
        )  # fmt: skip
    base = Base(
        name="CREATE_CHILD_SA before IKE_AUTH", exchange=ExchangeType.CREATE_CHILD_SA, prepare=after_init,
        start=lambda s, t: s.create_child(timeout=t), provoke=lambda peer: peer.initiate(), established=False,
    )  # fmt: skip
    yield Case(
        "child_sa_before_auth", base=base, then=(refused() | silent()) & no_child() & no_sa(),
        requirements=("7296-1-01", "7296-1-i03"), severity="critical", suites=("cve",),
        source="CVE-2026-78135; RFC 7296 section 1",
        what="A whole and right request for a Child SA after IKE_SA_INIT gets none before both ends are authenticated.",
    )  # fmt: skip


def established() -> Iterator[Case]:
    """In an established IKE SA: what belongs to its beginning, or continues nothing, is refused."""
    for number in TYPES:
        if belongs(number, connecting=False) and number != ExchangeType.IKE_FOLLOWUP_KE:
            continue
        base = Base(
            name=f"{word(number)} once established", exchange=number, start=ask(number),
            provoke=lambda peer: peer.liveness(),
        )  # fmt: skip
        then: Outcome = refused() | silent()
        if number == ExchangeType.IKE_FOLLOWUP_KE:
            then = (answered("STATE_NOT_FOUND", protected=True) | answered("INVALID_SYNTAX")) & alive()
        yield Case(
            f"{word(number)}_once_established", base=base, then=then & no_child(),
            roles=BOTH, requirements=("7296-1-01",), severity="high",
            source="RFC 9370 section 2.2.4" if number == ExchangeType.IKE_FOLLOWUP_KE else "",
        )  # fmt: skip


cases(__name__, [*before_auth(), *established()])
