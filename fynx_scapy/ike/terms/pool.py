# SPDX-License-Identifier: GPL-2.0-or-later
"""Address pools: a responder lends addresses to its peers while their IKE SAs live (RFC 7296 section 2.19)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from fynx_scapy.ike.basics.share import WHOLE, Share
from fynx_scapy.ike.terms.selectors import Selector

_BITS = {4: 32, 6: 128}


class AddressPool:
    """One range of addresses. A returned address is lent again last, so that a peer that comes back may still get it.

    The network address is never lent, nor is the IPv4 broadcast address. Of the others, each endpoint of several that
    share their configuration lends every so many.
    """

    def __init__(self, selector: Selector, share: Share = WHOLE) -> None:
        self.version = selector.version
        size = selector.end - selector.start + 1
        network = size & (size - 1) == 0 and selector.start % size == 0
        self.prefix = _BITS[self.version] - (size.bit_length() - 1 if network else 0)
        whole = self.prefix < _BITS[self.version] - 1
        self.first = selector.start + whole
        self.last = selector.end - (whole and self.version == 4)
        self.used: set[int] = set()
        self.leases: dict[int, Lease] = {}
        self._step = share.total
        self._next = self._start = self.first + share.number
        self._returned: dict[int, None] = {}  # in the order in which they came back

    def lend(self, wanted: int | None = None) -> int | None:
        """Lend an address: an integer, or None when all are lent.

        This is ``wanted`` if it is free; with IPv6, else its low bits with the prefix of the pool (section 3.15.3).
        """
        for candidate in self._wishes(wanted):
            if self._start <= candidate <= self.last and self._ours(candidate) and candidate not in self.used:
                return self._take(candidate)
        while self._next <= self.last:
            candidate, self._next = self._next, self._next + self._step
            if candidate not in self.used:
                return self._take(candidate)
        return self._take(next(iter(self._returned))) if self._returned else None

    def _ours(self, address: int) -> bool:
        return (address - self._start) % self._step == 0

    def _wishes(self, wanted: int | None) -> Sequence[int]:
        if not wanted:
            return ()
        if self.version == 4:
            return (wanted,)
        low = (1 << (128 - self.prefix)) - 1
        return wanted, (self.first & ~low) | (wanted & low)

    def _take(self, address: int) -> int:
        self.used.add(address)
        self._returned.pop(address, None)
        return address

    def give_back(self, address: int) -> None:
        """Return an address to the pool."""
        self.used.discard(address)
        self.leases.pop(address, None)
        if address < self._next:
            self._returned[address] = None


class Lease:
    """An address lent to one peer. An IKE SA and its successors share it; the last one returns it to the pool."""

    __slots__ = ("_holders", "_pool", "address", "peer")

    def __init__(self, pool: AddressPool, address: int, peer: Hashable = None) -> None:
        self._pool = pool
        self.address, self.peer = address, peer
        self._holders = 1
        pool.leases[address] = self

    @property
    def version(self) -> int:
        """4 or 6."""
        return self._pool.version

    @property
    def prefix(self) -> int:
        """The prefix length of the network of the address, in bits."""
        return self._pool.prefix

    @property
    def selector(self) -> Selector:
        """The traffic selector of this address alone."""
        return Selector(self.version, self.address, self.address)

    def __str__(self) -> str:
        return self.selector.addresses[0]

    def held(self) -> Lease:
        """Add a holder; returns the lease."""
        self._holders += 1
        return self

    def drop(self) -> bool:
        """Remove a holder; returns whether it was the last one."""
        self._holders -= 1
        if self._holders == 0:
            self._pool.give_back(self.address)
        return self._holders == 0


class Pools:
    """The pools of an endpoint; configurations that name the same range have one. It lends its ``share`` of each."""

    def __init__(self, share: Share = WHOLE) -> None:
        self._share = share
        self._pools: dict[Selector, AddressPool] = {}

    def of(self, selector: Selector) -> AddressPool:
        """The pool of that range."""
        if selector not in self._pools:
            self._pools[selector] = AddressPool(selector, self._share)
        return self._pools[selector]

    def lend(
        self, selectors: Sequence[Selector], version: int, wanted: int | None = None, peer: Hashable = None
    ) -> Lease | None:
        """Lend an address of that version from the first of these ranges with a free one; None when all are full."""
        for selector in selectors:
            if selector.version == version:
                pool = self.of(selector)
                address = pool.lend(wanted)
                if address is not None:
                    return Lease(pool, address, peer)
        return None

    def lent_to(self, peer: Hashable, selectors: Sequence[Selector], wanted: int | None) -> Lease | None:
        """The lease of the address ``wanted``, if it is this peer that has it."""
        leases = (self.of(selector).leases.get(wanted) for selector in selectors if wanted is not None)
        return next((lease for lease in leases if lease is not None and lease.peer == peer), None)

    @property
    def lent(self) -> int:
        """How many addresses are lent."""
        return sum(len(pool.used) for pool in self._pools.values())
