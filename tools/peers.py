# SPDX-License-Identifier: GPL-2.0-or-later
"""Two endpoints with a pre-shared key, on a network that delivers only on request."""

from __future__ import annotations

from scapy.layers.inet import ICMP, IP

from fynx_scapy import ChildConfig, Endpoint, IkeConfig, Psk
from fynx_scapy.ike import events
from fynx_scapy.ike.basics.randomness import SeededRandomness
from fynx_scapy.ike.exchanges.informational import Liveness
from fynx_scapy.ike.message import Address, Datagram
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.lifetime import NEVER

ALICE, BOB = "192.0.2.1", "192.0.2.2"
PING = bytes(IP(src="10.1.0.1", dst="10.2.0.1") / ICMP() / b"still there?")


class Pair:
    """Two endpoints with a pre-shared key, on a network that delivers only on request."""

    def __init__(self, seed: int | str, fragment_size: int = 1280):
        child = ChildConfig(local_ts=("10.1.0.0/16",), remote_ts=("10.2.0.0/16",), lifetime=NEVER)
        config = IkeConfig(
            local_id="alice",
            remote_id="bob",
            auth=Psk("fuzz"),
            children=(child,),
            remote=Address(BOB, 500),
            fragment_size=fragment_size,
            lifetime=NEVER,
        )
        turned = child.replace(local_ts=child.remote_ts, remote_ts=child.local_ts)
        answering = IkeConfig(local_id="bob", remote_id="alice", auth=Psk("fuzz"), children=(turned,), lifetime=NEVER)
        self.config = config
        self.alice = Endpoint(ALICE, randomness=SeededRandomness(f"{seed} alice"))
        self.bob = Endpoint(BOB, [answering], randomness=SeededRandomness(f"{seed} bob"))
        self.now = 0.0
        self.passed: list[Datagram] = []

    def settle(self) -> None:
        """Deliver datagrams until none is outstanding."""
        moved = True
        while moved:
            moved = False
            for sender, receiver in ((self.alice, self.bob), (self.bob, self.alice)):
                for datagram in sender.datagrams():
                    self.passed.append(datagram)
                    receiver.receive(datagram.turned(), self.now)
                    moved = True

    def wait(self, seconds: float) -> None:
        """Let time pass for both endpoints."""
        self.now += seconds
        for end in (self.alice, self.bob):
            due = end.next_timer()
            if due is not None and due <= self.now:
                end.handle_timer(self.now)

    def handshake(self) -> IkeSa:
        """Alice connects; check that both endpoints are established."""
        sa = self.alice.connect(self.config, self.now)
        self.settle()
        answered = self.peer_of(sa)
        assert sa.established, f"the handshake failed: {self.alice.events()}"
        assert answered.established
        assert len(sa.children) == len(answered.children) == 1
        return sa

    def peer_of(self, sa: IkeSa) -> IkeSa:
        """Bob's side of Alice's IKE SA."""
        return self.bob.sas[sa.spi_r]

    def use(self, sa: IkeSa) -> None:
        """Send a ping through the Child SA and a liveness check on this IKE SA."""
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
        """The events of both endpoints since the last call."""
        return [*self.alice.events(), *self.bob.events()]
