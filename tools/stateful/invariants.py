# SPDX-License-Identifier: GPL-2.0-or-later
"""Invariants of an endpoint: its tables are consistent, and nothing exceeds its limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sized
from typing import Any

from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.core.chains import Chains
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.extensions import (
    Childless,
    ConfigurationPayload,
    Fragmentation,
    QuickCrashDetection,
    SignatureHashes,
)
from fynx_scapy.ike.path.icmp import PATHS
from fynx_scapy.ike.sa import IkeSa
from tools.stateful.setting import CHILD_LIMIT, LINGER_LIMIT

OF_ENDPOINT: Mapping[str, tuple[int, Callable[[Endpoint], int]]] = {
    "IKE SAs": (256, lambda us: len(us.sas)),
    "IKE SAs that are not closed": (32, lambda us: sum(sa.state is not State.CLOSED for sa in us.sas.values())),
    "ESP SPIs": (256, lambda us: len(us.children)),
    "Child SAs that are gone": (LINGER_LIMIT, lambda us: sum(child.gone for _, child in us.children.values())),
    "timers": (1500, lambda us: len(us.timers)),
    "half-open IKE SAs": (128, lambda us: us.half_open),
    "paths with an MTU": (PATHS, lambda us: len(us.path_mtu)),
    "addresses lent": (64, lambda us: us.pools.lent),
    "paths kept alive": (64, lambda us: len(us.keepalives)),
}
"""Ceilings of one endpoint with the few peers that the fuzzer has."""

OF_SA: Mapping[str, tuple[int, Callable[[IkeSa], int]]] = {
    "Child SAs": (4 * CHILD_LIMIT, lambda sa: len(sa.children)),
    "messages of which fragments are kept": (16, lambda sa: len(sa.fragments)),
    "octets of fragments": (65536, lambda sa: sa.fragments.octets),
    "exchanges that wait": (64, lambda sa: len(sa.requests.waiting) + len(sa.requests.held)),
    "exchanges of the peer's that wait": (4, lambda sa: len(sa.of(Chains))),
    "requests in flight": (1024, lambda sa: len(sa.requests.pending)),
    "answers kept": (4, lambda sa: len(sa.answers.kept)),
    "requests taken in early": (4, lambda sa: len(sa.answers.early)),
    "leases": (8, lambda sa: len(sa.of(ConfigurationPayload).leases)),
    "tokens": (4, lambda sa: len(sa.of(QuickCrashDetection).tokens)),
    "hash algorithms announced": (64, lambda sa: len(sa.of(SignatureHashes).peer)),
    "Child SAs deleted before they were known": (CHILD_LIMIT, lambda sa: len(sa.deleted_early)),
    "limits": (16, lambda sa: len(sa.limits._due)),
}
"""Ceilings of one IKE SA. Rekeys may double the Child SAs for a while, and our own requests add some."""


def hold(us: Endpoint) -> None:
    """Raise AssertionError if an endpoint's tables are inconsistent or exceed a limit."""
    for name, (most, count) in OF_ENDPOINT.items():
        assert count(us) <= most, f"{count(us)} {name}, expected at most {most}"
    due = us.next_timer()
    assert due is None or math.isfinite(due), f"the next timer is at {due}"
    for spi, sa in us.sas.items():
        assert spi == sa.own_spi, "an IKE SA is filed under another SPI than its own"
        _hold_sa(us, sa)
    for number, (holder, child) in us.children.items():
        assert number == child.inbound.spi, "a Child SA is filed under another SPI than its own"
        assert child.gone or holder.children.get(number) is child, "a Child SA is known to the endpoint alone"
        assert child.gone or us.sas.get(holder.own_spi) is holder, "the IKE SA of a Child SA is unknown to the endpoint"
    _hold_indexes(us)


def _hold_indexes(us: Endpoint) -> None:
    """What is found without a search is what a search would find."""
    sas, directory = list(us.sas.values()), us.directory
    known = [sa for sa in sas if sa.state not in (State.CONNECTING, State.CLOSED)]
    assert us.in_flight == sum(len(sa.requests.pending) for sa in sas), "the requests in flight are miscounted"
    assert directory.authenticated == len(known), "the authenticated IKE SAs are miscounted"
    for host in {sa.remote.host for sa in sas}:
        assert set(directory.at(host)) == {sa for sa in sas if sa.remote.host == host}, f"IKE SAs with {host}"
    for identity in {sa.remote_id for sa in known if sa.remote_id is not None}:
        assert set(directory.of(identity)) == {sa for sa in known if sa.remote_id == identity}, f"those of {identity}"
        assert directory.number_of(identity) == len(directory.of(identity))
    for who in {sa.remote_id for sa in sas}:
        same = sum(sa.remote_id == who for sa, _ in us.children.values())
        assert us.number_of_children(who) == same, f"the Child SAs with {who} are miscounted"
    groups = us._children.spd._groups.values()
    members = {spi: (member.sa, member.child) for group in groups for spi, member in group.members.items()}
    assert members == dict(us.children), "the Child SAs by their selectors are others than those by their SPI"


def _hold_sa(us: Endpoint, sa: IkeSa) -> None:
    for name, (most, count) in OF_SA.items():
        assert count(sa) <= most, f"{count(sa)} {name} of one IKE SA, expected at most {most}"
    for number, child in sa.children.items():
        assert us.children.get(number) == (sa, child), "a Child SA is known to its IKE SA alone"
        assert not child.gone, "an IKE SA holds a Child SA that is gone"
    if sa.state in (State.CLOSED, State.REKEYED):
        assert not sa.children, f"an IKE SA that is {sa.state.value} has Child SAs"
    assert not sa.requests.pending or max(sa.requests.pending) < sa.requests.next_id, "an answer to come is awaited"
    assert all(0 < early - sa.answers.expected < sa.answers.size for early in sa.answers.early)
    if sa.state is State.CLOSED:
        assert sa.requests.pending or not len(sa.fragments), "a closed IKE SA keeps fragments, and waits for no answer"
        assert not sa.of(ConfigurationPayload).leases, "a closed IKE SA keeps addresses"


def left(us: Endpoint) -> None:
    """Raise AssertionError if an endpoint keeps any state after hours of silence."""
    found: dict[str, Sized] = {
        "IKE SAs": us.sas,
        "Child SAs": us.children,
        "IKE_SA_INIT requests": us.router.initial,
        "half-open IKE SAs": range(us.half_open),
        "timers": range(len(us.timers)),
        "requests in flight": range(us.in_flight),
        "sources": range(us.admission.sources),
        "ways of packets": us._sender._lanes,
        "addresses lent": range(us.pools.lent),
        "paths kept alive": range(len(us.keepalives)),
    }
    for name, kept in found.items():
        assert not len(kept), f"{len(kept)} {name} are left after hours of silence: {str(kept)[:300]}"


class Picture:
    """The state that unprotected datagrams must not change: every IKE SA with keys, and its Child SAs."""

    def __init__(self, us: Endpoint) -> None:
        self.sas = {spi: sa for spi, sa in us.sas.items() if sa._keys is not None}
        self.seen = {spi: picture(sa) for spi, sa in self.sas.items()}
        self.pending = {spi: dict(sa.requests.pending) for spi, sa in self.sas.items()}
        self.waiting = {spi: list(sa.requests.waiting) for spi, sa in self.sas.items()}

    def same(self, us: Endpoint) -> None:
        """Raise AssertionError for any change, except a hint's liveness check (RFC 7296 section 2.21.4)."""
        for spi, sa in self.sas.items():
            assert us.sas.get(spi) is sa, "an unprotected datagram ended an IKE SA"
            for name, value in picture(sa).items():
                before = self.seen[spi][name]
                assert value == before, f"an unprotected datagram changed {name} of {sa!r}: {before} to {value}"
            before_it, after = self.pending[spi], sa.requests.pending
            assert all(after.get(number) is pending for number, pending in before_it.items()), (
                "an unprotected datagram ended an exchange"
            )
            new = [pending.exchange for number, pending in after.items() if number not in before_it]
            new += [exchange for exchange in sa.requests.waiting if exchange not in self.waiting[spi]]
            assert all(isinstance(exchange, Informational) for exchange in new), f"an unprotected datagram began {new}"
            assert len(new) <= 1, f"an unprotected datagram began {new}"


def picture(sa: IkeSa) -> dict[str, Any]:
    """The state of an IKE SA, without our requests that a hint may trigger."""
    return {
        "the state": sa.state,
        "the keys": sa._keys,
        "the suite": sa._suite,
        "the addresses": (sa.local, sa.remote),
        "the successor": (sa.successor, sa.predecessor, sa.rekeyed, sa.peer_rekeyed, sa.rekeying),
        "the Child SAs": [
            (spi, child.outbound.spi, child.ready, child.deleting, child.rekeying, child.rekeyed, child.peer_rekeyed)
            for spi, child in sa.children.items()
        ],
        "the replay windows": [(child.inbound.highest, child.inbound.packets) for child in sa.children.values()],
        "the window": (sa.answers.expected, sa.answers.size, sa.requests.size, tuple(sa.answers.early)),
        "the answers": {number: kept for number, (_, kept) in sa.answers.kept.items()},
        "the fragments": (len(sa.fragments), sa.fragments.octets),
        "the time of the last sign of life": sa.last_heard,
        "what AUTH covers": (sa.init_sent, sa.init_received, sa.nonce_i, sa.nonce_r),
        "what the peer can": (sa.of(Fragmentation).peer, sa.of(SignatureHashes).peer, sa.of(Childless).peer),
        "the NAT": (sa.nat_before_us, sa.nat_before_peer, sa.nat_forced),
        "the settings": (sa.settings, tuple(sa.of(ConfigurationPayload).leases)),
        "the tokens": tuple(sa.of(QuickCrashDetection).tokens),
        "the Child SAs deleted early": set(sa.deleted_early),
        "the identities": (sa.local_id, sa.remote_id, sa.authenticated_by),
    }
