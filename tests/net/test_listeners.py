# SPDX-License-Identifier: GPL-2.0-or-later
"""Listeners of a network: added and removed at any time; what one raises reaches its author and harms nobody else."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness import Run, Scenario, run
from fynx_scapy.harness.forge import answers_on, forge, takes_on
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import Event, IkeSaEstablished, InternalError, KeysDerived, MessageSent
from fynx_scapy.ike.message import Address, Datagram
from fynx_scapy.layers.ikev2 import IKEv2_Notify
from fynx_scapy.net import guard
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.memory import Network
from fynx_scapy.net.recorder import Recorder
from fynx_scapy.net.udp import UdpNetwork, free_ports
from fynx_scapy.session import Session
from tests.harness.peers import KEY, bob
from tests.ike.pair import ALICE, BOB, Pair, alice

KINDS = ("observe", "subscribe", "intercept")


def listeners(network: Hosts) -> int:
    """How many there are of all kinds."""
    return len(network._observers) + len(network._subscribers) + len(getattr(network, "_third_parties", ()))


def add(network: Hosts, kind: str, listener: Callable[..., Any]) -> Callable[[], object]:
    remove: Callable[[], object] = getattr(network, kind)(listener)
    return remove


# Added and removed


@pytest.mark.parametrize("kind", KINDS)
def test_a_listener_is_removed_and_removed_again(kind: str) -> None:
    pair, calls = Pair(), []
    removers = [add(pair.network, kind, lambda *seen, n=n: calls.append(n)) for n in (1, 2, 3)]
    removers[1]()
    removers[1]()
    pair.connect()
    assert set(calls) == {1, 3}
    for remove in removers:
        remove()
    assert listeners(pair.network) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_was_added_twice_is_called_twice_and_removed_once(kind: str) -> None:
    pair = Pair()
    calls: list[tuple[Any, ...]] = []

    def listener(*seen: Any) -> None:
        calls.append(seen)

    first, second = add(pair.network, kind, listener), add(pair.network, kind, listener)
    pair.connect()
    assert len(calls) % 2 == 0
    second()
    second()
    assert listeners(pair.network) == 1
    first()
    assert listeners(pair.network) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_listeners_remove_and_add_while_they_are_called(kind: str) -> None:
    pair = Pair()
    calls: list[str] = []
    removers: dict[str, Callable[[], object]] = {}

    def once(*_: Any) -> None:
        """The first: takes itself and the second off, and adds a fourth."""
        calls.append("once")
        removers["once"]()
        removers["second"]()
        add(pair.network, kind, lambda *_: calls.append("late"))

    removers["once"] = add(pair.network, kind, once)
    removers["second"] = add(pair.network, kind, lambda *_: calls.append("second"))
    add(pair.network, kind, lambda *_: calls.append("third"))
    pair.connect()
    assert calls[:4] == ["once", "third", "third", "late"]
    assert set(calls[4:]) == {"third", "late"}


def test_a_remover_is_a_context_manager_too() -> None:
    pair: Pair = Pair()
    seen: list[tuple[str, Event]] = []
    with pair.network.subscribe(lambda who, event: seen.append((who, event))):
        pair.connect()
    count = len(seen)
    assert seen == list(pair.network.events)
    next(iter(pair.alice.sas.values())).delete_ike()
    pair.network.run()
    assert len(seen) == count < len(pair.network.events)


# What one raises


def fails(times: int = 1) -> Callable[..., None]:
    """A listener that raises at its first calls."""
    left = iter(range(times))

    def listener(*_: Any) -> None:
        if next(left, None) is not None:
            raise ValueError("what its author wants to see")

    return listener


def settled(network: Network) -> list[ValueError]:
    """Run until all is quiet; what was raised on the way."""
    raised = []
    while True:
        try:
            network.run()
        except ValueError as error:
            raised.append(error)
        else:
            return raised


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", [True, False])
def test_what_a_listener_raises_loses_nothing(kind: str, first: bool) -> None:
    undisturbed = Pair(seed=3)
    expected: list[tuple[Any, ...]] = []
    undisturbed.network.observe(lambda *seen: expected.append(seen))
    undisturbed.connect()

    pair, seen = Pair(seed=3), []
    if first:
        add(pair.network, kind, fails(3))
    pair.network.observe(lambda *one: seen.append(one))
    if not first:
        add(pair.network, kind, fails(3))
    # HDR, SAi1, KEi, Ni  -->  and so on: Retransmission would repair a loss, and would be seen.
    pair.alice.connect(alice(), pair.network.now)
    raised = settled(pair.network)
    assert 1 <= len(raised) <= 3
    assert seen == expected
    assert [*map(repr, pair.network.events)] == [*map(repr, undisturbed.network.events)]
    assert pair.bobs.established


def test_of_several_exceptions_in_one_step_the_others_are_counted() -> None:
    pair = Pair()
    for _ in range(3):
        pair.network.observe(fails())
    with pytest.raises(ValueError, match="author") as caught:
        pair.connect()
    assert caught.value.__notes__ == ["listeners raised 2 more exceptions in the same step"]
    assert not settled(pair.network)


def test_whoever_injects_is_told_what_a_listener_raised() -> None:
    pair = Pair()
    pair.network.observe(fails())
    with pytest.raises(ValueError, match="author"):
        pair.network.inject(Datagram(bytes(28), Address(ALICE, 500), Address(BOB, 500)))


def test_a_listener_that_injects_is_not_told_of_anothers_exception() -> None:
    pair, told = Pair(), []

    def injects(_time: float, datagram: Datagram, _fate: str) -> None:
        if datagram.data != bytes(28):
            pair.network.inject(Datagram(bytes(28), Address(ALICE, 500), Address(BOB, 500)))
            told.append("nothing")

    pair.network.observe(fails())
    pair.network.observe(injects)
    pair.alice.connect(alice(), pair.network.now)
    assert len(settled(pair.network)) == 1
    assert len(told) == 4


def test_what_ends_a_program_passes_and_leaves_the_network_usable() -> None:
    pair = Pair()

    def interrupted(*_: Any) -> None:
        remove()
        raise KeyboardInterrupt

    remove = pair.network.observe(interrupted)
    with pytest.raises(KeyboardInterrupt):
        pair.connect()
    pair.network.observe(fails())
    with pytest.raises(ValueError, match="author"):
        pair.network.inject(Datagram(bytes(28), Address(ALICE, 500), Address(BOB, 500)))


# On real sockets


@pytest.fixture
def live() -> Iterator[tuple[UdpNetwork, socket.socket]]:
    """An endpoint on loopback, and a stranger's socket that is connected to its port."""
    port, natt_port = free_ports("127.0.0.1")
    endpoint = Endpoint("127.0.0.1", config=EndpointConfig(port=port, natt_port=natt_port))
    with UdpNetwork() as network, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        network.add(endpoint, "bob", native=False)
        stranger.connect(("127.0.0.1", port))
        yield network, stranger


def test_what_a_listener_raises_is_raised_by_run(live: tuple[UdpNetwork, socket.socket]) -> None:
    network, stranger = live
    seen: list[bytes] = []
    network.observe(fails())
    network.observe(lambda _time, datagram, _fate: seen.append(datagram.data))
    for number in range(5):
        stranger.send(bytes([number]) * 28)
    with pytest.raises(ValueError, match="author"):
        network.run(lambda: len(seen) == 5, limit=2)
    assert network.run(lambda: len(seen) == 5, limit=2)
    assert [data[0] for data in seen] == [0, 1, 2, 3, 4]


def test_a_subscriber_that_fails_at_its_own_failure_does_not_go_round_in_circles(
    live: tuple[UdpNetwork, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, stranger = live
    monkeypatch.setattr(guard, "fatal", False)
    network.subscribe(fails(1_000_000))
    with network.lock:  # it begins when we are through
        network.attend()
        stranger.send(bytes(28))
    count = 0
    while count < 1:
        network._closing.wait(0.01)
        count = sum(isinstance(event, InternalError) for _, event in network.events)
    network._closing.wait(0.3)
    assert sum(isinstance(event, InternalError) for _, event in network.events) == 1


def test_a_source_is_watched_until_it_is_removed(live: tuple[UdpNetwork, socket.socket]) -> None:
    network, _ = live
    before = len(network._by_descriptor)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        calls: list[int] = []
        remove = network.watch(ours, calls.append)
        theirs.send(b"x")
        assert network.run(lambda: bool(calls), limit=2)
        remove()
        remove()
        count = len(calls)
        network.run(network.now + 0.05)
        assert len(calls) == count
    assert len(network._by_descriptor) == before


def test_a_source_may_be_closed_first_and_so_may_the_network(live: tuple[UdpNetwork, socket.socket]) -> None:
    network, _ = live
    pairs = [socket.socketpair() for _ in range(2)]
    removers = [network.watch(ours, lambda flags: None) for ours, _ in pairs]
    for ours, theirs in pairs:
        ours.close()
        theirs.close()
    removers[0]()
    network.close()
    for remove in removers:
        remove()
    assert not network._by_descriptor


# How much is kept


def test_a_network_keeps_no_events_where_none_are_asked_for() -> None:
    network, seen = Network(seed=1, history=0), []
    network.subscribe(lambda _, event: seen.append(event))
    Pair(network=network).connect()
    assert sum(isinstance(event, IkeSaEstablished) for event in seen) == 2
    assert len(network.events) == len(seen)
    assert sum(network.events.dropped.values()) == len(seen)
    assert network.events.kept <= 1  # which says what is missing


def test_a_network_keeps_as_many_as_are_asked_for() -> None:
    pair = Pair(network=Network(seed=1, history=20))
    pair.connect()
    for _ in range(20):
        pair.alice.sas[next(iter(pair.alice.sas))].liveness()
        pair.network.run()
    assert pair.network.events.kept <= 20
    assert pair.of("alice", KeysDerived), "what opens a capture is let go last"
    for wrong in (-1, 1.5, True, "20"):
        with pytest.raises(ConfigError, match=f"0 or more, found {wrong!r}"):
            Network(history=wrong)  # type: ignore[arg-type]


def test_a_recorder_has_its_keys_from_a_network_that_keeps_nothing() -> None:
    network, recorder = Network(seed=1, history=0), Recorder()
    recorder.watch(network, "short")
    Pair(network=network).connect()
    keys = recorder.keys()
    assert (len(keys.ike), len(keys.esp)) == (1, 2)
    assert all(b"neither end has sent" not in packet.comments[0] for packet in recorder.packets())


def test_a_recording_that_has_ended_stays() -> None:
    pair, recorder = Pair(), Recorder()
    end = recorder.watch(pair.network, "short")
    sa = pair.connect()
    count = len(list(recorder.packets()))
    end()
    sa.delete_ike()
    pair.network.run()
    assert len(list(recorder.packets())) == count == 4
    assert listeners(pair.network) == 0


# Nobody leaves a listener behind


def test_messages_of_third_parties_leave_no_listener() -> None:
    s = Session(psk="secret", seed=1)
    s.connect()
    packet, child, sa = s.echo(), s.child, s.sa
    assert forge(s, IKEv2_Notify(type="INVALID_SYNTAX"), id=9) == []
    assert len(forge(s, exch_type="IKE_SA_INIT", version=0x30, id=0, init_SPI=bytes(7) + b"x")) == 1
    s.delete(child)
    assert not takes_on(s, sa, child, packet)
    s.delete()
    assert not answers_on(s, sa)
    assert listeners(s.network) == 0


@pytest.mark.slow
def test_nor_do_they_before_a_live_peer() -> None:
    with bob() as peer, Session(Address("127.0.0.1", peer.port), psk=KEY) as s:
        s.connect()
        for _ in range(3):
            forge(s, IKEv2_Notify(type="INVALID_SYNTAX"), id=9)
        sa = s.sa
        s.delete()
        assert not answers_on(s, sa)
        assert listeners(s.network) == 0


def test_a_run_leaves_no_listener() -> None:
    recorder = Recorder()

    def body(stage: Run) -> None:
        """A made-up scenario."""
        stage.session().connect()
        stage.session("another").connect()

    result = run(Scenario("made_up", "RFC 7296", (), body, __name__), watch=recorder.watch)
    assert [listeners(stage.network) for stage in result.stages] == [0, 0]
    assert len(list(recorder.packets())) == 8


def test_waiting_for_an_event_leaves_no_listener() -> None:
    s = Session(psk="secret", seed=1, network=Network(seed=1, history=0))
    s.sa_init()

    def ask(now: float) -> None:
        s.sa.liveness()

    s.client.timers.set(s.network.now + 2.0, ask)
    s.auth()
    event = s.wait(MessageSent)
    assert isinstance(event, MessageSent)
    assert listeners(s.network) == 0
