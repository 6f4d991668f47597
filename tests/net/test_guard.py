# SPDX-License-Identifier: GPL-2.0-or-later
"""An exception that nobody expected is an event of the endpoint that it hit, and everything goes on."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scapy.layers.eap import EAP
from scapy.layers.inet import ICMP

from fynx_scapy.errors import ConfigError, FynxError, UnexpectedError
from fynx_scapy.ike.config import EndpointConfig, IkeConfig, Psk
from fynx_scapy.ike.credentials.eap import Eap
from fynx_scapy.ike.credentials.eap_users import EapUsers
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import InternalError
from fynx_scapy.ike.message import Address, Datagram, IcmpError, Outgoing
from fynx_scapy.ladder import Ladder
from fynx_scapy.layers.ikev2.eap import EAP_Expanded
from fynx_scapy.net import guard
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.memory import Network
from fynx_scapy.net.udp import UdpNetwork, free_ports
from fynx_scapy.session import Session
from tests.ike.pair import BOB, Pair

KEY = "0011223344556677"


@pytest.fixture(autouse=True)
def not_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is for everybody but the authors."""
    monkeypatch.setattr(guard, "fatal", False)


def broken(*_: object) -> None:
    raise ValueError(f"something with {KEY}")


def told(network: Hosts, name: str = "bob") -> list[InternalError]:
    return [event for who, event in network.events if who == name and isinstance(event, InternalError)]


def test_the_rest_of_the_tests_see_every_exception() -> None:
    import tests

    assert tests.guard is guard
    # This file's own fixture has turned it off, and turns it on again.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "fatal", True)
        with pytest.raises(ValueError, match=KEY):
            guard.guarded(0.0, "a datagram", broken)


def test_a_datagram_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair()
    sa = pair.connect()
    with monkeypatch.context() as patch:
        patch.setattr(pair.bob.router, "receive", broken)
        pair.network.inject(Datagram(bytes(28), Address("198.51.100.1", 500), Address(BOB, 500)))
        pair.network.run(pair.network.now + 1)
    (event,) = told(pair.network)
    assert (event.doing, event.error, event.reason) == ("a datagram", "ValueError", "")
    assert event.where.startswith("fynx_scapy.ike.endpoint:")
    assert KEY not in repr(event)
    assert "internal error while handling a datagram: ValueError" in str(Ladder(pair.network.events))
    assert pair.network.failures == {"bob": 1}
    sa.delete_ike()
    pair.network.run()
    assert not any(sa.established for sa in pair.bob.sas.values())


def test_a_timer() -> None:
    pair = Pair()
    fired: list[float] = []
    pair.bob.timers.set(1.0, broken)
    pair.bob.timers.set(1.0, fired.append)
    pair.network.run(2.0)
    assert [event.doing for event in told(pair.network)] == ["a timer"]
    assert fired == [1.0]


def test_an_answer_to_an_inner_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    s = Session(seed=1)
    s.connect()
    with monkeypatch.context() as patch:
        patch.setattr(s.peer, "send", broken)
        with pytest.raises(FynxError):
            s.ping("10.2.0.1")
    assert [event.doing for event in told(s.network, "responder")] == ["an inner packet"]
    assert s.ping("10.2.0.1")[ICMP].type == 0


def test_the_text_of_an_error_of_ours_is_told() -> None:
    def refused() -> None:
        raise ConfigError("3200 addresses are too many")

    event = guard.guarded(0.0, "a timer", refused)
    assert event is not None
    assert (event.error, event.reason) == ("ConfigError", "3200 addresses are too many")


def test_what_ends_a_program_ends_it() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guard.guarded(0.0, "a timer", interrupted)


def _answering(answer: Callable[[EAP], Any]) -> Callable[[bytes], Any]:
    return lambda identity: answer


def _mistaken(request: EAP) -> EAP:
    raise ValueError(f"something with {KEY}")


def _through_others(request: EAP) -> EAP:
    return EAP(code=int("no number"))


@pytest.mark.parametrize(
    ("begin", "where"),
    [(_answering(_mistaken), "_mistaken"), (_answering(_through_others), "_through_others"), (broken, "broken")],
)
def test_a_function_that_speaks_a_method_is_named(begin: Any, where: str) -> None:
    """Not the line of ours that calls it: its author looks there."""
    users = EapUsers.passthrough(lambda identity: lambda response: EAP_Expanded(vendor=10415, vendor_type=3))
    ours = IkeConfig(auth=Eap.passthrough(begin, identity="ue"), remote_auth=Psk("x"))
    s = Session(config=ours, peer=IkeConfig(auth=Psk("x"), remote_auth=users), seed=1)
    with pytest.raises(UnexpectedError, match=rf"ValueError at tests\.net\.test_guard:\d+ in {where}") as raised:
        s.connect()
    assert KEY not in str(raised.value)
    assert told(s.network, "initiator")[0].where.endswith(f" in {where}")
    assert "function of yours" in raised.value.advice


def test_the_author_of_a_tap_sees_what_it_raises() -> None:
    s = Session(seed=1)

    def tap(message: Outgoing) -> None:
        raise AssertionError("found what I looked for")

    s.peer.taps.add("payloads", tap)
    with pytest.raises(AssertionError, match="what I looked for"):
        s.sa_init()


def test_an_exchange_that_cannot_go_on_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    s = Session(seed=1)
    monkeypatch.setattr("fynx_scapy.ike.exchanges.ike_sa_init.puzzles.solve_for_auth", broken)
    with pytest.raises(FynxError, match=r"ValueError at fynx_scapy\.ike\.exchanges\.ike_sa_init"):
        s.sa_init()
    assert s.network.now < 10


# On real sockets


@pytest.fixture
def live() -> Iterator[tuple[UdpNetwork, Endpoint, socket.socket]]:
    """Bob on loopback, and somebody's socket that is connected to his port."""
    port, natt_port = free_ports("127.0.0.1")
    bob = Endpoint("127.0.0.1", config=EndpointConfig(port=port, natt_port=natt_port))
    with UdpNetwork() as network, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody:
        network.add(bob, "bob", native=False)
        somebody.connect(("127.0.0.1", port))
        yield network, bob, somebody


def test_a_datagram_on_a_socket(
    live: tuple[UdpNetwork, Endpoint, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, bob, somebody = live
    monkeypatch.setattr(bob.router, "receive", broken)
    for count in (1, 2):
        somebody.send(bytes(28))
        assert network.run(lambda count=count: len(told(network)) == count, limit=2)  # type: ignore[misc]
    assert network.failures == {"bob": 2}


def test_an_icmp_error(live: tuple[UdpNetwork, Endpoint, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    network, bob, somebody = live
    there = Address(*somebody.getsockname())
    (here,) = [port for port in network._ports["bob"].udp.values() if port.address.port == bob.config.port]
    monkeypatch.setattr(bob, "receive_icmp", broken)
    error = IcmpError(here.address, there, "127.0.0.1", 3, 3, "refused", None)
    monkeypatch.setattr(here, "errors", lambda: [error])
    network._read(network.hosts["bob"], here, 8)  # EPOLLERR
    assert [event.doing for event in told(network)] == ["an ICMP error"]


def test_the_attendant_goes_on(live: tuple[UdpNetwork, Endpoint, socket.socket]) -> None:
    """Whatever it was: a datagram, one who watches, or a tap, whose author is not there to see."""
    network, bob, somebody = live
    version_3 = bytes(17) + b"\x30\x22\x08" + bytes(4) + (28).to_bytes(4)
    removed = bob.taps.add("payloads", broken)
    network.attend()
    # HDR(version 3)  -->   <--  N(INVALID_MAJOR_VERSION), which the tap prevents
    somebody.send(version_3)
    assert _eventually(network, 1)
    removed()
    with network.observe(broken):
        somebody.send(bytes(28))
        assert _eventually(network, 2)
    somebody.settimeout(2)
    somebody.send(version_3)
    assert len(somebody.recv(100)) == 36
    assert network._attendant is not None
    assert network._attendant.is_alive()


def _eventually(network: UdpNetwork, count: int) -> bool:
    """Wait for events that the attendant makes, without stepping in for it."""
    deadline = network.now + 2
    while len(told(network)) < count and network.now < deadline:
        network._closing.wait(0.01)
    return len(told(network)) >= count


def test_a_network_in_memory_is_one_too() -> None:
    assert isinstance(Network(), Hosts)
    assert Network().failures == {}
