# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a live peer may be silent: what ICMP and the kernel said, what came instead of an answer, the non-ESP marker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fynx_scapy.ike.events import EspReceived, Event, IcmpReceived, MessageDropped, MessageReceived, SendFailed
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.path.nat import NATT_PORT

PORT_UNREACHABLE = {(3, 3), (1, 4)}
"""ICMP type and code of "nobody listens on this port": RFC 792, RFC 4443 section 3.1."""
REFUSALS = 2
"""How often it has to be said before we give up: section 2.4 of RFC 7296 wants repeated attempts."""


def heard(events: Sequence[Event]) -> bool:
    """Whether the peer has answered or sent anything that was taken for a message of its own."""
    return any(isinstance(event, MessageReceived | EspReceived) for event in events)


def refused(events: Sequence[Event], remote: Address) -> bool:
    """Whether ICMP has said repeatedly that nobody listens there, and nothing else came back."""
    said = [event for event in events if isinstance(event, IcmpReceived) and event.believed]
    here = [event for event in said if event.remote.host == remote.host]
    return sum((event.icmp_type, event.code) in PORT_UNREACHABLE for event in here) >= REFUSALS and not heard(events)


def causes(events: Sequence[Event], remote: Address, *, marker: bool) -> list[str]:
    """The likely causes of the silence of ``remote``, those that were seen first. ``events`` are those of our end.

    ``marker`` says whether IKE was sent with the non-ESP marker on every port.
    """
    reports: Counter[str] = Counter()
    for event in events:
        if (
            isinstance(event, IcmpReceived)
            and event.remote.host == remote.host
            and event.believed
            and event.mtu is None
        ):
            reports[f"ICMP from {event.reporter or 'an unknown host'} says: {event.reason} ({event.remote})"] += 1
        elif isinstance(event, SendFailed) and event.remote.host == remote.host:
            reports[f"the system did not send: {event.reason}"] += 1
        elif isinstance(event, MessageDropped) and event.remote.host == remote.host:
            reports[f"a datagram came from {event.remote}, but it is no answer: {event.reason}"] += 1
    found = [f"{words} ({count} times)" if count > 1 else words for words, count in reports.most_common(5)]
    if not heard(events) and remote.port != NATT_PORT:
        found.append(_MARKER[marker].format(remote.port))
    return found


_MARKER = {
    True: "IKE was sent with the non-ESP marker, as peers on ports of their own expect it; "
    "one that wants none on port {}: marker_always=False, --no-marker-always",
    False: "IKE was sent without the non-ESP marker; a peer that wants it on port {}: "
    "marker_always=True, --marker-always",
}
