# SPDX-License-Identifier: GPL-2.0-or-later
"""Refused work counts, and is bounded before it is done (RFC 7296 section 2.6, RFC 8019 section 4.2)."""

from __future__ import annotations

import gc
import struct

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.randomness import SeededRandomness
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import MessageDropped
from fynx_scapy.ike.message import Address, Datagram
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.wire.cost import Levels
from tests.ike.pair import ALICE, BOB, Pair, bob
from tools.flood import constructions, initial, proposal, refused_offer, request, transform

HERE = Address(BOB, 500)
OFFER = proposal(1, [transform(1, 20, attributes=b"\x80\x0e\0\x80"), transform(2, 5), transform(4, 31)])


def responder(**changes) -> Endpoint:
    return Endpoint(BOB, [bob()], config=EndpointConfig(**changes), randomness=SeededRandomness("bob"))


def send(endpoint: Endpoint, data: bytes, source: str = "198.51.100.7", now: float = 0.0) -> int:
    """The type of the Notify that answers, 0 for an answer that is none, -1 for none at all."""
    endpoint.receive(Datagram(data, HERE, Address(source, 500)), now)
    answers = endpoint.datagrams()
    if not answers:
        return -1
    return int.from_bytes(answers[0].data[34:36]) if answers[0].data[16] == 41 else 0


def reasons(endpoint: Endpoint) -> list[str]:
    return [event.reason for event in endpoint.events() if isinstance(event, MessageDropped)]


# What is refused leaves nothing, and counts


KINDS = {
    "no proposal is acceptable": refused_offer,
    "the group is another": lambda seed: initial(OFFER, seed, group=14),
    "there is no KE payload": lambda seed: initial(OFFER, seed, ke=False),
    "the nonce is short": lambda seed: initial(OFFER, seed, nonce=b"short"),
    "a proposal cannot be read": lambda seed: initial(b"\0\0\0\x09" + bytes(40), seed),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_a_refusal_leaves_no_object_and_no_timer(make):
    bob = responder(cookie_threshold=None, source_threshold=None)
    gc.freeze()  # what there was before is looked at no more
    # HDR(A,0), SAi1, KEi, Ni  -->   <--  HDR(A,0), N(…), or nothing
    for number in range(20):
        assert send(bob, make(number)) != 0
    bob.events()
    gc.collect()
    assert (len(bob.sas), len(bob.router.initial), bob.half_open, len(bob.timers), bob.admission.octets) == (
        0,
        0,
        0,
        0,
        0,
    )
    assert not [item for item in gc.get_objects() if type(item) is IkeSa and item.endpoint is bob]


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_every_kind_of_refusal_counts_towards_the_cookie_threshold_of_its_source(make):
    # Ten of them count for their source like one half-open IKE SA.
    bob = responder(source_threshold=2)
    assert NotifyType.COOKIE not in [send(bob, make(number)) for number in range(20)]
    assert send(bob, refused_offer(99)) == NotifyType.COOKIE
    assert send(bob, request("other"), "198.51.100.8") == 0


def test_a_peer_that_no_configuration_serves_counts_too():
    bob = Endpoint(BOB, [bob_of("192.0.2.77")], config=EndpointConfig(cookie_threshold=5))
    found = [send(bob, request(str(number))) for number in range(6)]
    assert found == [NotifyType.NO_PROPOSAL_CHOSEN] * 5 + [NotifyType.COOKIE]


def bob_of(remote: str):
    return bob(remote=Address(remote, 500))


def test_refusals_of_many_sources_count_towards_the_threshold_for_all():
    bob = responder(cookie_threshold=20)
    found = [send(bob, refused_offer(number), f"10.0.0.{number}") for number in range(25)]
    assert found == [NotifyType.NO_PROPOSAL_CHOSEN] * 20 + [NotifyType.COOKIE] * 5


def test_what_was_refused_is_forgotten():
    bob = responder(cookie_threshold=5, refused_lifetime=10.0)
    for number in range(5):
        send(bob, refused_offer(number))
    assert send(bob, refused_offer(5)) == NotifyType.COOKIE
    assert send(bob, refused_offer(6), now=30.0) == NotifyType.NO_PROPOSAL_CHOSEN


def test_a_long_request_counts_like_several():
    bob = responder(cookie_threshold=10)
    transforms = [transform(1, 65000), transform(2, 65000), transform(4, 65000)]
    long = b"".join(proposal(number, transforms, last=number == 249) for number in range(1, 250))
    assert send(bob, initial(long, 1)) == NotifyType.NO_PROPOSAL_CHOSEN
    assert send(bob, initial(long, 2)) == NotifyType.NO_PROPOSAL_CHOSEN
    assert send(bob, initial(long, 3)) == NotifyType.COOKIE


def test_only_behind_a_good_cookie_do_refusals_close_the_door():
    bob = responder(source_threshold=0, source_limit=3)

    def knock(number: int) -> int:
        data = refused_offer(number)
        bob.receive(Datagram(data, HERE, Address("198.51.100.7", 500)), 0.0)
        found = bob.datagrams()
        if not found:
            return -1
        cookie = found[0].data[36:]
        # HDR(A,0), N(COOKIE), SAi1, KEi, Ni  -->   <--  HDR(A,0), N(NO_PROPOSAL_CHOSEN)
        return send(bob, refused_offer(number, cookie=cookie))

    for number in range(50):
        assert send(bob, refused_offer(number)) == NotifyType.COOKIE
    assert [knock(number) for number in range(31)] == [NotifyType.NO_PROPOSAL_CHOSEN] * 30 + [-1]
    assert "refused requests from this source" in reasons(bob)[-1]


def test_beside_refused_offers_from_its_own_address_a_good_peer_gets_in():
    pair = Pair()
    for number in range(200):
        pair.network.inject(Datagram(refused_offer(number), Address(ALICE, 500), HERE))
    sa = pair.connect()
    assert sa.established
    assert pair.network.now < 1.0
    assert pair.bob.half_open == 0


# Sizes


def test_under_load_nothing_is_parsed_before_the_cookie_is_good():
    bob = responder(source_threshold=0)
    with constructions() as built:
        for number in range(100):
            assert send(bob, refused_offer(number)) == NotifyType.COOKIE
    assert built.count == 0


BIG = {
    "octets": (initial(OFFER, 1, before=[(43, bytes(16384))]), "at most 16384 octets"),
    "proposals": (initial(b"".join(proposal(1, []) for _ in range(1500)), 1), "at most 1024 proposals"),
    "transforms": (initial(proposal(1, [transform(1, 20)] * 1500), 1), "at most 1024 proposals"),
    "configuration": (initial(OFFER, 1, before=[(47, bytes(4) + bytes(4) * 1500)]), "at most 1024 proposals"),
    "selectors": (initial(OFFER, 1, before=[(44, b"\xff\0\0\0" + bytes(16350))]), "octets"),
    "attributes": (initial(proposal(1, [transform(1, 20, b"\x80\x0e\0\x80" * 2000)]), 1), "at most 1024 proposals"),
}


@pytest.mark.parametrize(("data", "reason"), BIG.values(), ids=BIG)
def test_what_is_too_much_is_dropped_before_a_layer_is_built(data, reason):
    bob = responder(cookie_threshold=10)
    with constructions() as built:
        assert send(bob, data) == -1
    assert built.count == 0
    assert reason in reasons(bob)[0]
    assert not bob.sas
    for _ in range(9):
        send(bob, data)
    assert send(bob, request("now")) == NotifyType.COOKIE


def test_an_offer_of_many_proposals_is_read():
    transforms = [transform(1, 65000), transform(2, 65000), transform(4, 65000)]
    many = b"".join(proposal(number, transforms, last=False) for number in range(1, 250))
    assert send(responder(), initial(many + OFFER, 1)) == 0


def test_the_work_of_a_refused_offer_grows_with_its_size_only():
    # Under both limits: every further transform costs the same, whatever proposals it is in.
    def layers(count: int) -> int:
        bob = responder()
        with constructions() as built:
            many = b"".join(proposal(1, [transform(1, 65000)], last=number == count) for number in range(1, count + 1))
            assert send(bob, initial(many, 1)) == NotifyType.NO_PROPOSAL_CHOSEN
        return built.count

    small, large = layers(100), layers(400)
    assert 0 < large < 4.5 * small


def test_half_open_ike_sas_hold_a_bounded_number_of_octets():
    bob = responder(half_open_octets=20_000, source_threshold=None)
    for number in range(5):
        send(bob, initial(OFFER, number, before=[(43, bytes(8000))]), f"10.0.0.{number}")
    assert bob.half_open == 2
    assert bob.admission.octets <= 20_000
    assert "octets already" in reasons(bob)[-1]
    bob.handle_timer(31.0)
    assert bob.admission.octets == 0


def test_a_stray_notify_that_is_long_is_not_read():
    bob = responder()
    stray = initial(b"", 1, exchange=37, spi_r=b"B" * 8, only=[(41, struct.pack("!BBH", 0, 0, 11) + b"abcd")] * 190)
    assert len(stray) > 2048
    with constructions() as built:
        send(bob, stray)
    assert built.count == 0


def test_stray_notifies_are_looked_at_rarely():
    bob = responder()
    stray = initial(b"", 1, exchange=37, spi_r=b"B" * 8, only=[(41, struct.pack("!BBH", 0, 0, 11) + b"abcd")])
    with constructions() as built:
        send(bob, stray)
        once = built.count
        for _ in range(100):
            send(bob, stray)
    assert 0 < built.count <= 10 * once


# The counts themselves


def test_levels_fade_and_are_bounded():
    levels = Levels(10.0, 3)
    levels.add(b"a", 8, 0.0)
    assert levels.of(b"a", 0.0) == 8
    assert 2.9 < levels.of(b"a", 10.0) < 3
    for number in range(10):
        levels.add(bytes([number]), 1, 0.0)
    assert len(levels) == 3
    assert levels.of(b"a", 0.0) == 0


def test_a_lifetime_of_nothing_is_refused():
    with pytest.raises(ConfigError):
        EndpointConfig(refused_lifetime=0.0)
