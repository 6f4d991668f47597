# SPDX-License-Identifier: GPL-2.0-or-later
"""Session: an IKE SA driven step by step, against an embedded peer or a live one."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Self, TypeVar, overload

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet

from fynx_scapy import session_setup
from fynx_scapy.checks import check_values
from fynx_scapy.errors import LocalError, OutOfReach, PeerError, Timeout, UnexpectedError
from fynx_scapy.iana import ExchangeType, lookup
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig, Retransmission
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.registry import Registry
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import Event
from fynx_scapy.ike.exchanges import Exchange
from fynx_scapy.ike.exchanges.create_child import CreateChild
from fynx_scapy.ike.exchanges.custom import Custom
from fynx_scapy.ike.exchanges.ike_auth import IkeAuth
from fynx_scapy.ike.exchanges.informational import Informational, Liveness
from fynx_scapy.ike.exchanges.rekey_child import RekeyChild
from fynx_scapy.ike.exchanges.rekey_ike import RekeyIke
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.sa import IkeSa, State
from fynx_scapy.ike.terms.child_config import Proposals, Selectors
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.wire.packet import as_packet
from fynx_scapy.ike.wire.taps import Tap, When
from fynx_scapy.ladder import Ladder
from fynx_scapy.layers.ikev2 import IKEv2
from fynx_scapy.net import silence
from fynx_scapy.net.cleanup import Cleanup, clean_up, with_successors
from fynx_scapy.net.echo import echo_request, first_host
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session_setup import INITIATOR, RESPONDER

E = TypeVar("E", bound=Event)
_LOG = logging.getLogger(__name__)


class Session:
    """One IKE SA, driven step by step. The arguments are described in `SessionFields`.

    >>> s = Session(psk="secret", local_id="alice", remote_id="bob")
    >>> s.sa_init().show()
    >>> s.auth()
    >>> s.ping("10.2.0.1")

    Without a ``target`` the peer is embedded and time is virtual. With one (``HOST``, ``HOST:PORT``) the peer is
    live and time is real: ``Session("127.0.0.1", psk="secret")``. `accept` waits for a live peer to initiate. At a
    Python prompt a thread answers the live peer between two steps; elsewhere call `attend`. As a context manager a
    live session deletes its IKE SAs at the end.

    Each exchange returns the peer's answer as decrypted Scapy layers. It raises Timeout when no answer comes, and
    AuthenticationError when the peer does not prove its identity.
    """

    def __init__(
        self,
        target: str | Address | None = None,
        *,
        psk: str | bytes = "fynx",
        local_id: Identity | str = "alice",
        remote_id: Identity | str | None = "bob",
        proposals: Proposals | None = None,
        esp_proposals: Proposals | None = None,
        local_ts: Selectors | None = None,
        remote_ts: Selectors | None = None,
        local: str | None = None,
        remote: str = "192.0.2.2",
        port: int | None = None,
        natt_port: int | None = None,
        marker_always: bool | None = None,
        config: IkeConfig | None = None,
        endpoint: EndpointConfig | None = None,
        peer: session_setup.Peers = None,
        seed: int | str | None = None,
        network: Hosts | None = None,
        name: str = INITIATOR,
        destination: str | None = None,
        retransmission: Retransmission | None = None,
        registry: Registry | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in session_setup.ARGUMENTS}
        check_values(type(self).__name__, session_setup.ARGUMENTS, **given)
        ours = config or session_setup.config_of(
            psk=psk,
            local_id=local_id,
            remote_id=remote_id,
            proposals=proposals,
            esp_proposals=esp_proposals,
            local_ts=local_ts,
            remote_ts=remote_ts,
        )
        schedule = retransmission or (session_setup.LIVE if target is not None and config is None else None)
        if schedule is not None:
            ours = ours.replace(retransmission=schedule)
        if target is None:
            setup = session_setup.embedded(ours, local or "192.0.2.1", remote, endpoint, peer, seed, network, registry)
        else:
            here = session_setup.LocalSettings(local, port, natt_port, marker_always, name)
            setup = session_setup.live(ours, target, here, endpoint, peer, seed, network, registry)
        self.network, self.client, self._peer, self.config = setup
        self.name = name
        self._sa: IkeSa | None = None
        self._initiated: list[IkeSa] = []
        self._accepted: list[IkeSa] = []
        self._pings = 0
        self._destination = destination
        if self.live and hasattr(sys, "ps1"):
            self.attend()

    @property
    def live(self) -> bool:
        """Whether the peer is live."""
        return self._peer is None

    @property
    def ends(self) -> tuple[str, ...]:
        """The names of the endpoints that report events; in a live session, only ours."""
        return (INITIATOR,) if self.live else (INITIATOR, RESPONDER)

    def attend(self) -> None:
        """Start a thread that answers a live peer between two steps. An embedded peer needs none."""
        if isinstance(self.network, UdpNetwork):
            self.network.attend()

    def close(self) -> None:
        """Close the sockets of a live session without telling the peer. `leave` and `delete` tell it."""
        if isinstance(self.network, UdpNetwork):
            self.network.close()

    def leave(self) -> Cleanup:
        """Delete this session's IKE SAs at a live peer, then `close`. Returns what may still be left there.

        Removes all taps. Stops waiting for an answer a few seconds after the retransmission schedule has ended.
        """
        if not isinstance(self.network, UdpNetwork) or self.network.closed:
            return Cleanup(answered=False, left=())
        try:
            return clean_up(self.network, self.name, [*self._initiated, *self._accepted])
        finally:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for description in self.leave().left:
            _LOG.warning("left at the peer: %s", description)  # on stderr unless the program has set up logging

    # State

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

    @property
    def events(self) -> list[tuple[str, Event]]:
        """The events so far, in order: (``initiator`` or ``responder``, event).

        Our endpoint is called ``initiator``. A live session has only its events.
        """
        return self.network.events

    def ladder(self) -> Ladder:
        """The exchanges so far as a ladder diagram; its repr draws it."""
        events = self.events
        if self._accepted:  # the peer is the initiator
            events = [(RESPONDER, event) for _, event in events]
        return Ladder(events, (INITIATOR, RESPONDER), one_sided=self.live)

    def __repr__(self) -> str:
        return f"<Session {self._sa!r}>" if self._sa else "<Session, nothing sent yet>"

    # Steps

    def sa_init(self) -> IKEv2:
        """Run IKE_SA_INIT (RFC 7296 section 1.2), with the retries for COOKIE and INVALID_KE_PAYLOAD.

        Returns the last answer. When a live peer is silent, Timeout names the likely causes. It comes early when ICMP
        reports repeatedly that the port is unreachable.
        """
        if self._sa is not None and self._sa.established:
            raise LocalError("expected a session without an IKE SA; this one is established")
        with self.network.acting() as now:
            self._sa = sa = self.client.connect(self.config, now, authenticate=False)
            self._initiated.append(sa)
        pending = next(iter(self._sa.requests.pending.values()), None)
        if pending is None:
            raise LocalError("IKE_SA_INIT was not sent")
        remote = sa.remote
        if not self.live:
            return self._finish(pending.exchange)
        told: list[Event] = []  # whether or not the network keeps its events
        with self.network.subscribe(lambda who, event: told.append(event) if who == self.name else None):
            self.network.run(lambda: pending.exchange.done or silence.refused(told, remote))
        if not pending.exchange.done:
            refusal = Timeout(f"nothing listens at {remote}")
            with self.network.acting():
                sa.fail(refusal)
            pending.exchange.error = refusal
        return self._finish(pending.exchange)

    def silence(self) -> list[str]:
        """Likely causes of a live peer's silence: ICMP errors, datagrams that are no answer, the non-ESP marker."""
        remote = self.config.remote
        if not self.live or remote is None:
            return []
        ours = [event for who, event in self.events if who == self.name]
        return silence.causes(ours, remote, marker=self.client.config.marker_always)

    def auth(self, packet: Packet | bytes | None = None) -> IKEv2:
        """Run IKE_AUTH, which sets up the first Child SA (RFC 7296 section 1.2); the inner ``packet`` triggers it."""
        return self._run(IkeAuth(self.sa, bytes(packet) if packet is not None else None))

    def connect(self) -> IKEv2:
        """Run `sa_init` and `auth`. Returns the answer to IKE_AUTH, or to IKE_SA_INIT when the peer refused that."""
        answer = self.sa_init()
        return self.auth() if self.sa.state is State.CONNECTING else answer

    def accept(self, *, timeout: float = 30.0) -> IkeSa:
        """Wait until the peer has set up an IKE SA with us as responder. `sa` is that IKE SA from then on.

        Each call waits for another IKE SA. Timeout when none is established within ``timeout`` seconds.
        """

        def new_sa() -> IkeSa | None:
            known = [sa for accepted in self._accepted for sa in with_successors(accepted)]
            new = (sa for sa in self.client.sas.values() if sa.established and not sa.initiator and sa not in known)
            return next(new, None)

        if not self.network.run(lambda: new_sa() is not None, limit=timeout):
            raise Timeout(f"no peer has set up an IKE SA with us within {timeout:g} s")
        sa = new_sa()
        assert sa is not None
        self._accepted.append(sa)
        self._sa = sa
        return sa

    @overload
    def wait(self, what: type[E], *, timeout: float = ...) -> E: ...  # type: ignore[overload-overlap]
    @overload
    def wait(self, what: Callable[[], object], *, timeout: float = ...) -> None: ...
    def wait(self, what: type[Event] | Callable[[], object], *, timeout: float = 10.0) -> Event | None:
        """Let time pass until our endpoint reports an event of that class, and return it, or until ``what()`` is true.

        Timeout when neither happens within ``timeout`` seconds.
        """
        if not isinstance(what, type):
            if not self.network.run(lambda: bool(what()), limit=timeout):
                raise Timeout(f"the awaited condition was not met within {timeout:g} s")
            return None
        seen: list[Event] = []

        def listen(host: str, event: Event) -> None:
            if host == self.name and isinstance(event, what) and not seen:
                seen.append(event)

        with self.network.subscribe(listen):
            if not self.network.run(lambda: bool(seen), limit=timeout):
                raise Timeout(f"expected {what.__name__} within {timeout:g} s")
        return seen[0]

    def ping(
        self, destination: str | None = None, *, source: str | None = None, size: int = 56, timeout: float = 5.0
    ) -> Packet:
        """Send an ICMP echo request of ``size`` data bytes through the Child SA; returns the reply as a Scapy packet.

        By default it goes to the session's ``destination``, else between the first hosts of the traffic selectors.
        LocalError when no Child SA takes the packet, Timeout when no reply comes within ``timeout`` seconds.
        """
        return self.send(self.echo(destination, source=source, size=size), timeout=timeout)

    def echo(self, destination: str | None = None, *, source: str | None = None, size: int = 56) -> bytes:
        """The ICMP echo request that `ping` sends, as an inner IP packet. LocalError as in `ping`."""
        self._pings += 1
        destination = destination or self._destination or first_host(self.child.remote_ts)
        source = source or first_host(self.child.local_ts, 6 if ":" in destination else 4)
        data = bytes(i % 256 for i in range(size))
        return echo_request(source, destination, data, identifier=0xF1, sequence=self._pings)

    def send(self, packet: Packet | bytes, *, timeout: float = 5.0) -> Packet:
        """Send an inner IP packet through the Child SA that policy picks; returns the first packet that comes back."""
        inbox = self.network.hosts[self.name].inbox
        seen = len(inbox)
        with self.network.acting() as now:
            taken = self.client.send(bytes(packet), now)
        if not taken:
            raise LocalError("no Child SA takes this packet: its addresses are outside the traffic selectors")
        if not self.network.run(lambda: len(inbox) > seen, limit=timeout):
            raise Timeout(f"no inner packet came back within {timeout:g} s")
        return (IPv6 if inbox[seen][0] >> 4 == 6 else IP)(inbox[seen])

    def liveness(self) -> IKEv2:
        """Run an empty INFORMATIONAL exchange (RFC 7296 section 2.4)."""
        return self._run(Liveness(self.sa))

    def request(self, exchange: str | int, *payloads: Packet, encrypted: bool = True) -> IKEv2:
        """Run any exchange with any payloads. ConfigError for an exchange name that is not in the IANA registry."""
        number = lookup(ExchangeType, exchange)
        if number == ExchangeType.INFORMATIONAL and encrypted:
            return self._run(Informational(self.sa, *payloads))
        return self._run(Custom(self.sa, number, *payloads, encrypted=encrypted))

    def create_child(self, config: ChildConfig | None = None, packet: Packet | bytes | None = None) -> IKEv2:
        """Set up another Child SA (RFC 7296 section 1.3.1); the peer's configuration must have a matching one."""
        return self._run(CreateChild(self.sa, config, bytes(packet) if packet is not None else None))

    def rekey_child(self, child: ChildSa | None = None) -> IKEv2:
        """Rekey a Child SA, by default the newest (RFC 7296 section 1.3.3)."""
        return self._run(RekeyChild(self.sa, child or self.child))

    def rekey_ike(self) -> IKEv2:
        """Rekey the IKE SA. The new one inherits its Child SAs and becomes `sa` (RFC 7296 section 1.3.2)."""
        return self._run(RekeyIke(self.sa))

    def delete(self, child: ChildSa | None = None) -> IKEv2:
        """Delete ``child``, or the IKE SA when none is given (RFC 7296 section 1.4.1)."""
        with self.network.acting():
            exchange = self.sa.delete_ike() if child is None else self.sa.delete_child(child)
        return self._finish(exchange)

    def tap(self, stage: str, tap: Tap, when: When | None = None) -> Callable[[], None]:
        """Change our messages at a stage (`fynx_scapy.taps`); returns a function that removes the tap."""
        return self.client.taps.add(stage, tap, when)

    def _run(self, exchange: Exchange) -> IKEv2:
        with self.network.acting():
            self.sa.start(exchange)
        return self._finish(exchange)

    def _finish(self, exchange: Exchange) -> IKEv2:
        failures = self.network.failures[self.name]

        def stuck() -> bool:
            """Whether an internal error has ended the exchange, so that no answer can come."""
            return self.network.failures[self.name] > failures and not self.sa.requests.pending

        self.network.run(lambda: exchange.done or stuck())
        if not exchange.done and stuck():
            failure = self.network.last_failure[self.name]
            cause = f"{failure.error} at {failure.where} {failure.reason}"
            raise UnexpectedError(f"an internal error ended the exchange: {cause}")
        self.network.settle(self.name)
        if exchange.error is not None and (exchange.answer is None or not isinstance(exchange.error, PeerError)):
            if self.live and isinstance(exchange.error, Timeout):
                raise Timeout("; ".join([str(exchange.error), *self.silence()]))
            raise exchange.error
        if exchange.answer is None:
            raise Timeout("the exchange did not finish within an hour")
        return as_packet(exchange.answer, exchange.sa.suite if exchange.answer.encrypted else None)
