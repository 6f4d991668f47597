# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a live peer may be silent: ICMP and kernel errors, datagrams that are no answer, the non-ESP marker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fynx_scapy.ike.events import EspReceived, Event, IcmpReceived, MessageDropped, MessageReceived, SendFailed
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.path.nat import NATT_PORT

PORT_UNREACHABLE = {(3, 3), (1, 4)}
"""ICMP type and code of "port unreachable": RFC 792, RFC 4443 section 3.1."""
REFUSALS = 2
"""How many such errors make us give up: RFC 7296 section 2.4 wants repeated attempts."""


def heard(events: Sequence[Event]) -> bool:
    """Whether the peer has sent any message or ESP packet that we accepted."""
    return any(isinstance(event, MessageReceived | EspReceived) for event in events)


def refused(events: Sequence[Event], remote: Address) -> bool:
    """Whether ICMP has reported repeatedly that the port of ``remote`` is unreachable, and nothing else came back."""
    count = sum(
        isinstance(event, IcmpReceived) and event.remote.host == remote.host and refuses(event) for event in events
    )
    return count >= REFUSALS and not heard(events)


def refuses(event: IcmpReceived) -> bool:
    """Whether it says that the port is unreachable, of a datagram that we have sent."""
    return event.believed and (event.icmp_type, event.code) in PORT_UNREACHABLE


def causes(events: Sequence[Event], remote: Address, *, marker: bool) -> list[str]:
    """The likely causes of the silence of ``remote``, the most frequent first. ``events`` are those of our endpoint.

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
    likely = [f"{text} ({count} times)" if count > 1 else text for text, count in reports.most_common(5)]
    if not heard(events) and remote.port != NATT_PORT:
        likely.append(_MARKER[marker].format(remote.port))
    return likely


_MARKER = {
    True: "IKE was sent with the non-ESP marker, as most peers on non-standard ports expect; "
    "if the peer does not expect it on port {}, use marker_always=False or --no-marker-always",
    False: "IKE was sent without the non-ESP marker; "
    "if the peer expects it on port {}, use marker_always=True or --marker-always",
}
