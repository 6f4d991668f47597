# SPDX-License-Identifier: GPL-2.0-or-later
"""An IPsec session of asyncio programs: what stays the same for its user while IKE SAs and Child SAs come and go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from fynx_scapy.checks import check_values, kind
from fynx_scapy.errors import FynxError, LocalError, PeerError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.child import policy
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.exchange import Exchange
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.exchanges.create_child import CreateChild
from fynx_scapy.ike.extensions.cp import ConfigurationPayload
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.selectors import Flow
from fynx_scapy.ike.traffic.lanes import Selection
from fynx_scapy.ipsec_life import SessionLife, SessionOwner
from fynx_scapy.net.aio import AT_ONCE
from fynx_scapy.net.signals import Signal

CLOSING = 2.0
"""How many seconds `IpsecSession.close` waits for the peer by default."""

FLOWS = 1024
"""For how many flows a session remembers the Child SA. When there are more, it looks all of them up anew."""

_CHECKS = {"config": kind(ChildConfig), "child": kind(ChildSa)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCounters:
    """The counters of a session, over all its SAs. Octets are those of inner packets."""

    packets_in: int
    """Inner packets that were received, read or not."""
    bytes_in: int
    packets_out: int
    """Inner packets that were taken to be sent."""
    bytes_out: int
    dropped_in: int
    """Received inner packets that did not fit into the inbox, because nobody read it."""
    ike_rekeys: int
    child_rekeys: int


class IpsecSession(SessionLife):
    """What two ends have set up: an IKE SA with its Child SAs, and those that replace them.

    It stays the same through rekeys and reauthentications. Lifetimes, dead peer detection and keepalives need nothing
    from its user. It ends when it is closed, by either end, or when the peer is dead; ``reason`` then says why.
    Clients and servers make it. It is an asynchronous context manager, which closes it, and an asynchronous iterator
    over the received inner packets.
    """

    def __init__(self, owner: SessionOwner[IpsecSession], endpoint: Endpoint, sa: IkeSa) -> None:
        self._selection = Selection(self._pick, self._left, most=FLOWS)
        super().__init__(owner, endpoint, sa)
        self._packets_in = self._bytes_in = 0
        self.further_children: tuple[ChildConfig, ...] = ()
        """The configurations of the Child SAs that were set up by `create_child`."""

    def __repr__(self) -> str:
        ids = f"{self.local_id or '?'} > {self.remote_id or '?'}"
        coming = "reconnecting" if self.lost_because else "connecting"
        state = "closed" if self.closed else "open" if self._opened else coming
        return f"<IpsecSession {ids}, {self.local} > {self.remote}, {state}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # What it is

    @property
    def config(self) -> IkeConfig:
        """The configuration of its IKE SA."""
        return self.sa.config

    @property
    def children(self) -> tuple[ChildSa, ...]:
        """Its Child SAs, oldest first."""
        return tuple(child for sa in self._sas.values() for child in sa.children.values())

    @property
    def local(self) -> Address:
        """Our address."""
        return self.sa.local

    @property
    def remote(self) -> Address:
        """The peer's address."""
        return self.sa.remote

    @property
    def addresses(self) -> tuple[str, ...]:
        """The inner addresses that a responder has assigned to the initiator (RFC 7296 section 2.19)."""
        assigned = self.sa.of(ConfigurationPayload)
        if assigned.settings is not None:
            return assigned.settings.addresses
        return tuple(map(str, assigned.leases))

    @property
    def counters(self) -> SessionCounters:
        """The counters as they are now."""
        return SessionCounters(
            packets_in=self._packets_in + len(self.inbox),
            bytes_in=self._bytes_in + self.inbox.octets,
            packets_out=self._selection.packets,
            bytes_out=self._selection.octets,
            dropped_in=self.inbox.dropped,
            ike_rekeys=self._ike_rekeys,
            child_rekeys=self._child_rekeys,
        )

    # Packets

    async def send_packet(self, packet: bytes) -> None:
        """Send an inner IP packet through the Child SA that its selectors choose.

        It waits if there is no room, and while the session is being set up again. MalformedError when it is no IP
        packet, LocalError when no Child SA takes it, and the reason when the session has ended.
        """
        if not self._opened or self._closing:
            await self._usable()
        try:
            taken = self.endpoint.send(packet, self.network.turn(), self._selection)
        except TypeError:
            check_packets((packet,))
            raise
        if not taken:
            self._complain((packet,))
        if self.network.queued():
            await self.network.room()

    async def send_packets(self, packets: Sequence[bytes]) -> None:
        """Send inner IP packets like `send_packet`, at less cost. Their order stays within each Child SA.

        If some cannot be sent, all others are, or those before a wait for room; then the first one's error is raised.
        """
        for first in range(0, len(packets), AT_ONCE):
            if not self._opened or self._closing:
                await self._usable()
            batch = packets[first : first + AT_ONCE]
            try:
                taken = self.endpoint.send_many(batch, self.network.turn(), self._selection)
            except TypeError:
                check_packets(batch)
                raise
            many = self.network.queued(taken)
            if taken < len(batch):
                self._complain(batch)
            if many:
                await self.network.room()

    async def _usable(self) -> None:
        if self._closing:
            raise self._ended_error()
        await self.opened()

    def _complain(self, packets: Sequence[bytes]) -> None:
        """Raise why the first of these packets cannot be sent. Nothing to do for those that found no room."""
        for packet in packets:
            flow = Flow.parse(packet)
            if self._pick(flow) is None:
                raise LocalError(f"expected a packet within the traffic selectors of {self!r}, found {flow}")

    def _pick(self, flow: Flow) -> policy.Candidate | None:
        # A rekey has given the Child SAs to the newest IKE SA before its event tells the session.
        sas = dict.fromkeys(newer for sa in self._sas.values() for newer in (sa, sa.newest))
        return policy.pick([(sa, child) for sa in sas for child in sa.children.values()], flow)

    def _left(self, packet: bytes, flow: Flow) -> bool:
        self.endpoint.counts.drop(DropReason.NO_POLICY)
        return False

    async def recv_packet(self) -> bytes:
        """The next received inner packet, in order. Once the session has ended and all are read, it raises why."""
        packet = self.take()
        while packet is None:
            if self.closed:
                raise self._ended_error()
            self.network.check_loop()
            await self._arrived.wait()
            packet = self.take()
        return packet

    async def recv_packets(self, most: int = 64) -> list[bytes]:
        """Wait for a packet; return it with those that have arrived too, ``most`` at most."""
        first = await self.recv_packet()
        others = self.inbox.take_many(most - 1)
        self._packets_in += len(others)
        self._bytes_in += sum(map(len, others))
        return [first, *others]

    def take(self) -> bytes | None:
        """The next received inner packet if there is one, else None. It does not wait."""
        packet = self.inbox.take()
        if packet is not None:
            self._packets_in += 1
            self._bytes_in += len(packet)
        return packet

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next received inner packet; the iteration ends with the session."""
        try:
            return await self.recv_packet()
        except FynxError:
            raise StopAsyncIteration from None

    # SAs

    async def rekey(self, *, ike: bool = False, child: ChildSa | bool = False) -> None:
        """Rekey the IKE SA, a Child SA, or with ``child=True`` all of them; both where neither is asked for.

        It raises why that failed: `PeerError` for a refusal, `Timeout` without an answer. A retryable refusal
        (TEMPORARY_FAILURE) is tried again in the background.
        """
        neither = not ike and child is False
        if child is True or neither:
            for each in self.children:
                await self._rekey_if_current(each)
        elif isinstance(child, ChildSa):
            await self._run(lambda sa: sa.rekey_child(child))
        if ike or neither:
            await self._rekey_ike()

    async def _rekey_ike(self) -> None:
        old = self.sa
        await self._run(lambda sa: sa.rekey())
        while self.sa is old and not self.closed:
            # The peer's rekey has crossed ours: which successor it is to be is known when both have ended.
            if old.rekeying is None and old.rekeyed is None and old.peer_rekeyed is None:
                raise LocalError(f"expected {old!r} to be rekeyed, but it is not")
            await self._changed.wait()

    async def _rekey_if_current(self, child: ChildSa) -> None:
        """Rekey a Child SA, unless it has ended or has a successor by now."""
        if _is_current(child):
            try:
                await self._run(lambda sa: sa.rekey_child(child))
            except PeerError as error:
                if error.notify_type != NotifyType.CHILD_SA_NOT_FOUND or _is_current(child):
                    raise

    async def create_child(self, config: ChildConfig) -> ChildSa:
        """Set up a further Child SA (RFC 7296 section 1.3.1). It raises why that failed."""
        check_values("IpsecSession.create_child()", _CHECKS, config=config)
        child = await self.set_up_child(config)
        self.further_children = (*self.further_children, config)
        return child

    async def set_up_child(self, config: ChildConfig) -> ChildSa:
        """Like `create_child`, but it is not set up again when the session is."""
        await self._usable()
        exchange = CreateChild(self.sa, config)
        await self._run(lambda sa: sa.start(exchange))
        if exchange.child is None:
            raise self._ended_error()
        return exchange.child

    async def delete_child(self, child: ChildSa) -> None:
        """Delete a Child SA (section 1.4.1)."""
        check_values("IpsecSession.delete_child()", _CHECKS, child=child)
        self.further_children = tuple(config for config in self.further_children if config is not child.config)
        await self._run(lambda sa: sa.delete_child(child))

    async def check(self) -> None:
        """Ask the peer for a sign of life (section 2.4); `Timeout` when it gives none, and the session has ended."""
        await self._run(lambda sa: sa.liveness())

    async def _run(self, start: Callable[[IkeSa], Exchange]) -> None:
        """Run an exchange on the newest IKE SA. If the caller is cancelled, the exchange goes on."""
        await self._usable()
        with self.network.acting():
            exchange = start(self.sa)
        if not exchange.done:
            over = Signal()
            exchange.when_done(over.fire)
            await over.wait()
        if exchange.error is not None:
            raise exchange.error

    # Its end

    async def close(self, *, timeout: float = CLOSING) -> None:
        """Delete its SAs, and wait until the peer has answered, for at most ``timeout`` seconds.

        If it is cancelled, or the peer does not answer in time, nothing of it stays here.
        """
        self.begin_close()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self.wait_closed()
        finally:
            self.forget()


def check_packets(packets: Sequence[object]) -> None:
    """Raises LocalError for the first that is not bytes. Sending looks at this only when it has failed."""
    for packet in packets:
        if not isinstance(packet, bytes):
            raise LocalError(f"expected an inner packet as bytes, found {type(packet).__name__}")


def _is_current(child: ChildSa) -> bool:
    """Whether a Child SA is neither being deleted nor replaced by another."""
    return not child.gone and not child.deleting and child.rekeyed is None and child.peer_rekeyed is None
