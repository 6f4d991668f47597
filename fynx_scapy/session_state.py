# SPDX-License-Identifier: GPL-2.0-or-later
"""What a session is made of and what can be seen of it, without the steps."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Self

from fynx_scapy.errors import LocalError, OutOfReach
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import Event
from fynx_scapy.ike.message import Datagram, DatagramKind
from fynx_scapy.ike.sa import IkeSa, State
from fynx_scapy.ladder import Ladder
from fynx_scapy.net import silence
from fynx_scapy.net.cleanup import Cleanup, clean_up
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session_history import Saved, save
from fynx_scapy.session_sas import SaList
from fynx_scapy.session_setup import INITIATOR, RESPONDER, SessionSetup, other

_LOG = logging.getLogger(__name__)


class SessionState:
    """The base class of `Session`."""

    def __init__(self, setup: SessionSetup, name: str, destination: str | None = None) -> None:
        self.network: Hosts
        self.client: Endpoint
        self.config: IkeConfig
        self.network, self.client, self._peer, self.config = setup
        self.name = name
        self.network.keep_datagrams()
        self._sa: IkeSa | None = None
        self._initiated: list[IkeSa] = []
        self._accepted: list[IkeSa] = []
        self._closed = False
        self._pings = 0
        self._destination = destination

    # Its end

    @property
    def closed(self) -> bool:
        """Whether `close` or `leave` was called. Then no step is possible; what was recorded stays."""
        return self._closed or (isinstance(self.network, UdpNetwork) and self.network.closed)

    def attend(self) -> None:
        """Start a thread that answers a live peer between two steps. An embedded peer needs none."""
        self._check_open()
        if isinstance(self.network, UdpNetwork):
            self.network.attend()

    def close(self) -> None:
        """End the session without telling the peer; close the sockets of a live one. `leave` and `delete` tell it."""
        self._closed = True
        if isinstance(self.network, UdpNetwork):
            self.network.close()

    def leave(self) -> Cleanup:
        """Delete this session's IKE SAs at a live peer, then `close`. Returns what may still be left there.

        Removes all taps. Stops waiting for an answer a few seconds after the retransmission schedule has ended.
        """
        try:
            if not isinstance(self.network, UdpNetwork) or self.network.closed:
                return Cleanup(answered=False, left=())
            return clean_up(self.network, self.name, [*self._initiated, *self._accepted])
        finally:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for description in self.leave().left:
            _LOG.warning("left at the peer: %s", description)  # on stderr unless the program has set up logging

    def _check_open(self) -> None:
        if self.closed:
            raise LocalError("this session is closed: make a new Session")

    @contextlib.contextmanager
    def _acting(self) -> Iterator[float]:
        """Use our endpoint in a step. LocalError when the session is closed."""
        self._check_open()
        with self.network.acting() as now:
            yield now

    def _give(self, packet: bytes) -> None:
        """Have an inner packet sent. LocalError when no Child SA takes it."""
        with self._acting() as now:
            taken = self.client.send(packet, now)
        if not taken:
            raise LocalError("no Child SA takes this packet: its addresses are outside the traffic selectors")

    # State

    @property
    def live(self) -> bool:
        """Whether the peer is live."""
        return self._peer is None

    def sends(self, datagram: Datagram) -> bool:
        """Whether our endpoint sent this datagram. A peer on this machine may have our IP address, with other ports."""
        end = self.client
        if datagram.local.host not in end.hosts:
            return False
        if datagram.kind is DatagramKind.ESP:  # without ports: what has an SPI of ours is for us
            spi = int.from_bytes(datagram.data[:4])
            return spi not in end.children and spi not in end.past_spis
        return datagram.local.port in (end.config.port, end.config.natt_port)

    @property
    def other(self) -> str:
        """The name of the embedded peer in ``events``; OutOfReach when the peer is live."""
        return other(self.name) if self.peer else ""

    @property
    def ends(self) -> tuple[str, ...]:
        """The names of the endpoints that report events; in a live session, only ours."""
        return (INITIATOR,) if self.live else (INITIATOR, RESPONDER)

    @property
    def sa(self) -> IkeSa:
        """Our IKE SA; after a rekey or reauthentication, the newest. LocalError before `sa_init`."""
        if self._sa is None:
            raise LocalError("expected an IKE SA; call sa_init() first")
        while newer := self._sa.successor or (self._sa.replacement if self._sa.state is State.CLOSED else None):
            self._sa = newer
        return self._sa

    @property
    def peer(self) -> Endpoint:
        """The embedded peer; OutOfReach when the peer is live."""
        if self._peer is None:
            raise OutOfReach("expected an embedded peer: of a live peer we see only what it sends")
        return self._peer

    @property
    def peer_sa(self) -> IkeSa:
        """The same IKE SA at the embedded peer; LocalError when the peer does not have it."""
        sa = next((sa for sa in self.peer.sas.values() if sa.spi_i == self.sa.spi_i), None)
        if sa is None:
            raise LocalError("expected the embedded peer to have this IKE SA; it has none with our SPI")
        return sa

    @property
    def child(self) -> ChildSa:
        """The newest Child SA; LocalError when there is none."""
        if not self.sa.children:
            raise LocalError("expected a Child SA, found none; call auth() first, or see events for why it was refused")
        return list(self.sa.children.values())[-1]

    def sas(self) -> SaList:
        """The IKE SAs of both endpoints with their Child SAs; in a live session, of ours. Printed, one looks like
        ``swanctl --list-sas``."""
        ends = (
            {self.name: self.client} if self._peer is None else {self.name: self.client, other(self.name): self._peer}
        )
        with self.network.acting() as now:
            return SaList.of(ends, now)

    @property
    def events(self) -> list[tuple[str, Event]]:
        """The events so far, in order: (``initiator`` or ``responder``, event).

        Our endpoint has the session's name, by default ``initiator``. A live session has only its events.
        """
        return self.network.events

    def ladder(self) -> Ladder:
        """The exchanges so far as a ladder diagram; its repr draws it."""
        events = self.events
        if self._accepted and self.live:  # the peer is the initiator
            events = [(RESPONDER, event) for _, event in events]
        return Ladder(events, (INITIATOR, RESPONDER), one_sided=self.live)

    def silence(self) -> list[str]:
        """Likely causes of a live peer's silence: ICMP errors, datagrams that are no answer, the non-ESP marker."""
        remote = self.config.remote
        if not self.live or remote is None:
            return []
        ours = [event for who, event in self.events if who == self.name]
        return silence.causes(ours, remote, marker=self.client.config.marker_always)

    def save(self, path: str | os.PathLike[str], *, psk: bool = False) -> Saved:
        """Write what the session has sent and received as a pcapng file, and its keys into a folder beside it.

        Nothing has to be switched on before. ``run.pcapng`` gets its keys in ``run.keys``, where all our commands, and
        `Capture`, find them. ``psk`` adds the pre-shared keys, so that ``fynx audit`` can verify AUTH: whoever has that
        file can pose as either peer. The result says what was written, and what the history no longer had. ConfigError
        when a file cannot be written.
        """
        with self.network.lock:
            secrets = [self.config, *(self._peer.configs if self._peer is not None else ())] if psk else []
            return save(self.network, self.name, path, [config.auth for config in secrets])

    def __repr__(self) -> str:
        ends = f"{self.client.host} > {self.config.remote}"
        kind = "live" if self.live else "embedded"
        closed = ", closed" if self.closed else ""
        what = repr(self.sa) if self._sa is not None else "nothing sent yet"
        return f"<Session {ends} ({kind}), {what}{closed}>"
