# SPDX-License-Identifier: GPL-2.0-or-later
"""The way of an inner packet through an endpoint, without a socket, with 1, 200 and 5,000 Child SAs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fynx_scapy.bench import ends
from fynx_scapy.bench.ends import INITIATOR, RESPONDER, Ends, inner
from fynx_scapy.bench.figures import Bound, Call, Fed, Figure, at_most, interleaved
from fynx_scapy.errors import UnexpectedError
from fynx_scapy.esp import InboundSa, OutboundSa
from fynx_scapy.iana import ProtocolId
from fynx_scapy.ike.child.setup import ChildPlan, install
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.message import Address, Burst, Datagram, DatagramKind
from fynx_scapy.ike.terms.lifetime import NEVER
from fynx_scapy.ike.terms.proposals import Choice
from fynx_scapy.ike.terms.selectors import Selector

SIZE = 1400
"""The length of the inner packets, in octets."""
BATCH = 64
"""How many packets one call of `send_many` or `receive_burst` takes."""
NUMBERS = (1, 200, 5000)
"""How many Child SAs there are."""

ALICE, BOB = Address(ends.ALICE, 0), Address(ends.BOB, 0)


def _lasting(config: IkeConfig) -> IkeConfig:
    """The same without lifetimes: no Child SA is rekeyed while it is measured."""
    return config.replace(children=tuple(child.replace(lifetime=NEVER) for child in config.children))


class Gateway:
    """Two endpoints with ``number`` Child SAs between them, one for each network behind Bob. Alice sends."""

    def __init__(self, number: int) -> None:
        self.ends = Ends(_lasting(INITIATOR), _lasting(RESPONDER))
        self.alice, self.bob = self.ends.alice, self.ends.bob
        self.ours = self.ends.connect()
        self.pairs = [(child, self._other(child)) for child in self.ours.children.values()]
        for at in range(number - 1):
            self.pairs.append(self._pair(Selector.of(f"10.{100 + (at >> 8)}.{at & 255}.0/24")))
        targets = ["10.2.0.1", *(f"10.{100 + (at >> 8)}.{at & 255}.9" for at in range(number - 1))]
        self.packets = [inner("10.1.0.1", target, SIZE) for target in targets]
        self.ends.quiet()
        self._turn = itertools.cycle(range(number))
        self._fill()

    def _other(self, child: ChildSa) -> ChildSa:
        return self.bob.children[child.outbound.spi][1]

    def _pair(self, network: Selector) -> tuple[ChildSa, ChildSa]:
        """Another Child SA at both ends, as a CREATE_CHILD_SA exchange leaves it."""
        (theirs,) = self.bob.sas.values()
        model, host = self.pairs[0][0], self.pairs[0][0].local_ts
        spis = self.alice.new_child_spi(), self.bob.new_child_spi()
        nonces = self.alice.randomness.octets(32), self.alice.randomness.octets(32)
        made = []
        for sa, own, other, local, remote in (
            (self.ours, spis[0], spis[1], host, (network,)),
            (theirs, spis[1], spis[0], (network,), host),
        ):
            choice = Choice(1, ProtocolId.ESP, other.to_bytes(4), model.config.proposals[0].transforms)
            plan = ChildPlan(sa.config.children[0], choice, local, remote)
            made.append(install(sa, plan, own, nonces, initiator=sa is self.ours))
        return made[0], made[1]

    def _fill(self) -> None:
        """Send a packet on each, so that what is looked up once is looked up."""
        self.alice.send_many(self.packets, self.ends.now)
        self._deliver()

    def _deliver(self) -> None:
        for burst in self.alice.output():
            assert isinstance(burst, Burst)
            self.bob.receive_burst(burst.turned(), self.ends.now)
        received = len(self.bob.packets())
        if received != len(self.packets):
            raise UnexpectedError(f"expected {len(self.packets)} packets to arrive, found {received}")

    # What is measured: always the same flow, or with ``turns`` each Child SA in turn

    def _next(self, count: int, *, turns: bool) -> Iterator[int]:
        return itertools.islice(self._turn, count) if turns else itertools.repeat(0, count)

    def _some(self, count: int, *, turns: bool) -> list[bytes]:
        self._empty()
        return [self.packets[at] for at in self._next(count, turns=turns)]

    def _sealed(self, count: int, *, turns: bool) -> list[tuple[InboundSa, bytes]]:
        self._empty()
        made = []
        for at in self._next(count, turns=turns):
            ours, theirs = self.pairs[at]
            made.append((theirs.inbound, ours.outbound.seal(self.packets[at], 4)))
        return made

    def _arriving(self, count: int, *, turns: bool) -> Burst:
        return Burst([packet for _, packet in self._sealed(count, turns=turns)], BOB, ALICE, DatagramKind.ESP)

    def _empty(self) -> None:
        self.alice.output()
        self.bob.packets()

    def seal(self, *, turns: bool) -> Fed:
        """`OutboundSa.seal` alone."""
        pairs = [(ours.outbound, packet) for (ours, _), packet in zip(self.pairs, self.packets, strict=True)]

        def feed(count: int) -> list[tuple[OutboundSa, bytes]]:
            return [pairs[at] for at in self._next(count, turns=turns)]

        return Fed(lambda pair: pair[0].seal(pair[1], 4), feed)

    def send(self, *, turns: bool) -> Fed:
        """`Endpoint.send`."""
        send, now = self.alice.send, self.ends.now
        return Fed(lambda packet: send(packet, now), partial(self._some, turns=turns))

    def open(self, *, turns: bool) -> Fed:
        """`InboundSa.open` alone."""
        return Fed(lambda pair: pair[0].open(pair[1]), partial(self._sealed, turns=turns))

    def receive(self, *, turns: bool) -> Fed:
        """`Endpoint.receive`."""
        receive, now = self.bob.receive, self.ends.now

        def feed(count: int) -> list[Datagram]:
            return self._arriving(count, turns=turns).datagrams()

        return Fed(lambda datagram: receive(datagram, now), feed)

    def seal_many(self) -> Call:
        """`OutboundSa.seal_many` alone."""
        return partial(self.pairs[0][0].outbound.seal_many, [self.packets[0]] * BATCH, 4)

    def send_many(self, *, turns: bool) -> Fed:
        """`Endpoint.send_many`."""
        send, now = self.alice.send_many, self.ends.now
        return Fed(
            lambda packets: send(packets, now), lambda count: [self._some(BATCH, turns=turns) for _ in range(count)]
        )

    def open_many(self) -> Fed:
        """`InboundSa.open_many` alone."""
        open_many = self.pairs[0][1].inbound.open_many
        return Fed(open_many, lambda count: [self._arriving(BATCH, turns=False).packets for _ in range(count)])

    def receive_burst(self, *, turns: bool) -> Fed:
        """`Endpoint.receive_burst`."""
        receive, now = self.bob.receive_burst, self.ends.now
        return Fed(
            lambda burst: receive(burst, now), lambda count: [self._arriving(BATCH, turns=turns) for _ in range(count)]
        )


def measure(quick: bool) -> list[Figure]:
    """Sending and receiving beside seal and open, one packet at a time and in batches, as Child SAs become many."""
    cipher = partial(AESGCM(bytes(16)).encrypt, bytes(12), bytes(SIZE), bytes(8))
    calls: dict[str, Call | Fed] = {"cipher": cipher}
    gateways = {number: Gateway(number) for number in (NUMBERS[:2] if quick else NUMBERS)}
    one, most = gateways[1], max(gateways)
    calls |= {"seal": one.seal(turns=False), "open": one.open(turns=False)}
    calls |= {"seal_many": one.seal_many(), "open_many": one.open_many()}
    many = gateways[most]
    calls |= {"seal in turn": many.seal(turns=True), "open in turn": many.open(turns=True)}
    for number, gateway in gateways.items():
        calls |= {f"send {number}": gateway.send(turns=False), f"receive {number}": gateway.receive(turns=False)}
    calls |= {"send in turn": many.send(turns=True), "receive in turn": many.receive(turns=True)}
    calls |= {"send_many": one.send_many(turns=False), "receive_burst": one.receive_burst(turns=False)}
    took = interleaved(calls, rounds=5 if quick else 15, seconds=0.005 if quick else 0.02)
    for batch in ("seal_many", "open_many", "send_many", "receive_burst"):
        took[batch] /= BATCH

    def figure(name: str, call: str, floor: Figure | None = None, bound: Bound | None = None) -> Figure:
        return Figure(f"{name}, {SIZE} octets", took[call] * 1e6, "µs", floor=floor, bound=bound)

    bare = figure("AESGCM.encrypt", "cipher")
    figures = [bare]
    for way, alone, batch, batch_alone in (
        ("send", "seal", "send_many", "seal_many"),
        ("receive", "open", "receive_burst", "open_many"),
    ):
        floor = figure(alone, alone, bare)
        first = figure(f"{way}, 1 Child SA", f"{way} 1", floor, at_most(2.5))
        figures += [floor, first]
        for number in list(gateways)[1:]:
            alike = Figure(first.name, first.value, first.unit)
            figures.append(figure(f"{way}, {number:,} Child SAs", f"{way} {number}", alike, at_most(1.2)))
        in_turn = figure(f"{alone}, {most:,} SAs in turn", f"{alone} in turn", floor)
        figures += [in_turn, figure(f"{way}, {most:,} Child SAs in turn", f"{way} in turn", in_turn, at_most(2.5))]
        batched = figure(f"{batch_alone}, {BATCH} at once, each", batch_alone, bare)
        figures += [batched, figure(f"{batch}, {BATCH} at once, each", batch, batched, at_most(2.5))]
    return figures
