# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_AUTH without a Child SA (RFC 6023)."""

from __future__ import annotations

import pytest

from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.events import IkeSaFailed, MessageReceived, MessageSent
from fynx_scapy.ike.sa import State
from fynx_scapy.ike.terms.cp import ConfigReply, ConfigRequest
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDi, IKEv2_IDr, IKEv2_SA, IKEv2_TSi, IKEv2_TSr
from tests.ike.pair import Pair, alice, bob

OF_CHILD = (IKEv2_SA, IKEv2_TSi, IKEv2_TSr)


def strip(message) -> None:
    message.payloads[:] = [p for p in message.payloads if type(p) not in OF_CHILD]


def test_an_ike_sa_comes_up_alone_and_takes_a_child_sa_later():
    pair = Pair(bob(childless=True))
    # <--  HDR, SAr1, KEr, Nr, N(CHILDLESS_IKEV2_SUPPORTED)
    # HDR, SK {IDi, IDr, AUTH}  -->   <--  HDR, SK {IDr, AUTH}
    sa = pair.connect(alice(children=()))
    announced = pair.of("alice", MessageReceived)[0]
    assert [p.proto for p in announced.payloads if getattr(p, "type", 0) == 16418] == [1]
    assert [type(p) for p in pair.of("bob", MessageReceived)[-1].payloads] == [IKEv2_IDi, IKEv2_IDr, IKEv2_AUTH]
    assert [type(p) for p in pair.of("alice", MessageReceived)[-1].payloads] == [IKEv2_IDr, IKEv2_AUTH]
    assert sa.established
    assert pair.bobs.established
    assert not pair.alice.children
    exchange = sa.create_child(ChildConfig())
    pair.network.run()
    assert exchange.error is None
    assert len(sa.children) == 1


def test_an_initiator_does_not_do_it_unannounced():
    pair = Pair(bob())
    sa = pair.connect(alice(children=()))
    assert sa.state is State.CLOSED
    assert "CHILDLESS_IKEV2_SUPPORTED" in pair.of("alice", IkeSaFailed)[0].reason
    assert len(pair.of("alice", MessageSent)) == 1


def test_a_responder_that_does_not_support_it_answers_invalid_syntax():
    pair = Pair(bob())
    pair.alice.taps.add("payloads", strip, when=lambda m: m.encrypted)
    sa = pair.connect()
    # RFC 6023 section 3
    assert pair.of("alice", IkeSaFailed)[0].notify_type == NotifyType.INVALID_SYNTAX
    assert sa.state is State.CLOSED
    assert not pair.bobs.established


def test_a_responder_answers_a_request_with_a_child_sa_as_ever():
    pair = Pair(bob(childless=True))
    # "Such a responder MUST NOT reply with a modified IKE_AUTH response if the initiator did not send" one
    assert pair.connect().children


def test_a_part_of_a_child_sa_is_not_childless():
    pair = Pair(bob(childless=True))
    pair.alice.taps.add(
        "payloads",
        lambda m: m.payloads.__setitem__(slice(None), [p for p in m.payloads if type(p) is not IKEv2_TSr]),
        when=lambda m: m.encrypted,
    )
    pair.connect()
    assert pair.of("alice", IkeSaFailed)[0].notify_type == NotifyType.INVALID_SYNTAX


def test_an_address_can_be_had_without_a_child_sa():
    pair = Pair(bob(childless=True, cp_reply=ConfigReply(pool=("10.3.0.0/24",))))
    sa = pair.connect(alice(children=(), cp_request=ConfigRequest()))
    assert sa.settings.addresses == ("10.3.0.1",)


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_the_wrong_key_fails_without_a_child_sa_too(who):
    pair = Pair(bob(childless=True, auth="other"))
    pair.connect(alice(children=()))
    assert pair.of(who, IkeSaFailed)
