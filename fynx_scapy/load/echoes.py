# SPDX-License-Identifier: GPL-2.0-or-later
"""Pings through sessions: echo requests that carry their time, and what an answer says."""

from __future__ import annotations

import ipaddress
import secrets
import struct
import time
from collections.abc import Callable

from fynx_scapy.errors import LocalError
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.ipsec_session import IpsecSession
from fynx_scapy.net.echo import echo_request, first_host

_HEADER = {4: 28, 6: 48}
"""The octets before the data of an echo: the IP header and that of ICMP."""
_REPLY = {4: (9, 1, 20, 0), 6: (6, 58, 40, 129)}
"""Where the protocol stands and which it is, where ICMP begins, and the type of an echo reply."""
_STAMP = struct.Struct("!8sd")
LEAST = _HEADER[6] + _STAMP.size
"""The smallest packet with an echo request of ours, in octets, for IPv4 and IPv6."""


class Echoes:
    """Makes echo requests for sessions, and knows their answers. Other pings of this machine are not confused."""

    def __init__(self, target: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.target, self._clock = target, clock
        """The inner address to ping; by default the first host of a session's selectors."""
        self._mark = secrets.token_bytes(8)
        self._number = 0

    def request(self, session: IpsecSession, size: int = 84) -> bytes:
        """An echo request for a session, as an inner packet of ``size`` octets.

        LocalError when the session has no Child SA, or there is no address to ping.
        """
        source, target = ends(session, self.target)
        self._number = (self._number + 1) & 0xFFFF
        data = _STAMP.pack(self._mark, self._clock())
        padding = bytes(max(0, size - _HEADER[6 if ":" in target else 4] - len(data)))
        identifier = int.from_bytes(self._mark[:2])
        return echo_request(source, target, data + padding, identifier=identifier, sequence=self._number)

    def answered(self, packet: bytes) -> float | None:
        """How many seconds the answer to one of our requests took; None for any other packet."""
        version = packet[0] >> 4 if packet else 0
        if version not in _REPLY:
            return None
        at, protocol, body, kind = _REPLY[version]
        start = _HEADER[version]
        if len(packet) < start + _STAMP.size or packet[at] != protocol or packet[body] != kind:
            return None
        mark, sent = _STAMP.unpack_from(packet, start)
        return self._clock() - sent if mark == self._mark else None


def ends(session: IpsecSession, target: str | None = None) -> tuple[str, str]:
    """The inner addresses between which to ping: ours, and ``target`` or the first host behind the peer.

    Selectors that leave an address open stand for the hosts themselves. LocalError when there is no Child SA.
    """
    if not session.children:
        raise LocalError(f"expected a Child SA to ping through, found none in {session!r}")
    child = session.children[-1]
    there = target or _host(child.remote_ts, session.remote.host)
    version = 6 if ":" in there else 4
    assigned = next((each for each in session.addresses if (":" in each) == (version == 6)), None)
    return assigned or _host(child.local_ts, session.local.host, version), there


def _host(selectors: tuple[Selector, ...], outer: str, version: int | None = None) -> str:
    """The outer address where the selectors contain it, else their first host."""
    address = ipaddress.ip_address(outer)
    if version in (None, address.version) and any(
        each.version == address.version and each.start <= int(address) <= each.end for each in selectors
    ):
        return outer
    return first_host(selectors, version)
