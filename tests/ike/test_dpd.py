# SPDX-License-Identifier: GPL-2.0-or-later
"""Dead peer detection (RFC 7296 section 2.4): a silent peer is asked, and a dead one has consequences."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from fynx_scapy import ChildFields
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.config import ChildConfig, Retransmission
from fynx_scapy.ike.events import IkeSaEstablished, IkeSaFailed, MessageSent, PeerDead, Retransmitted, SaDeleted
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.timeouts import DeadPeerDetection
from fynx_scapy.net.echo import echo_request
from tests.ike.pair import Pair, alice, bob

PING = echo_request("10.1.0.1", "10.2.0.1")
SILENT = DeadPeerDetection(interval=None)
QUICK = Retransmission(timeout=1.0, base=1.0, tries=2)


def watching(who: str, **fields) -> Pair:
    """Two ends of which ``who`` watches the other."""
    quick: dict[str, Any] = {"interval": 30.0, "retransmission": QUICK}
    dpd = DeadPeerDetection(**(quick | fields))
    pair = Pair(bob(dpd=dpd if who == "bob" else SILENT))
    pair.connect(alice(dpd=dpd if who == "alice" else SILENT))
    # Alice answers too, should Bob begin.
    pair.alice.configs = [alice(dpd=SILENT)]
    return pair


def questions(pair: Pair, who: str) -> list[float]:
    return [e.time for e in pair.of(who, MessageSent) if e.header.exch_type == 37 and not e.header.flags & 0x20]


def established(pair: Pair, who: str) -> list[IkeSa]:
    return [sa for sa in getattr(pair, who).sas.values() if sa.established]


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.requirements("7296-2.4-i02")
def test_a_silent_peer_is_asked_again_and_again(who):
    pair = watching(who)
    pair.network.run(100.0)
    # HDR, SK {}  -->   <--  HDR, SK {}
    asked = questions(pair, who)
    assert len(asked) == 3
    assert all(29.9 < later - earlier < 31 for earlier, later in pairwise(asked))
    assert not pair.of(who, PeerDead)


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_traffic_that_comes_in_is_life(who):
    pair = watching(who)
    # Bob answers pings, so something comes in at both ends.
    for second in range(0, 300, 20):
        pair.alice.send(PING, pair.network.now)
        pair.network.run(second + 20.0)
    assert questions(pair, who) == []


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_ciphers_rest_while_the_peer_is_silent(who):
    """They take most of the memory of a Child SA, and are made again for the next packet."""
    pair = watching(who)
    ((_, child),) = getattr(pair, who).children.values()
    for number in (1, 2):
        assert (child.inbound._opener, child.outbound._sealer) == (None, None)
        assert pair.alice.send(PING, pair.network.now)
        pair.network.run(pair.network.now + 20)
        assert (child.inbound.packets, child.outbound.seq) == (number, number)  # Bob answers
        assert child.inbound._opener is not None
        assert child.outbound._sealer is not None
        pair.network.run(pair.network.now + 20)


@pytest.mark.requirements("7296-2.4-i01")
def test_traffic_that_goes_out_is_no_life():
    pair = watching("alice")
    pair.network.hosts["bob"].echo = False
    for second in range(0, 100, 10):
        pair.alice.send(PING, pair.network.now)
        pair.network.run(second + 10.0)
    assert len(questions(pair, "alice")) == 3


def test_the_question_has_a_schedule_of_its_own():
    pair = watching("alice")
    pair.network.wire.loss = 1.0
    pair.network.run(60.0)
    assert [e.attempt for e in pair.of("alice", Retransmitted)] == [1, 2]
    (dead,) = pair.of("alice", PeerDead)
    assert dead.attempts == 3
    assert 33.0 <= dead.time < 33.2


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.requirements("7296-2.4-05")
def test_clear_closes_and_that_is_all(who):
    pair = watching(who, action="clear")
    pair.network.wire.loss = 1.0
    pair.network.run(60.0)
    assert not established(pair, who)
    assert [e.reason for e in pair.of(who, SaDeleted) if not e.child_spis] == ["the peer does not answer"]
    pair.network.wire.loss = 0.0
    sent = getattr(pair, who).send(PING, pair.network.now)
    pair.network.run(200.0)
    assert not sent
    assert not established(pair, who)


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_restart_sets_everything_up_again(who):
    pair = watching(who, action="restart")
    pair.network.wire.loss = 1.0
    pair.network.run(34.0)
    assert pair.of(who, PeerDead)
    pair.network.wire.loss = 0.0
    pair.network.run(60.0)
    (sa,) = established(pair, who)
    assert sa.initiator
    assert len(sa.children) == 1
    assert pair.alice.send(PING, pair.network.now)


def test_restart_sets_up_all_child_sas():
    second: ChildFields = {"local_ts": "10.3.0.0/24", "remote_ts": "10.4.0.0/24"}
    theirs = ChildConfig(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24")
    further = ChildConfig(local_ts="10.4.0.0/24", remote_ts="10.3.0.0/24")
    dpd = DeadPeerDetection(interval=30.0, retransmission=QUICK, action="restart")
    pair = Pair(bob(children=(theirs, further), dpd=SILENT))
    sa = pair.connect(alice(dpd=dpd))
    sa.create_child(ChildConfig(**second).replace(name="second"))
    pair.network.run()
    assert len(sa.children) == 2
    pair.network.wire.loss = 1.0
    pair.network.run(34.0)
    pair.network.wire.loss = 0.0
    pair.network.run(60.0)
    (new,) = established(pair, "alice")
    assert [child.name for child in new.children.values()] == ["net", "second"]


def test_a_restart_that_fails_leaves_the_next_packet_to_try():
    pair = watching("alice", action="restart")
    pair.network.wire.loss = 1.0
    pair.network.run(300.0)
    assert pair.of("alice", IkeSaFailed)
    pair.network.wire.loss = 0.0
    pair.network.run(400.0)
    assert not established(pair, "alice")
    assert pair.alice.send(PING, pair.network.now)
    pair.network.run()
    assert established(pair, "alice")


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_hold_waits_for_the_next_packet_and_keeps_it(who):
    pair = watching(who, action="hold")
    pair.network.wire.loss = 1.0
    pair.network.run(60.0)
    pair.network.wire.loss = 0.0
    pair.network.run(200.0)
    assert len(pair.of(who, IkeSaEstablished)) == 1
    there, back = ("10.1.0.1", "10.2.0.1") if who == "alice" else ("10.2.0.1", "10.1.0.1")
    packet = echo_request(there, back, b"the first")
    end, inbox = getattr(pair, who), pair.network.hosts["bob" if who == "alice" else "alice"].inbox
    assert end.send(packet, pair.network.now)
    pair.network.run()
    pair.network.run(pair.network.now + 1.0)
    assert len(pair.of(who, IkeSaEstablished)) == 2
    assert inbox == [packet]
    # What no policy wants does not set up anything.
    assert not end.send(echo_request("10.9.0.1", "10.9.0.2"), pair.network.now)


def test_a_held_policy_uses_the_ike_sa_that_is_there():
    pair = watching("alice", action="hold")
    (sa,) = established(pair, "alice")
    pair.alice.traps.set(alice(dpd=SILENT))
    sa.delete_child(*sa.children.values())
    pair.network.run()
    for _ in range(3):
        assert pair.alice.send(PING, pair.network.now)
    pair.network.run()
    pair.network.run(pair.network.now + 1.0)
    assert established(pair, "alice") == [sa]
    assert len(sa.children) == 1
    assert len(pair.network.hosts["bob"].inbox) == 3
    pair.alice.traps.clear()
    assert len(pair.alice.traps) == 0


def test_what_is_held_is_bounded_and_grows_stale():
    pair = watching("alice", action="hold")
    pair.network.wire.loss = 1.0
    pair.network.run(60.0)
    for number in range(40):
        assert pair.alice.send(echo_request("10.1.0.1", "10.2.0.1", b"%d" % number), pair.network.now)
    pair.network.run(400.0)
    pair.network.wire.loss = 0.0
    assert pair.alice.send(PING, pair.network.now)
    pair.network.run()
    pair.network.run(pair.network.now + 1.0)
    assert pair.network.hosts["bob"].inbox == [PING]


@pytest.mark.parametrize("fields", [{"interval": 0}, {"interval": -1.0}, {"action": "panic"}])
def test_a_configuration_that_makes_no_sense_is_refused(fields):
    with pytest.raises(ConfigError, match="expected"):
        DeadPeerDetection(**fields)


@pytest.mark.parametrize("heard", [763.7746189766141, 495.43508709194094, 992.5434121760651])
def test_a_moment_that_a_difference_rounds_down_is_reached_all_the_same(heard):
    # heard + 300 - heard is less than 300 here: the watch once set the same timer for ever.
    assert heard + 300.0 - heard < 300.0
    pair = Pair()
    sa = pair.connect(alice(dpd=DeadPeerDetection(interval=300.0)))
    sa.last_heard = heard
    sa.watch._look(heard + 300.0)
    assert len(sa.requests.pending) == 1
