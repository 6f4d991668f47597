# SPDX-License-Identifier: GPL-2.0-or-later
"""ICMP errors about our datagrams: the path MTU is used, other errors are hints (RFC 7296 section 2.4)."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict

from fynx_scapy.ike.core.endpoint import EndpointRecord
from fynx_scapy.ike.events import IcmpReceived
from fynx_scapy.ike.message import Address, IcmpError
from fynx_scapy.ike.path.liveness import check_liveness

PATH_MTU_LIFETIME = 600.0
"""How many seconds a path MTU is valid; after that it may have grown (RFC 1191 section 6.3)."""

PATHS = 1024
"""How many path MTUs are remembered."""


class Destinations:
    """The addresses that we have sent to recently. ICMP errors about other addresses are ignored."""

    MOST = 1024

    def __init__(self, endpoint: EndpointRecord) -> None:
        self._known: OrderedDict[Address, None] = OrderedDict()

    def add(self, remote: Address) -> None:
        """Record an address that we send to."""
        if remote in self._known:
            self._known.move_to_end(remote)
        else:
            self._known[remote] = None
            if len(self._known) > self.MOST:
                self._known.popitem(last=False)

    def __contains__(self, remote: Address) -> bool:
        return remote in self._known

    def __len__(self) -> int:
        return len(self._known)


class PathMtus:
    """The path MTUs to other hosts, in bytes, from recent ICMP errors."""

    def __init__(self, endpoint: EndpointRecord) -> None:
        self._endpoint = endpoint
        self._known: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def note(self, host: str, mtu: int) -> None:
        """Record a path MTU, at least the minimum that every path must support."""
        least = 1280 if ":" in host else 576
        self._known.pop(host, None)
        self._known[host] = (max(mtu, least), self._endpoint.now + PATH_MTU_LIFETIME)
        if len(self._known) > PATHS:
            self._known.popitem(last=False)

    def get(self, host: str) -> int | None:
        """The path MTU to a host; None when it is unknown or out of date."""
        mtu, until = self._known.get(host, (0, 0.0))
        return mtu if self._endpoint.now < until else None

    def forget(self, host: str) -> None:
        """Forget the path MTU to a host."""
        self._known.pop(host, None)

    def __len__(self) -> int:
        return len(self._known)


def receive(endpoint: EndpointRecord, error: IcmpError) -> None:
    """Handle an ICMP error: use the path MTU; any other error is a hint to check that the peer is alive.

    Section 2.4: "an endpoint MUST NOT conclude that the other endpoint has failed based on any routing information
    (e.g., ICMP messages)". RFC 7383 section 2.5.1: "If the sender has information about the PMTU size, it SHOULD use
    it". Such an error may be forged: one about a destination that we have not sent to is ignored.
    """
    acted, believed = False, error.remote in endpoint.of(Destinations)
    if not believed:
        pass
    elif error.mtu is not None:
        endpoint.of(PathMtus).note(error.remote.host, error.mtu)
    else:
        for sa in endpoint.directory.at(error.remote.host):
            if sa.remote == error.remote:
                acted |= check_liveness(sa)
    fields = {field.name: getattr(error, field.name) for field in dataclasses.fields(error)}
    endpoint.emit(IcmpReceived(time=endpoint.now, acted=acted, believed=believed, **fields))
