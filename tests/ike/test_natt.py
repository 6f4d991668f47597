# SPDX-License-Identifier: GPL-2.0-or-later
"""NAT traversal: detection, port 4500, keepalives, a peer that moves, forced encapsulation (RFC 7296 section 2.23)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.randomness import SeededRandomness
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import (
    EspReceived,
    IntegrityFailed,
    KeepaliveSent,
    MessageDropped,
    MessageReceived,
    PeerMoved,
    ReplayDropped,
)
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.message import Address, Datagram, DatagramKind
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.layers.ikev2 import IKEv2_VendorID
from fynx_scapy.net.echo import echo_request
from fynx_scapy.net.memory import Network
from fynx_scapy.net.nat import Nat
from tests.ike.pair import ALICE, BOB, Pair, alice, bob, kept

OUTSIDE, BOBS_OUTSIDE = "198.51.100.1", "203.0.113.1"
IKE, ESP, IN_UDP, KEEPALIVE = DatagramKind.IKE, DatagramKind.ESP, DatagramKind.ESP_IN_UDP, DatagramKind.KEEPALIVE


def natted(*configs: IkeConfig, nat: Nat | None = None, **fields) -> tuple[Pair, Nat, list[tuple[float, Datagram]]]:
    """Alice behind a NAT, and whatever anybody sends."""
    pair = Pair(*configs, **fields)
    seen: list[tuple[float, Datagram]] = []
    pair.network.observe(lambda now, datagram, fate: seen.append((now, datagram)))
    return pair, pair.network.add_nat(nat or Nat({ALICE}, OUTSIDE)), seen


def ping(pair: Pair, who: str = "alice") -> bool:
    """Whether a ping from one end comes back."""
    here, there = (("10.1.0.1", "10.2.0.1"), ("10.2.0.1", "10.1.0.1"))[who == "bob"]
    for host in pair.network.hosts.values():
        host.echo = host.name != who
    end = pair.network.hosts[who]
    before = len(end.inbox)
    assert end.endpoint.send(echo_request(here, there), pair.network.now)
    pair.network.run(pair.network.now + 0.1)
    return len(end.inbox) > before


# Keepalives


@pytest.mark.requirements("3948-2.3-01", "3948-2.3-04", "3948-4-03", "7296-2.23-11")
def test_only_the_end_behind_the_nat_sends_keepalives_every_20_seconds_of_silence():
    pair, _, seen = natted()
    pair.connect()
    last = seen[-2][0]  # Alice's IKE_AUTH request
    pair.network.run(100.0)
    keepalives = [(now, d) for now, d in seen if d.kind is KEEPALIVE]
    assert [now for now, _ in keepalives] == pytest.approx([last + 20, last + 40, last + 60, last + 80], abs=1e-9)
    assert {d for _, d in keepalives} == {Datagram(b"\xff", Address(ALICE, 4500), Address(BOB, 4500), KEEPALIVE)}
    assert len(pair.of("alice", KeepaliveSent)) == 4
    assert not pair.of("bob", KeepaliveSent)


@pytest.mark.parametrize("sends", ["request", "answer", "esp"])
@pytest.mark.requirements("3948-4-03")
def test_whatever_else_is_sent_puts_the_keepalive_off(sends):
    pair, _, seen = natted()
    sa = pair.connect()
    pair.network.run(15.0)
    seen.clear()
    if sends == "request":
        sa.liveness()
    elif sends == "answer":
        pair.bobs.liveness()
    else:
        pair.alice.send(echo_request("10.1.0.1", "10.2.0.99"), 15.0)
    pair.network.run(60.0)
    sent = [now for now, d in seen if d.local.host == ALICE and d.kind is not KEEPALIVE]
    assert [now for now, d in seen if d.kind is KEEPALIVE] == pytest.approx([sent[-1] + 20, sent[-1] + 40])


def test_nobody_sends_keepalives_without_a_nat_or_with_an_interval_of_zero():
    for config, nat in ((alice(), Nat({"192.0.2.99"}, OUTSIDE)), (alice(keepalive=0), Nat({ALICE}, OUTSIDE))):
        pair, _, seen = natted(nat=nat)
        assert pair.connect(config).established
        pair.network.run(100.0)
        assert not [d for _, d in seen if d.kind is KEEPALIVE]
        assert not len(pair.alice.keepalives)


@pytest.mark.requirements("3948-2.3-05", "3948-4-01")
def test_keepalives_are_ignored():
    pair, _, seen = natted()
    pair.connect()
    events = len(pair.network.events)
    heard = pair.bobs.last_heard
    pair.network.run(25.0)
    assert [d.kind for _, d in seen][-1] is KEEPALIVE
    # RFC 3948 section 4: they "MUST NOT be used to detect whether a connection is live"
    assert pair.bobs.last_heard == heard
    assert [name for name, _ in pair.network.events[events:]] == ["alice"]


def test_keepalives_end_with_the_sa():
    pair, _, seen = natted()
    sa = pair.connect()
    sa.delete_ike()
    pair.network.run(200.0)
    assert not [d for _, d in seen if d.kind is KEEPALIVE]
    assert not len(pair.alice.keepalives)
    assert not len(pair.alice.timers)


def test_a_rekeyed_ike_sa_keeps_one_schedule():
    pair, _, seen = natted()
    sa = pair.connect()
    pair.network.run(10.0)
    sa.rekey()
    pair.network.run()
    last = max(now for now, d in seen if d.local.host == ALICE)
    pair.network.run(75.0)
    assert [now for now, d in seen if d.kind is KEEPALIVE] == pytest.approx([last + 20, last + 40, last + 60])
    assert len(pair.alice.keepalives) == 1
    (new,) = [s for s in pair.alice.sas.values() if s.established]
    new.delete_ike()
    pair.network.run(200.0)
    assert not len(pair.alice.keepalives)


def test_a_responder_behind_a_nat_sends_keepalives_too():
    nat = Nat({BOB}, BOBS_OUTSIDE).forward(Address(BOB, 500)).forward(Address(BOB, 4500))
    pair, _, seen = natted(nat=nat)
    sa = pair.connect(alice(remote=Address(BOBS_OUTSIDE, 500)))
    assert (sa.nat_before_us, sa.nat_before_peer) == (False, True)
    pair.network.run(30.0)
    assert [d for _, d in seen if d.kind is KEEPALIVE] == [
        Datagram(b"\xff", Address(BOB, 4500), Address(ALICE, 4500), KEEPALIVE)
    ]
    assert ping(pair)


# A peer that moves


@pytest.mark.parametrize("change", ["port", "address", "both"])
@pytest.mark.parametrize("by", ["ike", "esp"])
@pytest.mark.requirements("7296-2.23-15", "7296-2.6-i01")
def test_a_peer_behind_a_nat_is_followed(change, by):
    pair, nat, _ = natted()
    sa = pair.connect()
    old = pair.bobs.remote
    if change != "port":
        nat.move("198.51.100.77")
    if change != "address":
        nat.forget()
    assert not ping(pair, "bob")
    if by == "ike":
        sa.liveness()
        pair.network.run()
    else:
        assert ping(pair)
    new = nat.mappings[Address(ALICE, 4500)]
    assert (new.host != old.host, new.port != old.port) == (change != "port", change != "address")
    assert pair.bobs.remote == new
    assert [(e.old, e.new) for e in pair.of("bob", PeerMoved)] == [(old, new)]
    # All its Child SAs, and its requests
    assert ping(pair, "bob")
    assert pair.bobs.liveness().done is False
    pair.network.run()
    assert not pair.bobs.requests.pending


def test_a_request_follows_the_peer_when_it_is_sent_again():
    pair, nat, seen = natted()
    sa = pair.connect()
    nat.forget()
    asked = pair.bobs.liveness()
    pair.network.run(pair.network.now + 1)
    sa.liveness()
    pair.network.run()
    assert asked.done
    requests = [d for _, d in seen if d.local.host == BOB and d.data[19] & 0x20 == 0 and d.kind is IKE]
    assert requests[0].data == requests[1].data
    assert requests[1].remote == nat.mappings[Address(ALICE, 4500)] != requests[0].remote


@pytest.mark.requirements("7296-2.11-01")
def test_an_answer_goes_to_where_the_retransmission_came_from():
    pair, nat, seen = natted()
    sa = pair.connect()
    away = pair.network.intercept(lambda now, d: () if d.local.host == BOB else None)
    asked = sa.liveness()
    pair.network.run(pair.network.now + 1)
    nat.forget()
    away()
    pair.network.run()
    assert asked.done
    assert seen[-1][1].remote == nat.mappings[Address(ALICE, 4500)]
    # The retransmission is no new packet: it is answered, and moves nobody
    assert not pair.of("bob", PeerMoved)


@pytest.mark.parametrize("kind", [IKE, IN_UDP])
@pytest.mark.parametrize("how", ["forged", "replayed"])
@pytest.mark.requirements("7296-2.23-i02", negative=True)
def test_a_forged_or_replayed_packet_moves_nobody(kind, how):
    pair, _, _ = natted()
    sa = pair.connect()
    kept: list[Datagram] = []
    away = pair.network.intercept(lambda now, d: kept.append(d) if d.local.host == ALICE else None)
    assert ping(pair)
    sa.liveness()
    pair.network.run()
    away()
    here = pair.bobs.remote
    datagram = next(d for d in kept if d.kind is kind)
    data = datagram.data if how == "replayed" else datagram.data[:-1] + bytes([datagram.data[-1] ^ 1])
    if how == "forged":
        # Something new by its number, too
        at = 20 if kind is IKE else 4
        data = data[:at] + (int.from_bytes(data[at : at + 4]) + 1).to_bytes(4) + data[at + 4 :]
    pair.network.inject(Datagram(data, Address("198.51.100.66", 4500), Address(BOB, 4500), kind))
    pair.network.run()
    assert pair.bobs.remote == here
    assert not pair.of("bob", PeerMoved)
    assert len(pair.of("bob", IntegrityFailed)) == (how == "forged")
    assert len(pair.of("bob", ReplayDropped)) == (how == "replayed" and kind is IN_UDP)
    assert ping(pair, "bob")


def test_an_esp_packet_that_was_overtaken_does_not_move_the_peer_back():
    pair, nat, _ = natted()
    pair.connect()
    held: list[Datagram] = []
    away = pair.network.intercept(lambda now, d: kept(held, d))
    pair.alice.send(echo_request("10.1.0.1", "10.2.0.1"), pair.network.now)
    pair.network.run(pair.network.now + 0.1)
    away()
    old = pair.bobs.remote
    nat.forget()
    assert ping(pair)
    new = pair.bobs.remote
    received = len(pair.of("bob", EspReceived))
    pair.bob.receive(replace(held[0], local=Address(BOB, 4500), remote=old), pair.network.now)
    pair.network.run()
    assert len(pair.of("bob", EspReceived)) == received + 1
    assert pair.bobs.remote == new != old


def held_back(pair: Pair, nat: Nat, act: Callable[[], object]) -> list[Datagram]:
    """What leaves Alice while ``act`` is done, as it would come to Bob; none of it arrives."""
    held: list[Datagram] = []
    away = pair.network.intercept(lambda now, d: kept(held, d) if d.local.host == ALICE else None)
    act()
    pair.network.run(pair.network.now + 0.1)
    away()
    return [replace(d.turned(), remote=nat.mappings[d.local]) for d in held]


def arrives(pair: Pair, datagrams: list[Datagram], remote: Address | None = None) -> None:
    for datagram in datagrams:
        pair.bob.receive(replace(datagram, remote=remote or datagram.remote), pair.network.now)
    pair.network.run(pair.network.now + 0.1)


def windowed(**fields) -> tuple[Pair, Nat, IkeSa]:
    """Both ends allow four requests at once."""
    pair, nat, _ = natted(bob(window=4, **fields))
    sa = pair.connect(alice(window=4, **fields))
    assert sa.requests.size == pair.bobs.requests.size == 4
    return pair, nat, sa


@pytest.mark.parametrize("size", ["whole", "in fragments"])
def test_a_request_that_was_overtaken_does_not_move_the_peer_back(size):
    pair, nat, sa = windowed(fragment_size=200)
    payloads = [IKEv2_VendorID(vendorID=bytes(500))] if size == "in fragments" else []
    late = held_back(pair, nat, lambda: sa.start(Informational(sa, *payloads)))
    assert (len(late) > 1) == (size == "in fragments")
    old = pair.bobs.remote
    nat.forget()
    sa.liveness()
    pair.network.run(pair.network.now + 0.1)
    new = pair.bobs.remote
    assert new != old
    received = len(pair.of("bob", MessageReceived))
    # The older request, from the older address: answered where it came from, and no sign that the peer is there.
    arrives(pair, late)
    assert len(pair.of("bob", MessageReceived)) == received + 1
    assert pair.bobs.remote == new
    assert len(pair.of("bob", PeerMoved)) == 1


@pytest.mark.parametrize("by", ["request", "esp", "answer"])
def test_an_answer_that_was_overtaken_does_not_move_the_peer_back(by):
    pair, nat, sa = windowed()
    asked = [pair.bobs.liveness(), pair.bobs.liveness()]
    late = held_back(pair, nat, lambda: None)
    assert len(late) == 2
    old = pair.bobs.remote
    nat.forget()
    if by == "request":
        sa.liveness()
    elif by == "esp":
        pair.alice.send(echo_request("10.1.0.1", "10.2.0.1"), pair.network.now)
    else:
        arrives(pair, [late.pop()], Address(OUTSIDE, 33333))
    pair.network.run(pair.network.now + 0.1)
    new = pair.bobs.remote
    assert new != old
    arrives(pair, late)
    assert all(exchange.done for exchange in asked)
    assert pair.bobs.remote == new
    assert len(pair.of("bob", PeerMoved)) == 1


KINDS = {
    "request": lambda pair, sa: sa.liveness(),
    "answer": lambda pair, sa: pair.bobs.liveness(),
    "esp": lambda pair, sa: pair.alice.send(echo_request("10.1.0.1", "10.2.0.1"), pair.network.now),
}


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_what_comes_late_from_the_address_that_was_left_moves_nobody(first, second):
    """Of two kinds nobody can tell which was sent first; of one kind the numbers do."""
    pair, nat, sa = windowed()
    old, new = pair.bobs.remote, Address(OUTSIDE, 33333)
    late = held_back(pair, nat, lambda: KINDS[second](pair, sa))
    moving = held_back(pair, nat, lambda: KINDS[first](pair, sa))
    arrives(pair, moving[-1:], new)
    assert pair.bobs.remote == new
    arrives(pair, late[:1])
    assert pair.bobs.remote == new
    assert [(event.old, event.new) for event in pair.of("bob", PeerMoved)] == [(old, new)]


@pytest.mark.parametrize(
    ("first", "second"), [("request", "request"), ("esp", "esp"), ("request", "esp"), ("esp", "request")]
)
def test_a_peer_that_goes_back_is_followed(first, second):
    """At once by the same kind, whose numbers tell; by another when nothing can be late any more."""
    pair, nat, sa = windowed()
    old, new = pair.bobs.remote, Address(OUTSIDE, 33333)
    arrives(pair, held_back(pair, nat, lambda: KINDS[first](pair, sa)), new)
    assert pair.bobs.remote == new
    if first != second:
        pair.network.run(pair.network.now + pair.bob.config.esp_linger)
    arrives(pair, held_back(pair, nat, lambda: KINDS[second](pair, sa))[-1:])
    assert pair.bobs.remote == old


@pytest.mark.parametrize("by", ["request", "esp"])
def test_the_answer_to_a_request_after_a_move_moves_the_peer_again(by):
    pair, nat, sa = windowed()
    pair.bobs.liveness()
    nat.forget()
    if by == "request":
        sa.liveness()
    else:
        pair.alice.send(echo_request("10.1.0.1", "10.2.0.1"), pair.network.now)
    pair.network.run(pair.network.now + 0.1)
    pair.bobs.liveness()
    arrives(pair, held_back(pair, nat, lambda: None), Address(OUTSIDE, 44444))
    assert pair.bobs.remote == Address(OUTSIDE, 44444)


def test_a_packet_on_a_replaced_child_sa_does_not_move_the_peer_back():
    pair, nat, _ = natted()
    sa = pair.connect()
    (child,) = sa.children.values()
    late = held_back(pair, nat, lambda: pair.alice.send(echo_request("10.1.0.1", "10.2.0.1"), pair.network.now))
    rekey = sa.rekey_child(child)
    pair.network.run(lambda: rekey.done)
    old = pair.bobs.remote
    nat.forget()
    assert ping(pair)
    new = pair.bobs.remote
    received = len(pair.of("bob", EspReceived))
    arrives(pair, late)
    assert len(pair.of("bob", EspReceived)) == received + 1
    assert pair.bobs.remote == new != old


@pytest.mark.parametrize("late", [0, 1, 2])
def test_a_late_fragment_does_not_move_the_peer_back(late):
    """The rest of its message came from where the peer is by now."""
    pair, nat, sa = windowed(fragment_size=200)
    request = [IKEv2_VendorID(vendorID=bytes(250))]
    fragments = held_back(pair, nat, lambda: sa.start(Informational(sa, *request)))
    assert len(fragments) == 3
    nat.forget()
    assert ping(pair)
    new = pair.bobs.remote
    # Sent again from the new address, but for one that is lost; its first copy arrives at last.
    arrives(pair, [f for n, f in enumerate(fragments) if n != late], new)
    arrives(pair, [fragments[late]])
    assert pair.of("bob", MessageReceived)[-1].header.exch_type == 37
    assert pair.bobs.remote == new
    assert len(pair.of("bob", PeerMoved)) == 1


def test_a_message_in_fragments_moves_the_peer():
    pair, nat, sa = windowed(fragment_size=200)
    nat.forget()
    exchange = sa.start(Informational(sa, IKEv2_VendorID(vendorID=bytes(500))))
    pair.network.run(pair.network.now + 0.1)
    assert exchange.done
    assert pair.bobs.remote == nat.mappings[Address(ALICE, 4500)]


@pytest.mark.requirements("7296-2.23-16", negative=True)
def test_an_end_behind_a_nat_follows_nobody():
    nat = Nat({BOB}, BOBS_OUTSIDE).forward(Address(BOB, 500)).forward(Address(BOB, 4500))
    pair, alices, _ = natted()
    pair.network.add_nat(nat)
    sa = pair.connect(alice(remote=Address(BOBS_OUTSIDE, 500)))
    assert (sa.nat_before_us, sa.nat_before_peer) == (True, True)
    assert ping(pair)
    assert ping(pair, "bob")
    old = pair.bobs.remote
    alices.forget()
    sa.liveness()
    pair.network.run()
    # Answered where it came from, but nothing else goes there
    assert not sa.requests.pending
    assert pair.bobs.remote == old
    assert not pair.of("bob", PeerMoved)


@pytest.mark.requirements("4303-2.1-01")
def test_a_peer_without_a_nat_is_not_followed():
    pair = Pair()
    sa = pair.connect()
    (child,) = sa.children.values()
    data = child.outbound.seal(echo_request("10.1.0.1", "10.2.0.1"), 4)
    pair.network.inject(Datagram(data, Address("198.51.100.66", 4500), Address(BOB, 4500), IN_UDP))
    pair.network.run()
    assert pair.of("bob", EspReceived)
    assert pair.bobs.remote == Address(ALICE, 500)


def test_an_ike_sa_on_its_way_out_follows_with_its_successor():
    pair, nat, _ = natted()
    sa = pair.connect()
    old = pair.bobs
    pair.network.run(5.0)
    # Alice's Delete of the old IKE SA does not arrive for a while: Bob holds both
    rekey = sa.rekey()
    pair.network.run(lambda: rekey.done)
    away = pair.network.intercept(lambda now, d: () if d.kind is IKE and d.local.host == ALICE else None)
    nat.forget()
    assert ping(pair)
    assert old.successor is not None
    assert old.remote == old.successor.remote == nat.mappings[Address(ALICE, 4500)]
    away()
    pair.network.run()
    assert not sa.requests.pending


def test_two_hosts_behind_one_nat():
    carol = Endpoint("192.0.2.3", randomness=SeededRandomness("carol"))
    child = ChildConfig(local_ts=("10.2.0.0/24",), remote_ts=("10.3.0.0/24",))
    pair, nat, seen = natted(bob(), bob(remote_id="carol", children=(child,)), nat=Nat({ALICE, "192.0.2.3"}, OUTSIDE))
    pair.network.add(carol, "carol")
    first = pair.connect()
    children = (ChildConfig(local_ts=("10.3.0.0/24",), remote_ts=("10.2.0.0/24",)),)
    second = carol.connect(alice(local_id="carol", children=children), pair.network.now)
    pair.network.run()
    assert first.established
    assert second.established
    assert {sa.remote.host for sa in pair.bob.sas.values()} == {OUTSIDE}
    assert len({sa.remote.port for sa in pair.bob.sas.values()}) == 2
    assert ping(pair)
    carol.send(echo_request("10.3.0.1", "10.2.0.1"), pair.network.now)
    pair.network.hosts["bob"].echo = True
    pair.network.run()
    assert len(pair.network.hosts["carol"].inbox) == 1
    # One of them moves, the other stays where it is
    nat.mappings[Address("192.0.2.3", 4500)] = Address(OUTSIDE, 33333)
    second.liveness()
    pair.network.run()
    assert sorted(sa.remote.port == 33333 for sa in pair.bob.sas.values()) == [False, True]
    pair.network.run(60.0)
    assert {d.local.host for _, d in seen if d.kind is KEEPALIVE} == {ALICE, "192.0.2.3"}


# Forced encapsulation


@pytest.mark.parametrize("forced", ["initiator", "responder", "both"])
@pytest.mark.requirements("7296-2.23-05", "7296-2.23-09")
def test_forced_encapsulation_sends_esp_in_udp_without_a_nat(forced):
    pair, _, seen = natted(bob(force_encapsulation=forced != "initiator"), nat=Nat({"192.0.2.99"}, OUTSIDE))
    sa = pair.connect(alice(force_encapsulation=forced != "responder"))
    assert sa.nat
    assert sa.local.port == sa.remote.port == pair.bobs.remote.port == 4500
    assert ping(pair)
    assert {d.kind for _, d in seen} == {IKE, IN_UDP}
    pair.network.run(100.0)
    # Who pretends knows that nothing has to be kept alive
    keepalives = {d.local.host for _, d in seen if d.kind is KEEPALIVE}
    assert keepalives == set()


def test_nothing_is_forced_on_a_peer_that_does_not_know_of_nats():
    pair, _, seen = natted(nat=Nat({"192.0.2.99"}, OUTSIDE))

    def no_detection(message):
        kinds = (NotifyType.NAT_DETECTION_SOURCE_IP, NotifyType.NAT_DETECTION_DESTINATION_IP)
        message.payloads[:] = [p for p in message.payloads if getattr(p, "type", None) not in kinds]

    pair.bob.taps.add("payloads", no_detection)
    sa = pair.connect(alice(force_encapsulation=True))
    assert sa.established
    assert sa.remote.port == 500
    assert {d.kind for _, d in seen} == {IKE}


# Ports


@pytest.mark.requirements("7296-2-03")
def test_an_initiator_may_begin_on_port_4500():
    pair, _, seen = natted(nat=Nat({"192.0.2.99"}, OUTSIDE))
    sa = pair.connect(alice(remote=Address(BOB, 4500)))
    assert sa.established
    assert not sa.nat
    assert {(d.local.port, d.remote.port) for _, d in seen} == {(4500, 4500)}
    assert {d.wire[:4] for _, d in seen} == {bytes(4)}
    assert ping(pair)
    assert seen[-1][1].kind is ESP


def test_an_initiator_behind_a_nat_may_begin_on_port_4500():
    pair, _, seen = natted()
    sa = pair.connect(alice(remote=Address(BOB, 4500)))
    assert sa.nat_before_us
    assert pair.bobs.nat_before_peer
    assert {(d.local.port, d.remote.port) for _, d in seen if d.local.host == ALICE} == {(4500, 4500)}
    assert ping(pair)
    assert seen[-1][1].kind is IN_UDP


@pytest.mark.requirements("7296-2.23-03")
def test_esp_in_udp_never_goes_over_port_500():
    pair, _, seen = natted()

    def stay(message, datagrams, attempt):
        return [replace(d, local=Address(ALICE, 500), remote=Address(BOB, 500)) for d in datagrams]

    pair.alice.taps.add("datagrams", stay)
    sa = pair.connect()
    assert sa.established
    assert pair.bobs.local.port == 500
    pair.bob.send(echo_request("10.2.0.1", "10.1.0.1"), pair.network.now)
    pair.network.run()
    assert [d.local.port for _, d in seen if d.kind is IN_UDP] == [4500]


@pytest.mark.parametrize("kind", [ESP, IN_UDP])
@pytest.mark.parametrize("nat", [False, True])
@pytest.mark.requirements("7296-2.23-04", "7296-2.23-13", "7296-2.23-i01")
def test_esp_is_taken_in_udp_or_not_whatever_was_detected(kind, nat):
    pair = Pair()
    if nat:
        pair.network.add_nat(Nat({ALICE}, OUTSIDE))
    sa = pair.connect()
    (child,) = sa.children.values()
    data = child.outbound.seal(echo_request("10.1.0.1", "10.2.0.1"), 4)
    port = 0 if kind is ESP else pair.bobs.remote.port
    remote = pair.bobs.remote
    datagram = Datagram(data, Address(BOB, port and 4500), Address(remote.host, port), kind)
    pair.bob.receive(datagram, pair.network.now)
    pair.network.run()
    assert len(pair.of("bob", EspReceived)) == 1
    assert pair.bobs.remote == remote


def test_a_nat_is_found_over_ipv6():
    network = Network(seed=3)
    ends = "2001:db8::1", "2001:db8::2"
    nat = network.add_nat(Nat({ends[0]}, "2001:db8:ffff::1"))
    one, two = (Endpoint(host, [bob()], randomness=SeededRandomness(host)) for host in ends)
    network.add(one, "alice")
    network.add(two, "bob", echo=True)
    sa = one.connect(alice(remote=Address(ends[1], 500)), network.now)
    network.run()
    assert sa.nat_before_us
    one.send(echo_request("10.1.0.1", "10.2.0.1"), network.now)
    network.run()
    assert len(network.hosts["alice"].inbox) == 1
    (other,) = two.sas.values()
    assert other.remote == nat.mappings[Address(ends[0], 4500)]
    nat.move("2001:db8:eeee::1")
    nat.forget()
    one.send(echo_request("10.1.0.1", "10.2.0.1"), network.now)
    network.run()
    assert len(network.hosts["alice"].inbox) == 2
    assert other.remote.host == "2001:db8:eeee::1"


@pytest.mark.parametrize(
    ("first_port", "mapped"),
    [(499, {500: 499, 4500: 500}), (4499, {500: 4499, 4500: 4500}), (4500, {500: 4500, 4500: 4501})],
)
@pytest.mark.requirements("7296-2.23-01")
def test_the_marker_goes_by_the_local_port_whatever_a_nat_makes_of_the_other(first_port, mapped):
    """RFC 7296 section 2.23: IKE messages "MUST be accepted coming from any port"."""
    pair = Pair()
    nat = pair.network.add_nat(Nat({ALICE}, OUTSIDE, first_port=first_port))
    pair.connect()
    pair.alice.send(echo_request("10.1.0.1", "10.2.0.1"), pair.network.now)
    pair.network.run()
    assert {inner.port: outer.port for inner, outer in nat.mappings.items()} == mapped
    assert len(pair.network.hosts["alice"].inbox) == 1
    assert not pair.of("bob", MessageDropped)


@pytest.mark.parametrize(
    ("here", "there", "marked"),
    [
        (500, 500, False),
        (4500, 4500, True),
        (4500, 20000, True),
        (4500, 500, True),  # a NAT has turned the peer's 4500 into 500
        (500, 4500, False),  # a NAT has turned the peer's 500 into 4500
        (500, 20000, False),
        (40000, 4500, True),  # the peer reads by its own port
        (40000, 500, False),
        (40000, 40001, False),
    ],
)
@pytest.mark.requirements("7296-2-03", "7296-3.1-i01", "3948-2.2-i01")
def test_sender_and_receiver_agree_about_the_marker_of_their_port(here, there, marked):
    """RFC 7296 section 3.1, RFC 3948 section 2.2."""
    ends = Address(BOB, here), Address(ALICE, there)
    out = Datagram(bytes(28), *ends)
    assert out.marked == marked
    assert out.wire == bytes(4 * marked + 28)
    arrived = Datagram.from_udp(b"\0\0\0\0initiate", *ends)
    assert arrived.data == (b"initiate" if marked else b"\0\0\0\0initiate")
    assert arrived.kind is IKE
    # What is shown of it later is what was on the wire.
    assert arrived.wire == arrived.turned().wire == b"\0\0\0\0initiate"
    assert Datagram.from_udp(b"\xff", *ends).kind is (KEEPALIVE if marked else IKE)


# The marker on every message


def own_ports(always: tuple[bool, bool], bobs_port: int = 15500) -> tuple[Network, Endpoint, Endpoint]:
    network = Network(seed=4)
    first, second = (
        EndpointConfig(marker_always=one, natt_port=port) for one, port in zip(always, (14500, bobs_port), strict=True)
    )
    here = Endpoint(ALICE, config=first, randomness=SeededRandomness("alice"))
    there = Endpoint(BOB, [bob()], config=second, randomness=SeededRandomness("bob"))
    network.add(here, "alice")
    network.add(there, "bob", echo=True)
    return network, here, there


@pytest.mark.parametrize("nat", [False, True])
def test_a_marker_on_every_message_tells_ike_from_esp_on_any_port(nat):
    network, here, _ = own_ports((True, True))
    if nat:
        network.add_nat(Nat({ALICE}, OUTSIDE))
    seen: list[Datagram] = []
    network.observe(lambda now, datagram, fate: seen.append(datagram))
    sa = here.connect(alice(remote=Address(BOB, 15500), remote_natt_port=15500), 0.0)
    network.run()
    assert sa.established
    assert (sa.local.port, sa.remote.port) == (14500, 15500)
    here.send(echo_request("10.1.0.1", "10.2.0.1"), network.now)
    network.run()
    assert len(network.hosts["alice"].inbox) == 1
    assert all(d.wire == bytes(4) + d.data for d in seen if d.kind is IKE)
    assert seen[-1].kind is (IN_UDP if nat else ESP)
    network.run(50.0)
    assert bool([d for d in seen if d.kind is KEEPALIVE]) == nat


@pytest.mark.parametrize("always", [(True, False), (False, True)])
def test_a_marker_that_only_one_end_wants_is_no_ike_message_to_the_other(always):
    network, here, there = own_ports(always)
    sa = here.connect(alice(remote=Address(BOB, 15500), remote_natt_port=15500), 0.0)
    network.run(1.0)
    assert not there.sas
    assert not [event for name, event in network.events if name == "bob" and isinstance(event, MessageReceived)]
    assert not sa.established


def test_a_stranger_is_answered_with_the_marker_too():
    network, _, there = own_ports((True, True))
    there.configs.clear()
    seen: list[Datagram] = []
    network.observe(lambda now, datagram, fate: seen.append(datagram))
    network.hosts["alice"].endpoint.connect(alice(), 0.0)
    network.run(1.0)
    assert [d.local.host for d in seen][:2] == [ALICE, BOB]
    assert all(d.remote.port == 500 or d.local.port == 500 for d in seen)
    assert all(d.wire[:4] == bytes(4) for d in seen)


def test_marked_datagrams_are_told_apart():
    ends = Address(BOB, 15500), Address(ALICE, 14500)
    for payload, kind, data in (
        (bytes(4) + b"ike", IKE, b"ike"),
        (b"\xff", KEEPALIVE, b"\xff"),
        (b"\0\0\1\0esp", IN_UDP, b"\0\0\1\0esp"),
    ):
        datagram = Datagram.from_udp(payload, *ends, marker_always=True)
        assert (datagram.kind, datagram.data) == (kind, data)
        assert datagram.wire == payload
        assert Datagram.from_udp(payload, *ends).kind is IKE
        # Turned round, it stays as it is
        assert datagram.turned().wire == payload


@pytest.mark.parametrize("fields", [{"natt_port": -1}, {"port": 65536}])
def test_ports_are_checked(fields):
    with pytest.raises(ConfigError, match="from 0 to 65535"):
        EndpointConfig(**fields)


def test_the_interval_is_checked():
    with pytest.raises(ConfigError, match="keepalive"):
        alice(keepalive=-1)
