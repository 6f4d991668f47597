# SPDX-License-Identifier: GPL-2.0-or-later
"""The Child SAs of an endpoint by their traffic selectors, so that a look-up need not try them all.

`policy.pick` decides (RFC 4301 section 5.1); here is which Child SAs it has to look at. Those with equal selectors are
a group, of which the newest usable one counts. A group is found by the blocks that its addresses lie in: for each pair
of sizes of blocks that occurs there is one table, and one look-up in it. There are few sizes, whatever a peer
negotiates.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from fynx_scapy.ike.child import policy
from fynx_scapy.ike.terms.selectors import Flow, Selector

if TYPE_CHECKING:
    from fynx_scapy.ike.core.child import ChildSa
    from fynx_scapy.ike.core.record import SaRecord

_BITS = {4: 32, 6: 128}
_STEP = {4: 4, 6: 8}
"""The sizes of blocks are powers of two, with a multiple of this as the exponent: 9 sizes for IPv4, 17 for IPv6."""
_PAIRS = 64
"""A group has at most this many pairs of blocks. With more it is found by its blocks of one side alone."""

_Block = tuple[int, int]
"""How many bits of an address are left out, and the others."""
_Shape = tuple[int, int, int]
"""An IP version, and how many bits of the remote and of the local address are left out."""
_Place = tuple[int, int]
"""The bits of the remote and of the local address that are not left out."""


class Member(NamedTuple):
    """A Child SA with its IKE SA, its group, and a number: newer ones have higher numbers."""

    number: int
    sa: SaRecord
    child: ChildSa
    group: Group


class Group:
    """The Child SAs with the same selectors, by inbound SPI, oldest first."""

    __slots__ = ("members", "places", "plain")

    def __init__(self, child: ChildSa) -> None:
        self.members: dict[int, Member] = {}
        self.places = tuple(dict.fromkeys(_places(child.remote_ts, child.local_ts)))
        self.plain = all(selector.plain for selector in (*child.local_ts, *child.remote_ts))

    def newest(self) -> Member | None:
        """The newest one that may be used; None when there is none."""
        for member in reversed(self.members.values()):
            if policy.usable(member.sa, member.child):
                return member
        return None


class Spd:
    """The Child SAs of an endpoint, by their selectors."""

    def __init__(self) -> None:
        self._count = 0
        self._groups: dict[object, Group] = {}
        self._tables: dict[_Shape, dict[_Place, tuple[Group, ...]]] = {}
        self._versions: dict[int, list[_Shape]] = {4: [], 6: []}
        self._with_ports = 0

    @property
    def plain(self) -> bool:
        """Whether all selectors are plain: then the addresses of a packet decide alone."""
        return not self._with_ports

    def add(self, sa: SaRecord, child: ChildSa) -> None:
        """Add a Child SA as the newest one."""
        self._count += 1
        key = _selectors(child)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(child)
            self._with_ports += not group.plain
            for shape, place in group.places:
                table = self._tables.get(shape)
                if table is None:
                    table = self._tables[shape] = {}
                    self._versions[shape[0]].append(shape)
                table[place] = (*table.get(place, ()), group)
        group.members[child.inbound.spi] = Member(self._count, sa, child, group)

    def move(self, child: ChildSa, sa: SaRecord) -> None:
        """Give a Child SA to another IKE SA. Its age stays."""
        members, spi = self._groups[_selectors(child)].members, child.inbound.spi
        members[spi] = members[spi]._replace(sa=sa)

    def remove(self, child: ChildSa) -> None:
        """Remove a Child SA."""
        key = _selectors(child)
        group = self._groups[key]
        del group.members[child.inbound.spi]
        if group.members:
            return
        del self._groups[key]
        self._with_ports -= not group.plain
        for shape, place in group.places:
            table = self._tables[shape]
            others = tuple(other for other in table[place] if other is not group)
            if others:
                table[place] = others
            else:
                del table[place]
            if not table:
                del self._tables[shape]
                self._versions[shape[0]].remove(shape)

    def group(self, child: ChildSa) -> Group:
        """The group of a Child SA."""
        return self._groups[_selectors(child)]

    def pick(self, flow: Flow) -> Member | None:
        """The Child SA for a packet, or None: the one that `policy.pick` finds among all of them."""
        found: dict[Group, None] = {}
        for shape in self._versions[flow.version]:
            groups = self._tables[shape].get((flow.destination >> shape[1], flow.source >> shape[2]))
            if groups is not None:
                found.update(dict.fromkeys(groups))
        members = [member for group in found if (member := group.newest()) is not None]
        members.sort(key=_number)
        best = policy.pick([(member.sa, member.child) for member in members], flow)
        return None if best is None else next(member for member in members if member.child is best[1])

    def related(self, child: ChildSa) -> list[Group] | None:
        """The groups that may take packets that a Child SA takes, its own among them; None if only a search would tell.

        These are the choices that may be others after a change of that Child SA.
        """
        return self._overlapping(self._groups[_selectors(child)].places)

    def overlapping(self, local: Iterable[Selector], remote: Iterable[Selector]) -> list[Group] | None:
        """The groups that may take packets that these selectors take; None if only a search would tell."""
        return self._overlapping(_places(remote, local))

    def _overlapping(self, places: Iterable[tuple[_Shape, _Place]]) -> list[Group] | None:
        found: dict[Group, None] = {}
        for (version, remote_bits, local_bits), (remote, local) in places:
            for shape in self._versions[version]:
                _, more_remote, more_local = shape
                if more_remote < remote_bits or more_local < local_bits:
                    return None
                place = remote >> (more_remote - remote_bits), local >> (more_local - local_bits)
                found.update(dict.fromkeys(self._tables[shape].get(place, ())))
        return list(found)


def _number(member: Member) -> int:
    return member.number


def _selectors(child: ChildSa) -> tuple[object, ...]:
    return child.local_ts, child.remote_ts, child.options.fragments


def _places(remote: Iterable[Selector], local: Iterable[Selector]) -> Iterable[tuple[_Shape, _Place]]:
    """Where a group with these selectors is found: at least wherever it matches, and at little else."""
    for version, bits in _BITS.items():
        step = _STEP[version]
        theirs = {block for ts in remote if ts.version == version for block in _blocks(ts.start, ts.end, step)}
        ours = {block for ts in local if ts.version == version for block in _blocks(ts.start, ts.end, step)}
        if len(theirs) * len(ours) > _PAIRS:
            if len(theirs) < len(ours):
                ours = {(bits, 0)}
            else:
                theirs = {(bits, 0)}
        for left_out, rest in theirs:
            for ours_left_out, ours_rest in ours:
                yield _shape(version, left_out, ours_left_out), (rest, ours_rest)


@functools.cache
def _shape(version: int, remote: int, local: int) -> _Shape:
    """One tuple for each shape. There are at most 81 of IPv4 and 289 of IPv6."""
    return version, remote, local


def _blocks(start: int, end: int, step: int) -> Iterable[_Block]:
    """One or two blocks that cover a range of addresses."""
    bits = (start ^ end).bit_length()
    if bits and end - start + 1 < 1 << bits:
        # The range crosses the middle of the block around it, which may be far larger than the range: take both halves.
        middle = end >> (bits - 1) << (bits - 1)
        parts = [(start, middle - 1), (middle, end)]
    else:
        parts = [(start, end)]
    for low, high in parts:
        left_out = -(-(low ^ high).bit_length() // step) * step
        yield left_out, low >> left_out
