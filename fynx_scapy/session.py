# SPDX-License-Identifier: GPL-2.0-or-later
"""Session: an IKE SA driven step by step, against an embedded peer or a live one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet

from fynx_scapy import session_setup
from fynx_scapy.checks import CENTURY, Check, check_values, flag, kind, optional, seconds, shown, text, whole
from fynx_scapy.errors import LocalError, PeerError, Timeout, UnexpectedError, Unreachable
from fynx_scapy.iana import ExchangeType, lookup, name_of
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig, Retransmission
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.registry import Registry
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
from fynx_scapy.layers.ikev2 import IKEv2
from fynx_scapy.net import guard, silence
from fynx_scapy.net.cleanup import with_successors
from fynx_scapy.net.echo import echo_request, first_host
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.session_setup import INITIATOR
from fynx_scapy.session_state import SessionState

E = TypeVar("E", bound=Event)

HOUR = 3600.0
"""How long a step without a timeout waits at most in virtual time."""

_ARGUMENTS = {
    "timeout": optional(seconds(zero=True)),
    "destination": optional(text()),
    "source": optional(text()),
    "size": whole(0, 65_507, "octets"),
    "config": optional(kind(ChildConfig)),
    "child": optional(kind(ChildSa)),
    "encrypted": flag(),
    "exchange": whole(0, 255),
    "packet": Check("a packet or octets", lambda value: isinstance(value, Packet | bytes)),
}


def _checked(step: str, **values: object) -> None:
    check_values(f"Session.{step}()", _ARGUMENTS, **values)


class Session(SessionState):
    """One IKE SA, driven step by step. The arguments are described in `SessionFields`.

    >>> s = Session(psk="secret", local_id="alice", remote_id="bob")
    >>> s.sa_init().show()
    >>> s.auth()
    >>> s.ping("10.2.0.1")

    Without a ``target`` the peer is embedded and time is virtual. With one (``HOST``, ``HOST:PORT``) the peer is
    live and time is real: ``Session("127.0.0.1", psk="secret")``. `accept` waits for the peer to initiate. At a
    Python prompt a thread answers the live peer between two steps; elsewhere call `attend`. As a context manager a
    live session deletes its IKE SAs at the end.

    Each exchange returns the peer's answer as decrypted Scapy layers. It raises Timeout when no answer comes, and
    AuthenticationError when the peer does not prove its identity.

    ``timeout`` is how many seconds a step waits for each answer; a request that it outlasts is sent again until then,
    and one that outlasts it stays in flight. None waits as long as the retransmissions last; `wait`, `accept`, `ping`
    and `send`, which have none, then wait without a limit, in virtual time for an hour.
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
        attended: bool | None = None,
    ) -> None:
        given: dict[str, Any] = dict(locals())
        check_values(type(self).__name__, session_setup.ARGUMENTS, **{k: given[k] for k in session_setup.ARGUMENTS})
        session_setup.only_one(config, given)
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
            setup = session_setup.embedded(
                ours, local or "192.0.2.1", remote, endpoint, peer, seed, network, registry, name
            )
        else:
            here = session_setup.LocalSettings(local, port, natt_port, marker_always, name)
            setup = session_setup.live(ours, target, here, endpoint, peer, seed, network, registry)
        super().__init__(setup, name, destination)
        if self.live and (session_setup.at_prompt() if attended is None else attended):
            self.attend()

    # Steps

    def sa_init(self, *, timeout: float | None = None) -> IKEv2:
        """Run IKE_SA_INIT (RFC 7296 section 1.2), with the retries for COOKIE and INVALID_KE_PAYLOAD.

        Returns the last answer. When a live peer is silent, Timeout names the likely causes. It comes early when ICMP
        reports repeatedly that the port is unreachable.
        """
        _checked("sa_init", timeout=timeout)
        self._check_open()
        if self._sa is not None and self._sa.established:
            raise LocalError("expected a session without an IKE SA; this one is established")
        with self._acting() as now:
            self._sa = sa = self.client.connect(self.config, now, authenticate=False)
            self._initiated.append(sa)
        pending = next(iter(sa.requests.pending.values()), None)
        if pending is None:
            raise LocalError("IKE_SA_INIT was not sent")
        self._be_patient(pending.exchange, sa.now, timeout)
        remote = sa.remote
        if not self.live:
            return self._finish(pending.exchange, timeout)
        told: list[Event] = []  # whether or not the network keeps its events
        limit = self._limit(timeout)
        with self.network.subscribe(lambda who, event: told.append(event) if who == self.name else None):
            self.network.run(lambda: pending.exchange.done or silence.refused(told, remote), limit=limit)
        if not pending.exchange.done and silence.refused(told, remote):
            refusal = Unreachable(f"nothing listens at {remote}")
            with self.network.acting():
                sa.fail(refusal)
            pending.exchange.error = refusal
        return self._finish(pending.exchange, timeout, waited=True)

    def auth(self, packet: Packet | bytes | None = None, *, timeout: float | None = None) -> IKEv2:
        """Run IKE_AUTH, which sets up the first Child SA (RFC 7296 section 1.2); the inner ``packet`` triggers it."""
        _checked("auth", timeout=timeout)
        return self._run(IkeAuth(self.sa, _octets("auth", packet)), timeout)

    def connect(self, *, timeout: float | None = None) -> IKEv2:
        """Run `sa_init` and `auth`. Returns the answer to IKE_AUTH, or to IKE_SA_INIT when the peer refused that."""
        answer = self.sa_init(timeout=timeout)
        return self.auth(timeout=timeout) if self.sa.state is State.CONNECTING else answer

    def accept(self, *, timeout: float | None = 30.0) -> IkeSa:
        """Wait until the peer has set up an IKE SA with us as responder. `sa` is that IKE SA from then on.

        Each call waits for another IKE SA. Timeout when none is established within ``timeout`` seconds.
        """
        _checked("accept", timeout=timeout)
        self._check_open()

        def new_sa() -> IkeSa | None:
            known = [sa for accepted in self._accepted for sa in with_successors(accepted)]
            new = (sa for sa in self.client.sas.values() if sa.established and not sa.initiator and sa not in known)
            return next(new, None)

        self._await(lambda: new_sa() is not None, timeout, "no peer has set up an IKE SA with us")
        sa = new_sa()
        assert sa is not None
        self._accepted.append(sa)
        self._sa = sa
        return sa

    @overload
    def wait(self, what: type[E], *, timeout: float | None = ...) -> E: ...  # type: ignore[overload-overlap]
    @overload
    def wait(self, what: Callable[[], object], *, timeout: float | None = ...) -> None: ...
    def wait(self, what: type[Event] | Callable[[], object], *, timeout: float | None = 10.0) -> Event | None:
        """Let time pass until our endpoint reports an event of that class, and return it, or until ``what()`` is true.

        Timeout when neither happens within ``timeout`` seconds.
        """
        _checked("wait", timeout=timeout)
        self._check_open()
        if not isinstance(what, type):
            if not callable(what):
                raise LocalError(f"expected an event class or a function to wait for, found {shown(what)}")
            self._await(lambda: bool(what()), timeout, "the awaited condition was not met")
            return None
        if not issubclass(what, Event):
            raise LocalError(f"expected an event class such as IkeSaEstablished, found {what.__name__}")
        seen: list[Event] = []

        def listen(host: str, event: Event) -> None:
            if host == self.name and isinstance(event, what) and not seen:
                seen.append(event)

        with self.network.subscribe(listen):
            self._await(lambda: bool(seen), timeout, f"expected {what.__name__}")
        return seen[0]

    def ping(
        self,
        destination: str | None = None,
        *,
        source: str | None = None,
        size: int = 56,
        timeout: float | None = 5.0,
    ) -> Packet:
        """Send an ICMP echo request of ``size`` data bytes through the Child SA; returns the reply as a Scapy packet.

        By default it goes to the session's ``destination``, else between the first hosts of the traffic selectors.
        LocalError when no Child SA takes the packet, Timeout when no reply comes within ``timeout`` seconds.
        """
        return self.send(self.echo(destination, source=source, size=size), timeout=timeout)

    def echo(self, destination: str | None = None, *, source: str | None = None, size: int = 56) -> bytes:
        """The ICMP echo request that `ping` sends, as an inner IP packet. LocalError as in `ping`."""
        _checked("ping", destination=destination, source=source, size=size)
        self._check_open()
        self._pings += 1
        destination = destination or self._destination or first_host(self.child.remote_ts)
        source = source or first_host(self.child.local_ts, 6 if ":" in destination else 4)
        data = bytes(i % 256 for i in range(size))
        return echo_request(source, destination, data, identifier=0xF1, sequence=self._pings)

    def send(self, packet: Packet | bytes, *, timeout: float | None = 5.0) -> Packet:
        """Send an inner IP packet through the Child SA that policy picks; returns the first packet that comes back."""
        _checked("send", packet=packet, timeout=timeout)
        inbox = self.network.hosts[self.name].inbox
        seen = len(inbox)
        self._give(bytes(packet))
        self._await(lambda: len(inbox) > seen, timeout, "no inner packet came back")
        return (IPv6 if inbox[seen][0] >> 4 == 6 else IP)(inbox[seen])

    def liveness(self, *, timeout: float | None = None) -> IKEv2:
        """Run an empty INFORMATIONAL exchange (RFC 7296 section 2.4)."""
        _checked("liveness", timeout=timeout)
        return self._run(Liveness(self.sa), timeout)

    @overload
    def request(
        self, exchange: str | int, *payloads: Packet | bytes, encrypted: bool = ..., timeout: None = ...
    ) -> IKEv2: ...
    @overload
    def request(
        self, exchange: str | int, *payloads: Packet | bytes, encrypted: bool = ..., timeout: float
    ) -> IKEv2 | None: ...
    def request(
        self, exchange: str | int, *payloads: Packet | bytes, encrypted: bool = True, timeout: float | None = None
    ) -> IKEv2 | None:
        """Run any exchange with any payloads. Octets become the body of a payload of private-use type 128.

        With a ``timeout``, silence is an answer too: None, as from Scapy's ``sr1``. Without one it is a Timeout.

        ConfigError for an exchange name that is not in the IANA registry, LocalError for what is no payload. Nothing
        is sent then, and the IKE SA is as before.
        """
        _checked("request", encrypted=encrypted, timeout=timeout)
        if not isinstance(exchange, str):
            _checked("request", exchange=exchange)
        number = lookup(ExchangeType, exchange)
        own = number == ExchangeType.INFORMATIONAL and encrypted
        run = Informational(self.sa, *payloads) if own else Custom(self.sa, number, *payloads, encrypted=encrypted)
        try:
            return self._run(run, timeout)
        except Timeout:
            if timeout is None or run.done:
                raise
            return None

    def create_child(
        self, config: ChildConfig | None = None, packet: Packet | bytes | None = None, *, timeout: float | None = None
    ) -> IKEv2:
        """Set up another Child SA (RFC 7296 section 1.3.1); the peer's configuration must have a matching one."""
        _checked("create_child", config=config, timeout=timeout)
        return self._run(CreateChild(self.sa, config, _octets("create_child", packet)), timeout)

    def rekey_child(self, child: ChildSa | None = None, *, timeout: float | None = None) -> IKEv2:
        """Rekey a Child SA, by default the newest (RFC 7296 section 1.3.3)."""
        _checked("rekey_child", child=child, timeout=timeout)
        return self._run(RekeyChild(self.sa, child or self.child), timeout)

    def rekey_ike(self, *, timeout: float | None = None) -> IKEv2:
        """Rekey the IKE SA. The new one inherits its Child SAs and becomes `sa` (RFC 7296 section 1.3.2)."""
        _checked("rekey_ike", timeout=timeout)
        return self._run(RekeyIke(self.sa), timeout)

    def delete(self, child: ChildSa | None = None, *, timeout: float | None = None) -> IKEv2:
        """Delete ``child``, or the IKE SA when none is given (RFC 7296 section 1.4.1)."""
        _checked("delete", child=child, timeout=timeout)
        with self._acting() as now:
            exchange = self.sa.delete_ike() if child is None else self.sa.delete_child(child)
            self._be_patient(exchange, now, timeout)
        return self._finish(exchange, timeout)

    def tap(self, stage: str, tap: Tap, when: When | None = None) -> Callable[[], None]:
        """Change our messages at a stage (`fynx_scapy.taps`); returns a function that removes the tap.

        What a tap raises is raised by the step; the IKE SA stays usable.
        """
        self._check_open()
        return self.client.taps.add(stage, tap, when)

    # How a step ends

    def _limit(self, timeout: float | None) -> float:
        return timeout if timeout is not None else CENTURY if self.live else HOUR

    def _await(self, met: Callable[[], bool], timeout: float | None, otherwise: str) -> None:
        """Let time pass until ``met()``. Timeout, which begins with ``otherwise``, when the time is over."""
        limit = self._limit(timeout)
        if not self.network.run(met, limit=limit):
            raise Timeout(f"{otherwise} within {limit:g} s")

    def _be_patient(self, exchange: Exchange, now: float, timeout: float | None) -> None:
        """Have the requests of an exchange that has begun sent again for that long."""
        exchange.patience = timeout or 0.0
        for pending in exchange.sa.requests.pending.values():
            if pending.exchange is exchange:
                pending.until = now + exchange.patience

    def _run(self, exchange: Exchange, timeout: float | None) -> IKEv2:
        with self._acting():
            exchange.patience = timeout or 0.0
            self.sa.start(exchange)
        return self._finish(exchange, timeout)

    def _finish(self, exchange: Exchange, timeout: float | None, *, waited: bool = False) -> IKEv2:
        failures, limit = self.network.failures[self.name], self._limit(timeout)
        raised = None if waited else self._complete(exchange, limit)
        if not exchange.done and exchange.error is None:
            raise raised or Timeout("; ".join([self._unanswered(exchange, limit), *self.silence()]))
        _, later = guard.attempt(self.network.settle, self.name)
        if (error := raised or later) is not None:
            raise error
        if self.network.failures[self.name] > failures and isinstance(exchange.error, UnexpectedError):
            failure = self.network.last_failure[self.name]
            cause = f"{failure.error} at {failure.where} {failure.reason}"
            raise UnexpectedError(f"an internal error ended the exchange: {cause}")
        if exchange.error is not None and (exchange.answer is None or not isinstance(exchange.error, PeerError)):
            if self.live and isinstance(exchange.error, Timeout):
                likely = "; ".join([str(exchange.error), *self.silence()])
                raise type(exchange.error)(likely).about(**exchange.error.context.as_dict())
            raise exchange.error
        if exchange.answer is None:
            raise Timeout(self._unanswered(exchange, limit))
        return as_packet(exchange.answer, exchange.sa.suite if exchange.answer.encrypted else None)

    def _complete(self, exchange: Exchange, limit: float) -> Exception | None:
        """Let time pass until the exchange is done. Returns what a tap or a listener raised meanwhile, if anything."""
        end, raised = self.network.now + limit, None
        while not exchange.done and (left := end - self.network.now) >= 0:
            _, error = guard.attempt(lambda left=left: self.network.run(lambda: exchange.done, limit=left))
            if error is None:
                break
            raised = raised or error
        if not exchange.done and not self.live and raised is None:
            self.network.run(end)  # the time that was waited has passed, even if nothing happened in it
        return raised

    def _unanswered(self, exchange: Exchange, limit: float) -> str:
        name = name_of(ExchangeType, int(exchange.exchange_type))
        return f"no answer from {exchange.sa.remote} to {name} within {limit:g} s"


def _octets(step: str, packet: Packet | bytes | None) -> bytes | None:
    if packet is not None:
        _checked(step, packet=packet)
    return None if packet is None else bytes(packet)
