# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing that a peer can cause takes a search of all IKE SAs, all Child SAs or all timers."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from fynx_scapy.ike.basics.sources import Sources
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.basics.timers import Timers
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address, IcmpError
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.net.echo import echo_request
from tests.ike.pair import ALICE, Pair, alice, bob

HERE = Address(ALICE, 500)


def sa_with(endpoint: Endpoint, number: int, host: str) -> IkeSa:
    """An IKE SA with a peer at that address, filed."""
    spis = {"spi_i": number.to_bytes(8), "spi_r": bytes(8)}
    sa = IkeSa(endpoint, [alice()], initiator=True, **spis, local=HERE, remote=Address(host, 500))
    endpoint.adopt(sa)
    return sa


def test_ike_sas_are_found_by_what_is_known_of_their_peers() -> None:
    endpoint = Endpoint(ALICE)
    directory = endpoint.directory
    one, other = sa_with(endpoint, 1, "192.0.2.7"), sa_with(endpoint, 2, "192.0.2.8")
    carol = Identity.of("carol")
    assert (directory.at("192.0.2.7"), directory.of(carol), directory.authenticated) == ([one], [], 0)
    one.remote_id = other.remote_id = carol
    assert directory.of(carol) == []  # not authenticated yet
    one.state = other.state = State.ESTABLISHED
    assert (directory.of(carol), directory.number_of(carol), directory.authenticated) == ([one, other], 2, 2)
    one.remote = Address("192.0.2.8", 4500)
    assert (directory.at("192.0.2.7"), directory.at("192.0.2.8")) == ([], [other, one])
    other.state = State.CLOSED
    assert (directory.of(carol), directory.authenticated) == ([one], 1)
    endpoint.release(one)
    assert (directory.of(carol), directory.at("192.0.2.8"), directory.authenticated) == ([], [other], 0)
    one.remote = Address("192.0.2.9", 500)  # it is not filed any more
    assert directory.at("192.0.2.9") == []
    assert directory.of(None) == []


def test_requests_in_flight_are_counted() -> None:
    pair = Pair()
    sa = pair.alice.connect(alice(), 0.0)
    assert (pair.alice.in_flight, pair.bob.in_flight) == (1, 0)
    pair.network.run()
    assert pair.alice.in_flight == 0
    pair.network.wire.loss = 1.0
    sa.liveness()
    assert pair.alice.in_flight == 1
    pair.alice.lose_state()
    assert (pair.alice.in_flight, dict(pair.alice.sas), dict(pair.alice.children)) == (0, {}, {})


def test_an_endpoint_that_loses_its_state_forgets_late_child_sas_too() -> None:
    pair = Pair()
    sa = pair.connect()
    sa.rekey_child(next(iter(sa.children.values())))
    pair.network.run()
    assert len(pair.bob.children) == 2
    pair.bob.lose_state()
    assert not pair.bob.children
    assert pair.bob.next_timer() is None


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each table of SAs was gone through, by its owner."""
    found: Counter[str] = Counter()

    def counting(name: str):
        class Table(dict):  # type: ignore[type-arg]
            def values(self):
                found[name] += 1
                return super().values()

            def items(self):
                found[name] += 1
                return super().items()

        return Table

    monkeypatch.setattr(Endpoint, "sas", property(lambda endpoint: counting("IKE SAs")(endpoint.directory.by_spi)))
    init = Endpoint.__init__

    def begin(self, *args, **fields):
        init(self, *args, **fields)
        table = counting("Child SAs")()
        self._children._by_spi = self._children.by_spi = self.children = table

    monkeypatch.setattr(Endpoint, "__init__", begin)
    return found


def test_no_exchange_and_no_packet_goes_through_all_sas(searches: Counter[str]) -> None:
    pair = Pair(bob(), endpoint=EndpointConfig(cookie_threshold=0))
    sa = pair.connect(alice(initial_contact=True))
    pair.alice.send(echo_request("10.1.0.1", "10.2.0.1"), pair.network.now)
    # HDR, SK {…}  -->   <--  HDR, SK {…}
    sa.create_child()
    pair.network.run()
    sa.rekey_child(next(iter(sa.children.values())))
    pair.network.run()
    sa.rekey()
    pair.network.run()
    sa.newest.liveness()
    pair.network.run()
    stray = IcmpError(sa.local, sa.remote, "192.0.2.254", 3, 1, "unreachable", None)
    pair.alice.receive_icmp(stray, pair.network.now)
    pair.network.run(pair.network.now + 4000)  # lifetimes
    sa.newest.reauthenticate()
    pair.network.run(pair.network.now + 100)
    for end in (pair.alice, pair.bob):
        (last,) = [sa for sa in end.directory.by_spi.values() if sa.established]
        assert last.children
    assert not searches


def test_a_search_is_noticed(searches: Counter[str]) -> None:
    pair = Pair()
    pair.connect()
    assert list(pair.alice.sas.values())
    assert list(pair.alice.children.values())
    assert searches == {"IKE SAs": 1, "Child SAs": 1}


# Half-open IKE SAs


@pytest.mark.parametrize("seed", range(5))
def test_the_largest_source_is_known(seed: int) -> None:
    chance = random.Random(seed)
    sources: Sources[bytes] = Sources()
    model: dict[bytes, list[bytes]] = {}
    for step in range(400):
        source = bytes([chance.randrange(8)])
        if chance.random() < 0.55 or not model.get(source):
            spi = step.to_bytes(8)
            sources.add(source, spi)
            model.setdefault(source, []).append(spi)
        else:
            sources.remove(source, model[source].pop(chance.randrange(len(model[source]))))
        kept = {source: spis for source, spis in model.items() if spis}
        most = max((len(spis) for spis in kept.values()), default=0)
        oldest, count = sources.oldest_of_the_largest()
        assert count == most
        assert not most or oldest in [spis[0] for spis in kept.values() if len(spis) == most]
        assert {source: sources.count(source) for source in kept} == {s: len(spis) for s, spis in kept.items()}
        assert len(sources) == len(kept)


# Timers


def test_timers_run_in_order_and_those_of_one_time_as_they_were_set() -> None:
    timers, ran = Timers(), []
    chance = random.Random(1)
    times = [chance.choice([1.0, 2.0, 3.0]) for _ in range(500)]
    kept = []
    for number, at in enumerate(times):
        timer = timers.set(at, lambda now, number=number: ran.append(number))  # type: ignore[misc]
        if chance.random() < 0.5:
            timer.cancel()
        else:
            kept.append(number)
    assert len(timers) == len(kept)
    timers.fire(2.0)
    assert ran == sorted((n for n in kept if times[n] <= 2.0), key=lambda n: (times[n], n))
    timers.fire(5.0)
    assert (len(ran), len(timers), timers.next()) == (len(kept), 0, None)


def test_cancelled_timers_do_not_pile_up() -> None:
    timers = Timers()
    for _ in range(10_000):
        timers.set(1.0, lambda now: None).cancel()
    assert len(timers._heap) <= 64
