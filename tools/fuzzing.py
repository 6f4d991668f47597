# SPDX-License-Identifier: GPL-2.0-or-later
"""Fuzzes layers and engine with mutated datagrams: no exception, no lost state, and the next handshake must work.

`scripts/fuzz [COUNT [SEED]]` runs it at length, `test_fuzzing.py` runs a sample. Each mutant is used in three ways:

- The layers dissect it, keep every octet, and describe it.
- Two established endpoints receive it, one in each role, while one of them has a handshake outstanding. Without the
  keys it must not end or change an established SA.
- From time to time a peer that *has* the keys sends a mutated plaintext under a valid ICV. This may end its IKE SA, but
  the endpoint must continue, and the next handshake must work.

`Fuzz.ways` are the kinds of mutants. `tools/stateful` simulates a hostile peer with the keys.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scapy.layers.inet import IP, UDP

from fynx_scapy.capture.reading.frames import frames
from fynx_scapy.iana import PayloadType
from fynx_scapy.ike import events
from fynx_scapy.ike.exchanges.informational import Informational, Liveness
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, IcmpError, Outgoing, notify
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, FLAG_RESPONSE, HEADER_SIZE, LENGTH, NEXT_PAYLOAD, VERSION_2
from fynx_scapy.layers.ikev2 import IKEv2, build_message, parse_message
from tools.mutations import mutated
from tools.peers import ALICE, BOB, Pair
from tools.stateful.invariants import picture

INSIDE_EVERY = 25  # one mutated plaintext per so many mutated datagrams
CHECK_EVERY = 500
ICMP_EVERY = 50
TELL_EVERY = 30.0  # seconds
GROWTH = 64 << 20  # octets by which memory may grow after the warm-up


def corpus(captures: Path | None) -> list[bytes]:
    """IKE messages and ESP packets to mutate, from one of our handshakes and from captures if there are any."""
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
    """The counts and results of a run."""

    datagrams: int = 0
    inside: int = 0
    handshakes: int = 0
    checks: int = 0
    malformed: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)


@contextlib.contextmanager
def explained(index: int, seed: int, octets: bytes) -> Iterator[None]:
    """Add the datagram to an exception, and how to reproduce it."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"datagram {index} of seed {seed}: {octets.hex()}")
        error.add_note(f"again: scripts/fuzz {index + 1} {seed}")
        raise


class Fuzz:
    """One run. The same count, seed and corpus give the same mutants."""

    def __init__(self, seed: int, material: Sequence[bytes]):
        self.seed, self.material = seed, material
        self.chance = random.Random(seed)
        self.pair = pair = Pair(seed, fragment_size=300)
        self.victim = pair.handshake()
        self.ends = (self.victim, pair.peer_of(self.victim))
        pair.use(self.victim)
        # HDR, SKF {…}  -->   one message in many fragments, of which neither end keeps any
        self.victim.start(Informational(self.victim, notify(40960, bytes(2000))))
        pair.settle()
        self.own = [datagram.data for datagram in pair.passed if datagram.kind is DatagramKind.IKE]
        self.own_sealed = [octets for octets in self.own if octets[NEXT_PAYLOAD] == PayloadType.SK]
        self.own_fragments = [octets for octets in self.own if octets[NEXT_PAYLOAD] == PayloadType.SKF]
        self.own_esp = [datagram.data for datagram in pair.passed if datagram.kind is DatagramKind.ESP]
        self.result = Result(handshakes=1)
        self.connecting: IkeSa | None = None
        self.ways: dict[str, Callable[[], bytes]] = {
            "captures and handshakes, to the layers": self.anything,
            "IKE_SA_INIT requests, to the responder": self.stranger,
            "IKE_SA_INIT requests with odd transform attributes": self.attributes,
            "answers to a request that is pending": self.answer,
            "messages on an established SA, in both roles": self.to_victim,
            "the same, in the clear": self.in_the_clear,
            "SKF": self.fragment,
            "ESP": self.esp,
            "UDP payloads of any framing": self.framing,
        }
        self.weights = (4, 3, 1, 4, 6, 2, 3, 4, 2)
        pair.drain()

    def run(self, count: int, tell: Callable[[int], None] = lambda done: None) -> Result:
        """Send ``count`` mutants. Raises AssertionError, or any exception of the code under test."""
        for index in range(count):
            (kind,) = self.chance.choices(list(self.ways), self.weights)
            octets = self.mutant(kind)
            with explained(index, self.seed, octets):
                self.result.datagrams += 1
                self.result.kinds[kind] += 1
                self.dissect(octets, thoroughly=index % 16 == 0)
                self.deliver(octets)
                if index % ICMP_EVERY == 0:
                    self.icmp()
                if index % INSIDE_EVERY == 0:
                    self.inside()
                if index % CHECK_EVERY == CHECK_EVERY - 1:
                    self.check()
            tell(index + 1)
        self.check()
        return self.result

    def mutant(self, kind: str) -> bytes:
        """A mutated message, usually one that an endpoint expects, so that it passes the first checks."""
        octets = self.ways[kind]()
        if (
            len(octets) >= HEADER_SIZE
            and kind not in ("ESP", "UDP payloads of any framing")
            and self.chance.random() < 0.9
        ):
            octets = octets[:LENGTH] + len(octets).to_bytes(4) + octets[HEADER_SIZE:]
        return octets

    def mutated(self, base: bytes) -> bytes:
        return mutated(base, self.chance.choice(self.material), self.chance)

    def anything(self) -> bytes:
        """Any message of the corpus, mutated anywhere."""
        return self.mutated(self.chance.choice(self.material))

    def stranger(self) -> bytes:
        """An IKE_SA_INIT request from a new source."""
        return self.chance.randbytes(8) + self.mutated(self.own[0][8:])

    def attributes(self) -> bytes:
        """The same, a transform attribute in it put into TLV form, of any size (RFC 7296 section 3.3.5)."""
        chance, octets = self.chance, self.own[0]
        at = octets.index(b"\x80\x0e")
        size = chance.choice((0, 1, 2, 3, 4, 8, 1800, 1800, 60000))
        value = chance.choice((bytes(size), b"\xff" * size, chance.randbytes(size)))
        odd = bytearray(octets[:at] + b"\0\x0e" + size.to_bytes(2) + value + octets[at + 4 :])
        # The transform, its proposal and the SA payload around it are as much longer.
        for length in (at - 6, 34, 30):
            odd[length : length + 2] = (int.from_bytes(odd[length : length + 2]) + size).to_bytes(2)
        return chance.randbytes(8) + bytes(odd[8:])

    def answer(self) -> bytes:
        """A response to the outstanding handshake."""
        spi = self.connecting.spi_i if self.connecting is not None else bytes(8)
        return spi + self.mutated(self.own[1][8:])

    def head(self, kind: int, exchanges: Sequence[int]) -> bytes:
        """The first 24 octets of a message on an established IKE SA, with an expected message ID."""
        exchange, flags = (
            self.chance.choice(exchanges),
            self.chance.choice((0, FLAG_INITIATOR, FLAG_RESPONSE, FLAG_INITIATOR | FLAG_RESPONSE)),
        )
        expected = self.chance.choice(self.ends).answers.expected
        return self.victim.spi_i + self.victim.spi_r + bytes((kind, VERSION_2, exchange, flags)) + expected.to_bytes(4)

    def to_victim(self) -> bytes:
        """An encrypted message on an established IKE SA."""
        return self.head(PayloadType.SK, (34, 35, 36, 37, 37)) + self.mutated(
            self.chance.choice(self.own_sealed)[LENGTH:]
        )

    def in_the_clear(self) -> bytes:
        """The payloads of an unprotected message on an established IKE SA."""
        source = self.chance.choice(self.own[:2])
        return self.head(source[NEXT_PAYLOAD], (34, 34, 35, 36, 37, 240)) + self.mutated(source[LENGTH:])

    def fragment(self) -> bytes:
        """A fragment on an established IKE SA."""
        source = self.chance.choice(self.own_fragments)
        return self.head(PayloadType.SKF, (35, 36, 37)) + self.mutated(source[LENGTH:])

    def esp(self) -> bytes:
        """An ESP packet for an existing Child SA."""
        return self.chance.choice(self.spis()) + self.mutated(self.chance.choice(self.own_esp)[4:])

    def framing(self) -> bytes:
        """UDP payloads with other framing: markers, keepalives, very short ones."""
        chance = self.chance
        start = chance.choice(
            (b"", bytes(3), bytes(4), bytes(8), b"\xff", b"\xff\xff", b"\0\0\0\1", chance.randbytes(4))
        )
        return start + chance.choice((b"", b"\0", chance.randbytes(12), self.anything()))

    def spis(self) -> list[bytes]:
        """The ESP SPIs of both endpoints' Child SAs."""
        return [spi.to_bytes(4) for end in self.ends for spi in end.children]

    def icmp(self) -> None:
        """Any ICMP error, about the peer or another host."""
        chance = self.chance
        host = chance.choice((ALICE, BOB, f"203.0.113.{chance.randrange(256)}"))
        remote = Address(host, chance.choice((500, 4500, 7)))
        kind, code = chance.choice((3, 11, 5, 12, 1, 2)), chance.randrange(16)
        mtu = chance.choice((None, None, 0, 68, 576, 1500, 0xFFFFFFFF))
        self.result.kinds["ICMP"] += 1
        for end, here in ((self.pair.alice, ALICE), (self.pair.bob, BOB)):
            end.receive_icmp(
                IcmpError(Address(here, 500), remote, "203.0.113.1", kind, code, "forged", mtu), self.pair.now
            )
        self.pair.alice.path_mtu.forget(BOB)  # it is believed, and what is sent next would be in fragments

    def dissect(self, octets: bytes, *, thoroughly: bool) -> None:
        """Check that both ways of dissection keep every octet and describe faults."""
        packet = IKEv2(octets)
        assert bytes(packet) == (octets or bytes(IKEv2()))  # of nothing, Scapy makes a new packet
        if len(octets) >= HEADER_SIZE:
            header, payloads = parse_message(octets)
            self.result.malformed += any(payload.malformed for payload in payloads)
            assert build_message(header, payloads) == octets
        if thoroughly:
            packet.show2(dump=True)
            packet.summary()
            packet.command()
            bytes(IP(bytes(IP(src=ALICE, dst=BOB) / UDP(sport=4500, dport=4500) / octets)))

    def deliver(self, octets: bytes) -> None:
        """Deliver it to both endpoints, on both ports. Established SAs must not change."""
        pair, chance = self.pair, self.chance
        if self.connecting is None or self.connecting.established or not self.connecting.requests.pending:
            self.connecting = pair.alice.connect(pair.config, pair.now)
        before = [picture(end) for end in self.ends]
        port = 4500 if octets[:4] in self.spis() else chance.choice((500, 4500))
        marked = octets if port == 500 or octets[:4] in self.spis() or chance.random() < 0.1 else bytes(4) + octets
        for end, here, there in ((pair.alice, ALICE, BOB), (pair.bob, BOB, ALICE)):
            end.receive(Datagram.from_udp(marked, Address(here, port), Address(there, port)), pair.now)
            end.datagrams()  # on a network that loses them all
        for sa, seen in zip(self.ends, before, strict=True):
            now = picture(sa)
            assert now == seen, f"changed {[name for name in now if now[name] != seen[name]]} of {sa!r}"
        pair.wait(0.01)
        for event in pair.drain():
            self.result.events[type(event).__name__] += 1
            if (event.spi_i, event.spi_r) == (self.victim.spi_i, self.victim.spi_r):
                assert not isinstance(
                    event, events.SaDeleted | events.IkeSaFailed | events.PeerDead | events.MessageReceived
                ), event

    def check(self) -> None:
        """Check that the established SAs still work, and that a new handshake succeeds."""
        pair, victim = self.pair, self.victim
        self.result.checks += 1
        pair.alice.datagrams()
        pair.bob.datagrams()
        for _ in range(20):
            # Hints have begun liveness checks, whose first requests were lost.
            pair.settle()
            if not any(end.requests.pending for end in self.ends):
                break
            pair.wait(2.0)
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
        """Let a peer with the keys encrypt a mutated plaintext, in a handshake or after it."""
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
            kept = bytearray(
                mutated(octets[: -1 - octets[-1]] or bytes(8), chance.choice(self.material)[HEADER_SIZE:], chance)
            )
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


def fuzz(
    count: int, seed: int, captures: Path | None = None, tell: Callable[[int], None] = lambda done: None
) -> Result:
    """Run ``count`` mutants that follow from ``seed``."""
    return Fuzz(seed, corpus(captures)).run(count, tell)


def resident() -> int:
    """The memory of this process, in octets."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(arguments: Sequence[str]) -> int:
    """The command line: COUNT and SEED. Returns the exit status, 1 after any fault."""
    logging.getLogger("scapy").setLevel(logging.ERROR)  # its ISAKMP warns of what we mutate
    count, seed = (int(value) for value in [*arguments, *("200000", "1")[len(arguments) :]])
    captures = Path(__file__).resolve().parent.parent.parent / "shared" / "captures" / "lab"
    begun = due = time.perf_counter()
    warm = resident()

    def tell(done: int) -> None:
        nonlocal due, warm
        if done == 20000:
            warm = resident()
        if (now := time.perf_counter()) >= due + TELL_EVERY:
            due = now
            rate = done / (now - begun)
            print(f"{done} of {count}, {rate:.0f} a second, {resident() >> 20} MiB", file=sys.stderr, flush=True)

    try:
        result = fuzz(count, seed, captures if captures.exists() else None, tell)
        grown = resident() - warm
        assert grown < GROWTH, f"{grown >> 20} MiB more than after 20,000 datagrams"
    except Exception:  # any exception of the code under test is a finding
        traceback.print_exc()
        return 1
    seconds = time.perf_counter() - begun
    print(f"{result.datagrams} mutated datagrams (seed {seed}) in {seconds:.0f} s: no exception, no state lost")
    for kind, number in result.kinds.most_common():
        print(f"  {number:9} {kind}")
    print(f"{result.malformed} of them dissected as malformed; {result.inside} mutated plaintexts under good ICVs")
    print(f"{result.checks} times the established SAs were used, {result.handshakes} good handshakes, one right after")
    print(f"memory: {max(grown, 0) >> 20} MiB more at the end than after the first 20,000")
    print("events: " + ", ".join(f"{name} {number}" for name, number in result.events.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
