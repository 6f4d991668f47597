# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of one endpoint: some hundred steps by a hostile peer, strangers, our user, and timers.

It ends with a valid handshake and a long silence, after which no state may remain. The seed and the number of the life
determine everything. Time is virtual.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable

from scapy.layers.inet import ICMP, IP
from scapy.packet import Packet

from fynx_scapy.crypto import encr, integ
from fynx_scapy.esp import OutboundSa
from fynx_scapy.ike import events
from fynx_scapy.ike.basics.randomness import SeededRandomness
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, IcmpError
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.layers.ikev2 import build_message
from tools.mutations import mutated
from tools.stateful import payloads as lists
from tools.stateful import storms, strangers, wire
from tools.stateful.invariants import Picture, hold, left
from tools.stateful.setting import PEER, US, setting

TRACE = 12
OWN = (
    "create", "rekey child", "rekey", "delete child", "delete", "liveness", "inform", "send", "send", "connect",
    "reauthenticate",
)  # fmt: skip
Chance = random.Random


class Life:
    """One endpoint, the peer with the keys, and all other senders."""

    def __init__(self, seed: int, number: int) -> None:
        self.chance = chance = Chance(f"{seed} {number}")
        self.config, self.theirs, settings = setting(chance)
        mine = SeededRandomness(f"{seed} {number} us")
        self.us = Endpoint(US, [self.config.replace(remote=None)], config=settings, randomness=mine)
        self.us.esp_events = number % 2 == 0  # every other life takes the shorter way of packets
        self.peer = Endpoint(PEER)
        self.peers = 0
        self.now = 0.0
        self.installed: dict[int, OutboundSa] = {}
        self.sent: deque[Datagram] = deque(maxlen=16)
        self.ours: deque[Datagram] = deque(maxlen=16)
        self.counts: Counter[str] = Counter()
        self.trace: deque[str] = deque(maxlen=TRACE)

    # One step

    def step(self) -> None:
        """Take one step, and check the invariants."""
        chance = self.chance
        if not any(sa.established for sa in self.us.sas.values()):
            act: Callable[[Life], object] = Life.handshake
        else:
            act = chance.choices(STEPS, WEIGHTS)[0]
        self.note(act.__name__)
        act(self)
        self.drain()
        hold(self.us)

    def note(self, name: str) -> None:
        """Begin a line of the trace."""
        self.counts[f"step {name}"] += 1
        self.trace.append(f"{self.now:.3f} {name}")

    def tell(self, text: str) -> None:
        """Add to the last line of the trace."""
        self.trace[-1] += f" {text}"

    def drain(self) -> None:
        """Take the endpoint's datagrams and events; the attacker also gets the ESP keys of new Child SAs."""
        for datagram in self.us.datagrams():
            self.ours.append(datagram)
        self.us.packets()
        for event in self.us.events():
            self.counts[f"event {type(event).__name__}"] += 1
            if isinstance(event, events.ChildSaInstalled):
                self.installed[event.inbound.spi] = OutboundSa(
                    spi=event.inbound.spi,
                    encr=encr.encryption(event.encr.id, event.encr.key_length, esp=True),
                    key=event.encr_key_in,
                    integ=integ.integrity(event.integ.id) if event.integ else None,
                    auth_key=event.integ_key_in,
                    esn=event.esn,
                    mode=event.mode,
                    iv=self.chance.randbytes,
                )

    def target(self) -> IkeSa:
        """One of our IKE SAs with keys, usually an established one."""
        keyed = [sa for sa in self.us.sas.values() if sa._keys is not None]
        up = [sa for sa in keyed if sa.established]
        return self.chance.choice(up if up and self.chance.random() < 0.8 else keyed)

    def receive(self, data: bytes, sa: SaRecord, kind: DatagramKind = DatagramKind.IKE) -> None:
        """Deliver it, usually from the peer's address."""
        remote = sa.remote if self.chance.random() < 0.9 else self.elsewhere()
        local = sa.local
        if kind is DatagramKind.ESP:
            local, remote = Address(local.host, 0), Address(remote.host, 0)
        datagram = Datagram(data, local, remote, kind, self.chance.choice((0, 0, 1, 3, 0xB8)))
        self.sent.append(datagram)
        self.trace[-1] += f" {data[:1500].hex()}"
        self.us.receive(datagram, self.now)

    def elsewhere(self) -> Address:
        """Another address, or another port."""
        host = self.chance.choice((PEER, f"203.0.113.{self.chance.randrange(1, 255)}"))
        return Address(host, self.chance.choice((500, 4500, 7, 1024 + self.chance.randrange(60000))))

    # What the peer does

    def request(self) -> None:
        """A sealed request of any type."""
        sa = self.target()
        exchange, payloads = lists.request(sa, self.chance)
        self.write(sa, exchange, payloads, self.message_id(sa), response=False)

    def message_id(self, sa: IkeSa) -> int:
        """Choose a message ID, usually the expected one."""
        expected = sa.answers.expected
        if self.chance.random() < 0.88:
            return expected + self.chance.randrange(sa.answers.size)
        return self.chance.choice((0, max(0, expected - 1), expected + 1, expected + 1000, 0xFFFFFFFF))

    def answer(self) -> None:
        """A response to one of our requests: encrypted, or to IKE_SA_INIT."""
        waiting = [sa for sa in self.us.sas.values() if sa.requests.pending]
        if not waiting:
            return self.own()
        sa = self.chance.choice(waiting)
        pending = self.chance.choice(list(sa.requests.pending.values()))
        kept = pending.kept
        payloads = lists.answer(sa, self.chance, pending.message.payloads)
        if sa._keys is None:
            head = wire.header(sa, kept.exchange_type, kept.message_id, response=True)
            head.resp_SPI = self.chance.randbytes(8)
            return self.receive(build_message(head, payloads), sa)
        right = self.chance.random() < 0.93
        exchange = kept.exchange_type if right else self.chance.choice(lists.EXCHANGES)
        message_id = kept.message_id if self.chance.random() < 0.95 else self.chance.randrange(10)
        return self.write(sa, exchange, payloads, message_id, response=True)

    def write(self, sa: IkeSa, exchange: int, payloads: list[Packet], message_id: int, *, response: bool) -> None:
        """Encrypt it, in one message or in fragments, and deliver it."""
        chance = self.chance
        first, content = lists.plain(chance, payloads)
        odd = chance.random()
        flags = chance.randrange(256) if odd < 0.02 else None
        head = wire.header(
            sa, exchange, message_id, response=response, flags=flags, version=0x21 if odd > 0.99 else 0x20
        )
        self.tell(f"{sa!r} exchange {exchange} id {message_id} {'answer' if response else 'request'} of")
        self.tell(" ".join(type(payload).__name__ for payload in payloads[:8]))
        if chance.random() < 0.2:
            for octets in wire.fragments(sa, chance, head, first, content):
                if self.us.sas.get(sa.own_spi) is sa:
                    self.receive(octets, sa)
            return
        padding = chance.choice((b"\xff", b"", chance.randbytes(9))) if odd < 0.04 else None
        self.receive(wire.seal(sa, chance, head, first, content, padding=padding), sa)

    def esp(self) -> None:
        """An ESP packet with a valid ICV and any content."""
        known = [spi for spi in self.installed if spi in self.us.children]
        if not known:
            return self.own()
        chance = self.chance
        out = self.installed[chance.choice(known)]
        sa, _ = self.us.children[out.spi]
        good = bytes(IP(src="10.2.0.1", dst="10.1.0.1") / ICMP() / chance.randbytes(8))
        six = b"\x60" + good[1:] + bytes(20)
        inner = chance.choice((good, good, six, b"", good[:19], chance.randbytes(40), mutated(good, good, chance)))
        following = chance.choice((4, 4, 4, 41, 59, 1, 6, 17, 0, 255))
        if chance.random() < 0.2 and out.seq + 100_000 < out.limit:
            out.seq += chance.choice((1, 63, 64, 65, 1000, 100_000))
        data = out.seal(inner, following)
        return self.receive(data, sa, chance.choice((DatagramKind.ESP, DatagramKind.ESP_IN_UDP)))

    def replay(self) -> None:
        """Replay a datagram of the peer."""
        if self.sent:
            datagram = self.chance.choice(self.sent)
            self.tell(datagram.data[:1500].hex())
            self.us.receive(datagram, self.now)

    # Steps of senders without keys: they must not change an IKE SA with keys

    def anybody(self) -> None:
        """An unprotected or forged datagram: no established SA may change."""
        before = Picture(self.us)
        make = self.chance.choice(strangers.UNPROTECTED)
        self.counts[f"unprotected {make.__name__}"] += 1
        for datagram in make(self):
            self.tell(f"{make.__name__} {datagram.data[:1500].hex()}")
            self.us.receive(datagram, self.now)
        before.same(self.us)

    def icmp(self) -> None:
        """An ICMP error about any destination."""
        chance, before = self.chance, Picture(self.us)
        for _ in range(chance.choice((1, 1, 1, 20))):
            remote = self.target().remote if chance.random() < 0.5 else self.elsewhere()
            kind, code, mtu = (
                chance.choice((3, 11, 1, 2)),
                chance.randrange(16),
                chance.choice((None, 0, 68, 576, 1280, 65535)),
            )
            self.us.receive_icmp(IcmpError(Address(US, 500), remote, "203.0.113.9", kind, code, "told", mtu), self.now)
        before.same(self.us)

    # What we do ourselves

    def own(self) -> None:
        """A request of our user, or a packet to send."""
        chance = self.chance
        sas = [sa for sa in self.us.sas.values() if sa.established]
        if not sas:
            return
        sa = chance.choice(sas)
        children = [child for child in sa.children.values() if not child.deleting]
        way = chance.choice(OWN)
        self.tell(f"{way} {sa!r}")
        if len(sa.requests.waiting) > 8:
            return
        if way == "create" and len(sa.children) < sa.config.child_limit:
            sa.create_child()
        elif way == "rekey":
            sa.rekey()
        elif way == "delete" and chance.random() < 0.3:
            sa.delete_ike()
        elif way == "connect" and len(self.us.sas) < 20:
            self.us.connect(self.config, self.now)
        elif way == "reauthenticate" and chance.random() < 0.3:
            sa.reauthenticate()
        elif way == "liveness":
            sa.liveness()
        elif way == "inform":
            sa.start(Informational(sa, *lists.anything(sa, chance)[:1]))
        elif way == "send":
            self.us.send(bytes(IP(src="10.1.0.1", dst="10.2.0.1") / ICMP()), self.now)
        elif way == "rekey child" and children:
            sa.rekey_child(chance.choice(children))
        elif way == "delete child" and children:
            sa.delete_child(chance.choice(children))

    def wait(self) -> None:
        """Let time pass: a moment, until the next timer, or long."""
        due = self.us.next_timer()
        soon = 1.0 if due is None else max(0.0, due - self.now)
        self.pass_time(
            self.chance.choice(
                (0.001, 0.1, 1.0, 3.0, 15.0, soon, soon, soon, 61.0 if self.chance.random() < 0.2 else 0.1)
            )
        )

    def pass_time(self, seconds: float) -> None:
        """Run the timers that are due; the next one must be later each time."""
        end = self.now + seconds
        while (due := self.us.next_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.us.handle_timer(self.now)
            following = self.us.next_timer()
            assert following is None or following > self.now, "a timer is due again at once"
            self.drain()
        self.now = end

    def handshake(self) -> IkeSa:
        """Connect with a legitimate peer, in either role."""
        self.peers += 1
        self.peer = Endpoint(
            PEER, [self.theirs.replace(remote=None)], randomness=SeededRandomness(f"peer {self.peers}")
        )
        self.us.datagrams()
        known = set(self.us.sas)
        if self.chance.random() < 0.5:
            self.us.connect(self.config, self.now)
        else:
            self.peer.connect(self.theirs, self.now)
        self.settle()
        new = [sa for spi, sa in self.us.sas.items() if spi not in known and sa.established]
        assert len(new) == 1, f"the good handshake made {len(new)} IKE SAs: {self.peer.events()[-3:]}"
        return new[0]

    def settle(self) -> None:
        """Deliver datagrams between us and the legitimate peer until none is left."""
        for _ in range(200):
            mine, theirs = self.us.datagrams(), self.peer.datagrams()
            if not mine and not theirs:
                return
            for datagram in mine:
                self.peer.receive(datagram.turned(), self.now)
            for datagram in theirs:
                self.us.receive(datagram.turned(), self.now)
        raise AssertionError("two good endpoints never come to rest")

    def end(self) -> None:
        """Check that a valid handshake works, and that no state remains after hours of silence."""
        self.note("end")
        sa = self.handshake()
        for exchange in (sa.liveness(), self.peer.sas[sa.spi_i if not sa.initiator else sa.spi_r].liveness()):
            self.settle()
            assert exchange.done, "the good peer's liveness check has no answer"
            assert exchange.error is None
        sa.delete_ike()
        self.settle()
        assert not sa.children
        self.drain()
        self.us.traps.clear()
        for _ in range(40):
            self.pass_time(600.0)
            hold(self.us)
        left(self.us)


STEPS, WEIGHTS = zip(
    *((Life.request, 30), (Life.answer, 22), (Life.own, 12), (Life.anybody, 20), (Life.esp, 10), (Life.wait, 12),
    (Life.replay, 4), (Life.icmp, 2), (Life.handshake, 1), (storms.again_and_again, 0.7),
    (storms.come_and_go, 0.2)), strict=True,
)  # fmt: skip
