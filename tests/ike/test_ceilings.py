# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever a peer can make grow has a ceiling, whether it is authenticated or not."""

from __future__ import annotations

import functools
import gc
import os
import tracemalloc
import weakref
from typing import Any

import pytest
from scapy.packet import Packet

from fynx_scapy.iana import ExchangeType, IdType, NotifyType, ProtocolId
from fynx_scapy.ike.child.setup import ChildRequest
from fynx_scapy.ike.child.traps import HELD_PACKETS
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import EventsDropped, IkeSaFailed, KeysDerived, MessageDropped, MessageReceived
from fynx_scapy.ike.exchanges.create_child import CreateChild
from fynx_scapy.ike.exchanges.custom import Custom
from fynx_scapy.ike.extensions import SignatureHashes
from fynx_scapy.ike.life.collisions import note_early_delete
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, IcmpError, notify
from fynx_scapy.ike.path.icmp import PATHS
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ladder import Ladder
from fynx_scapy.layers.ikev2 import (
    ConfigurationAttribute,
    IKEv2_CP,
    IKEv2_Delete,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
    build_payloads,
    parse_payloads,
)
from fynx_scapy.layers.ikev2.payload import MAXIMUM_PAYLOADS
from fynx_scapy.net.echo import echo_request
from fynx_scapy.net.memory import Network
from fynx_scapy.net.recorder import Recorder
from fynx_scapy.pki import names
from tests.ike.pair import ALICE, BOB, Pair, alice, bob
from tools.flood import constructions

HERE, THERE = Address(BOB, 500), Address("198.51.100.7", 500)


def responder(**changes) -> Endpoint:
    return Endpoint(BOB, [bob()], config=EndpointConfig(**changes))


def rekey_again(pair: Pair, sa: IkeSa) -> int:
    """A rekey of the first Child SA that the peer makes by hand; the type of the Notify that answers, or 0."""
    old = next(iter(sa.children.values()))
    request = ChildRequest.rekey(sa, old)
    which = notify(NotifyType.REKEY_SA, protocol=ProtocolId.ESP, spi=old.inbound.spi.to_bytes(4))
    nonce, selectors = IKEv2_Nonce(nonce=os.urandom(32)), request.payloads(without=())[1:]
    exchange = Custom(sa, ExchangeType.CREATE_CHILD_SA, which, request.offer(), nonce, *selectors)
    sa.endpoint.now = pair.network.now
    sa.start(exchange)
    pair.network.run()
    assert exchange.answer is not None
    found = exchange.answer.get(IKEv2_Notify)
    return 0 if found is None else found.type


# Rekeys


def test_one_child_sa_is_rekeyed_only_as_often_as_there_may_be_child_sas():
    pair = Pair(bob(child_limit=4))
    sa = pair.connect()
    # HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr}  -->   and no Delete
    found = [rekey_again(pair, sa) for _ in range(10)]
    assert found == [0] * 4 + [NotifyType.TEMPORARY_FAILURE] * 6
    assert len(pair.bobs.children) == 5
    assert pair.bobs.established


def test_a_peer_with_all_child_sas_that_it_may_have_rekeys_each_of_them():
    pair = Pair(bob(child_limit=3))
    sa = pair.connect()
    for _ in range(2):
        sa.create_child()
        pair.network.run()
    assert len(pair.bobs.children) == 3
    for child in list(sa.children.values()):
        sa.rekey_child(child)
    pair.network.run()
    assert len(pair.bobs.children) == len(sa.children) == 3
    assert not pair.of("alice", MessageDropped)


def test_a_replaced_child_sa_lingers_but_not_any_number_of_them():
    pair = Pair(endpoint=EndpointConfig(linger_limit=5))
    sa = pair.connect()
    timers = len(pair.bob.timers)
    for _ in range(20):
        sa.rekey_child(next(iter(sa.children.values())))
        pair.network.run()
    assert len(pair.bobs.children) == 1
    assert len(pair.bob.children) == 6
    assert len(pair.bob.timers) == timers + 5
    pair.network.run(pair.network.now + 11)
    assert len(pair.bob.children) == 1


def succeeded(sa: IkeSa) -> bool:
    return sa.successor is not None


def test_an_ike_sa_is_rekeyed_only_a_few_times_without_a_delete():
    pair = Pair(bob(undeleted_limit=3))
    pair.alice.taps.add("datagrams", lambda message, datagrams, attempt: [] if "D" in message.types() else datagrams)
    sa = pair.connect()
    # HDR, SK {SA, Ni, KEi}  -->   <--  HDR, SK {SA, Nr, KEr}      and no Delete, again and again
    for _ in range(3):
        sa.rekey()
        assert pair.network.run(functools.partial(succeeded, sa), limit=2)
        new = sa.successor
        assert new is not None
        sa = new
    exchange = sa.rekey()
    pair.network.run(pair.network.now + 2)
    assert exchange.answer.has_notify(NotifyType.TEMPORARY_FAILURE)
    assert len(pair.bob.sas) == 4
    # Those that nobody deletes go by themselves, and then there is room again.
    pair.network.run(pair.network.now + 200)
    assert len([sa for sa in pair.bob.sas.values() if sa.established]) == 1


def test_with_deletes_an_ike_sa_is_rekeyed_any_number_of_times():
    pair = Pair(bob(undeleted_limit=1), endpoint=EndpointConfig(linger_limit=5))
    sa = pair.connect()
    timers = len(pair.bob.timers)
    for _ in range(20):
        sa.rekey()
        pair.network.run()
        new = sa.successor
        assert new is not None
        sa = new
    # One that lives, and five that answer retransmissions.
    assert len(pair.bob.sas) == 6
    assert len(pair.bob.timers) <= timers + 5
    assert pair.bob.children


# IKE SAs


def test_one_identity_has_a_limited_number_of_ike_sas():
    pair = Pair(endpoint=EndpointConfig(peer_limit=3))
    found = [pair.connect() for _ in range(5)]
    assert [sa.established for sa in found] == [True] * 3 + [False] * 2
    assert pair.connect(alice(initial_contact=True)).established is False, "it has others itself, and does not say so"
    found[0].endpoint.now = pair.network.now
    found[0].delete_ike()
    pair.network.run()
    assert pair.connect().established


def test_all_peers_together_have_a_limited_number_of_ike_sas():
    pair = Pair(bob(remote_id=None), endpoint=EndpointConfig(sa_limit=3))
    found = [pair.connect(alice(local_id=f"peer{number}")) for number in range(5)]
    assert [sa.established for sa in found] == [True] * 3 + [False] * 2


def test_ended_ike_sas_linger_but_not_any_number_of_them():
    pair = Pair(endpoint=EndpointConfig(linger_limit=4))
    for _ in range(10):
        sa = pair.connect()
        sa.endpoint.now = pair.network.now
        sa.delete_ike()
        pair.network.run()
    assert len(pair.bob.sas) == 4
    pair.network.run(pair.network.now + 61)
    assert not pair.bob.sas
    assert not pair.bob.timers


# What is stored of the peer


def test_fragments_of_strangers_count_towards_what_half_open_ike_sas_hold():
    pair = Pair(endpoint=EndpointConfig(half_open_octets=3000))
    pair.network.intercept(lambda _, datagram: [] if is_last_fragment(datagram) else None)
    sa = pair.connect(alice(fragment_size=160, local_id="a" * 2000, remote_id=None))
    pair.network.run(pair.network.now + 1)
    assert not sa.established
    assert pair.bob.admission.octets <= 3000
    assert "half-open IKE SAs to store at most" in pair.of("bob", IkeSaFailed)[0].reason


def is_last_fragment(datagram: Datagram) -> bool:
    data = datagram.data
    return data[16] == 53 and data[32:34] == data[34:36]


def test_the_mtu_of_a_limited_number_of_paths_is_remembered():
    endpoint = responder()
    for number in range(PATHS + 10):
        remote = Address(f"10.0.{number >> 8}.{number & 255}", 500)
        endpoint.receive_icmp(IcmpError(HERE, remote, "192.0.2.9", 3, 4, "too long", 1000), float(number))
    assert len(endpoint.path_mtu) <= PATHS


def test_deletes_that_come_early_are_noted_within_a_limit():
    pair = Pair(bob(child_limit=10))
    pair.connect()
    sa = pair.bobs
    sa.start(CreateChild(sa))
    for number in range(100):
        note_early_delete(sa, {number, number + 1000})
    assert sa.creating
    assert 0 < len(sa.deleted_early) <= 10


def test_of_announced_hash_algorithms_a_few_are_noted():
    pair = Pair()
    announced = notify(NotifyType.SIGNATURE_HASH_ALGORITHMS, b"".join(n.to_bytes(2) for n in range(2000)))
    pair.alice.taps.add(
        "payloads", lambda message: message.payloads.append(announced) if not message.encrypted else None
    )
    pair.connect(alice(signature_hashes=()))
    assert len(pair.bobs.of(SignatureHashes).peer) == 64


# Events, packets, recordings


def test_events_that_nobody_fetches_have_a_ceiling_and_what_is_missing_is_named():
    endpoint = responder(event_limit=100)
    for _ in range(1000):
        endpoint.receive(Datagram(b"junk", HERE, THERE), 0.0)
    events = endpoint.events()
    assert len(events) <= 100
    assert isinstance(events[0], EventsDropped)
    ((kind, count),) = events[0].kinds
    assert (kind, count + len(events) - 1) == ("MessageDropped", 1000)


def test_of_a_long_datagram_of_a_stranger_an_event_keeps_the_beginning():
    endpoint = responder(event_octets=1 << 20)
    for _ in range(1000):
        endpoint.receive(Datagram(bytes(60_000), HERE, THERE), 0.0)
        endpoint.receive(Datagram(b"\0\0\1\1" + bytes(60_000), HERE, THERE, DatagramKind.ESP), 0.0)
    assert endpoint._events.octets <= 1 << 20
    events = [event for event in endpoint.events() if isinstance(event, MessageDropped)]
    assert {len(event.data) for event in events} == {2048}
    assert {event.length for event in events} == {60_000, 60_004}


def test_text_of_a_peer_counts_too():
    # A stranger's identity of 30 KB is told in the reason of the failure.
    pair = Pair(endpoint=EndpointConfig(event_octets=1 << 20))
    pair.connect(alice(local_id="a" * 30_000))
    assert pair.of("bob", IkeSaFailed)[0].weight > len(pair.of("bob", IkeSaFailed)[0].reason)


def test_packets_and_datagrams_that_nobody_fetches_have_a_ceiling():
    endpoint = responder(queue_limit=50, cookie_threshold=0)
    stray = bytearray(28)
    stray[16:28] = bytes([0, 0x20, 37, 8, 0, 0, 0, 7, 0, 0, 0, 28])
    for number in range(1000):
        endpoint.receive(Datagram(bytes(stray), HERE, THERE), float(number))
    assert len(endpoint.datagrams()) <= 50
    pair = Pair(endpoint=EndpointConfig(queue_limit=50))
    pair.connect()
    ping = echo_request("10.1.0.1", "10.2.0.1")
    for _ in range(200):
        assert pair.alice.send(ping, pair.network.now)
        for datagram in pair.alice.datagrams():
            pair.bob.receive(datagram.turned(), pair.network.now)
    assert len(pair.bob.packets()) <= 50


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("fynx_scapy.net.hosts.EVENTS", 60)
    monkeypatch.setattr("fynx_scapy.net.hosts.INBOX", 60)
    monkeypatch.setattr("fynx_scapy.net.recorder.KEPT", 60)


def test_what_a_network_keeps_has_a_ceiling_and_the_keys_go_last(small):
    network = Network(seed=1)
    pair = Pair(network=network)
    recorder = Recorder()
    recorder.watch(network, "long")
    pair.connect()
    seen = len(network.events)
    for _ in range(100):
        pair.alice.send(echo_request("10.1.0.1", "10.2.0.1"), network.now)
        network.run()
    assert len(network.events) > seen + 300, "places go on counting"
    assert network.events.kept <= 60
    assert network.hosts["bob"].inbox.kept <= 60
    assert network.events.dropped["EspSent"] > 100
    assert pair.of("bob", KeysDerived)
    assert len(recorder.keys().esp) == 2
    packets = list(recorder.packets())
    assert len(packets) <= 60
    assert b"earlier datagrams not kept" in packets[0].comments[1]
    assert "earlier events not kept" in str(Ladder(network.events))


# What is read of one message


def test_of_many_payloads_the_rest_is_not_parsed():
    payloads = parse_payloads(43, b"\x2b\0\0\4" * 5000)
    assert len(payloads) <= MAXIMUM_PAYLOADS + 1
    assert "more than 200 payloads" in payloads[-1].malformed


TOO_MUCH = {
    "proposals": IKEv2_SA(prop=[IKEv2_Proposal(proposal=1, proto=3)] * 1500),
    "attributes": IKEv2_CP(attributes=[ConfigurationAttribute(type=1)] * 1500),
    "methods": notify(NotifyType.SUPPORTED_AUTH_METHODS, b"\x02\x02" * 1500),
    "attributes of ROHC": notify(NotifyType.ROHC_SUPPORTED, b"\x80\x01\x00\x02" * 1500),
}


@pytest.mark.parametrize("payload", TOO_MUCH.values(), ids=TOO_MUCH)
@pytest.mark.parametrize("fragmentation", [True, False])
def test_what_is_too_much_inside_sk_is_not_parsed(payload, fragmentation):
    pair = Pair()
    sa = pair.connect(alice(fragmentation=fragmentation))
    exchange = Custom(sa, ExchangeType.INFORMATIONAL, payload)
    sa.endpoint.now = pair.network.now
    sa.start(exchange)
    # HDR, SK {SA of 1,500 proposals}  -->   <--  HDR, SK {N(INVALID_SYNTAX)}
    with constructions() as built:
        for datagram in pair.alice.datagrams():
            pair.bob.receive(datagram.turned(), pair.network.now)
    assert built.count < 100
    pair.network.run()
    assert exchange.answer.has_notify(NotifyType.INVALID_SYNTAX)


def test_the_name_of_a_peer_is_read_once_for_all_configurations(monkeypatch):
    """A distinguished name of 60 kB took 26 ms for each configuration that names a peer by one."""
    read, normal = [], names.normal

    def noted(name):
        read.append(name)
        return normal(name)

    monkeypatch.setattr(names, "normal", noted)
    peer = Identity.of("C=CH, CN=a peer that no other test has")
    assert not any(peer.same(Identity.of(f"C=CH, CN=gateway {n}")) for n in range(20))
    assert read.count(peer.data) == 1
    large = Identity(IdType.ID_DER_ASN1_DN, peer.data * 200)
    assert large.same(Identity(IdType.ID_DER_ASN1_DN, large.data))
    assert not large.same(peer)
    assert large.data not in read


def test_what_is_too_much_in_an_answer_to_a_stranger_of_ours_is_not_parsed():
    client = Endpoint(ALICE)
    sa = client.connect(alice(), 0.0)
    (request,) = client.datagrams()
    body = bytes(build_payloads([TOO_MUCH["proposals"]]))
    header = request.data[:8] + b"R" * 8 + bytes([33, 0x20, 34, 0x20]) + bytes(4) + (28 + len(body)).to_bytes(4)
    with constructions() as built:
        client.receive(Datagram(header + body, request.local, request.remote), 0.0)
    assert built.count == 0
    dropped = client.events()[-1]
    assert isinstance(dropped, MessageDropped)
    assert "at most 1024 proposals" in dropped.reason
    assert sa.connecting, "it goes on waiting for a good one"


def test_packets_wait_for_their_child_sa_but_not_any_number_of_them():
    endpoint = Endpoint(ALICE)
    endpoint.traps.set(alice())
    for number in range(100):
        assert endpoint.send(echo_request("10.1.0.1", "10.2.0.1", sequence=number), 0.0)
    assert len(endpoint.traps._held) == HELD_PACKETS


def asked(pair: Pair, sa: IkeSa) -> int:
    """A further Child SA; the type of the Notify that answers, or 0."""
    sa.endpoint.now = pair.network.now
    exchange = sa.create_child()
    pair.network.run()
    found = exchange.answer.error()
    return 0 if found is None else found.type


def test_all_peers_together_have_a_limited_number_of_child_sas():
    pair = Pair(bob(remote_id=None), endpoint=EndpointConfig(children_limit=3))
    sa, other = pair.connect(), pair.connect(alice(local_id="carol"))
    assert [asked(pair, each) for each in (sa, other, sa)] == [0, *[NotifyType.NO_ADDITIONAL_SAS] * 2]
    # HDR, SK {IDi, AUTH, SA, TSi, TSr}  -->   <--  HDR, SK {IDr, AUTH, N(NO_ADDITIONAL_SAS)}
    third = pair.connect(alice(local_id="dave"))
    assert (third.established, len(third.children)) == (True, 0)
    # A rekey has one more for a while.
    old = next(iter(sa.children.values()))
    assert rekey_again(pair, sa) == 0
    assert rekey_again(pair, other) == NotifyType.TEMPORARY_FAILURE
    assert old.inbound.spi in sa.children


def test_one_identity_has_a_limited_number_of_child_sas():
    pair = Pair(bob(remote_id=None), endpoint=EndpointConfig(peer_children_limit=2))
    sa, again, other = pair.connect(), pair.connect(), pair.connect(alice(local_id="carol"))
    refused = NotifyType.NO_ADDITIONAL_SAS
    assert [asked(pair, each) for each in (sa, again, other, other)] == [refused, refused, 0, refused]


def long_payloads() -> dict[str, list[Packet]]:
    transforms = [IKEv2_Transform(transform_type=1, transform_id=20) for _ in range(250)]
    return {
        "proposals": [IKEv2_SA(prop=[IKEv2_Proposal(trans=transforms) for _ in range(4)])],
        "attributes": [IKEv2_CP(attributes=[ConfigurationAttribute(type=1) for _ in range(1000)])],
        "payloads": [IKEv2_CP() for _ in range(190)],
        "SPIs": [IKEv2_Delete(proto=3, SPI=[bytes(4)] * 1000)],
        "notifies": [notify(40000, bytes(60000))],
    }


@pytest.mark.parametrize("name", long_payloads())
def test_an_event_weighs_what_its_layers_take(name):
    pair = Pair()
    sa = pair.connect()
    layers = long_payloads()[name]
    octets, first = build_payloads(layers), layers[0].payload_type
    tracemalloc.start()
    payloads = parse_payloads(first, octets)
    taken = tracemalloc.get_traced_memory()[0] + len(octets)
    tracemalloc.stop()
    where: dict[str, Any] = {"time": 0.0, "header": None, "plaintext": b"", "local": sa.local, "remote": sa.remote}
    weight = MessageReceived(payloads=tuple(payloads), wire=(octets,), **where).weight
    assert taken / 2 < weight < 12 * taken


@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize("beginner", ["alice", "bob"])
def test_who_holds_an_old_ike_sa_holds_the_last_of_its_line_and_none_between(beginner):
    pair = Pair(endpoint=EndpointConfig(linger=1.0))
    first = {"alice": pair.connect(), "bob": pair.bobs}
    between = []
    for _ in range(4):
        newest = {name: sa.successor or sa for name, sa in first.items()}
        between += [weakref.ref(sa) for sa in newest.values() if sa not in first.values()]
        newest[beginner].endpoint.now = pair.network.now
        newest[beginner].rekey()
        del newest
        pair.network.run(pair.network.now + 70)
    pair.network.events.clear()
    gc.collect()
    assert [first[name].successor.established for name in first] == [True, True]
    assert [ref() for ref in between[:4]] == [None] * 4
