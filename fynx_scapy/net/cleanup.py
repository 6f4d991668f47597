# SPDX-License-Identifier: GPL-2.0-or-later
"""Deletes our IKE SAs at a live peer, including those that we gave up because the peer did not answer."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from fynx_scapy.errors import FynxError, LocalError
from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId
from fynx_scapy.ike.config import Retransmission
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import Event, IkeSaFailed, MessageReceived, PeerDead, PeerNotified, SaDeleted
from fynx_scapy.ike.exchanges import Exchange
from fynx_scapy.ike.exchanges.ike_auth import IkeAuth
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.sa import IkeSa, State
from fynx_scapy.layers.ikev2 import IKEv2_Delete, IKEv2_SA
from fynx_scapy.net.hosts import Hosts

SCHEDULE = Retransmission(timeout=0.3, base=1.5, tries=2)
"""The retransmission schedule for the Delete of an IKE SA that we gave up."""

PATIENCE = 10.0
"""The longest wait for an exchange, in seconds, even if its schedule is longer."""
HALF_OPEN = "half-open, which cannot be deleted; the peer forgets it by itself"


class Cleanup(NamedTuple):
    """The result of `clean_up`."""

    answered: bool
    """Whether the peer answered a Delete."""
    left: tuple[str, ...]
    """What may be left at the peer, in words."""


def clean_up(network: Hosts, name: str, known: Iterable[IkeSa] = ()) -> Cleanup:
    """Delete every IKE SA of the host ``name`` and of ``known``, with their successors, and wait for the answers.

    All are deleted at once, because a peer may have set up many. A pending exchange gets the time of its schedule, but
    at most `PATIENCE`. A half-open IKE SA is completed first: it cannot be deleted before, and many peers limit how
    many they have. Removes all taps. Raises none of our errors.
    """
    client = network.hosts[name].endpoint
    client.taps.clear()
    started = len(network.events)
    remains = _delete_held(network, client, list(known))
    events = [event for host, event in network.events if host == name]
    ended = {event.spi_i for event in events if _peer_ended(event)}
    given_up = {event.spi_i: event.message_id for event in events if isinstance(event, PeerDead)}
    sas = _all(client, known)
    again = {sa: given_up[sa.spi_i] for sa in sas if sa.spi_i in given_up.keys() - ended and _has_keys(sa)}
    again = {sa: number for sa, number in again.items() if not remains.get(sa.spi_i)}
    remains |= _delete_given_up(network, client, again)
    left = [text for spi_i, text in remains.items() if text and spi_i not in ended]
    left += _half_open(events, sas)
    answered = any(
        isinstance(event, MessageReceived) and event.encrypted and event.header.exch_type == ExchangeType.INFORMATIONAL
        for host, event in network.events[started:]
        if host == name
    )
    return Cleanup(answered, tuple(left))


def delete_again(network: Hosts, name: str, sas: Iterable[IkeSa]) -> tuple[str, ...]:
    """Delete IKE SAs of the host ``name`` that have ended at our end, where the peer may still hold them.

    Each Delete has the next message ID. Returns what the peer did not answer, in words: it may be left, or gone before.
    """
    ended = {sa: sa.requests.next_id for sa in sas if sa.state is State.CLOSED and _has_keys(sa)}
    remains = _delete_given_up(network, network.hosts[name].endpoint, ended)
    return tuple(text for text in remains.values() if text)


def _all(client: Endpoint, known: Iterable[IkeSa]) -> list[IkeSa]:
    sas: dict[int, IkeSa] = {}
    for first in (*known, *client.sas.values()):
        sas |= {id(sa): sa for sa in with_successors(first)}
    return list(sas.values())


def with_successors(sa: IkeSa) -> Iterator[IkeSa]:
    """An IKE SA and its successors."""
    newest: IkeSa | None = sa
    while newest is not None:
        yield newest
        newest = newest.successor


def _has_keys(sa: IkeSa) -> bool:
    try:
        return bool(sa.keys)
    except LocalError:
        return False


def _peer_ended(event: Event) -> bool:
    """Whether the peer has ended the IKE SA: by a Delete, or INVALID_SYNTAX inside SK (RFC 7296 section 2.21.3)."""
    fatal = isinstance(event, PeerNotified) and event.notify_type == NotifyType.INVALID_SYNTAX and event.encrypted
    return fatal or (isinstance(event, SaDeleted) and not event.child_spis and event.by_peer)


def _delete_held(network: Hosts, client: Endpoint, known: list[IkeSa]) -> dict[bytes, str]:
    """Delete the IKE SAs that we hold, after their pending exchanges have ended.

    Returns what remains of each at the peer, in words, by the initiator's SPI.
    """
    sas = _all(client, known)
    schedules = [sa.config.retransmission.total + sa.config.error_wait for sa in sas]
    patience = min(max(schedules, default=0.0), PATIENCE)
    network.run(lambda: not any(sa.requests.pending or sa.requests.waiting for sa in sas), limit=patience)
    half_open = [sa for sa in sas if sa.connecting and sa.initiator and _has_keys(sa)]
    _start(network, half_open, lambda sa: sa.start(IkeAuth(sa)), patience)
    network.run(lambda: not any(sa.requests.pending for sa in half_open), limit=patience)
    sas = _all(client, known)
    deleted = [sa for sa in sas if sa.state is State.ESTABLISHED and sa.successor is None]
    deletes = _start(network, deleted, IkeSa.delete_ike, patience)
    remains = dict.fromkeys((sa.spi_i for sa in sas), "")
    return remains | {sa.spi_i: _unanswered(sa) for sa, delete in deletes.items() if delete.answer is None}


def _start(
    network: Hosts, sas: Iterable[IkeSa], start: Callable[[IkeSa], Exchange], limit: float
) -> dict[IkeSa, Exchange]:
    """Start an exchange on each IKE SA, and wait for all of them. An IKE SA that is closed by now is left out."""
    started: dict[IkeSa, Exchange] = {}
    with network.acting():
        for sa in sas:
            with contextlib.suppress(FynxError):
                started[sa] = start(sa)
    network.run(lambda: all(exchange.done for exchange in started.values()), limit=limit)
    return started


def _delete_given_up(network: Hosts, client: Endpoint, given_up: Mapping[IkeSa, int]) -> dict[bytes, str]:
    """Delete IKE SAs that we gave up at the request with that message ID. Returns what remains of each, in words.

    The peer expects that message ID if it dropped the request, and the next one if its answer was lost.
    """

    def delete(more: int, sa: IkeSa) -> Exchange:
        client.adopt(sa)
        client.now, sa.requests.next_id = network.now, given_up[sa] + more
        return sa.requests.start(_Delete(sa, IKEv2_Delete(proto=int(ProtocolId.IKE))))

    left = list(given_up)
    for more in (0, 1):
        started = _start(network, left, functools.partial(delete, more), SCHEDULE.total + 1)
        left = [sa for sa, exchange in started.items() if exchange.answer is None]
    return {sa.spi_i: _unanswered(sa) if sa in left else "" for sa in given_up}


def _unanswered(sa: IkeSa) -> str:
    spis = f"IKE SA {sa.spi_i.hex()}_i {sa.spi_r.hex()}_r"
    return f"{spis}: {'its Delete was not answered' if sa.remote_id is not None else HALF_OPEN}"


class _Delete(Informational):
    """A Delete on an IKE SA that is already closed at our side."""

    @property
    def schedule(self) -> Retransmission:
        """A short retransmission schedule."""
        return SCHEDULE


def _half_open(events: list[Event], sas: list[IkeSa]) -> list[str]:
    """IKE SAs that the peer accepted and we did not. We have no keys for them, so we cannot delete them."""
    failed = {event.spi_i for event in events if isinstance(event, IkeSaFailed)}
    keyed = {sa.spi_i for sa in sas if _has_keys(sa)}
    agreed = {
        event.spi_i: event.spi_r
        for event in events
        if isinstance(event, MessageReceived)
        and event.header.exch_type == ExchangeType.IKE_SA_INIT
        and any(isinstance(payload, IKEv2_SA) for payload in event.payloads)
    }
    return [
        f"IKE SA {spi_i.hex()}_i {spi_r.hex()}_r: {HALF_OPEN}"
        for spi_i, spi_r in agreed.items()
        if spi_i in failed and spi_i not in keyed
    ]
