# SPDX-License-Identifier: GPL-2.0-or-later
"""One way out: IKE messages, ESP, keepalives and answers to strangers all pass the taps."""

from __future__ import annotations

import pytest

from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.iana import ExchangeType
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, Psk
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import EspReceived, EspSent, IntegrityFailed, KeepaliveSent, MessageSent
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, Outgoing, OutgoingEsp
from fynx_scapy.ike.wire.taps import Delayed
from fynx_scapy.layers.ikev2 import IKEv2, build_message
from fynx_scapy.net.echo import udp_packet
from fynx_scapy.net.memory import Network
from fynx_scapy.net.nat import Nat
from fynx_scapy.net.udp import UdpNetwork, free_ports
from tests.ike.pair import ALICE, BOB, Pair, alice, bob

PACKET = udp_packet("10.1.0.1", "10.2.0.1", 4000, 9, b"x")
OUTSIDE = "198.51.100.7"


def connected(**changes: object) -> Pair:
    pair = Pair()
    pair.connect(alice(**changes))
    return pair


def send(pair: Pair) -> None:
    assert pair.alice.send(PACKET, pair.network.now)
    pair.network.run()


def test_wire_and_datagrams_see_esp() -> None:
    pair = connected()
    seen: list[tuple[object, ...]] = []
    pair.alice.taps.add("wire", lambda message, octets: seen.append((message.kind, octets)))
    pair.alice.taps.add(
        "datagrams", lambda message, datagrams, attempt: seen.append((message.kind, datagrams, attempt))
    )
    send(pair)
    (sent,) = pair.of("alice", EspSent)
    assert seen == [(DatagramKind.ESP, sent.datagram.data), (DatagramKind.ESP, [sent.datagram], 0)]
    assert sent.changed == ()
    assert len(pair.of("bob", EspReceived)) == 1


def test_a_wire_tap_changes_esp_and_the_event_says_so() -> None:
    pair = connected()
    pair.alice.taps.add("wire", lambda message, octets: octets[:-1] + bytes([octets[-1] ^ 1]))
    send(pair)
    assert pair.of("alice", EspSent)[0].changed == ("wire",)
    assert len(pair.of("bob", IntegrityFailed)) == 1


def test_a_datagrams_tap_drops_delays_and_doubles_esp() -> None:
    pair = connected()
    remove = pair.alice.taps.add("datagrams", lambda message, datagrams, attempt: [])
    send(pair)
    assert pair.of("bob", EspReceived) == []
    remove()
    pair.alice.taps.add("datagrams", lambda message, datagrams, attempt: [*datagrams, Delayed(datagrams[0], 1.0)])
    send(pair)
    assert len(pair.of("bob", EspReceived)) == 1
    assert [e.seq for e in pair.of("bob", EspReceived)] == [2]


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_parts_may_be_changed_before_sealing(mode: str) -> None:
    any_ = ("0.0.0.0/0",)
    transport = ChildConfig(mode=mode, local_ts=any_, remote_ts=any_)
    child = {"children": (transport,)} if mode == "transport" else {}
    pair = Pair(bob(**child))
    pair.connect(alice(**child))
    packet = PACKET if mode == "tunnel" else udp_packet(ALICE, BOB, 4000, 9, b"x")

    def other(message: Outgoing) -> None:
        assert isinstance(message, OutgoingEsp)
        message.parts.seq = 77
        message.parts.padding = b"\1\2\3\4\5\6\7\x08" + bytes(range(9, 9 + 8))

    pair.alice.taps.add("parts", other)
    assert pair.alice.send(packet, pair.network.now)
    pair.network.run()
    (sent,) = pair.of("alice", EspSent)
    assert (sent.seq, sent.changed) == (77, ("parts",))
    assert int.from_bytes(sent.datagram.data[4:8]) == 77
    (received,) = pair.of("bob", EspReceived)
    assert (received.seq, received.length) == (77, len(packet))


@pytest.mark.parametrize("junk", [None, b"octets", "text", 7])
def test_what_is_no_datagram_is_the_taps_mistake_and_stops_nothing_else(junk: object) -> None:
    pair = connected()
    remove = pair.alice.taps.add("datagrams", lambda message, datagrams, attempt: [junk, *datagrams])
    with pytest.raises(ConfigError, match="expected a tap of datagrams to return datagrams, found"):
        pair.alice.send(PACKET, pair.network.now)
    remove()
    send(pair)
    assert len(pair.of("bob", EspReceived)) == 1


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1, "1", None])
def test_a_delay_is_a_time(seconds: float) -> None:
    here = Address(ALICE, 500)
    with pytest.raises(ConfigError, match=r"expected Delayed\.seconds to be a number of seconds"):
        Delayed(Datagram(b"x", here, here), seconds)


def test_parts_that_cannot_be_sealed_are_the_callers_mistake() -> None:
    pair = connected()
    pair.alice.taps.add("parts", lambda message: setattr(message.parts, "pad_length", 256))
    with pytest.raises(LocalError, match="pad length between 0 and 255, found 256"):
        pair.alice.send(PACKET, pair.network.now)
    assert pair.of("alice", EspSent) == []


def test_an_untouched_packet_is_the_same_with_and_without_taps() -> None:
    """EspParts and OutboundSa agree, also with TFC padding and for dummy packets."""
    wires = []
    for tapped in (False, True):
        pair = Pair()
        sa = pair.connect(alice(children=(ChildConfig(tfc_length=256),)))
        if tapped:
            pair.alice.taps.add("parts", lambda message: None)
        send(pair)
        pair.alice.send_dummy(sa, next(iter(sa.children.values())))
        wires.append(
            [e.datagram.data for e in [*pair.alice.events(), *pair.of("alice", EspSent)] if type(e) is EspSent]
        )
    assert wires[0] == wires[1] != []


def test_nothing_is_crafted_where_nobody_taps(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = connected()
    monkeypatch.setattr("fynx_scapy.ike.traffic.sender.EspParts", lambda *args, **fields: pytest.fail("crafted"))
    send(pair)
    assert len(pair.of("bob", EspReceived)) == 1


def test_taps_see_keepalives() -> None:
    pair, seen = Pair(), []
    pair.network.add_nat(Nat({ALICE}, OUTSIDE))
    pair.connect()
    pair.alice.taps.add("wire", lambda message, octets: seen.append((message.kind, octets)))
    pair.alice.taps.add("datagrams", lambda message, datagrams, attempt: [])
    pair.network.run(pair.network.now + 25)
    assert len(pair.of("alice", KeepaliveSent)) == 1
    assert seen == [(DatagramKind.KEEPALIVE, b"\xff")]


@pytest.mark.parametrize("kind", ["unknown SPI", "version", "cookie"])
def test_taps_see_answers_to_strangers(kind: str) -> None:
    seen: list[str] = []
    endpoint = Endpoint(BOB, [bob()], config=EndpointConfig(cookie_threshold=0))
    endpoint.taps.add("payloads", lambda message: seen.append("payloads"))
    endpoint.taps.add("wire", lambda message, octets: seen.append("wire"))
    endpoint.taps.add("datagrams", lambda message, datagrams, attempt: seen.append("datagrams"))
    if kind == "cookie":
        other = Endpoint(ALICE)
        other.connect(alice(), 0.0)
        (request,) = other.datagrams()
        endpoint.receive(request.turned(), 0.0)
    else:
        version = 0x30 if kind == "version" else 0x20
        header = IKEv2(
            init_SPI=b"stranger", resp_SPI=b"somebody", exch_type=int(ExchangeType.INFORMATIONAL), flags=8, id=1
        )
        header.version = version
        endpoint.receive(Datagram(build_message(header, []), Address(BOB, 500), Address(ALICE, 500)), 0.0)
    assert seen == ["payloads", "wire", "datagrams"]
    assert [type(e) for e in endpoint.events()].count(MessageSent) == 1
    assert len(endpoint.datagrams()) == 1


def test_an_endpoint_may_have_several_addresses() -> None:
    both = ["192.0.2.1", "2001:db8::1"]
    endpoint = Endpoint(both)
    for remote, local in (("192.0.2.2", both[0]), ("2001:db8::2", both[1])):
        sa = endpoint.connect(alice(remote=Address(remote, 500), auth=Psk("x")), 0.0)
        assert sa.local == Address(local, 500)
    assert endpoint.hosts == tuple(both)


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.requirements("7296-2.11-02")
def test_an_endpoint_with_several_addresses_is_reached_at_each(real: bool) -> None:
    ours, theirs = ["127.0.0.1", "127.0.0.2"], "127.0.0.3"
    ports = EndpointConfig()
    if real:
        port, natt_port = free_ports("127.0.0.1")
        ports = EndpointConfig(port=port, natt_port=natt_port, marker_always=True)
    network: Network | UdpNetwork = UdpNetwork() if real else Network(seed=1)
    responder, initiator = Endpoint(ours, [bob()], config=ports), Endpoint(theirs, config=ports)
    network.add(responder, "bob")
    network.add(initiator, "alice")
    remotes = [Address(host, ports.port) for host in ours]
    sas = [initiator.connect(alice(remote=remote, remote_natt_port=ports.natt_port), network.now) for remote in remotes]
    network.run(lambda: all(sa.established for sa in sas), limit=5)
    assert [sa.established for sa in sas] == [True, True]
    assert sorted(sa.local.host for sa in responder.sas.values()) == ours
    if isinstance(network, UdpNetwork):
        network.close()


@pytest.mark.parametrize("size", [1280, 160])
def test_a_tap_added_later_sees_what_is_sent_again(size: int) -> None:
    """Without taps an answer is kept as octets only."""
    pair = Pair(bob(fragment_size=size))
    requests: list[Datagram] = []
    pair.network.observe(
        lambda now, datagram, fate: requests.append(datagram) if datagram.local.host == ALICE else None
    )
    pair.connect()
    seen: list[tuple[Outgoing, int, int]] = []
    pair.bob.taps.add("datagrams", lambda message, datagrams, attempt: seen.append((message, len(datagrams), attempt)))
    pair.bob.receive(requests[-1], pair.network.now)
    sent = pair.of("bob", MessageSent)[-1]
    ((message, datagrams, attempt),) = seen
    assert (datagrams, attempt) == (len(sent.wire), 1)
    assert (datagrams > 1) == (size == 160)
    for name in ("init_SPI", "resp_SPI", "exch_type", "flags", "id"):
        assert getattr(message.header, name) == getattr(sent.header, name)
    assert [payload.octets()[1:] for payload in message.payloads] == [bytes(payload)[1:] for payload in sent.payloads]
