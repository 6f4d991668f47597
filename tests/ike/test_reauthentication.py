# SPDX-License-Identifier: GPL-2.0-or-later
"""Reauthentication (RFC 7296 section 2.8.3) and INITIAL_CONTACT (section 2.4)."""

from __future__ import annotations

import pytest

from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.randomness import SeededRandomness
from fynx_scapy.ike.config import ChildConfig, Psk
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import IkeSaEstablished, LifetimeReached, MessageSent, SaDeleted
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.message import notify
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.timeouts import DeadPeerDetection
from fynx_scapy.net.echo import echo_request
from tests.ike.pair import Pair, alice, bob

PING = echo_request("10.1.0.1", "10.2.0.1")
SILENT = DeadPeerDetection(interval=None)


def established(endpoint: Endpoint) -> list[IkeSa]:
    return [sa for sa in endpoint.sas.values() if sa.established]


def test_a_new_ike_sa_takes_the_place_of_the_old_one_and_no_packet_is_lost():
    pair = Pair(bob(dpd=SILENT))
    old = pair.connect(alice(reauthenticate_after=100.0, dpd=SILENT))
    inbox = pair.network.hosts["bob"].inbox
    for number in range(1500):
        assert pair.alice.send(PING, pair.network.now)
        pair.network.run((number + 1) * 0.1)
    pair.network.run()
    assert len(inbox) == 1500
    assert len(pair.network.hosts["alice"].inbox) == 1500
    assert [e.limit for e in pair.of("alice", LifetimeReached)] == ["reauthentication"]
    (new,) = established(pair.alice)
    (theirs,) = established(pair.bob)
    assert new is not old
    assert (new.spi_i, new.spi_r) == (theirs.spi_i, theirs.spi_r)
    assert len(new.children) == len(theirs.children) == 1
    sent = pair.of("alice", MessageSent)
    # From scratch, and without REKEY_SA.
    assert [e.header.exch_type for e in sent] == [34, 35, 34, 35, 37]
    assert not any(getattr(p, "type", None) == NotifyType.REKEY_SA for e in sent for p in e.payloads)


def test_all_child_sas_come_along():
    ours = ChildConfig(name="second", local_ts="10.3.0.0/24", remote_ts="10.4.0.0/24")
    theirs = ChildConfig(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24")
    further = ChildConfig(local_ts="10.4.0.0/24", remote_ts="10.3.0.0/24")
    pair = Pair(bob(children=(theirs, further), dpd=SILENT))
    sa = pair.connect(alice(dpd=SILENT))
    sa.create_child(ours)
    pair.network.run()
    new = sa.reauthenticate()
    pair.network.run(30.0)
    assert [child.name for child in new.children.values()] == ["net", "second"]
    assert established(pair.alice) == [new]


def test_the_time_to_reauthenticate_outlives_rekeys():
    pair = Pair(bob(dpd=SILENT))
    sa = pair.connect(alice(reauthenticate_after=100.0, dpd=SILENT))
    pair.network.run(50.0)
    sa.rekey()
    pair.network.run(89.0)
    assert len(pair.of("alice", IkeSaEstablished)) == 1
    pair.network.run(120.0)
    assert len(pair.of("alice", IkeSaEstablished)) == 2
    assert len(established(pair.alice)) == len(established(pair.bob)) == 1


def test_the_end_that_answered_first_leaves_it_to_the_other():
    pair = Pair(bob(reauthenticate_after=50.0, dpd=SILENT))
    pair.connect(alice(dpd=SILENT))
    pair.network.run(200.0)
    assert len(pair.of("bob", IkeSaEstablished)) == 1


def test_a_reauthentication_that_fails_leaves_the_old_one_and_is_tried_again():
    pair = Pair(bob(dpd=SILENT))
    old = pair.connect(alice(reauthenticate_after=100.0, dpd=SILENT))
    kept, pair.bob.configs = pair.bob.configs, [bob(auth=Psk("another"), dpd=SILENT)]
    pair.network.run(104.0)
    # HDR, SK {IDi, AUTH, …}  -->   <--  HDR, SK {N(AUTHENTICATION_FAILED)}
    assert established(pair.alice) == [old]
    assert pair.alice.send(PING, pair.network.now)
    pair.bob.configs = kept
    pair.network.run(160.0)
    (new,) = established(pair.alice)
    assert new is not old
    assert len(new.children) == 1


def test_a_new_ike_sa_without_its_child_sa_does_not_replace_anything():
    pair = Pair(bob(dpd=SILENT))
    old = pair.connect(alice(reauthenticate_after=100.0, dpd=SILENT))
    other = ChildConfig(local_ts="10.7.0.0/24", remote_ts="10.8.0.0/24")
    pair.bob.configs = [bob(children=(other,), dpd=SILENT)]
    pair.network.run(104.0)
    assert established(pair.alice) == [old]
    assert len(established(pair.bob)) == 1


# INITIAL_CONTACT


def crashed(pair: Pair, **fields) -> Endpoint:
    """Alice's machine starts again, at the same address, and knows nothing."""
    again = Endpoint(pair.alice.host, randomness=SeededRandomness("again"))
    pair.network.hosts["alice"].endpoint = again
    again.connect(alice(**fields), pair.network.now)
    pair.network.run()
    return again


def test_an_initial_contact_drops_what_the_peer_has_forgotten():
    pair = Pair(bob(dpd=SILENT))
    pair.connect()
    (before,) = established(pair.bob)
    crashed(pair, initial_contact=True)
    # HDR, SK {IDi, N(INITIAL_CONTACT), IDr, AUTH, SAi2, TSi, TSr}  -->
    (now,) = established(pair.bob)
    assert now is not before
    gone = [e for e in pair.of("bob", SaDeleted) if not e.child_spis]
    assert [(e.reason, e.by_peer, e.spi_i) for e in gone] == [("the peer sent INITIAL_CONTACT", True, before.spi_i)]
    # No Delete: nobody would receive it.
    assert 37 not in [e.header.exch_type for e in pair.of("bob", MessageSent)]


def test_without_it_the_old_ike_sa_stays():
    pair = Pair(bob(dpd=SILENT))
    pair.connect()
    crashed(pair)
    assert len(established(pair.bob)) == 2


def test_it_is_said_only_where_it_is_true():
    pair = Pair(bob(dpd=SILENT))
    pair.connect(alice(initial_contact=True, dpd=SILENT))
    pair.connect(alice(initial_contact=True, dpd=SILENT))
    said = [
        any(getattr(p, "type", None) == NotifyType.INITIAL_CONTACT for p in e.payloads)
        for e in pair.of("alice", MessageSent)
        if e.header.exch_type == 35
    ]
    assert said == [True, False]
    assert len(established(pair.bob)) == 2


def test_other_identities_are_left_alone():
    pair = Pair(bob(remote_id="carol", dpd=SILENT), bob(dpd=SILENT))
    pair.connect(alice(local_id="carol", dpd=SILENT))
    pair.connect(alice(initial_contact=True, dpd=SILENT))
    assert len(established(pair.bob)) == 2


def test_nobody_unauthenticated_drops_anything():
    pair = Pair(bob(dpd=SILENT))
    pair.connect()
    crashed(pair, initial_contact=True, auth=Psk("guessed"))
    assert len(established(pair.bob)) == 1


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_as_an_exchange_of_its_own_it_is_ignored(who):
    # 7296-2.4-03: "receiving parties MAY ignore it in other messages"
    pair = Pair(bob(dpd=SILENT))
    first = pair.connect(alice(dpd=SILENT))
    second = pair.connect(alice(dpd=SILENT))
    sa = second if who == "alice" else next(sa for sa in pair.bob.sas.values() if sa.spi_i == second.spi_i)
    sa.start(Informational(sa, notify(NotifyType.INITIAL_CONTACT)))
    pair.network.run()
    assert first.established
    assert len(established(pair.bob)) == 2
