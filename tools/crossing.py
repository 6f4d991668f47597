# SPDX-License-Identifier: GPL-2.0-or-later
"""Two crossing exchanges, in every possible order of delivery, and the expected result of each pair.

A run is a pair of exchanges, a word and a fault. West and east take three steps each: start the exchange (``W``,
``E``), process the first datagram received, process the second one (``w``, ``e``). A word such as ``WEewew`` is the
order of the steps. Then time passes until nothing is outstanding. A fault affects one of the first datagrams: it is
lost, duplicated, or delayed until the end of the word.
"""
# ruff: noqa: E501 -- sentences of the RFC are not split

from __future__ import annotations

import dataclasses
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import MessageSent
from fynx_scapy.ike.message import Datagram
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.layers.ikev2 import IKEv2_Notify
from fynx_scapy.net.echo import echo_request
from tests.ike.pair import Pair, alice, bob

EXTRA = {
    "w": ChildConfig(name="extra", local_ts=("10.3.0.0/24",), remote_ts=("10.4.0.0/24",)),
    "e": ChildConfig(name="extra", local_ts=("10.4.0.0/24",), remote_ts=("10.3.0.0/24",)),
}


def _current(end: Side) -> IkeSa | None:
    return next((sa for sa in reversed(list(end.endpoint.sas.values())) if sa.established), None)


def _net(sa: IkeSa) -> ChildSa | None:
    """The Child SA that both peers started with, or its newest successor."""
    found = [child for child in sa.children.values() if child.name == "net" and not child.deleting]
    return found[-1] if found else None


def _on_net(act: Callable[[IkeSa, ChildSa], object]) -> Callable[[IkeSa, str], None]:
    def begin(sa: IkeSa, side: str) -> None:
        child = _net(sa)
        if child is not None:
            act(sa, child)

    return begin


ACTIONS: dict[str, Callable[[IkeSa, str], object]] = {
    "rekey child": _on_net(lambda sa, child: sa.rekey_child(child)),
    "rekey IKE": lambda sa, side: sa.rekey(),
    "delete child": _on_net(lambda sa, child: sa.delete_child(child)),
    "delete IKE": lambda sa, side: sa.delete_ike(),
    "create child": lambda sa, side: sa.create_child(EXTRA[side]),
    "liveness": lambda sa, side: sa.liveness(),
}


@dataclass(frozen=True)
class Row:
    """What must remain at both peers: the numbers of IKE SAs and Child SAs, and the sentence that requires it.

    ``notifies`` are the error responses when both requests are sent before either arrives.
    """

    ike: int
    children: int
    sentence: str
    notifies: frozenset[int] = frozenset()


_BUSY = frozenset({int(NotifyType.TEMPORARY_FAILURE)})
_DELETED = "2.25.2: If a peer receives a request to close an IKE SA that it is currently rekeying, it SHOULD reply as usual, and forget about its own rekeying request."
_BOTH_CLOSE = "2.25.2: If a peer receives a request to close an IKE SA that it is currently trying to close, it SHOULD reply as usual, and forget about its own close request."
_WHOLE = "1.4.1: Deleting an IKE SA closes any remaining Child SAs negotiated under it."
_ANY_TIME = "2.3: An IKE endpoint MUST be prepared to accept and process a request while it has a request outstanding."
TABLE: dict[frozenset[str], Row] = {
    frozenset({"rekey child"}): Row(1, 1, "2.8.1: the SA created with the lowest of the four nonces SHOULD be closed by the endpoint that created it."),
    frozenset({"rekey IKE"}): Row(1, 1, "2.8.2: the new IKE SA containing the lowest nonce SHOULD be deleted by the node that created it, and the other MUST inherit all the Child SAs."),
    frozenset({"delete child"}): Row(1, 0, "2.25.1: If a peer receives a request to close a Child SA that it is currently trying to close, it SHOULD reply without a Delete payload."),
    frozenset({"delete IKE"}): Row(0, 0, _BOTH_CLOSE),
    frozenset({"create child"}): Row(1, 3, "2.8: IKEv2 deliberately allows parallel SAs with the same Traffic Selectors between common endpoints."),
    frozenset({"liveness"}): Row(1, 1, _ANY_TIME),
    frozenset({"rekey child", "rekey IKE"}): Row(1, 1, "2.25.2: If a peer receives a request to create or rekey a Child SA when it is currently rekeying the IKE SA, it SHOULD reply with TEMPORARY_FAILURE.", _BUSY),
    frozenset({"rekey child", "delete child"}): Row(1, 0, "2.25.1: If a peer receives a request to rekey a Child SA that it is currently trying to close, it SHOULD reply with TEMPORARY_FAILURE.", _BUSY),
    frozenset({"rekey child", "create child"}): Row(1, 2, _ANY_TIME),
    frozenset({"rekey child", "liveness"}): Row(1, 1, _ANY_TIME),
    frozenset({"rekey child", "delete IKE"}): Row(0, 0, _WHOLE, _BUSY),
    frozenset({"rekey IKE", "delete child"}): Row(1, 0, "2.25.2: If a peer receives a request to delete a Child SA when it is currently rekeying the IKE SA, it SHOULD reply as usual, with a Delete payload.", _BUSY),
    frozenset({"rekey IKE", "delete IKE"}): Row(0, 0, _DELETED, _BUSY),
    frozenset({"rekey IKE", "create child"}): Row(1, 2, "2.25.1: If a peer receives a request to rekey the IKE SA, and it is currently creating, rekeying, or closing a Child SA, it SHOULD reply with TEMPORARY_FAILURE.", _BUSY),
    frozenset({"rekey IKE", "liveness"}): Row(1, 1, _ANY_TIME),
    frozenset({"delete child", "create child"}): Row(1, 1, _ANY_TIME),
    frozenset({"delete child", "liveness"}): Row(1, 0, _ANY_TIME),
    frozenset({"delete child", "delete IKE"}): Row(0, 0, _WHOLE),
    frozenset({"create child", "liveness"}): Row(1, 2, _ANY_TIME),
    frozenset({"create child", "delete IKE"}): Row(0, 0, _WHOLE, _BUSY),
    frozenset({"delete IKE", "liveness"}): Row(0, 0, _WHOLE),
}  # fmt: skip

WORDS = sorted({"".join(word) for word in itertools.permutations("WwwEee")})
FAULTS = [None, *itertools.product(("lost", "duplicated", "delayed"), range(4))]


@dataclass
class Side:
    """One of the two peers, west or east."""

    letter: str
    name: str
    endpoint: Endpoint
    inbound: deque[Datagram] = dataclasses.field(default_factory=deque)


def config(base: IkeConfig, side: str) -> IkeConfig:
    return base.replace(children=(*base.children, EXTRA[side]))


class Crossing:
    """One run: a pair of exchanges, a word and a fault."""

    def __init__(self, west: str, east: str, word: str, fault: tuple[str, int] | None, seed: int = 1) -> None:
        self.actions = {"w": west, "e": east}
        self.word, self.fault = word, fault
        self.pair = Pair(config(bob(), "e"), seed=seed)
        self.pair.connect(config(alice(), "w"))
        self.sides = {"w": Side("w", "alice", self.pair.alice), "e": Side("e", "bob", self.pair.bob)}
        self.held: list[Datagram] = []
        self.count = 0

    def run(self) -> list[str]:
        """Run the word, let time pass, and return the failures."""
        for letter in self.word:
            self._step(self.sides[letter.lower()], begins=letter.isupper())
        network = self.pair.network
        for datagram in [*self.sides["w"].inbound, *self.sides["e"].inbound, *self.held]:
            network.inject(datagram)
        network.run(network.now + 400)
        return self._faults()

    def _step(self, side: Side, *, begins: bool) -> None:
        now = self.pair.network.now
        if begins:
            sa = _current(side)
            if sa is not None:
                sa.endpoint.now = now
                ACTIONS[self.actions[side.letter]](sa, side.letter)
        elif side.inbound:
            side.endpoint.receive(side.inbound.popleft().turned(), now)
        self._collect()

    def _collect(self) -> None:
        for side in self.sides.values():
            other = self.sides["e" if side.letter == "w" else "w"]
            self.pair.network.events += ((side.name, event) for event in side.endpoint.events())
            for datagram in side.endpoint.datagrams():
                kind = self.fault[0] if self.fault and self.fault[1] == self.count else ""
                self.count += 1
                if kind == "delayed":
                    self.held.append(datagram)
                elif kind != "lost":
                    other.inbound.extend([datagram] * (2 if kind == "duplicated" else 1))

    def _faults(self) -> list[str]:
        row = TABLE[frozenset(self.actions.values())]
        wrong = []
        for side in self.sides.values():
            sas = list(side.endpoint.sas.values())
            if [sa.state.value for sa in sas] != ["established"] * row.ike:
                wrong.append(f"{side.name}: expected {row.ike} IKE SAs, found {sas}")
            if len(side.endpoint.children) != row.children:
                wrong.append(
                    f"{side.name}: expected {row.children} Child SAs, found {[c.name for _, c in side.endpoint.children.values()]}"
                )
            if any(sa.requests.pending or sa.requests.waiting for sa in sas):
                wrong.append(f"{side.name}: an exchange is still outstanding")
        if self.word[:2] in ("WE", "EW") and self.fault is None and self._errors() != row.notifies:
            wrong.append(f"expected the error notifies {sorted(row.notifies)}, found {sorted(self._errors())}")
        west, east = (self.sides[letter].endpoint for letter in "we")
        if {c.inbound.spi for _, c in west.children.values()} != {c.outbound.spi for _, c in east.children.values()}:
            wrong.append("the ends hold different Child SAs")
        if {sa.spi_i for sa in west.sas.values()} != {sa.spi_i for sa in east.sas.values()}:
            wrong.append("the ends hold different IKE SAs")
        for name in {c.name for _, c in west.children.values()} if not wrong else ():
            wrong += self._traffic(name)
        return wrong

    def _errors(self) -> set[int]:
        """The error notifies of all responses."""
        sent = (event for _, event in self.pair.network.events if isinstance(event, MessageSent))
        return {p.type for event in sent for p in event.payloads if isinstance(p, IKEv2_Notify) and p.type < 16384}

    def _traffic(self, name: str) -> list[str]:
        """Ping in both directions through the remaining Child SAs."""
        a, b = ("10.1.0.1", "10.2.0.1") if name == "net" else ("10.3.0.1", "10.4.0.1")
        network = self.pair.network
        wrong = []
        for side, source, destination in (("w", a, b), ("e", b, a)):
            end = self.sides[side]
            other = network.hosts[self.sides["e" if side == "w" else "w"].name]
            packet = echo_request(source, destination)
            if not end.endpoint.send(packet, network.now):
                wrong.append(f"{end.name}: no Child SA accepts a packet for {name}")
            network.run()
            if packet not in other.inbox:
                wrong.append(f"{end.name}: a packet through {name} did not arrive")
        return wrong


def every() -> Iterator[tuple[str, str, str, tuple[str, int] | None]]:
    """All runs: every pair, word and fault."""
    yield from itertools.product(ACTIONS, ACTIONS, WORDS, FAULTS)
