# SPDX-License-Identifier: GPL-2.0-or-later
"""What ICMP says of our datagrams: the path's MTU is used, anything else is a hint (RFC 7296 section 2.4)."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict

from fynx_scapy.ike.core.endpoint import EndpointRecord
from fynx_scapy.ike.events import IcmpReceived
from fynx_scapy.ike.message import Address, IcmpError
from fynx_scapy.ike.path.liveness import check_liveness

PATH_MTU_LIFETIME = 600.0
"""For how many seconds a path's MTU is believed; after that it may have grown (RFC 1191 section 6.3)."""

PATHS = 1024
"""Of how many paths the MTU is remembered."""


class Destinations:
    """Where we have sent to lately: ICMP errors about any other address are not believed."""

    MOST = 1024

    def __init__(self, endpoint: EndpointRecord) -> None:
        self._known: OrderedDict[Address, None] = OrderedDict()

    def add(self, remote: Address) -> None:
        """Something leaves for that address."""
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
    """The MTU of the paths to other hosts, in bytes, as ICMP told it lately."""

    def __init__(self, endpoint: EndpointRecord) -> None:
        self._endpoint = endpoint
        self._known: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def note(self, host: str, mtu: int) -> None:
        """ICMP told it; less than every path must carry is not believed."""
        least = 1280 if ":" in host else 576
        self._known.pop(host, None)
        self._known[host] = (max(mtu, least), self._endpoint.now + PATH_MTU_LIFETIME)
        if len(self._known) > PATHS:
            self._known.popitem(last=False)

    def get(self, host: str) -> int | None:
        """That of the path to a host; None where nothing is known, or it may have grown since."""
        mtu, until = self._known.get(host, (0, 0.0))
        return mtu if self._endpoint.now < until else None

    def forget(self, host: str) -> None:
        """Believe in no MTU of the path to a host any more."""
        self._known.pop(host, None)

    def __len__(self) -> int:
        return len(self._known)


def receive(endpoint: EndpointRecord, error: IcmpError) -> None:
    """Take in an ICMP error: the path's MTU is used, anything else is a hint to ask whether the peer lives.

    Section 2.4: "an endpoint MUST NOT conclude that the other endpoint has failed based on any routing information
    (e.g., ICMP messages)". RFC 7383 section 2.5.1: "If the sender has information about the PMTU size, it SHOULD use
    it". Anybody may send such an error: one about a destination that we have not sent to is not believed.
    """
    acted, believed = False, error.remote in endpoint.of(Destinations)
    if not believed:
        pass
    elif error.mtu is not None:
        endpoint.of(PathMtus).note(error.remote.host, error.mtu)
    else:
        for sa in [sa for sa in endpoint.sas.values() if sa.remote == error.remote]:
            acted |= check_liveness(sa)
    fields = {field.name: getattr(error, field.name) for field in dataclasses.fields(error)}
    endpoint.emit(IcmpReceived(time=endpoint.now, acted=acted, believed=believed, **fields))
