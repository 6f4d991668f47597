# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run against a live peer must not claim: a PASS that shows nothing, a failure that is a lost datagram."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from fynx_scapy.harness import Result, Role, Run, Scenario, Verdict, expect
from fynx_scapy.harness.campaign import Campaign
from fynx_scapy.harness.cases import Case, accepted, answered, cases, no_child, no_sa, refused, silent, survives
from fynx_scapy.harness.plan import plan
from fynx_scapy.harness.subject import Subject
from fynx_scapy.harness.target import Target
from fynx_scapy.harness.verbs import NOTHING, drop, lose, set_header, spoil_auth
from fynx_scapy.iana import ExchangeType
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.layers.ikev2 import IKEv2_Notify
from tests.harness.peers import Bob, bob, made, target

pytestmark = pytest.mark.slow  # over UDP, in real time

SPOILT, VERSION, QUIET = cases(
    __name__,
    [
        Case("spoilt", base="auth", do=spoil_auth(), then=no_sa(), source="RFC 7296 section 2.15"),
        Case("version", base="init", do=set_header(version=0x30), then=answered(), source="RFC 7296 section 2.5"),
        Case("quiet", base="init", do=NOTHING, then=silent(), source="RFC 7296 section 1.2"),
    ],
)


@pytest.fixture(scope="module")
def peer() -> Iterator[Bob]:
    with bob() as made_:
        yield made_


def run(scenario: Scenario, to: Target) -> Result:
    subject = Subject(to)
    running = Campaign(plan([scenario], [subject.name], [Role.INITIATOR]), [subject])
    running.meet()
    (result,) = running.run()
    return result


@pytest.mark.parametrize(
    ("scenario", "psk", "verdict"),
    [
        (SPOILT, None, Verdict.PASS),
        (SPOILT, "wrong", Verdict.ERROR),  # whatever is in AUTH is refused
        (VERSION, "wrong", Verdict.PASS),  # it needs no IKE_AUTH
    ],
)
def test_a_refusal_shows_nothing_where_all_is_refused(
    peer: Bob, scenario: Scenario, psk: str | None, verdict: Verdict
) -> None:
    to = target(peer.port)
    result = run(scenario, to if psk is None else replace(to, psk=psk))
    assert result.verdict is verdict
    said = "a sane conversation fails as well (IKE_AUTH was answered with AUTHENTICATION_FAILED)"
    assert (said in result.reason) is (verdict is Verdict.ERROR)


def test_a_peer_that_refuses_every_offer_shows_nothing(peer: Bob) -> None:
    result = run(VERSION, replace(target(peer.port), proposals="3des-sha1-modp1024"))
    assert (result.verdict, "NO_PROPOSAL_CHOSEN" in result.reason) == (Verdict.ERROR, True)


def test_a_scenario_without_a_session_shows_nothing(peer: Bob) -> None:
    def idle(run: Run) -> None:
        """Does nothing."""

    result = run(made(idle), target(peer.port))
    assert (result.verdict, "it had no session" in result.reason) == (Verdict.ERROR, True)


def test_a_peer_at_our_own_ip_address_is_heard(peer: Bob) -> None:
    assert run(QUIET, target(peer.port, local="127.0.0.1")).verdict is Verdict.FAIL


def _unheard(run: Run) -> None:
    s = run.session()
    s.client.connect(s.config, s.network.now)  # its one datagram is lost: no step of ours waits for an answer
    expect(len(s.events), "events").equals(-1)


def _no_ping(run: Run) -> None:
    s = run.session()
    s.connect()
    s.tap("parts", lambda message: setattr(message.parts, "spi", 1))  # the peer drops it
    s.ping(timeout=0.05)


@pytest.mark.parametrize("body", [_unheard, _no_ping])
def test_what_may_be_a_lost_datagram_is_tried_again(peer: Bob, body: Callable[[Run], None]) -> None:
    body.__doc__ = "Hears nothing."
    result = run(made(body), target(peer.port))
    assert (result.verdict is Verdict.PASS, len(result.retried)) == (False, 1)


def test_an_answer_to_a_retransmission_is_doubted(peer: Bob) -> None:
    """Nobody knows what the peer would have said to the first datagram: it may have been lost, or the peer busy."""
    (case,) = cases(
        f"{__name__}.lost",
        [Case("lost", base="liveness", do=lose(), then=accepted(), source="RFC 7296 section 2.1")],
    )
    assert len(run(case, target(peer.port)).retried) == 1


REKEY, CHILD, SURVIVAL, LATER = cases(
    f"{__name__}.own",
    [
        Case("rekey", base="rekey_ike", do=NOTHING, then=accepted(), source="RFC 7296 section 2.18"),
        Case("child", base="create_child", do=drop("Ni"), then=refused() & no_child(), source="RFC 7296 section 1.3.1"),
        Case("survival", base="create_child", do=drop("Ni"), then=survives(), source="RFC 7296 section 1.3.1"),
        Case("later", base="create_child", then=answered("NO_ADDITIONAL_SAS"), source="RFC 7296 section 1.3"),
    ],
)


@pytest.mark.parametrize(
    ("scenario", "verdict"),
    [(REKEY, Verdict.FAIL), (CHILD, Verdict.SKIP), (SURVIVAL, Verdict.PASS), (LATER, Verdict.PASS)],
)
def test_a_peer_that_refuses_for_its_own_reason_shows_nothing(peer: Bob, scenario: Scenario, verdict: Verdict) -> None:
    def refuse(message: Outgoing) -> None:
        if int(message.header.exch_type) == ExchangeType.CREATE_CHILD_SA:
            message.payloads[:] = [IKEv2_Notify(type="NO_ADDITIONAL_SAS")]

    with peer.network.lock:
        undo = peer.endpoint.taps.add("payloads", refuse)
    try:
        result = run(scenario, target(peer.port))
    finally:
        with peer.network.lock:
            undo()
    assert (result.verdict, "NO_ADDITIONAL_SAS" in result.reason) == (verdict, verdict is not Verdict.PASS)
