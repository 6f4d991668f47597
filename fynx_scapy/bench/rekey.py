# SPDX-License-Identifier: GPL-2.0-or-later
"""Rekeys while packets pass both ways: what each costs, and that none of the packets is lost."""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy.bench.ends import Ends, inner
from fynx_scapy.bench.figures import Figure, at_most, interleaved
from fynx_scapy.errors import UnexpectedError
from fynx_scapy.ike.sa import IkeSa

FLIGHTS = 4
"""A rekey takes four: its request and response, and those of the Delete."""
PACKETS = 8
"""So many packets each way are under way with each flight."""


class Loaded:
    """Two connected endpoints, and packets between them with whatever else happens."""

    def __init__(self) -> None:
        self.ends = Ends()
        self.sa: IkeSa = self.ends.connect()
        self.sent = self.received = 0
        self.to_bob = inner("10.1.0.1", "10.2.0.1")
        self.to_alice = inner("10.2.0.1", "10.1.0.1")

    def flight(self) -> int:
        """Packets both ways before, after and together with the messages that are under way."""
        alice, bob, now = self.ends.alice, self.ends.bob, self.ends.now
        for _ in range(PACKETS):
            alice.send(self.to_bob, now)
            bob.send(self.to_alice, now)
        self.sent += 2 * PACKETS
        count = self.ends.flight()
        self.received += len(alice.packets()) + len(bob.packets())
        return count - 2 * PACKETS

    def pass_packets(self) -> None:
        """The packets of one rekey, without the rekey."""
        for _ in range(FLIGHTS):
            self.flight()
        self.ends.quiet()

    def rekey_child(self) -> None:
        """Rekey the Child SA."""
        self._rekey(lambda sa: sa.rekey_child(next(iter(sa.children.values()))))

    def rekey_ike(self) -> None:
        """Rekey the IKE SA, which keeps its Child SA."""
        self._rekey(lambda sa: sa.rekey())

    def _rekey(self, start: Callable[[IkeSa], object]) -> None:
        self.ends.now += 1
        start(self.sa)
        for _ in range(FLIGHTS):
            self.flight()
        self.sa = self.sa.newest
        self.ends.quiet()
        for end in (self.ends.alice, self.ends.bob):
            end.handle_timer(self.ends.now)  # what was replaced is forgotten after a while


def measure(quick: bool) -> list[Figure]:
    """Rekeys of Child and IKE SAs under load, beside a handshake; packets sent and not received."""
    loaded = Loaded()
    calls = {
        "packets": loaded.pass_packets,
        "child": loaded.rekey_child,
        "ike": loaded.rekey_ike,
        "handshake": lambda: Ends().connect(),
    }
    before = loaded.sa
    took = interleaved(calls, rounds=3 if quick else 15, seconds=0.05 if quick else 0.25)
    if loaded.sa is before or len(loaded.sa.children) != 1:
        raise UnexpectedError("the SAs were not rekeyed, so there is nothing to measure")
    handshake = Figure("a handshake, both ends, PSK and X25519", took["handshake"] * 1000, "ms")
    packets = 2 * PACKETS * FLIGHTS
    return [
        handshake,
        *(
            Figure(name, (took[kind] - took["packets"]) * 1000, "ms", floor=handshake, bound=at_most(1.25))
            for kind, name in (
                ("child", "rekey of a Child SA with a key exchange, both ends"),
                ("ike", "rekey of an IKE SA, both ends"),
            )
        ),
        Figure("a packet of 1400 bytes meanwhile, both ends", took["packets"] / packets * 1e6, "µs"),
        Figure("packets lost meanwhile", loaded.sent - loaded.received, "lost", bound=at_most(0)),
    ]
