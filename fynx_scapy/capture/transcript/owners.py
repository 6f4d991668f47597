# SPDX-License-Identifier: GPL-2.0-or-later
"""Which conversation an ESP or AH flow belongs to: one at most.

The SPIs of the Child SAs decide, as far as messages could be decrypted. A flow with another SPI may come from a Child
SA that could not be read. Exchange types are never encrypted (RFC 7296 section 3.1), so it belongs to the conversation
whose latest unreadable IKE_AUTH or CREATE_CHILD_SA message between the same addresses came before the flow.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from fynx_scapy.capture.transcript.conversations import ConversationBase
from fynx_scapy.capture.transcript.messages import CapturedMessage
from fynx_scapy.iana import ExchangeType

if TYPE_CHECKING:
    from fynx_scapy.capture.follow.sas import CapturedIkeSa
    from fynx_scapy.capture.reading.flows import EspFlow

C = TypeVar("C", bound=ConversationBase)
FlowKey = tuple[str, int, str, str]
QUICK_MODE = 32  # makes the IPsec SAs of IKEv1 (RFC 2409 section 5.5)
MAKES_CHILDREN = {
    1: frozenset((QUICK_MODE,)),
    2: frozenset((ExchangeType.IKE_AUTH, ExchangeType.CREATE_CHILD_SA)),
}
"""Major version -> the exchange types that make Child SAs."""

_Path = frozenset[tuple[str, int]] | frozenset[str]


class _Times(Generic[C]):
    """Whose messages were captured when on each path: a pair of addresses, with or without ports.

    Of messages of one conversation in a row, the first is enough.
    """

    def __init__(self) -> None:
        self._numbers: dict[_Path, array[int]] = {}
        self._owners: dict[_Path, list[C]] = {}

    def add(self, message: CapturedMessage, owner: C) -> None:
        """Note a message. Messages come in the order of the capture."""
        ends = frozenset(((message.src, message.sport), (message.dst, message.dport)))
        for path in (ends, frozenset((message.src, message.dst))):
            owners = self._owners.setdefault(path, [])
            if not owners or owners[-1] is not owner:
                owners.append(owner)
                self._numbers.setdefault(path, array("Q")).append(message.number)

    def latest(self, src: str, dst: str, ports: Iterable[tuple[int, int]], number: int) -> C | None:
        """The conversation of the last message before a packet: on its path with ports, else between its addresses.

        Two clients behind one NAT have the same addresses, but not the same ports.
        """
        paths: list[_Path] = [frozenset(((src, sport), (dst, dport))) for sport, dport in ports]
        for path in (*paths, frozenset((src, dst))):
            if at := bisect_right(self._numbers.get(path, ()), number):
                return self._owners[path][at - 1]
        return None

    def first(self, src: str, dst: str) -> C | None:
        """The conversation of the first message between two addresses."""
        return next(iter(self._owners.get(frozenset((src, dst)), ())), None)


class Owners(Generic[C]):
    """The owners of the flows of a capture."""

    def __init__(
        self, conversations: Sequence[C], messages: Iterable[tuple[CapturedMessage, C]],
        flows: Sequence[EspFlow], ike_sas: Iterable[CapturedIkeSa],
    ) -> None:  # fmt: skip
        self._all: _Times[C] = _Times()
        self._unread: _Times[C] = _Times()
        for message, owner in messages:
            self._all.add(message, owner)
            major = message.version >> 4
            if message.exchange_type in MAKES_CHILDREN.get(major, ()) and (major == 1 or message.opened.closed):
                self._unread.add(message, owner)
        protocols = {flow.protocol for flow in flows}
        self._made: dict[int, list[tuple[int, C]]] = {}  # SPI: the packets that agreed on it, and their conversations
        for spi, number, owner in _children(conversations, ike_sas, ah="ah" in protocols):
            self._made.setdefault(spi, []).append((number, owner))
        self._known = {id(owner) for made in self._made.values() for _, owner in made}
        self._owner: dict[FlowKey, C] = {}
        self._flows: dict[int, list[EspFlow]] = {}
        self._by_spi: dict[tuple[str, int], list[FlowKey]] = {}
        for flow in flows:
            found = self._find(flow)
            if found is not None:
                key = (flow.protocol, flow.spi, flow.src, flow.dst)
                self._owner[key] = found
                self._by_spi.setdefault(key[:2], []).append(key)
                self._flows.setdefault(found.number, []).append(flow)

    def flows(self, number: int) -> list[EspFlow]:
        """The flows of the conversation with this number, in order of appearance."""
        return list(self._flows.get(number, ()))

    def of_flow(self, protocol: str, spi: int, src: str, dst: str) -> C | None:
        """The conversation that a flow belongs to."""
        return self._owner.get((protocol, spi, src, dst))

    def of_path(self, src: str, sport: int | None, dst: str, dport: int | None, number: int) -> C | None:
        """The conversation of the last message before a packet that has no SPI: a NAT keepalive (RFC 3948)."""
        ports = [] if sport is None or dport is None else [(sport, dport)]
        return self._all.latest(src, dst, ports, number)

    def _find(self, flow: EspFlow) -> C | None:
        ends = {flow.src, flow.dst}
        made = [(number, owner) for number, owner in self._made.get(flow.spi, ()) if ends & _hosts(owner)]
        if made:
            # Behind a NAT or after a move, only one of the addresses may be known.
            fits = [(number, owner) for number, owner in made if ends <= _hosts(owner)] or made
            before = [owner for number, owner in fits if number <= flow.first_number]
            return before[-1] if before else fits[0][1]
        owner = self._unread.latest(flow.src, flow.dst, flow.ports, flow.first_number)
        if owner is not None:
            return owner
        for known in self._by_spi.get((flow.protocol, flow.spi), ()):
            if ends & set(known[2:]):  # the same SA after a move
                return self._owner[known]
        # Either nobody read any exchange that makes Child SAs, or the capture begins in the middle.
        owner = self._all.latest(flow.src, flow.dst, flow.ports, flow.first_number)
        if owner is None:
            owner = self._all.first(flow.src, flow.dst)
            if owner is None or owner.complete:
                return None
        return None if id(owner) in self._known else owner


def _hosts(conversation: ConversationBase) -> set[str]:
    left, right = conversation.hosts
    return left | right


def _children(
    conversations: Sequence[C], ike_sas: Iterable[CapturedIkeSa], *, ah: bool
) -> Iterator[tuple[int, int, C]]:
    """The SPIs of the known Child SAs, each with the packet that agreed on it and its conversation."""
    by_spi = {spi_i: each for each in conversations for spi_i, _ in each.spis}
    for sa in ike_sas:
        known = sa
        while known.spi_i not in by_spi and known.parent is not None:
            known = known.parent
        owner = by_spi.get(known.spi_i)
        if owner is None:
            continue
        for child in sa.children:
            yield child.spi_i, child.number, owner
            yield child.spi_r, child.number, owner
    for owner in conversations if ah else ():  # the follower, which opens packets, knows nothing of AH
        for facts in owner.history.children:
            if facts.chosen is not None:
                yield facts.spi_i, facts.numbers[-1], owner
                yield facts.spi_r, facts.numbers[-1], owner
