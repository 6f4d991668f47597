# SPDX-License-Identifier: GPL-2.0-or-later
"""Floods: cookies, ceilings, limits per source, and rare answers (RFC 7296 sections 2.6 and 2.21.4, RFC 8019)."""

from __future__ import annotations

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.basics.randomness import SeededRandomness
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import IkeSaEstablished, IkeSaFailed, MessageDropped, MessageSent, PeerNotified
from fynx_scapy.ike.message import Address, Datagram, notify
from fynx_scapy.ike.strangers.admission import Buckets
from fynx_scapy.ike.strangers.cookies import Cookies, Puzzle
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Notify, IKEv2_SA, build_message, parse_message
from tests.ike.pair import ALICE, BOB, Pair, alice, bob
from tools.flood import constructions, request, run, spoofed

THERE = Address("198.51.100.7", 500)


def responder(**changes) -> Endpoint:
    return Endpoint(BOB, [bob()], config=EndpointConfig(**changes), randomness=SeededRandomness("bob"))


def knock(endpoint: Endpoint, source: str, seed: str, now: float = 0.0) -> list[Datagram]:
    """One IKE_SA_INIT request; what it is answered with."""
    endpoint.receive(Datagram(request(seed), Address(BOB, 500), Address(source, 500)), now)
    return endpoint.datagrams()


def kind(answer: Datagram) -> int:
    """The type of the first Notify, or 0 where there is none."""
    _, payloads = parse_message(answer.data)
    return payloads[0].type if isinstance(payloads[0], IKEv2_Notify) else 0


def dropped(endpoint: Endpoint) -> list[str]:
    return [event.reason for event in endpoint.events() if isinstance(event, MessageDropped)]


# The flood as a whole


def _hold(report) -> None:
    assert report.layers == 0
    assert report.layers_admitted > 0, "the count of constructions counts nothing"
    assert report.challenges + report.admitted + report.refused == report.requests
    assert report.most_half_open == 100
    assert report.connected == 10
    assert report.memory < 16 * 1024 * 1024


@pytest.mark.slow
def test_a_flood_from_spoofed_sources_costs_no_layer_and_lets_a_good_peer_in():
    _hold(run(2000))


@pytest.mark.slow
def test_a_hundred_thousand_requests_need_no_more_memory_than_half_of_them():
    report = run(100_000)
    print(report)
    _hold(report)
    assert report.kept < report.kept_at_half + 1024 * 1024


# Cookies


@pytest.mark.requirements("7296-2.6-02")
def test_from_the_threshold_on_strangers_are_asked_for_a_cookie():
    bob = responder(cookie_threshold=3)
    answers = [knock(bob, f"10.0.0.{number}", str(number))[0] for number in range(5)]
    assert [kind(answer) for answer in answers] == [0, 0, 0, NotifyType.COOKIE, NotifyType.COOKIE]
    assert bob.half_open == 3


def test_the_answer_with_a_cookie_is_built_without_a_layer_and_told_as_one():
    bob = responder(cookie_threshold=0)
    datagram = next(spoofed(1))
    with constructions() as built:
        bob.receive(datagram, 0.0)
        (answer,), (event,) = bob.datagrams(), bob.events()
    assert built.count == 0
    assert isinstance(event, MessageSent)
    assert event.wire == (answer.data,)
    assert (event.header.exch_type, event.header.flags, event.header.resp_SPI) == (34, 0x20, bytes(8))
    assert [payload.type for payload in event.payloads] == [NotifyType.COOKIE]
    assert "ChallengeSent" in repr(event)
    assert not event.encrypted


def test_taps_see_the_answer_with_a_cookie():
    pair = Pair(endpoint=EndpointConfig(cookie_threshold=0))
    pair.bob.taps.add("wire", lambda message, octets: octets + b"" if message.encrypted else octets)
    seen = []
    pair.bob.taps.add("payloads", lambda message: seen.append(message.types()))
    assert pair.connect().established
    assert seen[0] == ["N"]


@pytest.mark.requirements("7296-2.6-03")
def test_a_cookie_is_good_for_its_address_spi_and_nonce_only():
    cookies = Cookies(SeededRandomness(1))
    cookie = cookies.make(b"nonce", THERE, b"A" * 8, 0.0)
    assert 1 <= len(cookie) <= 64
    assert cookies.check(cookie, b"nonce", THERE, b"A" * 8, 1.0) is not None
    assert cookies.check(cookie, b"nonce", THERE._replace(port=1), b"A" * 8, 1.0) is not None
    assert cookies.check(cookie, b"other", THERE, b"A" * 8, 1.0) is None
    assert cookies.check(cookie, b"nonce", Address("198.51.100.8", 500), b"A" * 8, 1.0) is None
    assert cookies.check(cookie, b"nonce", THERE, b"B" * 8, 1.0) is None
    assert cookies.check(cookie[:-1] + bytes([cookie[-1] ^ 1]), b"nonce", THERE, b"A" * 8, 1.0) is None


@pytest.mark.parametrize("cookie", [None, b"", b"\x01", bytes(64), bytes([1]) * 46])
def test_what_is_no_cookie_of_ours_is_as_good_as_none(cookie):
    cookies = Cookies(SeededRandomness(1))
    cookies.make(b"nonce", THERE, b"A" * 8, 0.0)
    assert cookies.check(cookie, b"nonce", THERE, b"A" * 8, 0.0) is None


@pytest.mark.parametrize(("age", "good"), [(0, True), (59, True), (61, True), (100, True), (121, False), (1000, False)])
def test_the_secret_rotates_and_the_one_before_still_counts(age, good):
    cookies = Cookies(SeededRandomness(1))
    cookie = cookies.make(b"nonce", THERE, b"A" * 8, 0.0)
    for now in range(0, age, 10):
        cookies.check(None, b"", THERE, b"A" * 8, float(now))
    assert (cookies.check(cookie, b"nonce", THERE, b"A" * 8, float(age)) is not None) == good


def test_a_cookie_tells_which_puzzle_came_with_it():
    cookies = Cookies(SeededRandomness(1))
    puzzle = Puzzle(5, 18, 2)
    ticket = cookies.check(cookies.make(b"n", THERE, b"A" * 8, 3.0, puzzle), b"n", THERE, b"A" * 8, 5.5)
    assert ticket is not None
    assert (ticket.puzzle, ticket.age) == (puzzle, 2.5)


def test_a_request_gets_the_same_cookie_again_but_no_puzzle_twice():
    cookies, posed = Cookies(SeededRandomness(1)), Puzzle(5, 9)
    assert cookies.make(b"n", THERE, b"A" * 8, 0.0) == cookies.make(b"n", THERE, b"A" * 8, 1.0)
    assert cookies.make(b"n", THERE, b"A" * 8, 0.0, posed) != cookies.make(b"n", THERE, b"A" * 8, 0.0, posed)


@pytest.mark.requirements("7296-2.6-06", negative=True)
def test_a_wrong_cookie_is_answered_with_the_right_one():
    pair = Pair(endpoint=EndpointConfig(cookie_threshold=0))
    broken: list[IKEv2_Notify] = []

    def spoil(message) -> None:
        cookie = message.notify(NotifyType.COOKIE)
        if cookie is not None and not broken:
            broken.append(cookie)
            cookie.notify = bytes(46)

    pair.alice.taps.add("payloads", spoil)
    # HDR(A,0), SAi1, KEi, Ni  -->   <--  HDR(A,0), N(COOKIE)
    # HDR(A,0), N(wrong COOKIE), SAi1, KEi, Ni  -->   <--  HDR(A,0), N(another COOKIE)
    # HDR(A,0), N(COOKIE), SAi1, KEi, Ni  -->   <--  HDR(A,B), SAr1, KEr, Nr
    assert pair.connect().established
    cookies = [e.data for e in pair.of("alice", PeerNotified) if e.notify_type == NotifyType.COOKIE]
    assert len(cookies) == 2
    assert cookies[0] == cookies[1]


@pytest.mark.parametrize("size", [0, 65, 200])
def test_a_cookie_of_a_wrong_size_is_ignored_since_anybody_may_have_sent_it(size):
    pair = Pair()
    forged: list[Datagram] = []

    def forge(now, datagram):
        if datagram.local.host == ALICE and not forged:
            header = IKEv2(init_SPI=datagram.data[:8], exch_type=ExchangeType.IKE_SA_INIT, flags=0x20, id=0)
            wire = build_message(header, [notify(NotifyType.COOKIE, bytes(size))])
            forged.append(Datagram(wire, datagram.remote, datagram.local))
            return [forged[0], datagram]
        return None

    pair.network.intercept(forge)
    assert pair.connect().established
    assert any("a cookie of 1 to 64 octets" in e.reason for e in pair.of("alice", MessageDropped))


def test_a_request_without_a_nonce_gets_no_cookie():
    bob = responder(cookie_threshold=0)
    bob.receive(
        Datagram(
            build_message(IKEv2(init_SPI=b"A" * 8, exch_type=34, flags=8), [IKEv2_SA()]), Address(BOB, 500), THERE
        ),
        0.0,
    )
    assert not bob.datagrams()
    assert "nonce" in dropped(bob)[0]


def test_a_request_that_cannot_be_read_leaves_nothing_behind():
    bob = responder()
    sealed = build_message(IKEv2(init_SPI=b"A" * 8, exch_type=34, flags=8, next_payload=46), []) + bytes(20)
    sealed = sealed[:24] + len(sealed).to_bytes(4) + sealed[28:]
    bob.receive(Datagram(sealed, Address(BOB, 500), THERE), 0.0)
    assert not bob.datagrams()
    assert not bob.sas
    assert bob.half_open == 0


# Ceilings


def test_beyond_the_ceiling_a_good_cookie_takes_the_place_of_the_oldest_of_the_source_with_most():
    pair = Pair(bob(remote_id=None), endpoint=EndpointConfig(cookie_threshold=0, half_open_limit=3))
    others = [Endpoint(f"192.0.2.{number}", randomness=SeededRandomness(str(number))) for number in (8, 9)]
    for number, other in enumerate(others):
        pair.network.add(other, f"other {number}")
    # HDR(A,0), N(COOKIE), SAi1, KEi, Ni  -->   <--  HDR(A,B), SAr1, KEr, Nr    and no IKE_AUTH, three times
    crowd = [pair.alice.connect(alice(), pair.network.now, authenticate=False) for _ in "123"]
    pair.network.run()
    assert pair.bob.half_open == 3
    for other in others:
        good = other.connect(alice(local_id="carol"), pair.network.now)
        pair.network.run()
        assert good.established
    assert [sa.spi_r in pair.bob.sas for sa in crowd] == [False, True, True]
    assert "the limit of half-open IKE SAs" in pair.of("bob", IkeSaFailed)[0].reason
    # Whoever has as many as anybody gets no place of another's.
    pair.alice.connect(alice(), pair.network.now, authenticate=False)
    pair.network.run()
    late = pair.alice.connect(alice(), pair.network.now)
    pair.network.run(pair.network.now + 5)
    assert not late.established
    assert "too many half-open IKE SAs" in pair.of("bob", MessageDropped)[-1].reason


def test_a_source_has_a_threshold_and_a_ceiling_of_its_own():
    bob = responder(source_threshold=2, source_limit=2, cookie_threshold=None)
    assert [kind(knock(bob, "10.0.0.1", str(number))[0]) for number in range(2)] == [0, 0]
    assert knock(bob, "10.0.0.1", "third") == []
    assert "too many half-open IKE SAs (2) or refused requests from this source" in dropped(bob)[-1]
    assert kind(knock(bob, "10.0.0.2", "fourth")[0]) == 0
    assert bob.admission.sources == 2


def test_from_its_threshold_on_a_source_needs_a_cookie():
    bob = responder(source_threshold=1)
    assert kind(knock(bob, "10.0.0.1", "1")[0]) == 0
    assert kind(knock(bob, "10.0.0.1", "2")[0]) == NotifyType.COOKIE
    assert kind(knock(bob, "10.0.0.2", "3")[0]) == 0


@pytest.mark.parametrize(("prefix", "refused"), [(64, True), (128, False)])
def test_an_ipv6_source_is_a_prefix(prefix, refused):
    bob = responder(source_limit=1, source_prefix=prefix)
    assert knock(bob, "2001:db8::1", "1")
    assert (knock(bob, "2001:db8::2", "2") == []) == refused
    assert knock(bob, "2001:db8:0:1::1", "3")


def test_half_open_ike_sas_expire_and_leave_nothing():
    bob = responder()
    for number in range(20):
        knock(bob, f"10.0.0.{number}", str(number))
    assert (bob.half_open, bob.admission.sources, len(bob.sas)) == (20, 20, 20)
    bob.handle_timer(31.0)
    assert (bob.half_open, bob.admission.sources, len(bob.sas), len(bob.router.initial)) == (0, 0, 0, 0)


def test_an_established_ike_sa_is_not_half_open():
    pair = Pair()
    pair.connect()
    assert pair.bob.half_open == 0
    assert pair.bob.admission.sources == 0
    assert pair.of("bob", IkeSaEstablished)


def test_one_that_failed_counts_until_it_is_forgotten():
    # RFC 8019 section 4.2: failed IKE_AUTH exchanges are worth counting too.
    pair = Pair(bob(auth="other"))
    pair.alice.connect(alice(), 0.0)
    pair.network.run(5.0)
    assert pair.bob.half_open == 1
    pair.network.run(70.0)
    assert pair.bob.half_open == 0


# Answers to strangers


def test_unprotected_errors_are_answered_rarely():
    bob = responder(answer_rate=50.0)
    stray = build_message(IKEv2(init_SPI=b"A" * 8, resp_SPI=b"B" * 8, exch_type=37, flags=8, id=7), [])
    newer = stray[:17] + b"\x30" + stray[18:]

    def burst(source: str, data: bytes, now: float) -> int:
        for _ in range(100):
            bob.receive(Datagram(data, Address(BOB, 500), Address(source, 500)), now)
        return len(bob.datagrams())

    # A tenth of the rate goes to one source, all of it to many.
    assert burst("10.0.0.1", stray, 0.0) == 5
    assert burst("10.0.0.1", newer, 0.0) == 0
    assert burst("10.0.0.2", newer, 0.0) == 5
    assert sum(burst(f"10.0.1.{number}", stray, 0.0) for number in range(20)) == 40
    assert burst("10.0.0.1", stray, 10.0) == 5


def test_buckets_are_bounded():
    buckets = Buckets(1.0, 1.0, size=10)
    for number in range(100):
        assert buckets.take(bytes([number]), 0.0)
    assert len(buckets) == 10
    assert not buckets.take(bytes([99]), 0.5)
    assert buckets.take(bytes([99]), 1.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"source_prefix": 63},
        {"source_prefix": 0},
        {"puzzle_levels": ((0, 7),)},
        {"puzzle_auth_difficulty": 0},
        {"puzzle_auth_difficulty": 256},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ConfigError):
        EndpointConfig(**wrong)


@pytest.mark.parametrize("copies", [2, 3])
def test_requests_and_cookies_that_come_more_than_once_make_one_ike_sa(copies):
    pair = Pair(endpoint=EndpointConfig(cookie_threshold=0))
    pair.network.intercept(lambda now, datagram: [datagram] * copies)
    # HDR(A,0), SAi1, KEi, Ni  -->     each datagram comes again
    # <--  HDR(A,0), N(COOKIE)
    assert pair.connect().established
    assert len(pair.bob.sas) == 1
