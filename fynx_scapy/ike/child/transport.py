# SPDX-License-Identifier: GPL-2.0-or-later
"""Transport mode: request, accept or decline it (RFC 7296 section 1.3.1), also behind a NAT (section 2.23.1).

It protects traffic between two hosts, so its selectors have one address each, that of the IKE SA. Behind a NAT, the
peers see different addresses. Each peer first replaces the addresses in received selectors with those that it sees. It
keeps the original ones, since the checksums of the other peer's packets cover them.
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
from fynx_scapy.ike.message import Message, notify
from fynx_scapy.ike.terms.selectors import Selector, narrow

if TYPE_CHECKING:
    from fynx_scapy.ike.config import ChildConfig
    from fynx_scapy.ike.core.record import SaRecord

Selectors = tuple[Selector, ...]


class View(NamedTuple):
    """The peer's selectors as we see them. ``hosts`` is set in transport mode."""

    local: Selectors
    remote: Selectors
    hosts: TransportHosts | None = None


# Request


def offered(sa: SaRecord, local: Iterable[Selector], remote: Iterable[Selector]) -> tuple[Selectors, Selectors]:
    """The selectors that an initiator offers: "exactly one IP address" in TSi and TSr, that of the IKE SA.

    LocalError when the configured selectors do not contain these addresses.
    """
    narrowed = narrow(local, [_host(sa.local.host)]), narrow(remote, [_host(sa.remote.host)])
    if not all(narrowed):
        raise LocalError(
            f"expected traffic selectors that contain {sa.local.host} and {sa.remote.host} for transport mode, "
            f"found {', '.join(map(str, local))} and {', '.join(map(str, remote))}"
        )
    return narrowed


def offered_again(sa: SaRecord, old: ChildSa) -> tuple[Selectors, Selectors]:
    """The selectors that a rekey offers: those in use, with the current addresses of the IKE SA."""
    return _placed(old.local_ts, sa.local.host), _placed(old.remote_ts, sa.remote.host)


def announce(transport: bool) -> list[Packet]:
    """The notify that requests or accepts transport mode."""
    return [notify(NotifyType.USE_TRANSPORT_MODE)] if transport else []


def answered(sa: SaRecord, asked: bool, answer: Message, local: Selectors, remote: Selectors) -> View:
    """The answer's selectors as the initiator sees them.

    MalformedError when transport mode was not requested, or when a peer behind a NAT does not have one address.
    """
    if not answer.has_notify(NotifyType.USE_TRANSPORT_MODE):
        return View(local, remote)
    if not asked:
        raise MalformedError("expected no USE_TRANSPORT_MODE in the answer: transport mode was not requested")
    view = _substituted(sa, local, remote)
    if view is None:
        raise MalformedError("expected one address in TSi and in TSr for transport mode, found others")
    return view


def declined(sa: SaRecord, child: ChildSa) -> None:
    """The peer chose tunnel mode: "If this is unacceptable to the initiator, the initiator MUST delete the SA"."""
    if child.config.tunnel_fallback:
        return
    sa.emit(ChildSaFailed(*sa.stamp, name=child.name, notify_type=None, reason="the peer declined transport mode"))
    sa.delete_child(child)
    child.deleting = True


# Answer


def view(sa: SaRecord, config: ChildConfig, request: Message, local: Selectors, remote: Selectors) -> View | None:
    """The request's selectors as the responder matches them with a configuration; None when the mode does not fit.

    If the request asks for transport mode and we decline, the selectors stay as sent, for tunnel mode.
    """
    if config.mode == "transport":
        if request.has_notify(NotifyType.USE_TRANSPORT_MODE) and (substituted := _substituted(sa, local, remote)):
            return substituted
        if not config.tunnel_fallback:
            return None
    return View(local, remote)


def taken(sa: SaRecord, hosts: TransportHosts, local: Selectors, remote: Selectors) -> bool:
    """Whether another host behind the same NAT has a Child SA for some of the same traffic.

    We cannot tell the two hosts apart, and "implementations MUST handle this situation, either by disallowing
    conflicting connections, or by other means" (RFC 3948 section 5.2). A second Child SA of the same peer is no
    conflict.
    """
    if not sa.nat_before_peer:
        return False
    return any(
        child.hosts is not None
        and child.hosts.remote == hosts.remote
        and other.remote_id != sa.remote_id
        and narrow(remote, child.remote_ts)
        and narrow(local, child.local_ts)
        for other, child in sa.endpoint.overlapping(local, remote)
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
    """The selectors of one side with its address as we see it, and its address as the peer sent it."""
    if not natted:
        narrowed = narrow(selectors, [_host(host)])
        return (narrowed, host) if narrowed else None
    addresses = {ts.addresses for ts in selectors}
    if len(addresses) != 1:
        return None
    first, last = addresses.pop()
    return (_placed(selectors, host), first) if first == last else None


def _placed(selectors: Iterable[Selector], host: str) -> Selectors:
    own = _host(host)
    return tuple(replace(ts, version=own.version, start=own.start, end=own.end) for ts in selectors)


def _host(host: str) -> Selector:
    address = ipaddress.ip_address(host)
    return Selector(address.version, int(address), int(address))


# Packets


def received(sa: SaRecord, hosts: TransportHosts, payload: bytes, next_header: int, remote: str, tos: int) -> bytes:
    """The packet that was received in transport mode. Its checksum is corrected if a NAT changed the addresses.

    ``remote`` is the source address and ``tos`` the DSCP and ECN octet of the outer header. The packet gets the outer
    addresses. For a peer behind a NAT it gets the address in the selectors, since the outer address may change during
    the life of the Child SA.
    """
    source = hosts.remote if sa.nat_before_peer else remote
    addresses = Addresses(source, hosts.local)
    return leave(payload, next_header, addresses, sent=hosts.sent, tos=tos)
