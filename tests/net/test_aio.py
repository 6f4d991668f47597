# SPDX-License-Identifier: GPL-2.0-or-later
"""Endpoints in an asyncio event loop: its timers, its sockets, what waits for room, and exceptions without a caller."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fynx_scapy import ChildConfig, DropReason, Endpoint, IkeConfig, IkeSa
from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.events import InternalError, KeysDerived, SendFailed
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.net import AioNetwork, Recorder, aio, guard
from fynx_scapy.taps import Taps
from tests.aio import FREE, HERE, PING, QUICK, run

CHILD = ChildConfig(local_ts="10.1.0.0/16", remote_ts="10.2.0.0/16")
BOB = IkeConfig(auth="secret", children=CHILD.replace(local_ts=CHILD.remote_ts, remote_ts=CHILD.local_ts))


@asynccontextmanager
async def pair(
    *, native: bool = False, taps: Taps | None = None, **arguments: Any
) -> AsyncIterator[tuple[AioNetwork, Endpoint, Endpoint, IkeSa]]:
    """Alice and Bob on one network, with an IKE SA and a Child SA."""
    async with AioNetwork(**arguments) as network:
        alice, bob = Endpoint(HERE, config=FREE, taps=taps), Endpoint(HERE, BOB, config=FREE)
        network.add(alice, "alice", native=native)
        network.add(bob, "bob", native=native)
        where = bob.config
        config = IkeConfig(
            auth="secret", remote=(HERE, where.port), remote_natt_port=where.natt_port, children=CHILD,
            retransmission=QUICK, force_encapsulation=not native,
        )  # fmt: skip
        with network.acting() as now:
            sa = alice.connect(config, now)
        assert await network.until(lambda: bool(alice.children and bob.children), limit=5)
        yield network, alice, bob, sa


# Time


def test_waiting_for_a_condition() -> None:
    async def main() -> None:
        async with pair() as (network, alice, _, sa):
            begun = network.now
            assert not await network.until(lambda: False, limit=7)
            assert network.now == pytest.approx(begun + 7)
            with network.acting():
                exchange = sa.liveness()
            assert network.busy
            assert await network.until(lambda: exchange.done)
            assert not network.busy
            assert alice.now == pytest.approx(begun + 7)

    run(main)


@pytest.mark.parametrize("loop", ["virtual", "uvloop"])
def test_a_timer_is_due_when_the_loop_wakes_up(loop: str) -> None:
    """Whatever the sums of times are rounded to, and though uvloop counts milliseconds."""
    chance = random.Random(1)

    async def main() -> None:
        await asyncio.sleep(chance.uniform(0, 0.01))
        async with AioNetwork() as network:
            endpoint = Endpoint(HERE, config=FREE)
            network.add(endpoint, native=False)
            fired: list[float] = []
            waits = [chance.uniform(0, 0.004) for _ in range(100)]
            flushes = 0
            flush = network.flush

            def counted() -> None:
                nonlocal flushes
                flushes += 1
                flush()

            network.flush = counted  # type: ignore[method-assign]
            for wait in waits:
                count = len(fired)
                with network.acting() as now:
                    endpoint.timers.set(now + wait, fired.append)
                assert await network.until(lambda count=count: len(fired) > count)  # type: ignore[misc]
            assert fired == sorted(fired)
            assert flushes <= 3 * len(waits)

    run(main, loop)


# The event loop


def test_it_belongs_to_one_event_loop() -> None:
    network = AioNetwork()
    assert network.now == 0.0
    with pytest.raises(LocalError, match="no event loop before"):
        network.loop  # noqa: B018 -- asking is the test
    with pytest.raises(LocalError, match="in a coroutine"):
        network.add(Endpoint(HERE, config=FREE), native=False)

    async def first() -> None:
        network.add(Endpoint(HERE, config=FREE), "first", native=False)
        with pytest.raises(ConfigError, match="already taken"):
            network.add(Endpoint(HERE, config=FREE), "first", native=False)
        with pytest.raises(LocalError, match=r"await network\.until"):
            network.run()

    async def second() -> None:
        with pytest.raises(LocalError, match="found another"):
            network.add(Endpoint(HERE, config=FREE), "second", native=False)

    run(first)
    run(second)
    network.close()
    network.close()

    async def third() -> None:
        with pytest.raises(LocalError, match="closed"):
            network.add(Endpoint(HERE, config=FREE), "third", native=False)

    run(third)


def test_nothing_is_left_when_it_is_closed() -> None:
    async def main() -> None:
        before = set(os.listdir("/proc/self/fd"))
        async with pair() as (network, *_):
            assert len(os.listdir("/proc/self/fd")) > len(before)
            waiting = asyncio.create_task(network.until(lambda: network.closed))
            await asyncio.sleep(0)
        assert await waiting
        assert set(os.listdir("/proc/self/fd")) == before

    run(main)


# Sockets


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the privilege for raw sockets")
def test_esp_without_udp() -> None:
    async def main() -> None:
        async with pair(native=True) as (network, alice, bob, sa):
            assert network.native("alice")
            assert not sa.nat
            with network.acting() as now:
                assert alice.send(PING, now)
            assert await network.until(lambda: network.hosts["bob"].inbox.kept == 1, limit=5)
            # Each end gets the packets that the other one receives; they count nowhere.
            assert not alice.counts.drops
            assert not bob.counts.drops

    run(main, "asyncio")


class Full(socket.socket):
    """A socket whose buffer is full when the test says so."""

    full = False

    def sendmsg(self, *arguments: Any) -> int:
        if Full.full:
            raise BlockingIOError
        return super().sendmsg(*arguments)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    return lambda value: monkeypatch.setattr(Full, "full", value)


def test_what_waits_for_room_has_a_ceiling(full: Callable[[bool], None]) -> None:
    async def main() -> None:
        async with pair(open_socket=Full, offload=False, history=None) as (network, alice, _, _sa):
            full(True)
            for _ in range(aio.BACKLOG + 100):  # whoever does not wait for room
                with network.acting() as now:
                    alice.send(PING, now)
                network.flush()
            assert alice.counts.drops == {DropReason.SEND_FAILED: 100}
            (failure, *_) = [event for _, event in network.events if isinstance(event, SendFailed)]
            assert failure.code == "queue-full"
            full(False)
            await network.room()
            assert await network.until(lambda: network.hosts["bob"].inbox.kept == aio.BACKLOG, limit=5)

    run(main)


def test_ike_waits_for_room_too_and_in_order(full: Callable[[bool], None]) -> None:
    async def main() -> None:
        order: list[tuple[int, str]] = []
        async with pair(open_socket=Full) as (network, alice, _, sa):
            full(True)
            with network.acting() as now:
                alice.send_many([PING] * 30, now)
                exchange = sa.liveness()
                alice.send_many([PING] * 30, now)
            network.flush()
            network.observe(lambda _, datagram, fate: order.append((len(datagram.data), fate)))
            full(False)
            await network.until(lambda: exchange.done and network.hosts["bob"].inbox.kept == 60)
            sizes = [size for size, fate in order if fate == "sent"][:61]
            assert sizes[:30] == sizes[31:] == [sizes[0]] * 30
            assert sizes[30] != sizes[0]
            # A host whose socket is full may be removed.
            full(True)
            with network.acting() as now:
                alice.send(PING, now)
            network.remove("alice")
            await network.room()
            full(False)

    run(main)


# Listeners and taps


def test_a_recorder() -> None:
    async def main() -> None:
        async with AioNetwork() as network:
            recorder = Recorder()
            recorder.watch(network, "aio")
            bob = Endpoint(HERE, BOB, config=FREE)
            alice = Endpoint(HERE, config=FREE)
            network.add(alice, "alice", native=False)
            network.add(bob, "bob", native=False)
            remote = {"remote": (HERE, bob.config.port), "remote_natt_port": bob.config.natt_port}
            with network.acting() as now:
                sa = alice.connect(IkeConfig(auth="secret", **remote), now)  # type: ignore[arg-type]
            assert await network.until(lambda: sa.established)
            assert network.events.kept == 0
            assert network.events.dropped[KeysDerived.__name__] == 2
            assert len(list(recorder.packets())) >= 4
            assert network.epoch is not None

    run(main)


def test_exceptions_that_have_no_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of listeners and taps become events, and the event loop's handler is told. Nothing else suffers."""
    monkeypatch.setattr(guard, "fatal", False)
    told: list[dict[str, Any]] = []

    def tap(message: Outgoing, octets: bytes) -> None:
        if broken:
            raise ValueError("the tap's")

    def listen(name: str, event: object) -> None:
        if broken:
            raise KeyError("the listener's")

    broken = False
    taps = Taps()
    taps.add("wire", tap)

    async def main() -> None:
        nonlocal broken
        async with pair(taps=taps, history=None) as (network, _, bob, sa):
            asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
            network.subscribe(listen)
            broken = True
            with network.acting() as now:
                bob.sas[sa.spi_r].liveness()  # Alice's tap raises for the answer
            await network.until(lambda: network.failures["alice"] > 0, limit=5)
            broken = False
            events = [event for _, event in network.events if isinstance(event, InternalError)]
            assert {(event.error, event.doing) for event in events} == {
                ("ValueError", "a datagram"),
                ("KeyError", "a listener"),
            }
            assert any("ValueError in a datagram" in context["message"] for context in told)
            assert any(isinstance(context.get("exception"), KeyError) for context in told)
            assert now <= network.now
            with network.acting():
                exchange = sa.liveness()
            assert await network.until(lambda: exchange.done)

    run(main)
