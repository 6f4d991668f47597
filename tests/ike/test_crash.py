# SPDX-License-Identifier: GPL-2.0-or-later
"""Quick crash detection: tokens given inside SK, shown in the clear (RFC 6290)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import CrashDetected, MessageReceived, MessageSent, SaDeleted
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.exchanges.rekey_ike import RekeyIke
from fynx_scapy.ike.extensions import quick_crash
from fynx_scapy.ike.extensions.quick_crash import QuickCrashDetection
from fynx_scapy.ike.message import Address, Datagram, notify
from fynx_scapy.ike.sa import State
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_AUTH, IKEv2_Encrypted, IKEv2_Notify, IKEv2_SA, build_message
from tests.ike.pair import ALICE, BOB, Pair, bob

SECRET, OLDER = b"s" * 32, b"o" * 32
MAKER = EndpointConfig(crash_secrets=(SECRET,))


def tokens_in(event) -> list[bytes]:
    return [bytes(p.notify) for p in event.payloads if isinstance(p, IKEv2_Notify) and p.type == 16419]


def reboot(pair: Pair, config: EndpointConfig = MAKER) -> None:
    """Bob loses everything but his configuration."""
    pair.bob = Endpoint(BOB, [bob()], config=config)
    pair.network.hosts["bob"].endpoint = pair.bob


def test_a_token_is_given_behind_auth_and_before_the_child_sa():
    pair = Pair(endpoint=MAKER)
    sa = pair.connect()
    # <--  HDR, SK {IDr, AUTH, N(QCD_TOKEN), SAr2, TSi, TSr}     RFC 6290 section 4.2
    event = pair.of("alice", MessageReceived)[-1]
    assert tokens_in(event) == [quick_crash.token(SECRET, sa.spi_i, sa.spi_r)]
    kinds = [type(payload) for payload in event.payloads]
    assert kinds.index(IKEv2_AUTH) < kinds.index(IKEv2_Notify) < kinds.index(IKEv2_SA)
    assert next(p for p in event.payloads if isinstance(p, IKEv2_Notify)).proto == 1
    assert sa.of(QuickCrashDetection).tokens == tokens_in(event)
    # Alice makes none, and that is no fault.
    assert pair.bobs.of(QuickCrashDetection).tokens == []


def test_a_peer_that_has_lost_the_ike_sa_is_found_at_once():
    pair = Pair(endpoint=MAKER)
    sa = pair.connect()
    reboot(pair)
    sa.liveness()
    before = pair.network.now
    # HDR, SK {}  -->   <--  HDR, N(INVALID_IKE_SPI), N(QCD_TOKEN)     section 4.5
    pair.network.run()
    answer = pair.of("bob", MessageSent)[-1]
    assert [p.type for p in answer.payloads] == [NotifyType.INVALID_IKE_SPI, NotifyType.QUICK_CRASH_DETECTION]
    assert not answer.encrypted
    assert pair.of("alice", CrashDetected)
    assert sa.state is State.CLOSED
    assert not pair.alice.children
    assert pair.network.now - before < 1


def test_the_responder_may_be_the_taker():
    pair = Pair()
    pair.alice.config = MAKER
    sa = pair.connect()
    bobs = pair.bobs
    assert bobs.of(QuickCrashDetection).tokens == [quick_crash.token(SECRET, sa.spi_i, sa.spi_r)]
    pair.alice = Endpoint(ALICE, config=MAKER)
    pair.network.hosts["alice"].endpoint = pair.alice
    bobs.liveness()
    pair.network.run()
    assert bobs.state is State.CLOSED
    assert pair.of("bob", CrashDetected)


@pytest.mark.parametrize("by_alice", [True, False])
def test_a_rekeyed_ike_sa_has_a_token_of_its_own(by_alice):
    pair = Pair(endpoint=MAKER)
    sa = pair.connect()
    exchange = (sa if by_alice else pair.bobs).rekey()
    pair.network.run()
    # As responder in CREATE_CHILD_SA, as initiator in an INFORMATIONAL exchange behind it (section 4.3).
    assert isinstance(exchange, RekeyIke)
    assert exchange.successor.established
    (new,) = [found for found in pair.alice.sas.values() if found.established]
    assert new.of(QuickCrashDetection).tokens == [quick_crash.token(SECRET, new.spi_i, new.spi_r)]
    reboot(pair)
    new.liveness()
    pair.network.run()
    assert new.state is State.CLOSED
    assert pair.of("alice", CrashDetected)


def test_a_token_of_an_older_secret_counts():
    pair = Pair(endpoint=EndpointConfig(crash_secrets=(OLDER,)))
    sa = pair.connect()
    reboot(pair, EndpointConfig(crash_secrets=(SECRET, OLDER)))
    sa.liveness()
    pair.network.run()
    assert len(tokens_in(pair.of("bob", MessageSent)[-1])) == 2
    assert pair.of("alice", CrashDetected)


def test_a_wrong_token_changes_nothing_and_is_not_answered():
    pair = Pair(endpoint=MAKER)
    sa = pair.connect()
    reboot(pair, EndpointConfig(crash_secrets=(b"x" * 32,)))
    exchange = sa.liveness()
    pair.network.run(pair.network.now + 5)
    assert not pair.of("alice", CrashDetected)
    assert sa.established
    assert not exchange.done


def test_only_four_tokens_of_a_message_are_looked_at_and_ten_messages_a_second_at_most():
    pair = Pair(endpoint=MAKER)
    sa = pair.connect()
    right, wrong = (
        notify(NotifyType.QUICK_CRASH_DETECTION, sa.of(QuickCrashDetection).tokens[0]),
        notify(16419, bytes(32)),
    )
    hint = IKEv2_Notify(type="INVALID_IKE_SPI")
    header = IKEv2(init_SPI=sa.spi_i, resp_SPI=sa.spi_r, exch_type="INFORMATIONAL", flags=0x20, id=9)

    def receive(*tokens):
        data = build_message(header, [hint, *tokens])
        pair.alice.receive(Datagram(data, Address(ALICE, 500), Address(BOB, 500)), pair.network.now)

    receive(wrong, wrong, wrong, wrong, right)
    assert sa.established
    for _ in range(20):
        receive(wrong)
    receive(right)
    assert sa.established
    pair.network.run(pair.network.now + 1)
    receive(wrong, wrong, wrong, right)
    assert sa.state is State.CLOSED
    pair.network.run()
    assert "token" in pair.of("alice", SaDeleted)[-1].reason


@pytest.mark.parametrize("flags", [0x00, 0x08])
@pytest.mark.parametrize("other", ["none", "spi_i", "spi_r"])
def test_no_token_is_shown_for_an_ike_sa_that_is_there(flags, other):
    pair = Pair(endpoint=MAKER)
    sa = pair.connect()
    spis = {"spi_i": sa.spi_i, "spi_r": sa.spi_r}
    if other != "none":
        spis[other] = b"Z" * 8
    header = IKEv2(init_SPI=spis["spi_i"], resp_SPI=spis["spi_r"], exch_type="INFORMATIONAL", flags=flags, id=77)
    forged = build_message(header, [IKEv2_Encrypted(load=bytes(40))])
    pair.bob.receive(Datagram(forged, Address(BOB, 500), Address("198.51.100.9", 500)), pair.network.now)
    shown = [token for event in pair.bob.events() if isinstance(event, MessageSent) for token in tokens_in(event)]
    # RFC 6290 section 9.2
    assert quick_crash.token(SECRET, sa.spi_i, sa.spi_r) not in shown
    assert (shown == []) == (other != "spi_r")


def test_no_token_answers_a_request_that_is_not_protected():
    pair = Pair(endpoint=MAKER)
    message = build_message(IKEv2(init_SPI=b"A" * 8, resp_SPI=b"B" * 8, exch_type="INFORMATIONAL", flags=8), [])
    pair.bob.receive(Datagram(message, Address(BOB, 500), Address("198.51.100.9", 500)), 0.0)
    (event,) = [event for event in pair.bob.events() if isinstance(event, MessageSent)]
    assert tokens_in(event) == []


def test_a_gratuitous_token_is_taken_and_the_last_four_are_kept():
    pair = Pair()
    sa = pair.connect()
    given = [bytes([n]) * 32 for n in range(6)]
    sa.start(Informational(sa, *(notify(NotifyType.QUICK_CRASH_DETECTION, token) for token in given)))
    short = bytes(15)
    sa.start(Informational(sa, notify(NotifyType.QUICK_CRASH_DETECTION, short)))
    pair.network.run()
    # RFC 6290 section 4.4; section 5: 16 octets at least.
    assert pair.bobs.of(QuickCrashDetection).tokens == given[2:]


def test_tokens_differ_and_a_secret_is_long_enough():
    tokens = [quick_crash.token(SECRET, bytes([n]) * 8, bytes(8)) for n in range(8)]
    assert all(a != b for a, b in pairwise(tokens))
    with pytest.raises(ConfigError, match="16 to 4096 octets"):
        EndpointConfig(crash_secrets=b"short")
    assert b"s" * 32 not in repr(MAKER).encode()
