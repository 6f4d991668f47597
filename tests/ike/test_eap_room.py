# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS connections of EAP: strangers that begin many of them keep nobody else out, and leave nothing."""

from __future__ import annotations

import gc
import resource
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from fynx_scapy import Certificate, Psk, Rounds, Trust
from fynx_scapy.eap.tunnel import Tunnel
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.auth.eap_room import EapTunnels
from fynx_scapy.ike.basics.randomness import SeededRandomness
from fynx_scapy.ike.credentials.eap import Eap
from fynx_scapy.ike.credentials.eap_users import EapUsers
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import IkeSaFailed, RequestRefused
from fynx_scapy.ike.message import Datagram, Header, Outgoing, notify
from fynx_scapy.ike.sa import IkeSa
from tests.eap.talking import root
from tests.ike.pair import ALICE, Pair, alice, bob

MOST = 6
MALLORY = ("198.51.100.1", "198.51.100.2", "203.0.113.3")


class Ceiling:
    """At most so many TLS connections in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = MOST
        monkeypatch.setattr(Tunnel, "_open", set())
        monkeypatch.setattr(resource, "getrlimit", lambda which: (4 * self.most, 4 * self.most))


@pytest.fixture
def ceiling(monkeypatch: pytest.MonkeyPatch) -> Ceiling:
    return Ceiling(monkeypatch)


class World:
    """Bob, a gateway for EAP-TLS or EAP-TTLS, Alice, a client, and Mallory at several addresses.

    Mallory goes on until Bob has begun TLS. What he says then does not arrive, until ``silent`` is False.
    """

    def __init__(self, method: str, *, several: bool = False) -> None:
        made = {name: root().issue(f"CN={name}", [name], "ecdsa-p256") for name in ("bob", "carol")}
        ours, carol = (Certificate(made[name].cert, made[name].key) for name in ("bob", "carol"))
        trust = Trust(root().cert)
        users = EapUsers.tls(ours, trust) if method == "tls" else EapUsers.ttls(ours, {"carol": "secret"})
        client = Eap.tls(carol, trust) if method == "tls" else Eap.ttls("carol", "secret", trust, inner="pap")
        self.client = Rounds(Psk("key"), client) if several else client
        wanted = Rounds(Psk("key"), users) if several else users
        self.pair = Pair(bob(auth=Psk("key"), remote_auth=wanted, remote_id=None))
        self.mallory = {host: Endpoint(host, randomness=SeededRandomness(host)) for host in MALLORY}
        for host, endpoint in self.mallory.items():
            self.pair.network.add(endpoint, host)
        self.silent = True
        self.pair.network.intercept(self._hold)

    def _hold(self, now: float, datagram: Datagram) -> Sequence[Datagram]:
        begun = datagram.remote.host in MALLORY and Header.parse(datagram.data).message_id >= 2
        return [] if begun and self.silent else [datagram]

    def connect(self, endpoint: Endpoint, until: Callable[[], bool]) -> IkeSa:
        config = alice(local_id="carol", auth=self.client, remote_auth=Psk("key"))
        sa = endpoint.connect(config, self.pair.network.now)
        assert self.pair.network.run(until, limit=5)
        return sa

    def attack(self, *hosts: str) -> None:
        """One connection from each of these hosts, of which some may be the same."""
        for number, host in enumerate(hosts):
            before = self.begun()[host]
            self.connect(self.mallory[host], lambda host=host, before=before: self.begun()[host] > before)  # type: ignore[misc]
            assert len(Tunnel._open) == number + 1

    def begun(self) -> Counter[str]:
        """How many IKE SAs with a TLS connection each host has at Bob."""
        held = self.pair.bob.of(EapTunnels)
        return Counter({sa.remote.host: held.count(sa.source) for sa in self.pair.bob.sas.values()})

    def refused(self) -> list[str]:
        return [event.reason for event in self.pair.of("bob", RequestRefused)]


@pytest.mark.parametrize("method", ["tls", "ttls"])
def test_the_oldest_of_the_source_with_the_most_gives_way_to_a_newcomer(ceiling: Ceiling, method: str) -> None:
    one, two, three = MALLORY
    world = World(method)
    world.attack(one, two, one, two, one, three)
    assert len(Tunnel._open) == MOST
    begun = world.begun()
    sa = world.connect(world.pair.alice, lambda: world.begun()[ALICE] > 0)
    assert world.begun() - begun == Counter({ALICE: 1})
    assert begun - world.begun() == Counter({one: 1})
    ceiling.most = 100  # the client is in a process of its own
    assert world.pair.network.run(lambda: sa.established, limit=5)
    assert len(Tunnel._open) == MOST - 1
    # Two have two each, and a source that has as many as the others gets no more.
    ceiling.most = MOST - 1
    world.connect(world.mallory[two], lambda: bool(world.refused()))
    assert "expected fewer TLS connections at a time, found 5" in world.refused()[-1]
    ceiling.most = 100
    # What was given up fails once it goes on; the rest succeeds.
    world.silent = False
    world.pair.network.run()
    assert [text for text in world.refused() if "it gave way to another source's" in text] == [world.refused()[-1]]
    assert world.begun().total() == 0


def test_an_ike_sa_that_has_expired_holds_no_tls_connection(ceiling: Ceiling) -> None:
    """Not even until the garbage collector comes."""
    world = World("tls")
    world.attack(MALLORY[0], MALLORY[1])
    gc.disable()
    try:
        world.pair.network.run(world.pair.network.now + 60)
        assert not world.pair.bob.sas
        assert Tunnel._open == set()
    finally:
        gc.enable()


def _nothing(message: Outgoing) -> None:
    message.payloads.clear()


def _refusal(message: Outgoing) -> None:
    message.payloads[:] = [notify(NotifyType.NO_PROPOSAL_CHOSEN)]


@pytest.mark.parametrize("method", ["tls", "ttls"])
@pytest.mark.parametrize("several", [False, True], ids=["alone", "rounds"])
@pytest.mark.parametrize("change", [_nothing, _refusal])
def test_an_end_in_the_middle_closes_the_tls_connections_of_both_ends(
    ceiling: Ceiling, method: str, several: bool, change: Callable[[Outgoing], None]
) -> None:
    """At once: not when the error, which events keep, is forgotten, and the garbage collector comes."""
    world = World(method, several=several)
    by = world.pair.bob if change is _refusal else world.pair.alice
    by.taps.add("payloads", change, lambda message: len(Tunnel._open) == 2)
    config = alice(local_id="alice" if several else "carol", auth=world.client, remote_auth=Psk("key"))
    sa = world.pair.alice.connect(config, world.pair.network.now)
    gc.disable()
    try:
        assert world.pair.network.run(lambda: not sa.connecting, limit=5)
        assert world.pair.of("alice", IkeSaFailed)
        # To Bob, who does not know what a tap made of his answer, Alice is silent.
        assert len(Tunnel._open) == len([each for each in world.pair.bob.sas.values() if each.connecting])
        world.pair.network.run(world.pair.network.now + 60)
        assert Tunnel._open == set()
    finally:
        gc.enable()
