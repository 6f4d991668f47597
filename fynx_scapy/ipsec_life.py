# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of a session: which IKE SAs it has at the moment, when it can be used, and when and why it has ended."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from fynx_scapy.errors import Closing, FynxError, SessionClosed
from fynx_scapy.failures import error_of
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.inbox import Inbox
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import ChildSaFailed, ChildSaRekeyed, Event, IkeSaFailed, IkeSaRekeyed, SaDeleted
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.net.aio import AioNetwork
from fynx_scapy.net.event_stream import EventStream
from fynx_scapy.net.signals import Signal

S = TypeVar("S", bound="SessionLife")


class SessionOwner(ABC, Generic[S]):
    """What a session needs from the client or server that it belongs to."""

    network: AioNetwork

    @abstractmethod
    def adopted(self, session: S, sa: IkeSa) -> None:
        """An IKE SA belongs to the session now: its events are to be told to it."""

    @abstractmethod
    def released(self, sa: IkeSa) -> None:
        """An IKE SA has ended."""

    @abstractmethod
    def opened(self, session: S) -> None:
        """The session can be used from now on."""

    @abstractmethod
    def arrived(self, session: S) -> None:
        """Inner packets have arrived."""

    @abstractmethod
    def report(self, session: S, event: Event) -> None:
        """Report an event of the session that its endpoint knows nothing of."""

    @abstractmethod
    def lost(self, session: S, why: FynxError) -> bool:
        """Its last IKE SA has ended. Returns whether the session is being set up again; otherwise it ends."""

    @abstractmethod
    def ended(self, session: S) -> None:
        """The session has ended."""


class SessionLife:
    """What a session is whatever its user does: the base class of `IpsecSession`."""

    def __init__(self, owner: SessionOwner[Any], endpoint: Endpoint, sa: IkeSa) -> None:
        self.network = owner.network
        self.endpoint = endpoint
        """The endpoint of its IKE SAs. A client that sets it up again from another address of ours has another one."""
        self.reason: FynxError | None = None
        """Why it has ended, or None while it has not."""
        self.local_id: Identity | None = None
        """Our identity; None before the ends are authenticated."""
        self.remote_id: Identity | None = None
        """The peer's identity; None before the ends are authenticated."""
        self.inbox = Inbox(on_packet=self._packet_arrived)
        """Its received inner packets that nobody has read. Its limits may be changed."""
        self._owner = owner
        self._sas: dict[bytes, IkeSa] = {}
        self._sa = sa
        self._opened = self._closing = False
        self._refused: FynxError | None = None
        self._lost: FynxError | None = None
        self._changed, self._arrived = Signal(), Signal()
        self._streams: list[EventStream] = []
        self._ike_rekeys = self._child_rekeys = 0
        self._adopt(sa)

    @property
    def sa(self) -> IkeSa:
        """Its newest IKE SA."""
        return self._sa

    @property
    def sas(self) -> tuple[IkeSa, ...]:
        """Its IKE SAs that have not ended, oldest first. During a rekey or a reauthentication there are several."""
        return tuple(self._sas.values())

    @property
    def open(self) -> bool:
        """Whether packets can be sent and received."""
        return self._opened and not self._closing and not self.closed

    @property
    def lost_because(self) -> FynxError | None:
        """Why the peer was lost, while the session is being set up again; otherwise None."""
        return self._lost if not self._opened and not self.closed else None

    @property
    def closed(self) -> bool:
        """Whether it has ended. What was received before can still be read."""
        return self.reason is not None

    async def opened(self) -> None:
        """Wait until packets can be sent. It raises why that failed."""
        while not self._opened and not self.closed:
            await self._changed.wait()
        if self.closed:
            raise self._ended_error()

    async def restore(self, begin: Callable[[], IkeSa]) -> None:
        """Go on with a new IKE SA, which ``begin`` begins. Waits until packets can be sent; raises why that failed."""
        with self.network.acting():
            self._sa = begin()
            self._adopt(self._sa)
        self._lost = None
        while not self._opened and self._lost is None and not self.closed:
            await self._changed.wait()
        if not self._opened:
            raise self._lost or self._ended_error()

    def give_up(self, why: FynxError) -> None:
        """End the session: it is not to be set up again."""
        self._closing = True
        self._end_if_over(why)

    async def wait_closed(self) -> None:
        """Wait until it has ended."""
        while not self.closed:
            await self._changed.wait()

    # Its events

    def events(self) -> EventStream:
        """Its events from now on, as an asynchronous iterator that ends with the session.

        A reader that falls behind is told by `EventsDropped` what it missed.
        """
        stream = EventStream(self._streams.remove)
        if self.closed:
            stream.end()
        else:
            self._streams.append(stream)
        return stream

    def happened(self, event: Event) -> None:
        """Take note of an event of one of its IKE SAs."""
        for stream in self._streams:
            stream.put(event)
        match event:
            case IkeSaRekeyed():
                self._ike_rekeys += 1
                new = self.endpoint.sas.get(event.new_spi_i) or self.endpoint.sas.get(event.new_spi_r)
                if new is not None:
                    self._adopt(new)
            case ChildSaRekeyed():
                self._child_rekeys += 1
            case ChildSaFailed() if self._needs(event):
                self._refused = _failure(event)
                self.begin_close()
            case SaDeleted(child_spis=()) | IkeSaFailed():
                sa = self._sas.get(event.spi_i) or self._sas.get(event.spi_r)
                if sa is not None:
                    self._replaced(sa)
                self._end_if_over(_failure(event))
        self._look()

    def report(self, event: Event) -> None:
        """Report an event that the engine knows nothing of."""
        self._owner.report(self, event)
        for stream in self._streams:
            stream.put(event)

    def established(self, sa: IkeSa) -> None:
        """An IKE SA of it is established: its first, or one that replaces another."""
        self.local_id, self.remote_id = sa.local_id, sa.remote_id
        self._adopt(sa)
        self._look()

    def _look(self) -> None:
        """See which IKE SA is the one to use, and whether packets can be sent by now."""
        usable = [sa for sa in self._sas.values() if sa.successor is None and sa.established]
        if usable:
            # While rekeys cross, only one of the new IKE SAs gets the Child SAs, and it stays.
            self._sa = next((sa for sa in reversed(usable) if sa.children), usable[-1])
            if not self._opened and not self._closing and self._complete(self._sa):
                self._opened = True
                self._owner.opened(self)
        self._changed.fire()

    @staticmethod
    def _complete(sa: IkeSa) -> bool:
        """Whether it has the Child SA that its configuration asks for, or may do without one."""
        return bool(sa.children) or not sa.config.children or (sa.config.childless and not sa.initiator)

    def _needs(self, refused: ChildSaFailed) -> bool:
        """Whether we set the session up, and a Child SA without which it is of no use was refused."""
        another = refused.notify_type == NotifyType.SINGLE_PAIR_REQUIRED  # is asked for, then
        return self._sa.initiator and not self._opened and not another

    def _adopt(self, sa: IkeSa) -> None:
        sa.inbox = self.inbox
        self._sas[sa.own_spi] = sa
        self._owner.adopted(self, sa)

    def _replaced(self, sa: IkeSa) -> None:
        """An IKE SA has ended. The engine may have another by now: the peer was dead, or is authenticated anew."""
        self._release(sa)
        new = sa.replacement
        if new is not None and new.state is not State.CLOSED and new.own_spi not in self._sas:
            self._opened = self._opened and not new.connecting
            self._adopt(new)

    def _release(self, sa: IkeSa) -> None:
        self._sas.pop(sa.own_spi, None)
        self._owner.released(sa)

    def _end_if_over(self, why: FynxError) -> None:
        """End it if no IKE SA is left that may carry it on."""
        if self.closed or any(sa.successor is None for sa in self._sas.values()):
            return None
        for sa in list(self._sas.values()):
            self._release(sa)
        if not self._closing and self._owner.lost(self, why):
            self._opened, self._lost = False, why
            return self._changed.fire()
        self.reason = why
        for stream in self._streams:
            stream.end()
        self._streams.clear()
        self._changed.fire()
        self._arrived.fire()
        return self._owner.ended(self)

    # Its end

    def begin_close(self) -> None:
        """Begin to delete its SAs. It does not wait; the session ends when the peer has answered, or is given up."""
        if self._closing or self.closed:
            return
        self._closing = True
        with self.network.acting():
            for sa in self._all():
                if sa.state is State.CLOSED:
                    continue  # by the peer just now: its event is on its way
                if sa.connecting and not sa.envelope.has_keys:
                    sa.forget()  # the peer has authenticated nobody, and waits for a while only
                    self._release(sa)
                elif sa.successor is None and sa.state is not State.DELETING:
                    sa.delete_ike()
        self._end_if_over(_closed_by_us())

    def forget(self) -> None:
        """Forget at once all that is left of it, without telling the peer."""
        if self.closed:
            return
        self._closing = True
        with self.network.acting():
            for sa in self._all():
                if sa.state is not State.CLOSED:
                    sa.forget()
                self._release(sa)
        self._end_if_over(_closed_by_us())

    def _all(self) -> list[IkeSa]:
        """Its IKE SAs with those that replace them by now: the events that tell so may be on their way."""
        found = dict.fromkeys(self._sas.values())
        waiting = list(found)
        while waiting:
            sa = waiting.pop()
            rekeyed = [each.sa for each in (sa.rekeyed, sa.peer_rekeyed) if each is not None]
            for new in (sa.successor, sa.replacement, *rekeyed):
                if isinstance(new, IkeSa) and new not in found and new.state is not State.CLOSED:
                    found[new] = None
                    waiting.append(new)
                    self._adopt(new)
        return list(found)

    def _ended_error(self) -> FynxError:
        error = self._refused or self.reason or _closed_by_us()
        return error.with_traceback(None)  # it may be raised often

    def _packet_arrived(self) -> None:
        self._arrived.fire()
        self._owner.arrived(self)


def _closed_by_us() -> FynxError:
    return SessionClosed("the session is closed: we closed it", Closing.BY_US)


def _failure(event: Event) -> FynxError:
    return error_of(event) or _closed_by_us()
