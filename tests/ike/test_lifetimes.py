# SPDX-License-Identifier: GPL-2.0-or-later
"""SAs come of age: rekeyed at a soft limit, closed at a hard one (RFC 7296 section 2.8), at either end."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.esp.replay import ReplayWindow
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.events import (
    ChildSaRekeyed,
    IkeSaEstablished,
    IkeSaRekeyed,
    LifetimeReached,
    MessageSent,
    SaDeleted,
)
from fynx_scapy.ike.message import notify
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.lifetime import NEVER, Lifetime, Limits
from fynx_scapy.ike.terms.timeouts import DeadPeerDetection
from fynx_scapy.layers.ikev2 import IKEv2_SA
from fynx_scapy.net.echo import echo_request
from tests.ike.pair import Pair, alice, bob

OTHER = {"alice": "bob", "bob": "alice"}
PING = {"alice": echo_request("10.1.0.1", "10.2.0.1"), "bob": echo_request("10.2.0.1", "10.1.0.1")}
SILENT = DeadPeerDetection(interval=None)
BOTH = pytest.mark.parametrize("who", ["alice", "bob"])


def life(seconds: float | None = None, *, octets: int | None = None, packets: int | None = None, **more) -> Lifetime:
    fields: dict[str, Any] = {"soft": Limits(seconds=seconds, bytes=octets, packets=packets), "jitter": 0.0}
    return Lifetime(**(fields | more))


def pair_of(who: str, *, ike: Lifetime = NEVER, child: Lifetime = NEVER, proposals=("aes128gcm16",)) -> Pair:
    """Two ends of which ``who`` has these lifetimes and the other has none."""

    def config(end: str) -> IkeConfig:
        net, far = ("1", "2") if end == "alice" else ("2", "1")
        fields = {"local_ts": f"10.{net}.0.0/24", "remote_ts": f"10.{far}.0.0/24", "proposals": proposals}
        own = ChildConfig(**fields, lifetime=child if end == who else NEVER)
        make = alice if end == "alice" else bob
        return make(children=(own,), lifetime=ike if end == who else NEVER, dpd=SILENT)

    pair = Pair(config("bob"))
    pair.connect(config("alice"))
    return pair


def sa_of(pair: Pair, who: str) -> IkeSa:
    (sa,) = [sa for sa in getattr(pair, who).sas.values() if sa.established]
    return sa


def reached(pair: Pair, who: str) -> list[tuple[str, bool, bool]]:
    return [(e.limit, e.hard, e.spi is not None) for e in pair.of(who, LifetimeReached)]


def passes(pair: Pair, who: str) -> bool:
    """Whether a ping of one end arrives at the other."""
    inbox = pair.network.hosts[OTHER[who]].inbox
    seen = len(inbox)
    sent = getattr(pair, who).send(PING[who], pair.network.now)
    pair.network.run()
    return sent and len(inbox) > seen


@BOTH
def test_a_child_sa_is_rekeyed_at_its_soft_limit_of_time(who):
    pair = pair_of(who, child=life(600.0))
    (old,) = sa_of(pair, who).children.values()
    pair.network.run(599.0)
    assert not pair.of(who, ChildSaRekeyed)
    pair.network.run(602.0)
    assert [e.by_peer for e in pair.of(who, ChildSaRekeyed)] == [False]
    assert [e.by_peer for e in pair.of(OTHER[who], ChildSaRekeyed)] == [True]
    (new,) = sa_of(pair, who).children.values()
    assert new is not old
    # Its successor has a lifetime of its own.
    pair.network.run(1203.0)
    assert reached(pair, who) == [("seconds", False, True)] * 2
    assert passes(pair, "alice")
    assert passes(pair, "bob")


@BOTH
def test_an_ike_sa_is_rekeyed_at_its_soft_limit_of_time(who):
    pair = pair_of(who, ike=life(600.0))
    old = sa_of(pair, who)
    pair.network.run(602.0)
    new = sa_of(pair, who)
    assert new is not old
    assert new.initiator
    assert [e.by_peer for e in pair.of(OTHER[who], IkeSaRekeyed)] == [True]
    pair.network.run(1204.0)
    assert reached(pair, who) == [("seconds", False, False)] * 2
    assert passes(pair, OTHER[who])


@pytest.mark.requirements("7296-2.8.1-01")
def test_jitter_makes_soft_limits_differ_and_never_later():
    moments = set()
    for seed in range(8):
        child = ChildConfig(lifetime=Lifetime(soft=Limits(seconds=1000.0), jitter=0.2))
        pair = Pair(bob(dpd=SILENT), seed=seed)
        pair.connect(alice(children=(child,), dpd=SILENT))
        pair.network.run(1010.0)
        moments.add(pair.of("alice", LifetimeReached)[0].time)
    assert len(moments) == 8
    assert all(800.0 <= moment <= 1000.1 for moment in moments)


@BOTH
@pytest.mark.parametrize(("limits", "name"), [({"packets": 20}, "packets"), ({"octets": 600}, "bytes")])
def test_a_child_sa_is_rekeyed_at_its_soft_limit_of_traffic(who, limits, name):
    pair = pair_of(who, child=life(**limits))
    for _ in range(25):
        assert passes(pair, who)
    assert (name, False, True) in reached(pair, who)
    assert not any(hard for _, hard, _ in reached(pair, who))
    assert [e.by_peer for e in pair.of(who, ChildSaRekeyed)] == [False]


@BOTH
def test_traffic_that_comes_in_counts_too(who):
    pair = pair_of(who, child=life(packets=10))
    for _ in range(10):
        assert passes(pair, OTHER[who])
    assert reached(pair, who) == [("packets", False, True)]


@BOTH
@pytest.mark.parametrize(("limits", "name"), [({"packets": 40}, "packets"), ({"octets": 2000}, "bytes")])
def test_an_ike_sa_is_rekeyed_at_its_soft_limit_of_messages(who, limits, name):
    pair = pair_of(who, ike=life(**limits))
    old = sa_of(pair, who)
    for _ in range(25):
        sa_of(pair, "alice").liveness()
        pair.network.run()
    assert (name, False, False) in reached(pair, who)
    assert sa_of(pair, who) is not old


@pytest.mark.requirements("7296-2.2-02")
def test_an_ike_sa_is_rekeyed_before_its_message_ids_run_out():
    pair = pair_of("alice")
    old = sa_of(pair, "alice")
    old.requests.next_id = sa_of(pair, "bob").answers.expected = 0xFFFF_0000
    old.liveness()
    pair.network.run()
    assert reached(pair, "alice") == [("message IDs", False, False)]
    assert sa_of(pair, "alice").requests.next_id == 0


def refuse(pair: Pair, who: str, error: NotifyType) -> None:
    """Let an end answer every CREATE_CHILD_SA with an error."""

    def tap(message):
        message.payloads[:] = [notify(error)]

    getattr(pair, who).taps.add("payloads", tap, when=lambda m: m.header.exch_type == 36 and m.header.flags & 0x20)


@BOTH
@pytest.mark.requirements("7296-2.8-01", "7296-2.8-04", negative=True)
def test_an_sa_that_could_not_be_rekeyed_is_closed_at_its_hard_limit_with_all_others(who):
    pair = pair_of(who, child=life(600.0))
    refuse(pair, OTHER[who], NotifyType.NO_PROPOSAL_CHOSEN)
    pair.network.run(659.0)
    assert passes(pair, who)
    pair.network.run(662.0)
    # 7296-2.8-04: "an implementation MUST close the IKE SA and any associated Child SAs"
    assert reached(pair, who) == [("seconds", False, True), ("seconds", True, True)]
    assert not any(sa.established for end in (pair.alice, pair.bob) for sa in end.sas.values())
    assert not passes(pair, who)


@BOTH
def test_an_ike_sa_that_could_not_be_rekeyed_is_closed_at_its_hard_limit(who):
    pair = pair_of(who, ike=life(600.0))
    far = sa_of(pair, OTHER[who])
    far.config = far.config.replace(proposals="aes256-sha512-modp4096")
    pair.network.run(659.0)
    assert sa_of(pair, who).established
    pair.network.run(662.0)
    assert reached(pair, who) == [("seconds", False, False), ("seconds", True, False)]
    assert not any(sa.established for end in (pair.alice, pair.bob) for sa in end.sas.values())


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("of", ["the Child SA", "the IKE SA", "both"])
@pytest.mark.parametrize("left", [40.0, 2.0])
def test_an_ike_sa_that_takes_no_more_sas_is_replaced_and_no_packet_is_lost(who, of, left):
    """Section 4: instead of a rekey that NO_ADDITIONAL_SAS refuses, the old SA is deleted and a new one created."""
    limits = life(60.0, hard=Limits(seconds=60.0 + left))
    pair = pair_of(
        who, **{name: limits for name in ("child", "ike") if of != ("the IKE SA", "the Child SA")[name == "ike"]}
    )
    pair.alice.configs.append(sa_of(pair, "alice").config)
    refuse(pair, OTHER[who], NotifyType.NO_ADDITIONAL_SAS)
    old = sa_of(pair, who)
    inbox, end = pair.network.hosts[OTHER[who]].inbox, getattr(pair, who)
    # HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr}  -->   <--  HDR, SK {N(NO_ADDITIONAL_SAS)}
    # HDR, SAi1, KEi, Ni  -->   …   and, ten seconds behind it,   HDR, SK {D(IKE)}  -->
    for number in range(1300):
        assert end.send(PING[who], pair.network.now)
        pair.network.run((number + 1) * 0.1)
    pair.network.run()
    assert len(inbox) == 1300
    # Should the hard limit come while the last packets are still on their way, the old IKE SA goes then.
    assert any(hard for _, hard, _ in reached(pair, who)) == (left < 10.0)
    # Once at 60 s, once at 120 s: one IKE SA is there, and one on its way out for ten seconds.
    assert [e.initiator for e in pair.of(who, IkeSaEstablished)][-2:] == [True, True]
    assert len(pair.of(who, IkeSaEstablished)) == 3
    pair.network.run(135.0)
    new = sa_of(pair, who)
    assert new is not old
    # The tap refuses what has been made: find the other end by its SPI.
    (far,) = [sa for sa in getattr(pair, OTHER[who]).sas.values() if sa.spi_i == new.spi_i]
    assert len(new.children) == len(far.children) == 1
    gone = [e for e in pair.of(who, SaDeleted) if e.spi_i == old.spi_i and not e.child_spis]
    assert [round(e.time - 60.0) for e in gone] == [min(10.0, left)]


@BOTH
@pytest.mark.requirements("7296-4-09", negative=True)
def test_a_rekey_begun_by_hand_that_is_refused_replaces_the_ike_sa_once(who):
    pair = pair_of(who)
    pair.alice.configs.append(sa_of(pair, "alice").config)
    refuse(pair, OTHER[who], NotifyType.NO_ADDITIONAL_SAS)
    sa = sa_of(pair, who)
    sa.rekey()
    sa.rekey_child(*sa.children.values())
    pair.network.run(30.0)
    assert len(pair.of(who, IkeSaEstablished)) == 2
    assert sa_of(pair, who) is not sa
    assert passes(pair, who)


@BOTH
def test_an_ike_sa_that_cannot_be_replaced_lives_until_its_hard_limit(who):
    pair = pair_of(who, child=life(600.0))
    refuse(pair, OTHER[who], NotifyType.NO_ADDITIONAL_SAS)
    # Nobody answers there.
    getattr(pair, OTHER[who]).configs.clear()
    old = sa_of(pair, who)
    pair.network.run(659.0)
    assert old.established
    assert passes(pair, who)
    pair.network.run(700.0)
    assert not old.established
    assert reached(pair, who) == [("seconds", False, True), ("seconds", True, True)]
    tries = len([e for e in pair.of(who, MessageSent) if e.header.exch_type == 34 and e.time > 599.0])
    pair.network.run(2000.0)
    # Nor is it tried for ever.
    assert 3 < tries == len([e for e in pair.of(who, MessageSent) if e.header.exch_type == 34 and e.time > 599.0])


@BOTH
def test_a_policy_may_leave_a_refused_rekey_to_the_hard_limit(who):
    pair = pair_of(who, child=life(600.0))
    pair.alice.configs.append(sa_of(pair, "alice").config)
    sa = sa_of(pair, who)
    sa.config = sa.config.replace(replace_refused=False)
    refuse(pair, OTHER[who], NotifyType.NO_ADDITIONAL_SAS)
    pair.network.run(662.0)
    assert len(pair.of(who, IkeSaEstablished)) == 1
    assert reached(pair, who) == [("seconds", False, True), ("seconds", True, True)]


@BOTH
def test_a_child_sa_without_soft_limits_expires_alone(who):
    pair = pair_of(who, child=life(hard=Limits(seconds=600.0)))
    pair.network.run(602.0)
    assert reached(pair, who) == [("seconds", True, True)]
    assert not sa_of(pair, "alice").children
    assert not sa_of(pair, "bob").children
    assert [e.by_peer for e in pair.of(OTHER[who], SaDeleted)] == [True]


@BOTH
def test_what_carried_nothing_may_be_left_to_expire(who):
    idle = life(600.0, rekey_idle=False)
    pair = pair_of(who, child=idle)
    assert passes(pair, who)
    # 7296-2.8-07: this one carried a packet, its successor will not.
    pair.network.run(602.0)
    assert len(pair.of(who, ChildSaRekeyed)) == 1
    pair.network.run(1300.0)
    assert len(pair.of(who, ChildSaRekeyed)) == 1
    assert reached(pair, who)[-1] == ("seconds", True, True)
    assert not sa_of(pair, who).children


def test_an_ike_sa_without_child_sas_may_be_left_to_expire():
    pair = pair_of("alice", ike=life(600.0, rekey_idle=False))
    sa = sa_of(pair, "alice")
    sa.delete_child(*sa.children.values())
    pair.network.run(662.0)
    assert reached(pair, "alice") == [("seconds", True, False)]
    assert not any(sa.established for sa in pair.bob.sas.values())


@BOTH
@pytest.mark.requirements("7296-2.8-01")
def test_beyond_a_hard_limit_of_packets_nothing_more_goes_through(who):
    pair = pair_of(who, child=life(hard=Limits(packets=10)))
    for _ in range(9):
        assert passes(pair, who)
    end = getattr(pair, who)
    sent = [end.send(PING[who], pair.network.now) for _ in range(3)]
    pair.network.run()
    assert sent == [True, False, False]
    assert reached(pair, who) == [("packets", True, True)]
    assert not sa_of(pair, OTHER[who]).children


@BOTH
@pytest.mark.parametrize("esn", [False, True])
def test_sequence_numbers_are_renewed_before_they_run_out(who, esn):
    pair = pair_of(who, proposals=("aes128gcm16-esn",) if esn else ("aes128gcm16",))
    (child,) = sa_of(pair, who).children.values()
    (far,) = sa_of(pair, OTHER[who]).children.values()
    limit = 2**64 - 1 if esn else 2**32 - 1
    child.outbound.seq = limit - limit // 16
    if esn:
        # The peer has seen all those that went before: nobody can guess the upper half after such a leap.
        far.inbound.window = ReplayWindow(64, esn=True, highest=child.outbound.seq)
    assert passes(pair, who)
    pair.network.run(pair.network.now + 1.0)
    assert reached(pair, who) == [("sequence numbers", False, True)]
    (new,) = sa_of(pair, who).children.values()
    assert new is not child
    assert new.outbound.seq == 0
    assert passes(pair, who)
    assert new.outbound.seq == 1


@BOTH
@pytest.mark.requirements("4303-2.2-i01")
def test_the_last_sequence_number_is_the_last_packet(who):
    pair = pair_of(who)
    refuse(pair, OTHER[who], NotifyType.NO_PROPOSAL_CHOSEN)
    (child,) = sa_of(pair, who).children.values()
    child.outbound.seq = 2**32 - 3
    end = getattr(pair, who)
    # RFC 4303 section 3.3.3: no cycle, whatever became of the rekey.
    assert [end.send(PING[who], pair.network.now) for _ in range(4)] == [True, True, False, False]
    pair.network.run()
    pair.network.run(pair.network.now + 10.0)
    assert child.outbound.seq == 2**32 - 1
    assert not sa_of_closed(pair)


def sa_of_closed(pair: Pair) -> list[IkeSa]:
    return [sa for end in (pair.alice, pair.bob) for sa in end.sas.values() if sa.established]


def test_no_packet_is_lost_over_many_lifetimes():
    pair = pair_of("alice", ike=life(50.0), child=life(20.0))
    inbox = pair.network.hosts["bob"].inbox
    for number in range(3000):
        assert pair.alice.send(PING["alice"], pair.network.now)
        pair.network.run((number + 1) * 0.1)
    pair.network.run()
    assert len(inbox) == 3000
    assert len(pair.of("alice", ChildSaRekeyed)) >= 14
    assert len(pair.of("alice", IkeSaRekeyed)) >= 5


def test_two_ends_that_come_of_age_at_once_keep_one_of_each():
    child = ChildConfig(lifetime=life(600.0))
    far = ChildConfig(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24", lifetime=life(600.0))
    pair = Pair(bob(children=(far,), lifetime=life(600.0), dpd=SILENT))
    pair.connect(alice(children=(child,), lifetime=life(600.0), dpd=SILENT))
    pair.network.run(6500.0)
    for who in ("alice", "bob"):
        assert len(sa_of(pair, who).children) == 1
        assert not any(hard for _, hard, _ in reached(pair, who))
        assert passes(pair, who)


@pytest.mark.requirements("7296-2.8-05", "7296-2.9.2-01")
def test_the_rekey_keeps_its_selectors():
    pair = pair_of("alice", child=life(600.0))
    (old,) = sa_of(pair, "alice").children.values()
    pair.network.run(602.0)
    (new,) = sa_of(pair, "alice").children.values()
    assert (new.local_ts, new.remote_ts, new.suite) == (old.local_ts, old.remote_ts, old.suite)
    request = next(e for e in pair.of("alice", MessageSent) if e.header.exch_type == 36)
    assert [p.type for p in request.payloads if hasattr(p, "notify")] == [NotifyType.REKEY_SA]
    assert any(isinstance(p, IKEv2_SA) for p in request.payloads)


def test_closing_leaves_no_timer_but_those_of_the_lingering():
    pair = pair_of("alice", ike=life(600.0), child=life(500.0))
    sa_of(pair, "alice").delete_ike()
    pair.network.run(100.0)
    assert pair.alice.next_timer() is None
    assert pair.bob.next_timer() is None
    assert not pair.alice.sas
    assert not pair.bob.sas


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (lambda: Limits(seconds=0), "seconds"),
        (lambda: Limits(packets=-1), "packets"),
        (lambda: Lifetime(soft=Limits(bytes=10), hard=Limits(bytes=9)), "10 bytes"),
        (lambda: Lifetime(jitter=1.0), "jitter"),
        (lambda: Lifetime(jitter=math.nan), "jitter"),
    ],
)
def test_limits_that_make_no_sense_are_refused(make, wrong):
    with pytest.raises(ConfigError, match=wrong):
        make()
