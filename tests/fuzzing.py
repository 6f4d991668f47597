# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutated datagrams into layers and engine: no exception leaves, no state is lost, a good handshake works right after.

`scripts/fuzz [COUNT [SEED]]` runs it at length, `test_fuzzing.py` a sample. Three targets in turn:

- the layers dissect a mutant, keep every octet of it, and describe it;
- two established endpoints receive mutants from both directions, while one end has a handshake in flight: nobody
  without the keys can end or change what is established;
- every so often a peer that *does* have the keys goes wrong: what it seals was mutated. Its own IKE SA may end by
  that; the endpoint must not, and the next handshake works.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scapy.layers.inet import ICMP, IP, UDP

from fynx_scapy import ChildConfig, Endpoint, IkeConfig, Psk
from fynx_scapy.capture.frames import frames
from fynx_scapy.ike import events
from fynx_scapy.ike.exchanges.informational import Liveness
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, Outgoing
from fynx_scapy.ike.randomness import SeededRandomness
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.layers.ikev2 import IKEv2, build_message, parse_message

ALICE, BOB = "192.0.2.1", "192.0.2.2"
PING = bytes(IP(src="10.1.0.1", dst="10.2.0.1") / ICMP() / b"still there?")
INSIDE_EVERY = 25  # one mutated plaintext per so many mutated datagrams
CHECK_EVERY = 500

# Mutations, named by intent. Each takes the octets to change, another message to take octets from, and the randomness.


def flip_bit(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """One bit turned over, and all else as it was."""
    octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)


def flip_bits(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """A few bits turned over."""
    for _ in range(chance.randint(1, 8)):
        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)


def set_octets(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Octets at the ends of their range."""
    for _ in range(chance.randint(1, 4)):
        octets[chance.randrange(len(octets))] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))


def wrong_length(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Two octets that may be a length: zero, too small, too large."""
    at = chance.randrange(len(octets))
    octets[at : at + 2] = chance.choice(
        (0, 1, 3, 4, 5, 7, 8, 9, 0x7FFF, 0xFFFF, len(octets), len(octets) - at)
    ).to_bytes(2)


def wrong_type(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Another payload type where the chain begins, or another exchange, version or flags."""
    if len(octets) > 19:
        octets[chance.choice((16, 16, 17, 18, 19))] = chance.choice((chance.randrange(33, 60), chance.randrange(256)))


def cut(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """The end is missing."""
    del octets[chance.randrange(len(octets)) :]


def grow(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Something stands behind the end."""
    octets += chance.randbytes(chance.randint(1, 64)) if chance.random() < 0.5 else other[: chance.randint(1, 512)]


def lose(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """A slice in the middle is missing."""
    at = chance.randrange(len(octets))
    del octets[at : at + chance.randint(1, 32)]


def repeat(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """A slice comes twice."""
    at = chance.randrange(len(octets))
    octets[at:at] = octets[at : at + chance.randint(1, 64)]


def splice(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """The head of one message, the tail of another."""
    octets[chance.randrange(len(octets)) :] = other[chance.randrange(len(other)) :]


def overwrite(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """A slice of another message in the middle."""
    at, source = chance.randrange(len(octets)), chance.randrange(len(other))
    size = chance.randint(1, 48)
    octets[at : at + size] = other[source : source + size]


Mutation = Callable[[bytearray, bytes, random.Random], None]
# The first ones keep lengths, and so get further in; they come more often.
MUTATIONS: Sequence[Mutation] = (
    flip_bit, flip_bit, flip_bit, flip_bit, flip_bit, set_octets, set_octets,
    flip_bits, set_octets, wrong_length, wrong_type, cut, grow, lose, repeat, splice, overwrite,
)  # fmt: skip


def mutated(octets: bytes, other: bytes, chance: random.Random) -> bytes:
    """One to three mutations, one upon the other."""
    found = bytearray(octets)
    for _ in range(chance.choice((1, 1, 1, 1, 2, 3))):
        if found:
            chance.choice(MUTATIONS)(found, other or b"\0", chance)
    return bytes(found)


class Pair:
    """Two endpoints that share a key, on a network that only moves when it is told to."""

    def __init__(self, seed: int | str):
        child = ChildConfig(local_ts=("10.1.0.0/16",), remote_ts=("10.2.0.0/16",))
        config = IkeConfig(
            local_id="alice", remote_id="bob", auth=Psk("fuzz"), children=(child,), remote=Address(BOB, 500)
        )
        turned = child.replace(local_ts=child.remote_ts, remote_ts=child.local_ts)
        answering = IkeConfig(local_id="bob", remote_id="alice", auth=Psk("fuzz"), children=(turned,))
        self.config = config
        self.alice = Endpoint(ALICE, randomness=SeededRandomness(f"{seed} alice"))
        self.bob = Endpoint(BOB, [answering], randomness=SeededRandomness(f"{seed} bob"))
        self.now = 0.0
        self.passed: list[Datagram] = []

    def settle(self) -> None:
        """Deliver everything until nothing is under way."""
        moved = True
        while moved:
            moved = False
            for sender, receiver in ((self.alice, self.bob), (self.bob, self.alice)):
                for datagram in sender.datagrams():
                    self.passed.append(datagram)
                    receiver.receive(datagram.turned(), self.now)
                    moved = True

    def wait(self, seconds: float) -> None:
        """Let time pass at both ends."""
        self.now += seconds
        for end in (self.alice, self.bob):
            due = end.next_timer()
            if due is not None and due <= self.now:
                end.handle_timer(self.now)

    def handshake(self) -> IkeSa:
        """Alice connects, and both ends agree that it worked."""
        sa = self.alice.connect(self.config, self.now)
        self.settle()
        answered = self.peer_of(sa)
        assert sa.established, f"the handshake failed: {self.alice.events()}"
        assert answered.established
        assert len(sa.children) == len(answered.children) == 1
        return sa

    def peer_of(self, sa: IkeSa) -> IkeSa:
        """Bob's end of Alice's IKE SA."""
        return self.bob.sas[sa.spi_r]

    def use(self, sa: IkeSa) -> None:
        """A ping through the Child SA and a liveness exchange, on this IKE SA and no other."""
        (child,) = sa.children.values()
        (other,) = self.peer_of(sa).children.values()
        self.bob.packets()
        self.alice.send_on(sa, child, PING)
        self.settle()
        assert self.bob.packets() == [PING]
        self.bob.send_on(self.peer_of(sa), other, bytes(IP(src="10.2.0.1", dst="10.1.0.1") / ICMP(type=0)))
        for starter in (sa, self.peer_of(sa)):
            exchange = starter.start(Liveness(starter))
            self.settle()
            assert exchange.done
            assert exchange.error is None
        assert len(self.alice.packets()) == 1

    def drain(self) -> list[events.Event]:
        """What happened at both ends since the last call."""
        return [*self.alice.events(), *self.bob.events()]


def corpus(captures: Path | None) -> list[bytes]:
    """IKE messages and ESP packets to mutate: those of a handshake of our own, and of captures where there are any."""
    pair = Pair("corpus")
    sa = pair.handshake()
    pair.use(sa)
    sa.delete_child(*sa.children.values())
    pair.settle()
    sa.delete_ike()
    pair.settle()
    found = [datagram.data for datagram in pair.passed]
    for path in sorted(captures.glob("*.pcap")) if captures else ():
        for frame in frames(path):
            payload = bytes(frame.data[42:])  # Ethernet, IPv4 without options, UDP: what the captures of the lab are
            if frame.data[12:14] == b"\x08\0" and frame.data[23] == 17 and payload:
                found.append(payload[4:] if payload[:4] == bytes(4) else payload)
    return found


@dataclass
class Result:
    """What was done and what came of it."""

    datagrams: int = 0
    inside: int = 0
    handshakes: int = 0
    checks: int = 0
    malformed: int = 0
    events: Counter[str] = field(default_factory=Counter)


@contextlib.contextmanager
def explained(index: int, seed: int, octets: bytes) -> Iterator[None]:
    """Say which datagram it was, when something goes wrong."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"datagram {index} of seed {seed}: {octets.hex()}")
        raise


class Fuzz:
    """One run. The same count, seed and corpus give the same mutants."""

    def __init__(self, seed: int, material: Sequence[bytes]):
        self.seed, self.material = seed, material
        self.chance = random.Random(seed)
        self.pair = Pair(seed)
        self.victim = self.pair.handshake()
        self.pair.use(self.victim)
        self.own = [datagram.data for datagram in self.pair.passed if datagram.kind is DatagramKind.IKE]
        self.own_sealed = [octets for octets in self.own if octets[16] == 46]
        self.own_esp = [datagram.data for datagram in self.pair.passed if datagram.kind is DatagramKind.ESP]
        self.result = Result(handshakes=1)
        self.connecting: IkeSa | None = None
        self.pair.drain()

    def run(self, count: int, tell: Callable[[], None] = lambda: None) -> Result:
        """Send ``count`` mutants; AssertionError, or whatever left the code under test, where a promise is broken."""
        for index in range(count):
            octets = self.mutant()
            with explained(index, self.seed, octets):
                self.result.datagrams += 1
                self.dissect(octets, thoroughly=index % 16 == 0)
                self.deliver(octets)
                if index % INSIDE_EVERY == 0:
                    self.inside()
                if index % CHECK_EVERY == CHECK_EVERY - 1:
                    self.check()
            tell()
        self.check()
        return self.result

    def mutant(self) -> bytes:
        """A mutated message, most often one that somebody waits for: only so it gets past the first look."""
        chance = self.chance
        way = chance.choice((self.anything, self.stranger, self.answer, self.to_victim, self.to_victim, self.esp))
        octets = way()
        if len(octets) >= 28 and way is not self.esp and chance.random() < 0.9:
            octets = octets[:24] + len(octets).to_bytes(4) + octets[28:]
        return octets

    def mutated(self, base: bytes) -> bytes:
        return mutated(base, self.chance.choice(self.material), self.chance)

    def anything(self) -> bytes:
        """Any message of the corpus, mutated anywhere."""
        return self.mutated(self.chance.choice(self.material))

    def stranger(self) -> bytes:
        """An IKE_SA_INIT request from somebody new."""
        return self.chance.randbytes(8) + self.mutated(self.own[0][8:])

    def answer(self) -> bytes:
        """An answer to the handshake in flight."""
        spi = self.connecting.spi_i if self.connecting is not None else bytes(8)
        return spi + self.mutated(self.own[1][8:])

    def to_victim(self) -> bytes:
        """A request on what is established, by either end, with the message ID that is expected."""
        ends = (self.victim, self.pair.peer_of(self.victim))
        exchange, flags = self.chance.choice((35, 36, 37, 37)), self.chance.choice((0, 8, 0x20, 0x28))
        head = bytes((46, 0x20, exchange, flags)) + self.chance.choice(ends).answers.expected.to_bytes(4)
        return self.victim.spi_i + self.victim.spi_r + head + self.mutated(self.chance.choice(self.own_sealed)[24:])

    def esp(self) -> bytes:
        """An ESP packet for a Child SA that is there."""
        return self.chance.choice(self.spis()) + self.mutated(self.chance.choice(self.own_esp)[4:])

    def spis(self) -> list[bytes]:
        """The ESP SPIs of what is established, of both ends."""
        ends = (self.victim, self.pair.peer_of(self.victim))
        return [spi.to_bytes(4) for end in ends for spi in end.children]

    def dissect(self, octets: bytes, *, thoroughly: bool) -> None:
        """Both ways of dissecting keep every octet and say what is wrong."""
        packet = IKEv2(octets)
        assert bytes(packet) == (octets or bytes(IKEv2()))  # of nothing, Scapy makes a new packet
        if len(octets) >= 28:
            header, payloads = parse_message(octets)
            self.result.malformed += any(payload.malformed for payload in payloads)
            assert build_message(header, payloads) == octets
        if thoroughly:
            packet.show2(dump=True)
            packet.summary()
            packet.command()
            bytes(IP(bytes(IP(src=ALICE, dst=BOB) / UDP(sport=4500, dport=4500) / octets)))

    def deliver(self, octets: bytes) -> None:
        """Both ends get it, on both ports; nothing of what is established may move."""
        pair, chance = self.pair, self.chance
        if self.connecting is None or self.connecting.established or not self.connecting.requests.pending:
            self.connecting = pair.alice.connect(pair.config, pair.now)
        port = 4500 if octets[:4] in self.spis() else chance.choice((500, 4500))
        marked = octets if port == 500 or octets[:4] in self.spis() or chance.random() < 0.1 else bytes(4) + octets
        for end, here, there in ((pair.alice, ALICE, BOB), (pair.bob, BOB, ALICE)):
            end.receive(Datagram.from_udp(marked, Address(here, port), Address(there, port)), pair.now)
            end.datagrams()  # on a network that loses them all
        pair.wait(0.01)
        for event in pair.drain():
            self.result.events[type(event).__name__] += 1
            if (event.spi_i, event.spi_r) == (self.victim.spi_i, self.victim.spi_r):
                assert not isinstance(
                    event, events.SaDeleted | events.IkeSaFailed | events.PeerDead | events.MessageReceived
                ), event

    def check(self) -> None:
        """What was established before is of use, and a new handshake works on the same endpoints."""
        pair, victim = self.pair, self.victim
        self.result.checks += 1
        pair.alice.datagrams()
        pair.bob.datagrams()
        assert victim.established
        assert pair.peer_of(victim).established
        pair.use(victim)
        fresh = pair.handshake()
        self.result.handshakes += 1
        pair.use(fresh)
        fresh.delete_ike()
        pair.settle()
        assert not fresh.children
        pair.drain()
        pair.passed.clear()

    def inside(self) -> None:
        """A peer with the keys seals a mutated plaintext, in one message of a handshake or after it."""
        chance = self.chance
        pair = Pair(chance.randrange(1 << 30))
        wrong = chance.choice((pair.alice, pair.bob))
        target = chance.randrange(3)
        seen = 0

        def tap(message: Outgoing, octets: bytes) -> bytes:
            nonlocal seen
            seen += 1
            if seen - 1 != target:
                return octets
            kept = bytearray(mutated(octets[: -1 - octets[-1]] or bytes(8), chance.choice(self.material)[28:], chance))
            return bytes(kept) + b"\0"  # no padding, so that payloads are what goes wrong and not only the padding

        remove = wrong.taps.add("plaintext", tap)
        sa = pair.alice.connect(pair.config, pair.now)
        pair.settle()
        for _ in range(2):
            if sa.established:
                sa.start(Liveness(sa))
            pair.settle()
        remove()
        pair.wait(200.0)  # whatever waited for an answer has given up by then
        for _ in range(12):
            pair.wait(30.0)
            pair.settle()
        self.result.events.update(type(event).__name__ for event in pair.drain())
        pair.handshake()
        self.result.inside += 1
        self.result.handshakes += 1


def fuzz(count: int, seed: int, captures: Path | None = None, tell: Callable[[], None] = lambda: None) -> Result:
    """Run ``count`` mutants that follow from ``seed``."""
    return Fuzz(seed, corpus(captures)).run(count, tell)


def main(arguments: Sequence[str]) -> None:
    """The command line: COUNT and SEED."""
    import logging

    from rich.console import Console
    from rich.progress import Progress

    logging.getLogger("scapy").setLevel(logging.ERROR)  # its ISAKMP warns of what we mutate
    count, seed = (int(value) for value in [*arguments, *("200000", "1")[len(arguments) :]])
    captures = Path(__file__).resolve().parent.parent.parent / "shared" / "captures" / "lab"
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("mutants", total=count)
        result = fuzz(count, seed, captures if captures.exists() else None, lambda: progress.advance(task))
    print(f"{result.datagrams} mutated datagrams (seed {seed}) into layers and engine: no exception, no state lost")
    print(f"{result.malformed} of them dissected as malformed; {result.inside} mutated plaintexts under good ICVs")
    print(f"{result.checks} times the established SAs were used, {result.handshakes} good handshakes, one right after")
    print("events: " + ", ".join(f"{name} {number}" for name, number in result.events.most_common()))


if __name__ == "__main__":
    main(sys.argv[1:])
