# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests that cross (RFC 7296 sections 2.8.1, 2.8.2 and 2.25): the peer has begun an exchange when ours arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fynx_scapy import Session
from fynx_scapy.harness import BOTH, Run, expect
from fynx_scapy.harness.cases import (
    Base,
    Case,
    Outcome,
    Seen,
    alive,
    answered,
    carries,
    case,
    cases,
    deletes,
    judged,
    no_child,
    refused,
    silent,
)
from fynx_scapy.harness.verbs import insert_notify, send_again
from fynx_scapy.iana import ExchangeType
from fynx_scapy.layers.ikev2 import IKEv2_Delete
from fynx_scapy.taps import RESPONSE, Datagram, DatagramKind, Delayed, Outgoing

CREATE, INFORMATIONAL = ExchangeType.CREATE_CHILD_SA, ExchangeType.INFORMATIONAL
HELD = 0.2
"""Seconds."""


def begun(provoke: Callable[[Any], object]) -> Callable[[Run, Session], None]:
    """The peer has begun an exchange. Its request has not reached us when ours leaves.

    Our answer to it leaves later than ours: a peer with several threads may take two datagrams of the same moment in
    either order, and after our answer nothing crosses any more.
    """

    def prepare(run: Run, s: Session) -> None:
        run.establish(s)
        s.tap("datagrams", held_back, lambda message: bool(int(message.header.flags) & RESPONSE))
        provoke(run.driver(s))
        run.driver(s).begun()

    return prepare


def held_back(_message: Outgoing, datagrams: list[Datagram], _attempt: int) -> list[Delayed]:
    """A tap: the peer has answered our request before."""
    return [Delayed(datagram, HELD) for datagram in datagrams]


def crossing(
    name: str, exchange: int, provoke: Callable[[Any], object], start: Callable[[Session, float], object]
) -> Base:
    """A base conversation in which our request crosses the peer's."""
    return Base(name=name, exchange=exchange, prepare=begun(provoke), start=start, provoke=lambda peer: peer.liveness())


def _deletes(seen: Seen) -> str | None:
    found = [p for m in seen.to_it if m.encrypted for p in m.payloads if isinstance(p, IKEv2_Delete)]
    return None if found else str(seen)


def _no_delete(seen: Seen) -> str | None:
    right = [m for m in seen.to_it if m.encrypted and m.error is None]
    wrong = [p for m in seen.to_it for p in m.payloads if isinstance(p, IKEv2_Delete)]
    return None if right and not wrong else str(seen)


def _empty(seen: Seen) -> str | None:
    return None if any(m.encrypted and not m.payloads for m in seen.to_it) else str(seen)


WITH_DELETE: Outcome = judged("an answer with Delete", _deletes)
WITHOUT_DELETE: Outcome = judged("an answer without Delete", _no_delete)
EMPTY: Outcome = judged("an empty answer", _empty)
LATER = answered("TEMPORARY_FAILURE", protected=True) & no_child()

rekey_child = lambda s, t: s.rekey_child(timeout=t)  # noqa: E731
rekey_ike = lambda s, t: s.rekey_ike(timeout=t)  # noqa: E731
create_child = lambda s, t: s.create_child(timeout=t)  # noqa: E731
delete_child = lambda s, t: s.delete(s.child, timeout=t)  # noqa: E731
delete_ike = lambda s, t: s.delete(timeout=t)  # noqa: E731
liveness = lambda s, t: s.liveness(timeout=t)  # noqa: E731

cases(
    __name__,
    [
        Case(
            "rekey_of_a_child_being_deleted",
            base=crossing("a rekey while the peer deletes it", CREATE, lambda peer: peer.delete_child(), rekey_child),
            then=(LATER | answered("CHILD_SA_NOT_FOUND") | refused()) & no_child() & alive(),
            requirements=("7296-2.25.1-01",),
        ),
        Case(
            "deletes_of_a_child_cross",
            base=crossing(
                "a Delete while the peer deletes it", INFORMATIONAL, lambda peer: peer.delete_child(), delete_child,
            ),
            then=WITHOUT_DELETE & alive(), requirements=("7296-1.4.1-05", "7296-2.25.1-04"), severity="high",
        ),
        Case(
            "delete_of_a_child_being_rekeyed",
            base=crossing(
                "a Delete while the peer rekeys it", INFORMATIONAL, lambda peer: peer.rekey_child(), delete_child,
            ),
            then=WITH_DELETE & alive(), requirements=("7296-2.25.1-05",),
        ),
        Case(
            "ike_rekey_while_a_child_is_created",
            base=crossing("an IKE rekey while the peer creates", CREATE, lambda peer: peer.create_child(), rekey_ike),
            then=LATER & alive(), requirements=("7296-2.25.1-07", "7296-2.25-01"), severity="high",
        ),
        Case(
            "ike_rekey_while_a_child_is_rekeyed",
            base=crossing("an IKE rekey while the peer rekeys", CREATE, lambda peer: peer.rekey_child(), rekey_ike),
            then=LATER & alive(), requirements=("7296-2.25.1-07", "7296-2.25-01"), severity="high",
        ),
        Case(
            "ike_rekey_while_a_child_is_deleted",
            base=crossing("an IKE rekey while the peer deletes", CREATE, lambda peer: peer.delete_child(), rekey_ike),
            then=LATER & alive(), requirements=("7296-2.25.1-07",), severity="high",
        ),
        Case(
            "child_while_the_ike_sa_is_rekeyed",
            base=crossing("a Child SA while the peer rekeys", CREATE, lambda peer: peer.rekey_ike(), create_child),
            then=LATER & alive(), requirements=("7296-2.25.2-05",), severity="high",
        ),
        Case(
            "child_rekey_while_the_ike_sa_is_rekeyed",
            base=crossing("a rekey while the peer rekeys", CREATE, lambda peer: peer.rekey_ike(), rekey_child),
            then=LATER & alive(), requirements=("7296-2.25.2-05",), severity="high",
        ),
        Case(
            "ike_rekey_while_the_ike_sa_is_deleted",
            base=crossing("an IKE rekey while the peer ends it", CREATE, lambda peer: peer.delete_ike(), rekey_ike),
            then=LATER | (silent() & deletes()), requirements=("7296-2.25.2-02",),
        ),
        Case(
            "ike_delete_while_the_ike_sa_is_rekeyed",
            base=crossing("a Delete while the peer rekeys", INFORMATIONAL, lambda peer: peer.rekey_ike(), delete_ike),
            then=EMPTY, requirements=("7296-2.25.2-03",), severity="high",
        ),
        Case(
            "ike_deletes_cross",
            base=crossing("a Delete while the peer ends it", INFORMATIONAL, lambda peer: peer.delete_ike(), delete_ike),
            then=EMPTY, requirements=("7296-2.25.2-04",), severity="high",
        ),
        Case(
            "child_delete_while_the_ike_sa_is_rekeyed",
            base=crossing(
                "a Delete of a child while the peer rekeys", INFORMATIONAL, lambda peer: peer.rekey_ike(), delete_child,
            ),
            then=WITH_DELETE, requirements=("7296-2.25.2-06",), severity="high",
        ),
        Case(
            "liveness_while_the_ike_sa_is_rekeyed",
            base=crossing("liveness while the peer rekeys", INFORMATIONAL, lambda peer: peer.rekey_ike(), liveness),
            then=EMPTY & alive(), requirements=("7296-1.4-04",),
        ),
        Case(
            "liveness_while_a_child_is_rekeyed",
            base=crossing(
                "liveness while the peer rekeys a child", INFORMATIONAL, lambda peer: peer.rekey_child(), liveness,
            ),
            then=EMPTY & alive() & carries(), requirements=("7296-1.4-04",),
        ),
        Case(
            "peer_rekey_refused_for_now", base="rekey_child", at="response",
            do=insert_notify("TEMPORARY_FAILURE", at=0) + send_again(1), then=alive(), severity="high",
            requirements=("7296-2.25-02",), suites=("crash",),
        ),
    ],
)  # fmt: skip


@case(requirements=("7296-2.8.2-i01",), roles=BOTH, live=False, severity="high")
def ike_rekey_of_the_peer_not_noticed(run: Run) -> None:
    """The peer's rekey of the IKE SA crosses ours, and is lost. Then: our Delete ends its attempt, and nothing else."""
    s = run.session()
    run.establish(s)
    here = s.sa.local.host

    def lose(_now: float, datagram: Datagram) -> list[Datagram] | None:
        request = datagram.data[18] == CREATE and not datagram.data[19] & RESPONSE
        return [] if request and datagram.local.host != here and datagram.kind is DatagramKind.IKE else None

    remove = s.network.intercept(lose)
    run.driver(s).rekey_ike()
    s.rekey_ike()
    s.network.run()
    remove()
    expect(len([sa for sa in s.peer.sas.values() if sa.established]), "IKE SAs of the peer").equals(1)
    s.liveness()
    s.ping()
