# SPDX-License-Identifier: GPL-2.0-or-later
"""Transport mode: asked for, agreed to, declined (RFC 7296 section 1.3.1), and behind a NAT (section 2.23.1).

It protects what two hosts say to each other, so its selectors hold one address each, the IKE SA's own. Behind a NAT
the ends have different ideas of these addresses: each puts its own into the selectors that it receives before it does
anything else with them, and keeps those that the peer wrote, which are in the peer's checksums.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from scapy.packet import Packet

from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.esp.transport import Addresses, leave
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.core.child import ChildSa, TransportHosts
from fynx_scapy.ike.events import ChildSaFailed
from fynx_scapy.ike.message import Datagram, Message, notify
from fynx_scapy.ike.terms.selectors import Selector, narrow

if TYPE_CHECKING:
    from fynx_scapy.ike.config import ChildConfig
    from fynx_scapy.ike.core.record import SaRecord

Selectors = tuple[Selector, ...]


class View(NamedTuple):
    """A peer's selectors as we look at them; ``hosts`` when they are for transport mode."""

    local: Selectors
    remote: Selectors
    hosts: TransportHosts | None = None


# Asking


def offered(sa: SaRecord, local: Iterable[Selector], remote: Iterable[Selector]) -> tuple[Selectors, Selectors]:
    """What an initiator may offer: "exactly one IP address" in TSi and TSr, that of the IKE SA.

    LocalError when the configuration leaves nothing of it.
    """
    found = narrow(local, [_host(sa.local.host)]), narrow(remote, [_host(sa.remote.host)])
    if not all(found):
        raise LocalError(
            f"expected selectors of a transport-mode Child SA that hold {sa.local.host} and {sa.remote.host}, "
            f"found {', '.join(map(str, local))} and {', '.join(map(str, remote))}"
        )
    return found


def offered_again(sa: SaRecord, old: ChildSa) -> tuple[Selectors, Selectors]:
    """What a rekey offers: the selectors in use, with the addresses that the IKE SA has by now."""
    return _placed(old.local_ts, sa.local.host), _placed(old.remote_ts, sa.remote.host)


def announce(transport: bool) -> list[Packet]:
    """The notify that asks for transport mode, or agrees to it."""
    return [notify(NotifyType.USE_TRANSPORT_MODE)] if transport else []


def answered(sa: SaRecord, asked: bool, answer: Message, local: Selectors, remote: Selectors) -> View:
    """The answer's selectors as the initiator looks at them.

    MalformedError when transport mode was not asked for, or without one address for each end behind a NAT.
    """
    if not answer.has_notify(NotifyType.USE_TRANSPORT_MODE):
        return View(local, remote)
    if not asked:
        raise MalformedError("the answer agrees to transport mode, which was not asked for")
    view = _substituted(sa, local, remote)
    if view is None:
        raise MalformedError("expected selectors with one address at each end for transport mode, found others")
    return view


def declined(sa: SaRecord, child: ChildSa) -> None:
    """The peer chose tunnel mode: "If this is unacceptable to the initiator, the initiator MUST delete the SA"."""
    if child.config.tunnel_fallback:
        return
    sa.emit(ChildSaFailed(*sa.stamp, name=child.name, notify_type=None, reason="the peer declined transport mode"))
    sa.delete_child(child)
    child.deleting = True


# Answering


def view(sa: SaRecord, config: ChildConfig, request: Message, local: Selectors, remote: Selectors) -> View | None:
    """The request's selectors as a responder holds them against one configuration; None when the mode does not fit.

    What asks for transport mode and does not get it is looked at as it was sent, for tunnel mode.
    """
    if config.mode == "transport":
        if request.has_notify(NotifyType.USE_TRANSPORT_MODE) and (found := _substituted(sa, local, remote)):
            return found
        if not config.tunnel_fallback:
            return None
    return View(local, remote)


def taken(sa: SaRecord, hosts: TransportHosts, local: Iterable[Selector], remote: Iterable[Selector]) -> bool:
    """Whether another host behind the same NAT has a Child SA for some of the same traffic.

    Both look the same from here, and "implementations MUST handle this situation, either by disallowing conflicting
    connections, or by other means" (RFC 3948 section 5.2). The same peer once more is no conflict.
    """
    if not sa.nat_before_peer:
        return False
    return any(
        child.hosts is not None
        and child.hosts.remote == hosts.remote
        and other.remote_id != sa.remote_id
        and narrow(remote, child.remote_ts)
        and narrow(local, child.local_ts)
        for other, child in sa.endpoint.children.values()
        if other.established and not child.gone
    )


# Addresses


def _substituted(sa: SaRecord, local: Sequence[Selector], remote: Sequence[Selector]) -> View | None:
    ours = _seen(local, sa.local.host, natted=sa.nat_before_us)
    theirs = _seen(remote, sa.remote.host, natted=sa.nat_before_peer)
    if ours is None or theirs is None:
        return None
    return View(ours[0], theirs[0], TransportHosts(sa.local.host, sa.remote.host, Addresses(theirs[1], ours[1])))


def _seen(selectors: Sequence[Selector], host: str, *, natted: bool) -> tuple[Selectors, str] | None:
    """The selectors of one end with its address as we see it, and the address as the peer wrote it."""
    if not natted:
        found = narrow(selectors, [_host(host)])
        return (found, host) if found else None
    addresses = {ts.addresses for ts in selectors}
    if len(addresses) != 1:
        return None
    first, last = addresses.pop()
    return (_placed(selectors, host), first) if first == last else None


def _placed(selectors: Iterable[Selector], host: str) -> Selectors:
    one = _host(host)
    return tuple(replace(ts, version=one.version, start=one.start, end=one.end) for ts in selectors)


def _host(host: str) -> Selector:
    address = ipaddress.ip_address(host)
    return Selector(address.version, int(address), int(address))


# Packets


def received(sa: SaRecord, hosts: TransportHosts, payload: bytes, next_header: int, datagram: Datagram) -> bytes:
    """The packet that came in transport mode, checksums put right where a NAT changed its addresses.

    It bears the outer addresses; but those of the selectors for a peer behind a NAT, who may get another address while
    its Child SA stays the same.
    """
    source = hosts.remote if sa.nat_before_peer else datagram.remote.host
    addresses = Addresses(source, hosts.local)
    return leave(payload, next_header, addresses, sent=hosts.sent, tos=datagram.tos)
