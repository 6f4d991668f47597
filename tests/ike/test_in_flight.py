# SPDX-License-Identifier: GPL-2.0-or-later
"""The answer to a request that comes while a request of one's own is in flight (RFC 7296 sections 2.25.1, 2.25.2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId
from fynx_scapy.ike.config import Retransmission
from fynx_scapy.ike.core.exchange import Exchange
from fynx_scapy.ike.events import ChildSaRekeyed, IkeSaRekeyed, MessageReceived
from fynx_scapy.ike.message import Datagram, Header, Outgoing, notify
from fynx_scapy.ike.sa import IkeSa, State
from fynx_scapy.layers.ikev2 import IKEv2_Delete, IKEv2_KE, IKEv2_Nonce, IKEv2_Notify, IKEv2_SA
from tests.ike.pair import Pair, alice, bob
from tests.ike.test_protection import sealed

RESPONSE = 0x20
BUSY = ["N(TEMPORARY_FAILURE)"]
NEW_CHILD = ["SA", "Nonce", "TSi", "TSr"]
NEW_IKE = ["SA", "Nonce", "KE"]
BOTH = pytest.mark.parametrize("asks", ["alice", "bob"])
Step = Callable[[IkeSa], Exchange]


def rekey_child(sa: IkeSa) -> Exchange:
    return sa.rekey_child(*sa.children.values())


def delete_child(sa: IkeSa) -> Exchange:
    return sa.delete_child(*sa.children.values())


class Crossing:
    """``asks`` has a request in flight that does not arrive. The other end, unaware, sends its own."""

    def __init__(self, asks: str, own: Step, theirs: Step) -> None:
        self.pair = Pair(bob(retransmission=Retransmission(timeout=100.0)))
        ends = {"alice": self.pair.connect(alice(retransmission=Retransmission(timeout=100.0))), "bob": self.pair.bobs}
        self.sa = ends.pop(asks)
        ((self.other_name, self.other),) = ends.items()
        self.held: list[Datagram] = []
        self.away = self.pair.network.intercept(self.hold)
        self.own = self.begin(self.sa, own)
        begun = self.begin(self.other, theirs)
        self.pair.network.run(self.pair.network.now + 0.5)
        assert self.held
        assert begun.answer is not None
        self.answer = [said(payload) for payload in begun.answer.payloads]

    def begin(self, sa: IkeSa, step: Step) -> Exchange:
        sa.endpoint.now = self.pair.network.now
        return step(sa)

    def hold(self, _now: float, datagram: Datagram) -> list[Datagram] | None:
        if datagram.local.host != self.sa.endpoint.host or datagram.data[19] & RESPONSE:
            return None
        self.held.append(datagram)
        return []


def said(payload: object) -> str:
    if isinstance(payload, IKEv2_Notify):
        return f"N({NotifyType(payload.type).name})"
    if isinstance(payload, IKEv2_Delete):
        return f"D({ProtocolId(payload.proto).name}, {len(payload.SPI)})"
    return type(payload).__name__.removeprefix("IKEv2_")


@BOTH
@pytest.mark.requirements("7296-2.25.1-01", negative=True)
def test_a_child_sa_that_is_being_closed_is_not_rekeyed(asks: str) -> None:
    # HDR, SK {D(ESP)}  --X      <--  HDR, SK {N(REKEY_SA), …}   HDR, SK {N(TEMPORARY_FAILURE)}  -->
    found = Crossing(asks, delete_child, rekey_child)
    assert found.answer == BUSY
    assert not found.pair.of(asks, ChildSaRekeyed)


@BOTH
@pytest.mark.requirements("7296-2.25.1-04", "7296-1.4.1-05", negative=True)
def test_a_child_sa_that_is_being_closed_is_closed_without_a_delete_payload(asks: str) -> None:
    # HDR, SK {D(ESP)}  --X      <--  HDR, SK {D(ESP)}   HDR, SK {}  -->
    found = Crossing(asks, delete_child, delete_child)
    assert found.answer == []
    assert not found.other.children


@BOTH
@pytest.mark.requirements("7296-2.25.1-02", negative=True)
def test_a_child_sa_that_is_being_rekeyed_is_rekeyed_as_usual(asks: str) -> None:
    found = Crossing(asks, rekey_child, rekey_child)
    assert found.answer == NEW_CHILD
    assert [event.by_peer for event in found.pair.of(asks, ChildSaRekeyed)] == [True]


@BOTH
@pytest.mark.requirements("7296-2.25.1-05", negative=True)
def test_a_child_sa_that_is_being_rekeyed_is_closed_as_usual(asks: str) -> None:
    # HDR, SK {N(REKEY_SA), …}  --X      <--  HDR, SK {D(ESP)}   HDR, SK {D(ESP)}  -->
    found = Crossing(asks, rekey_child, delete_child)
    assert found.answer == ["D(ESP, 1)"]


@BOTH
@pytest.mark.parametrize("own", [IkeSa.create_child, rekey_child, delete_child])
@pytest.mark.requirements("7296-2.25.1-07", "7296-2.25-01", negative=True)
def test_an_ike_sa_with_a_child_sa_in_the_making_is_not_rekeyed(asks: str, own: Step) -> None:
    found = Crossing(asks, own, IkeSa.rekey)
    assert found.answer == BUSY
    assert not found.pair.of(asks, IkeSaRekeyed)


@BOTH
@pytest.mark.requirements("7296-2.25.2-01", negative=True)
def test_an_ike_sa_that_is_being_rekeyed_is_rekeyed_as_usual(asks: str) -> None:
    found = Crossing(asks, IkeSa.rekey, IkeSa.rekey)
    assert found.answer == NEW_IKE


@BOTH
@pytest.mark.requirements("7296-2.25.2-02", negative=True)
def test_an_ike_sa_that_is_being_closed_is_not_rekeyed(asks: str) -> None:
    found = Crossing(asks, IkeSa.delete_ike, IkeSa.rekey)
    assert found.answer == BUSY
    assert not found.pair.of(asks, IkeSaRekeyed)


@BOTH
@pytest.mark.requirements("7296-2.25.2-03", negative=True)
def test_a_rekey_is_forgotten_when_the_ike_sa_is_closed(asks: str) -> None:
    # HDR, SK {SA, Ni, KEi}  --X      <--  HDR, SK {D(IKE)}   HDR, SK {}  -->
    found = Crossing(asks, IkeSa.rekey, IkeSa.delete_ike)
    assert found.answer == []
    found.away()
    found.pair.network.run(found.pair.network.now + 300)
    assert found.sa.state is State.CLOSED
    assert found.sa.successor is None
    assert not found.pair.of(asks, IkeSaRekeyed)
    assert not any(sa.established for end in (found.pair.alice, found.pair.bob) for sa in end.sas.values())


@BOTH
@pytest.mark.requirements("7296-2.25.2-04", "7296-1.4.1-i04", negative=True)
def test_an_ike_sa_that_is_being_closed_is_closed_as_usual(asks: str) -> None:
    # HDR, SK {D(IKE)}  --X      <--  HDR, SK {D(IKE)}   HDR, SK {}  -->
    found = Crossing(asks, IkeSa.delete_ike, IkeSa.delete_ike)
    assert found.answer == []
    assert found.other.state is State.CLOSED


@BOTH
@pytest.mark.parametrize("theirs", [IkeSa.create_child, rekey_child])
@pytest.mark.requirements("7296-2.25.2-05", "7296-2.25-01", negative=True)
def test_an_ike_sa_that_is_being_rekeyed_takes_no_child_sa(asks: str, theirs: Step) -> None:
    found = Crossing(asks, IkeSa.rekey, theirs)
    assert found.answer == BUSY
    assert len(found.sa.children) == 1


@BOTH
@pytest.mark.requirements("7296-2.25.2-06", negative=True)
def test_an_ike_sa_that_is_being_rekeyed_lets_a_child_sa_go_as_usual(asks: str) -> None:
    # HDR, SK {SA, Ni, KEi}  --X      <--  HDR, SK {D(ESP)}   HDR, SK {D(ESP)}  -->
    found = Crossing(asks, IkeSa.rekey, delete_child)
    assert found.answer == ["D(ESP, 1)"]


@BOTH
@pytest.mark.requirements("7296-2.3-04")
def test_a_request_is_answered_while_one_of_our_own_is_outstanding(asks: str) -> None:
    # HDR, SK {}  --X      <--  HDR, SK {}   HDR, SK {}  -->
    found = Crossing(asks, IkeSa.liveness, IkeSa.liveness)
    assert found.answer == []
    assert found.pair.of(found.other_name, MessageReceived)[-1].encrypted


def refuse(message: Outgoing) -> None:
    message.payloads[:] = [notify(NotifyType.TEMPORARY_FAILURE)]


@BOTH
@pytest.mark.parametrize("own", [rekey_child, IkeSa.create_child])
@pytest.mark.requirements("7296-2.25-04", negative=True)
def test_temporary_failure_for_minutes_closes_the_ike_sa(asks: str, own: Step) -> None:
    pair = Pair()
    ends = {"alice": pair.connect(), "bob": pair.bobs}
    sa = ends.pop(asks)
    (other,) = ends.values()
    other.endpoint.taps.add("payloads", refuse, when=lambda m: m.header.exch_type == ExchangeType.CREATE_CHILD_SA)
    sa.endpoint.now = pair.network.now
    own(sa)
    # HDR, SK {…}  -->   <--  HDR, SK {N(TEMPORARY_FAILURE)}     again and again
    pair.network.run(sa.config.retry_limit - 5)
    assert sa.established
    # HDR, SK {D(IKE)}  -->   <--  HDR, SK {}
    pair.network.run(sa.config.retry_limit + 60)
    assert (sa.state, other.state) == (State.CLOSED, State.CLOSED)


@BOTH
@pytest.mark.requirements("7296-2.8.2-02", negative=True)
def test_an_ike_sa_that_was_rekeyed_is_not_rekeyed_again(asks: str) -> None:
    pair = Pair()
    ends = {"alice": pair.connect(), "bob": pair.bobs}
    sa = ends.pop(asks)
    (other,) = ends.values()
    # HDR, SK {SA, Ni, KEi}  -->   <--  HDR, SK {SA, Nr, KEr}      HDR, SK {D(IKE)}  --X
    pair.network.intercept(lambda now, d: [] if d.data[18] == ExchangeType.INFORMATIONAL else None)
    sa.endpoint.now = pair.network.now
    sa.rekey()
    pair.network.run(pair.network.now + 0.3)
    assert sa.successor is not None
    # <--  HDR, SK {SA, Ni, KEi}   of a peer that did not notice it
    proposal = sa.config.proposals[0].layer(1, b"new SPI!")
    asked = [IKEv2_SA(prop=[proposal]), IKEv2_Nonce(nonce=bytes(range(32))), IKEv2_KE(group=31, ke=bytes(range(32)))]
    request = sealed(other, ExchangeType.CREATE_CHILD_SA, False, sa.answers.expected, *asked)
    sa.endpoint.receive(request, pair.network.now)
    (answer,) = sa.endpoint.datagrams()
    # HDR, SK {N(TEMPORARY_FAILURE)}  -->
    message = other.fragments.open(answer.turned(), Header.parse(answer.data))
    assert [said(payload) for payload in message.payloads] == BUSY


@pytest.mark.requirements("7296-2.4-i03", negative=True)
def test_a_second_response_is_ignored() -> None:
    pair = Pair()
    sa, other = pair.connect(), pair.bobs
    exchange = sa.liveness()
    # HDR, SK {}  -->   <--  HDR, SK {}
    pair.network.run()
    assert exchange.answer is not None
    # <--  HDR, SK {D(IKE)}   with the same message ID
    late = sealed(other, ExchangeType.INFORMATIONAL, True, 2, IKEv2_Delete(proto=ProtocolId.IKE))
    heard = len(pair.of("alice", MessageReceived))
    pair.alice.receive(late, pair.network.now)
    pair.network.run()
    assert len(pair.of("alice", MessageReceived)) == heard
    assert sa.established
    assert exchange.answer.payloads == []
