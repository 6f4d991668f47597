# SPDX-License-Identifier: GPL-2.0-or-later
"""Leaves nothing at a live peer: its IKE SAs are deleted, also those that we gave up because it did not answer."""

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
"""When the Delete of an IKE SA that we gave up goes out again."""

PATIENCE = 10.0
"""For how many seconds an exchange is waited for, even where its schedule is longer."""
HALF_OPEN = "half-open, which cannot be deleted; the peer forgets it by itself"


class Parting(NamedTuple):
    """What became of it: whether the peer ``answered`` a Delete, and what may be ``left`` there, in words."""

    answered: bool
    left: tuple[str, ...]


def part(network: Hosts, name: str, known: Iterable[IkeSa] = ()) -> Parting:
    """End every IKE SA of the host ``name`` and of ``known``, and their successors, with the peer's consent.

    All at once: a peer may have made many. What is under way is given the time of its schedule, but not more than
    `PATIENCE`. A half-open IKE SA is completed first: many peers count those, and none can be deleted. Taps are taken
    out. Raises none of our errors.
    """
    client = network.hosts[name].endpoint
    client.taps.clear()
    started = len(network.events)
    words = _end(network, client, list(known))
    events = [event for who, event in network.events if who == name]
    ended = {event.spi_i for event in events if _ends(event)}
    given_up = {event.spi_i: event.message_id for event in events if isinstance(event, PeerDead)}
    sas = _all(client, known)
    again = {sa: given_up[sa.spi_i] for sa in sas if sa.spi_i in given_up.keys() - ended and _has_keys(sa)}
    words |= _leave(network, client, {sa: number for sa, number in again.items() if not words.get(sa.spi_i)})
    left = [text for spi_i, text in words.items() if text and spi_i not in ended]
    left += _half_open(events, sas)
    answered = any(
        isinstance(event, MessageReceived) and event.encrypted and event.header.exch_type == ExchangeType.INFORMATIONAL
        for who, event in network.events[started:]
        if who == name
    )
    return Parting(answered, tuple(left))


def _all(client: Endpoint, known: Iterable[IkeSa]) -> list[IkeSa]:
    found: dict[int, IkeSa] = {}
    for first in (*known, *client.sas.values()):
        found |= {id(sa): sa for sa in line(first)}
    return list(found.values())


def line(sa: IkeSa) -> Iterator[IkeSa]:
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


def _ends(event: Event) -> bool:
    """Whether the peer has ended the IKE SA: with INVALID_SYNTAX inside SK it does (RFC 7296 section 2.21.3)."""
    fatal = isinstance(event, PeerNotified) and event.notify_type == NotifyType.INVALID_SYNTAX and event.encrypted
    return fatal or (isinstance(event, SaDeleted) and not event.child_spis and event.by_peer)


def _end(network: Hosts, client: Endpoint, known: list[IkeSa]) -> dict[bytes, str]:
    """Delete the IKE SAs that we hold, once what is under way has ended.

    Returns what remains of each, in words, by its initiator's SPI.
    """
    sas = _all(client, known)
    schedules = [sa.config.retransmission.total + sa.config.error_wait for sa in sas]
    patience = min(max(schedules, default=0.0), PATIENCE)
    network.run(lambda: not any(sa.requests.pending or sa.requests.waiting for sa in sas), limit=patience)
    half_open = [sa for sa in sas if sa.connecting and sa.initiator and _has_keys(sa)]
    _begin(network, half_open, lambda sa: sa.start(IkeAuth(sa)), patience)
    network.run(lambda: not any(sa.requests.pending for sa in half_open), limit=patience)
    sas = _all(client, known)
    deleted = [sa for sa in sas if sa.state is State.ESTABLISHED and sa.successor is None]
    deletes = _begin(network, deleted, IkeSa.delete_ike, patience)
    found = dict.fromkeys((sa.spi_i for sa in sas), "")
    return found | {sa.spi_i: _unanswered(sa) for sa, delete in deletes.items() if delete.answer is None}


def _begin(
    network: Hosts, sas: Iterable[IkeSa], begin: Callable[[IkeSa], Exchange], limit: float
) -> dict[IkeSa, Exchange]:
    """Begin an exchange on each, and wait for all of them together. One that has ended meanwhile is left out."""
    begun: dict[IkeSa, Exchange] = {}
    with network.acting():
        for sa in sas:
            with contextlib.suppress(FynxError):
                begun[sa] = begin(sa)
    network.run(lambda: all(exchange.done for exchange in begun.values()), limit=limit)
    return begun


def _leave(network: Hosts, client: Endpoint, given_up: Mapping[IkeSa, int]) -> dict[bytes, str]:
    """Delete IKE SAs that we gave up, each at a request of that message ID; what remains of each, in words.

    The peer expects that number where it has thrown the request away, the next one where its answer was lost.
    """

    def delete(more: int, sa: IkeSa) -> Exchange:
        client.sas.setdefault(sa.own_spi, sa)
        client.now, sa.requests.next_id = network.now, given_up[sa] + more
        return sa.requests.start(_Delete(sa, IKEv2_Delete(proto=int(ProtocolId.IKE))))

    left = list(given_up)
    for more in (0, 1):
        begun = _begin(network, left, functools.partial(delete, more), SCHEDULE.total + 1)
        left = [sa for sa, exchange in begun.items() if exchange.answer is None]
    return {sa.spi_i: _unanswered(sa) if sa in left else "" for sa in given_up}


def _unanswered(sa: IkeSa) -> str:
    spis = f"IKE SA {sa.spi_i.hex()}_i {sa.spi_r.hex()}_r"
    return f"{spis}: {'its Delete was not answered' if sa.remote_id is not None else HALF_OPEN}"


class _Delete(Informational):
    """A Delete on an IKE SA that counts as closed."""

    @property
    def schedule(self) -> Retransmission:
        """A short one."""
        return SCHEDULE


def _half_open(events: list[Event], sas: list[IkeSa]) -> list[str]:
    """Those that the peer agreed to and we did not: without keys nothing can be deleted."""
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
