# SPDX-License-Identifier: GPL-2.0-or-later
"""Expectations: silent when met, and clear about both sides when not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scapy.layers.inet import ICMP, IP

from fynx_scapy.errors import FynxError, LocalError
from fynx_scapy.harness import ExpectationFailed, expect
from fynx_scapy.ike.events import ChildSaInstalled, IkeSaEstablished, KeysDerived, MessageReceived, PeerDead
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
        "N(NAT_DETECTION_DESTINATION_IP), N(IKEV2_FRAGMENTATION_SUPPORTED)"
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
    assert refused(lambda: expect(lambda: 7).raises(LocalError)) == "expected LocalError, found no error but 7"
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
    assert "that were let go" in text
    assert "let go" in refused(lambda: expect(s.events).at("responder").lacks(MessageReceived, encrypted=False))
    expect(s.events).has(MessageReceived).lacks(PeerDead)
