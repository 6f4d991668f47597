# SPDX-License-Identifier: GPL-2.0-or-later
"""AUTH_LIFETIME: the responder limits an authentication, the initiator repeats it before (RFC 4478)."""

from __future__ import annotations

import itertools

import pytest

from fynx_scapy.errors import Closing, ConfigError, LocalError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.events import AuthenticationLimited, IkeSaEstablished, LifetimeReached, MessageSent, SaDeleted
from fynx_scapy.ike.extensions.auth_lifetime import GRACE, GRACE_AT_ONCE, SHORTEST, AuthLifetime
from fynx_scapy.ike.message import notify
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.timeouts import DeadPeerDetection
from fynx_scapy.layers.ikev2 import IKEv2_Notify
from tests.ike.pair import Pair, alice, bob

SILENT = DeadPeerDetection(interval=None)


def pair_of(**fields) -> Pair:
    pair = Pair(bob(dpd=SILENT, **fields))
    pair.connect(alice(dpd=SILENT))
    return pair


def without_it(outgoing) -> None:
    outgoing.payloads = [p for p in outgoing.payloads if getattr(p, "type", None) != NotifyType.AUTH_LIFETIME]


def established(pair: Pair, who: str = "bob") -> list[IkeSa]:
    return [sa for sa in (pair.bob if who == "bob" else pair.alice).sas.values() if sa.established]


def times(pair: Pair, kind: type, who: str = "alice") -> list[float]:
    return [event.time for event in pair.of(who, kind)]


@pytest.mark.requirements("4478-2-04", "4478-2-08", "4478-2-i03")
def test_the_initiator_authenticates_again_before_the_time_ends_and_the_responder_has_nothing_to_delete():
    pair = pair_of(auth_lifetime=1000)
    (old,) = established(pair)
    assert [(e.seconds, e.by_peer) for e in pair.of("alice", AuthenticationLimited)] == [(1000, True)]
    assert [(e.seconds, e.by_peer) for e in pair.of("bob", AuthenticationLimited)] == [(1000, False)]
    pair.network.run(799.0)
    assert len(times(pair, IkeSaEstablished)) == 1
    pair.network.run(1000.0)
    assert 800 <= times(pair, IkeSaEstablished)[1] <= 901
    assert old not in established(pair)
    assert [(e.limit, e.hard) for e in pair.of("alice", LifetimeReached)] == [("authentication", False)]
    # Each new IKE SA has a time of its own.
    pair.network.run(2500.0)
    assert len(times(pair, IkeSaEstablished)) == 3
    assert len(established(pair)) == len(established(pair, "alice")) == 1
    assert pair.of("bob", LifetimeReached) == []
    inits = [event for event in pair.of("alice", MessageSent) if event.header.exch_type == ExchangeType.IKE_SA_INIT]
    first, *more = [[(type(each), getattr(each, "type", None)) for each in event.payloads] for event in inits]
    assert more == [first] * 2


@pytest.mark.requirements("4478-2-03")
def test_the_responder_deletes_what_was_not_authenticated_again():
    pair = Pair(bob(auth_lifetime=300, dpd=SILENT))
    # As if the initiator did not know of AUTH_LIFETIME.
    pair.bob.taps.add("payloads", without_it)
    pair.connect(alice(dpd=SILENT))
    pair.network.run(299.0 + GRACE)
    assert len(established(pair)) == 1
    pair.network.run(302.0 + GRACE)
    assert established(pair) == established(pair, "alice") == []
    assert [(e.limit, e.hard) for e in pair.of("bob", LifetimeReached)] == [("authentication", True)]
    (gone,) = [e for e in pair.of("bob", SaDeleted) if not e.child_spis]
    assert (gone.code, gone.by_peer) == (Closing.LIFETIME, False)


@pytest.mark.requirements("4478-2-i01")
@pytest.mark.parametrize("rekeys", ["alice", "bob"])
@pytest.mark.parametrize("limited", [True, False])
def test_rekeys_change_neither_the_time_nor_who_authenticates(rekeys, limited):
    pair = Pair(bob(auth_lifetime=1000, dpd=SILENT))
    if not limited:
        pair.bob.taps.add("payloads", without_it)
    pair.connect(alice(dpd=SILENT))
    pair.network.run(500.0)
    (sa,) = established(pair, rekeys)
    sa.rekey()
    pair.network.run(510.0)
    (new,) = established(pair, rekeys)
    assert new is not sa
    pair.network.run(1020.0)
    assert len(times(pair, IkeSaEstablished)) == 1 + limited
    assert len(established(pair)) == limited


def test_the_responder_may_say_it_later_and_say_something_else():
    pair = pair_of()
    (sa,) = established(pair)
    sa.of(AuthLifetime).announce(1000)
    pair.network.run(10.0)
    sa.of(AuthLifetime).announce(100)
    pair.network.run(120.0)
    assert [e.seconds for e in pair.of("alice", AuthenticationLimited)] == [1000, 100]
    assert len(times(pair, IkeSaEstablished)) == 2
    assert 90 <= times(pair, IkeSaEstablished)[1] <= 101


@pytest.mark.requirements("4478-3-i03")
def test_at_once():
    pair = pair_of()
    pair.network.run(100.0)
    (sa,) = established(pair)
    sa.of(AuthLifetime).announce(0)
    pair.network.run(101.0)
    assert len(times(pair, IkeSaEstablished)) == 2


@pytest.mark.requirements("4478-2-05")
def test_at_once_leaves_a_reasonable_time():
    pair = Pair(bob(auth_lifetime=0, dpd=SILENT))
    pair.bob.taps.add("payloads", without_it)
    pair.connect(alice(dpd=SILENT))
    (sa,) = established(pair)
    pair.network.run(GRACE_AT_ONCE - 1)
    assert sa.established
    pair.network.run(GRACE_AT_ONCE + 1)
    assert not sa.established


def test_a_responder_that_always_says_zero_does_not_keep_us_busy():
    pair = pair_of(auth_lifetime=0)
    pair.network.run(10.0)
    moments = times(pair, IkeSaEstablished)
    assert len(moments) >= 5
    assert min(later - sooner for sooner, later in itertools.pairwise(moments)) >= SHORTEST


@pytest.mark.requirements("4478-5-i01")
def test_our_own_policy_may_be_stricter():
    pair = Pair(bob(auth_lifetime=1000, dpd=SILENT))
    pair.connect(alice(reauthenticate_after=200.0, dpd=SILENT))
    pair.network.run(230.0)
    assert [e.limit for e in pair.of("alice", LifetimeReached)] == ["reauthentication"]
    assert len(established(pair)) == 1


def test_what_our_own_policy_has_replaced_is_not_replaced_again():
    pair = Pair(bob(auth_lifetime=1000, dpd=SILENT))
    pair.alice.config = pair.alice.config.replace(esp_linger=2000.0)
    old = pair.connect(alice(reauthenticate_after=500.0, dpd=SILENT))
    pair.network.run(905.0)
    assert old.established
    assert [e.limit for e in pair.of("alice", LifetimeReached) if e.spi_i == old.spi_i] == ["reauthentication"]


@pytest.mark.requirements("4478-2-02", "4478-3-i01", negative=True)
@pytest.mark.parametrize(
    ("who", "data"), [("alice", b"\0\0\0\x0a"), ("bob", b""), ("bob", bytes(3)), ("bob", bytes(8))]
)
def test_what_an_initiator_says_and_one_of_a_wrong_size_are_ignored(who, data):
    pair = pair_of()
    (sa,) = established(pair, who)
    sa.inform(notify(NotifyType.AUTH_LIFETIME, data))
    pair.network.run(100.0)
    assert len(established(pair)) == 1
    assert len(times(pair, IkeSaEstablished)) == 1
    assert pair.of("alice", AuthenticationLimited) == pair.of("bob", AuthenticationLimited) == []


@pytest.mark.requirements("4478-2-06", negative=True)
def test_what_is_said_in_the_clear_is_ignored():
    pair = Pair(bob(dpd=SILENT))
    said = notify(NotifyType.AUTH_LIFETIME, bytes(4))
    pair.bob.taps.add("payloads", lambda out: out.payloads.append(said), when=lambda out: not out.encrypted)
    pair.connect(alice(dpd=SILENT))
    pair.network.run(100.0)
    assert len(times(pair, IkeSaEstablished)) == 1
    assert pair.of("alice", AuthenticationLimited) == []


def test_an_initiator_cannot_say_it():
    pair = pair_of()
    with pytest.raises(LocalError, match="an IKE SA that the peer began"):
        established(pair, "alice")[0].of(AuthLifetime).announce(1)
    with pytest.raises(LocalError, match="found 4294967296"):
        established(pair)[0].of(AuthLifetime).announce(1 << 32)
    with pytest.raises(ConfigError, match="auth_lifetime"):
        bob(auth_lifetime=-1)


@pytest.mark.requirements("4478-2-02", "4478-3-i01", "4478-3-01", "4478-3-i02")
def test_the_wire_has_four_octets_in_the_last_answer_of_ike_auth():
    pair = Pair(bob(auth_lifetime=3600, dpd=SILENT))
    seen = []
    pair.bob.taps.add(
        "payloads", lambda message: seen.append([bytes(p) for p in message.payloads if isinstance(p, IKEv2_Notify)])
    )
    pair.connect(alice(dpd=SILENT))
    assert [each for each in seen[0] if b"\x40\x13" in each] == []
    (found,) = [each for each in seen[1] if each[6:8] == b"\x40\x13"]
    assert found[4:] == b"\x00\x00\x40\x13\x00\x00\x0e\x10"
