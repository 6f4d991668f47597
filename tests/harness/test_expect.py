# SPDX-License-Identifier: GPL-2.0-or-later
"""Expectations: silent when met, and clear about both sides when not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scapy.layers.inet import ICMP, IP

from fynx_scapy.errors import FynxError, LocalError
from fynx_scapy.events import (
    ChildSaInstalled,
    IkeSaEstablished,
    KeysDerived,
    MessageReceived,
    MessageSent,
    PeerDead,
    SaDeleted,
)
from fynx_scapy.harness import ExpectationFailed, Run, Scenario, Verdict, expect, run
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_AUTH, IKEv2_KE, IKEv2_Nonce, IKEv2_SA
from fynx_scapy.net.memory import Network
from fynx_scapy.session import Session


def refused(expectation: Callable[[], object]) -> str:
    with pytest.raises(ExpectationFailed) as caught:
        expectation()
    assert isinstance(caught.value, AssertionError)
    assert isinstance(caught.value, FynxError)
    return str(caught.value)


def test_messages() -> None:
    s = Session(seed=1)
    init = s.sa_init()
    expect(init).exchange("IKE_SA_INIT").exchange(34).response().message_id(0).has(IKEv2_SA, IKEv2_KE, IKEv2_Nonce)
    expect(init).has(IKEv2_KE, group=31).lacks(IKEv2_AUTH).notifies("NAT_DETECTION_SOURCE_IP")
    assert refused(lambda: expect(init).exchange("IKE_AUTH")) == "expected a message of IKE_AUTH, found IKE_SA_INIT"
    assert refused(lambda: expect(init).message_id(4)) == "expected message ID 4, found 0"
    assert refused(lambda: expect(init).has(IKEv2_AUTH)) == (
        "expected IKEv2_AUTH in the packet, found SA, KE, Nr, N(NAT_DETECTION_SOURCE_IP), "
        "N(NAT_DETECTION_DESTINATION_IP), N(IKEV2_FRAGMENTATION_SUPPORTED), N(SIGNATURE_HASH_ALGORITHMS)"
    )
    assert refused(lambda: expect(init).has(IKEv2_KE, group=19)) == "expected IKEv2_KE.group = 19, found 31"
    assert "no IKEv2_SA" in refused(lambda: expect(init).lacks(IKEv2_SA))
    assert "expected N(COOKIE), found SA, KE" in refused(lambda: expect(init).notifies("COOKIE"))
    assert refused(lambda: expect(IKEv2()).response()) == "expected a response, found a request"
    assert "expected no payloads, found SA" in refused(lambda: expect(init).empty())
    expect(init).notify_data("NAT_DETECTION_SOURCE_IP").holds()
    s.auth()
    expect(s.liveness()).empty()


def test_other_packets() -> None:
    expect(IP() / ICMP(type=8)).has(IP, ICMP, type=8).lacks(IKEv2)
    assert "IKEv2 in the packet" in refused(lambda: expect(IP() / ICMP()).has(IKEv2))


def test_events() -> None:
    s = Session(seed=1)
    s.connect()
    expect(s.events).has(IkeSaEstablished).has(IkeSaEstablished, times=2).lacks(PeerDead)
    expect(s.events).at("responder").has(IkeSaEstablished, times=1, initiator=False, local_id="bob")
    assert "expected PeerDead(), found 0 such among []" in refused(lambda: expect(s.events).has(PeerDead))
    text = refused(lambda: expect(s.events).has(IkeSaEstablished, times=1))
    assert text.startswith("expected IkeSaEstablished() 1 times, found 2 such among [IkeSaEstablished(")
    assert "ChildSaInstalled(esn=True), found 0" in refused(lambda: expect(s.events).has(ChildSaInstalled, esn=True))
    expect(s.events).at("initiator").sent(0).exchange("IKE_SA_INIT").has(IKEv2_SA)
    expect(s.events).at("initiator").sent(-1).exchange("IKE_AUTH").has(IKEv2_AUTH)
    assert "found 2 messages sent" in refused(lambda: expect(s.events).at("initiator").sent(2))
    expect([]).lacks(PeerDead)


def test_no_expectation_shows_a_key() -> None:
    s = Session(seed=1)
    s.connect()
    keys = next(event.keys for _, event in s.events if isinstance(event, KeysDerived))
    child = next(event for _, event in s.events if isinstance(event, ChildSaInstalled))
    for kind in (KeysDerived, ChildSaInstalled):
        text = refused(lambda kind=kind: expect(s.events).lacks(kind))  # type: ignore[misc]
        for key in (keys.sk_d, keys.sk_ei, keys.sk_pr, child.encr_key_in, child.encr_key_out):
            assert key.hex() not in text
            assert repr(key)[2:-1] not in text


def test_values() -> None:
    expect(5, "size").equals(5).between(1, 5).holds()
    expect([1, 2]).contains(2).excludes(3)
    expect(None).fails()
    assert refused(lambda: expect(5, "size").equals(6)) == "expected size 6, found 5"
    assert refused(lambda: expect(5, "size").between(6, 9)) == "expected size between 6 and 9, found 5"
    assert refused(lambda: expect("ab", "word").contains("c")) == "expected word with 'c' in it, found 'ab'"
    assert refused(lambda: expect("ab", "word").excludes("a")) == "expected word without 'a', found 'ab'"
    assert refused(lambda: expect(0, "the same keys").holds()) == "expected the same keys to hold, found 0"
    assert refused(lambda: expect(1, "leftovers").fails()) == "expected nothing of leftovers, found 1"


def test_calls() -> None:
    def complain() -> None:
        raise LocalError("no Child SA takes it")

    error = expect(complain).raises(LocalError, "Child SA")
    assert isinstance(error, LocalError)
    assert (
        refused(lambda: expect(lambda: 7).raises(LocalError))
        == "expected LocalError, but nothing was raised; the call returned 7"
    )
    assert "found 'no Child SA takes it'" in refused(lambda: expect(complain).raises(LocalError, "IKE SA"))
    with pytest.raises(LocalError):  # another error than the one expected passes through
        expect(complain).raises(ZeroDivisionError)


def test_events_that_were_let_go_are_not_counted_as_absent() -> None:
    s = Session(psk="secret", seed=1, network=Network(seed=1, history=12))
    s.connect()
    for _ in range(10):
        s.liveness()
    assert s.network.events.dropped["MessageReceived"]
    text = refused(lambda: expect(s.events).lacks(MessageReceived, encrypted=False))
    assert "expected every MessageReceived to be kept" in text
    assert "that were dropped" in text
    assert "were dropped" in refused(lambda: expect(s.events).at("responder").lacks(MessageReceived, encrypted=False))
    expect(s.events).has(MessageReceived).lacks(PeerDead)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            lambda s, a: expect(s.events).lacks(SaDeleted, child_spiz=(1,)),
            r"SaDeleted has no field 'child_spiz'.*child_spis",
        ),
        (
            lambda s, a: expect(s.events).has(SaDeleted, child_spiz=(1,)),
            "it has by_peer, child_spis, code, reason, spi_i",
        ),
        (lambda s, a: expect(s.events).has(IkeSaEstablished, times=1, remote_ident="bob"), r"did you mean remote_id\?"),
        (lambda s, a: expect(s.events).lacks(PeerDead, time_=1), "PeerDead has no field 'time_'"),
        (lambda s, a: expect(s.events).lacks(IKEv2_SA), "expected an event class such as IkeSaEstablished"),
        (
            lambda s, a: expect(s.events).at("respnder").lacks(PeerDead),
            r"expected the name of an endpoint \(initiator, responder\), found 'respnder",
        ),
        (lambda s, a: expect(a).has(IKEv2_KE, grop=31), r"IKEv2_KE has no field 'grop' \(did you mean group\?\)"),
        (lambda s, a: expect(a).has(IKEv2_SA, nonce=b""), "IKEv2_SA has no field 'nonce'"),
        (lambda s, a: expect(a).has(group=31), "expected a layer class that has the fields group"),
        (lambda s, a: expect(a).has(PeerDead), "expected a layer class"),
        (lambda s, a: expect(a).lacks(PeerDead), "expected a layer class"),
        (lambda s, a: expect(a).lacks("IKEv2_SA"), "expected a layer class"),  # type: ignore[arg-type]
    ],
)
def test_a_mistake_in_an_expectation_is_no_expectation_met(
    wrong: Callable[[Session, IKEv2], object], words: str
) -> None:
    s = Session(psk="x", seed=1)
    answer = s.sa_init()
    s.auth()
    with pytest.raises(LocalError, match=words):
        wrong(s, answer)


def test_fields_that_are_properties_and_ends_where_nothing_has_happened() -> None:
    s = Session(psk="x", seed=1)
    answer = s.sa_init()
    expect(s.events).has(MessageSent, encrypted=False).at("responder").has(MessageReceived, encrypted=False)
    expect(answer).has(IKEv2, exch_type=34).has(IKEv2_SA, malformed=None)
    expect([("alice", event) for _, event in s.events]).at("alice").at("responder").lacks(MessageSent)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            lambda s: expect(s.events).lakcs(SaDeleted),
            r"EventExpectations has no expectation 'lakcs' \(did you mean lacks\?\); it has at, ",
        ),
        (
            lambda s: expect(s.sa_init()).notfies("COOKIE"),
            r"MessageExpectations has no expectation 'notfies'.*notifies",
        ),
        (
            lambda s: expect(s.sa_init()).equals(3),
            "MessageExpectations has no expectation 'equals'; it has empty, exchange",
        ),
        (lambda s: expect(3).equal(3), "ValueExpectations has no expectation 'equal'"),  # type: ignore[attr-defined]
        (lambda s: expect(lambda: 3).equals(3), "CallExpectations has no expectation 'equals'; it has raises"),  # type: ignore[attr-defined]
    ],
)
def test_an_expectation_that_there_is_not_names_those_that_there_are(
    wrong: Callable[[Session], object], words: str
) -> None:
    with pytest.raises(AttributeError, match=words):
        wrong(Session(psk="x", seed=1))


def test_a_mistake_in_a_scenario_is_an_error_and_no_failure() -> None:
    def body(run: Run) -> None:
        """A scenario with a mistake in it."""
        expect(run.session().events).lacks(SaDeleted, child_spiz=(1,))

    result = run(Scenario("mistake", "RFC 7296", (), body, __name__))
    assert (result.verdict, "child_spis" in result.reason) == (Verdict.ERROR, True)
