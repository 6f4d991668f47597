# SPDX-License-Identifier: GPL-2.0-or-later
"""A NAT device for the network in memory. It translates ports; its mappings and its outside address can change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fynx_scapy.checks import as_tuple, check_values, several, text, udp_port
from fynx_scapy.ike.message import Address, Datagram, DatagramKind

_ARGUMENTS = {"inside": several(text(), 1), "outside": text(), "first_port": udp_port()}


@dataclass(slots=True)
class Nat:
    """Hides the hosts of ``inside``, one or several, behind the address ``outside``.

    It allocates ports from ``first_port`` on. It drops native ESP, which has no ports, as many cheap NATs do.
    ``forward`` makes a static mapping, so that a host outside can send first.
    """

    inside: frozenset[str]
    outside: str
    first_port: int = 20000
    mappings: dict[Address, Address] = field(default_factory=dict)
    forwarded: dict[Address, Address] = field(default_factory=dict)

    def __init__(self, inside: str | Iterable[str], outside: str, first_port: int = 20000) -> None:
        hosts = as_tuple(inside, str)
        check_values("Nat", _ARGUMENTS, inside=hosts, outside=outside, first_port=first_port)
        self.inside = frozenset(hosts)
        self.outside = outside
        self.first_port = first_port
        self.mappings = {}
        self.forwarded = {}

    def forward(self, inner: Address, port: int | None = None) -> Nat:
        """Always forward ``port`` (by default the port of ``inner``) to ``inner``. Returns the NAT itself."""
        self.forwarded[inner] = Address(self.outside, inner.port if port is None else port)
        return self

    def move(self, outside: str) -> None:
        """Change the outside address, as after a new dial-in. Ports stay; packets to the old address are lost."""
        self.outside = outside
        for table in (self.mappings, self.forwarded):
            table.update({inner: outer._replace(host=outside) for inner, outer in table.items()})

    def forget(self) -> None:
        """Drop all mappings: the next packet from inside gets a new port, and packets to the old ports are dropped."""
        self.first_port += len(self.mappings) + 1
        self.mappings.clear()

    def translate(self, arriving: Datagram) -> Datagram | None:
        """The translated datagram (``local`` is its destination), or None when it is dropped."""
        from_inside, to_inside = arriving.remote.host in self.inside, arriving.local.host in self.inside
        if from_inside and to_inside:
            return arriving
        if not from_inside and arriving.local.host != self.outside:
            # The inside addresses are not reachable from outside.
            return None if to_inside else arriving
        if arriving.kind is DatagramKind.ESP:
            return None
        if from_inside:
            return replace(arriving, remote=self._outside_of(arriving.remote))
        known = {**self.mappings, **self.forwarded}
        inner = next((inner for inner, outer in known.items() if outer == arriving.local), None)
        return None if inner is None else replace(arriving, local=inner)

    def _outside_of(self, inner: Address) -> Address:
        if inner in self.forwarded:
            return self.forwarded[inner]
        if inner not in self.mappings:
            self.mappings[inner] = Address(self.outside, self.first_port + len(self.mappings))
        return self.mappings[inner]
