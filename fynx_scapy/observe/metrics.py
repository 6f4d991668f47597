# SPDX-License-Identifier: GPL-2.0-or-later
"""Metrics of a network: counters from its events and its endpoints' counts, gauges from their SAs.

Nothing is done per ESP packet: the endpoints count those anyway. Labels are roles, directions and codes of ours, never
text of a peer, so that their number is bounded.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import fynx_scapy
from fynx_scapy.errors import Closing, PeerError
from fynx_scapy.events import (
    ChildSaFailed,
    ChildSaRekeyed,
    Event,
    EventsDropped,
    IkeSaEstablished,
    IkeSaFailed,
    IkeSaRekeyed,
    InternalError,
    Reconnecting,
    RequestRefused,
    Retransmitted,
    SaDeleted,
)
from fynx_scapy.failures import error_of
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.basics.counts import Counts, DropReason
from fynx_scapy.ike.basics.states import State
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.observe.families import Distribution, Family, Kind, Metric, Sample, Snapshot

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The upper bounds of the buckets of how long something took."""

ROLES, ENDS, SAS, DIRECTIONS = ("initiator", "responder"), ("us", "peer"), ("ike", "child"), ("in", "out")

INFO = Metric("fynx_info", Kind.GAUGE, "The version of fynx-scapy.", ("version",))
HANDSHAKES = Metric(
    "fynx_handshakes_total",
    Kind.COUNTER,
    "Handshakes by our role and their result: established, or the code of the error.",
    ("role", "result"),
)
HANDSHAKE_SECONDS = Metric(
    "fynx_handshake_duration_seconds",
    Kind.HISTOGRAM,
    "How long a handshake took, from its first request (the one with the cookie, at a responder) to IKE_AUTH.",
    ("role",),
)
CHILD_FAILURES = Metric(
    "fynx_child_sa_failures_total", Kind.COUNTER, "Child SAs that could not be set up, by code.", ("reason",)
)
REKEYS = Metric("fynx_rekeys_total", Kind.COUNTER, "Rekeys, by kind of SA and who began.", ("sa", "by"))
REKEY_SECONDS = Metric(
    "fynx_rekey_duration_seconds", Kind.HISTOGRAM, "How long a rekey that we began took, by kind of SA.", ("sa",)
)
CLOSED = Metric("fynx_sas_closed_total", Kind.COUNTER, "SAs that ended, by kind and code.", ("sa", "reason"))
DPD_TIMEOUTS = Metric(
    "fynx_dpd_timeouts_total", Kind.COUNTER, "Established IKE SAs that ended since the peer did not answer."
)
RECONNECTS = Metric(
    "fynx_reconnects_total", Kind.COUNTER, "Attempts of clients to set a lost session up again, by why.", ("reason",)
)
REFUSED = Metric(
    "fynx_refused_requests_total",
    Kind.COUNTER,
    "Requests of peers that we refused, by the code of the notify.",
    ("reason",),
)
RETRANSMISSIONS = Metric("fynx_retransmissions_total", Kind.COUNTER, "IKE messages that were sent again.", ("message",))
INTERNAL_ERRORS = Metric("fynx_internal_errors_total", Kind.COUNTER, "Exceptions that nobody expected: bugs of ours.")
EVENTS_LOST = Metric(
    "fynx_events_lost_total", Kind.COUNTER, "Events that no metric has seen, since an endpoint's list was full."
)
ESP_PACKETS = Metric(
    "fynx_esp_packets_total", Kind.COUNTER, "ESP packets sent, and received and valid.", ("direction",)
)
ESP_BYTES = Metric("fynx_esp_bytes_total", Kind.COUNTER, "Their bytes, from the SPI to the ICV.", ("direction",))
REPLAYS = Metric("fynx_esp_replays_total", Kind.COUNTER, "ESP packets that were received before, or are too old.")
INTEGRITY = Metric(
    "fynx_integrity_failures_total", Kind.COUNTER, "ESP packets and IKE messages whose ICV does not verify."
)
DROPS = Metric("fynx_drops_total", Kind.COUNTER, "Packets and messages that were dropped, by reason.", ("reason",))
IKE_SAS = Metric(
    "fynx_ike_sas", Kind.GAUGE, "IKE SAs now, by state; a closed one only answers retransmissions.", ("state",)
)
HALF_OPEN = Metric("fynx_half_open_ike_sas", Kind.GAUGE, "IKE SAs now whose initiator has not authenticated yet.")
CHILD_SAS = Metric("fynx_child_sas", Kind.GAUGE, "Child SAs now.")

ALL = (
    INFO, HANDSHAKES, HANDSHAKE_SECONDS, CHILD_FAILURES, REKEYS, REKEY_SECONDS, CLOSED, DPD_TIMEOUTS, RECONNECTS,
    REFUSED, RETRANSMISSIONS, INTERNAL_ERRORS, EVENTS_LOST, ESP_PACKETS, ESP_BYTES, REPLAYS, INTEGRITY, DROPS, IKE_SAS,
    HALF_OPEN, CHILD_SAS,
)  # fmt: skip
"""Every metric, in the order of a snapshot."""

_AT_ZERO: dict[Metric, Iterable[tuple[str, ...]]] = {
    HANDSHAKES: [(role, "established") for role in ROLES],
    HANDSHAKE_SECONDS: [(role,) for role in ROLES],
    REKEYS: [(sa, by) for sa in SAS for by in ENDS],
    REKEY_SECONDS: [(sa,) for sa in SAS],
    RETRANSMISSIONS: [("request",), ("response",)],
    **{metric: [()] for metric in (DPD_TIMEOUTS, INTERNAL_ERRORS, EVENTS_LOST)},
}
"""Values that are there from the beginning: a rate needs the zero before the first one."""

_RETRY = (PeerError(NotifyType.INVALID_KE_PAYLOAD).code, PeerError(NotifyType.COOKIE).code)


class _Histogram:
    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts, self.sum = [0] * (len(SECONDS) + 1), 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect.bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds

    def value(self) -> Distribution:
        running, buckets = 0, []
        for bound, count in zip((*SECONDS, float("inf")), self.counts, strict=True):
            running += count
            buckets.append((bound, running))
        return Distribution(tuple(buckets), self.sum, running)


class Metrics:
    """The metrics of a network, from now on. ``close()`` stops counting; a ``with`` block does so at its end.

    >>> metrics = Metrics(network)
    >>> metrics.snapshot().value("fynx_handshakes_total", result="established")

    It works with every network, and makes no events of ESP packets happen.
    """

    def __init__(self, network: Hosts) -> None:
        self._network = network
        self._counters: dict[Metric, Counter[tuple[str, ...]]] = {m: Counter() for m in ALL if m.kind is Kind.COUNTER}
        self._histograms: dict[Metric, dict[tuple[str, ...], _Histogram]] = {}
        for metric, labels in _AT_ZERO.items():
            if metric.kind is Kind.HISTOGRAM:
                self._histograms[metric] = {values: _Histogram() for values in labels}
            else:
                self._counters[metric].update(dict.fromkeys(labels, 0))
        self.close = network.subscribe(self._heard, esp=False)

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def snapshot(self) -> Snapshot:
        """All metrics now."""
        with self._network.lock:
            now, counts = self._network.now, self._network.counts()
            rows = {metric: self._counted(metric) for metric in ALL} | self._read(counts) | self._gauges()
        return Snapshot(now, tuple(Family(metric, tuple(rows[metric])) for metric in ALL))

    # From events

    def _heard(self, host: str, event: Event) -> None:
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def _count(self, metric: Metric, *labels: str, number: int = 1) -> None:
        self._counters[metric][labels] += number

    def _took(self, metric: Metric, label: str, event: Event, seconds: float) -> None:
        # The clock of the endpoint stands still while it acts: what passed since then belongs to it.
        self._histograms[metric][(label,)].observe(seconds + max(0.0, self._network.now - event.time))

    def _established(self, event: IkeSaEstablished) -> None:
        role = ROLES[not event.initiator]
        self._count(HANDSHAKES, role, "established")
        self._took(HANDSHAKE_SECONDS, role, event, event.seconds)

    def _failed(self, event: IkeSaFailed) -> None:
        self._count(HANDSHAKES, ROLES[not event.initiator], event.code)

    def _refused(self, event: RequestRefused) -> None:
        self._count(REFUSED, event.code)
        if event.exchange == ExchangeType.IKE_SA_INIT and event.code not in _RETRY:
            # There is no IKE SA yet that could fail.
            self._count(HANDSHAKES, "responder", event.code)

    def _no_child(self, event: ChildSaFailed) -> None:
        error = error_of(event)
        self._count(CHILD_FAILURES, error.code if error else "")

    def _rekeyed(self, event: IkeSaRekeyed | ChildSaRekeyed) -> None:
        sa = SAS[isinstance(event, ChildSaRekeyed)]
        self._count(REKEYS, sa, ENDS[event.by_peer])
        if event.seconds is not None:
            self._took(REKEY_SECONDS, sa, event, event.seconds)

    def _deleted(self, event: SaDeleted) -> None:
        self._count(CLOSED, SAS[bool(event.child_spis)], event.code, number=len(event.child_spis) or 1)
        if event.code == Closing.PEER_DEAD and not event.child_spis:
            self._count(DPD_TIMEOUTS)

    def _reconnecting(self, event: Reconnecting) -> None:
        self._count(RECONNECTS, event.code)

    def _again(self, event: Retransmitted) -> None:
        self._count(RETRANSMISSIONS, "request" if event.request else "response")

    def _bug(self, event: InternalError) -> None:
        self._count(INTERNAL_ERRORS)

    def _lost(self, event: EventsDropped) -> None:
        self._count(EVENTS_LOST, number=sum(number for _, number in event.kinds))

    # From the endpoints

    def _counted(self, metric: Metric) -> list[Sample]:
        if metric.kind is Kind.HISTOGRAM:
            return [Sample(labels, each.value()) for labels, each in self._histograms[metric].items()]
        return [Sample(labels, number) for labels, number in sorted(self._counters.get(metric, {}).items())]

    def _read(self, counts: Counts) -> dict[Metric, list[Sample]]:
        drops = dict.fromkeys(map(str, DropReason), 0) | {str(name): number for name, number in counts.drops.items()}
        packets, octets = (counts.esp_packets_in, counts.esp_packets_out), (counts.esp_bytes_in, counts.esp_bytes_out)
        return {
            ESP_PACKETS: [Sample((way,), number) for way, number in zip(DIRECTIONS, packets, strict=True)],
            ESP_BYTES: [Sample((way,), number) for way, number in zip(DIRECTIONS, octets, strict=True)],
            REPLAYS: [Sample((), counts.replays)],
            INTEGRITY: [Sample((), counts.integrity_failures)],
            DROPS: [Sample((reason,), number) for reason, number in drops.items()],
        }

    def _gauges(self) -> dict[Metric, list[Sample]]:
        endpoints = [host.endpoint for host in self._network.hosts.values()]
        states, half_open, children = dict.fromkeys(State, 0), 0, 0
        for sa in (sa for endpoint in endpoints for sa in endpoint.sas.values()):
            states[sa.state] += 1
            half_open += sa.connecting and not sa.initiator
            children += len(sa.children)
        return {
            INFO: [Sample((fynx_scapy.__version__,), 1)],
            IKE_SAS: [Sample((state.value,), number) for state, number in states.items()],
            HALF_OPEN: [Sample((), half_open)],
            CHILD_SAS: [Sample((), children)],
        }


_HANDLERS: dict[type[Event], Callable[[Metrics, Any], None]] = {
    IkeSaEstablished: Metrics._established,
    IkeSaFailed: Metrics._failed,
    RequestRefused: Metrics._refused,
    ChildSaFailed: Metrics._no_child,
    IkeSaRekeyed: Metrics._rekeyed,
    ChildSaRekeyed: Metrics._rekeyed,
    SaDeleted: Metrics._deleted,
    Reconnecting: Metrics._reconnecting,
    Retransmitted: Metrics._again,
    InternalError: Metrics._bug,
    EventsDropped: Metrics._lost,
}
