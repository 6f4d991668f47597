# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs of a scenario whose setting says how both ends are configured: they act at either end, and compare both."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Any, TypeVar, Unpack

from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoReply

from fynx_scapy.crypto.keymat import SkKeys
from fynx_scapy.errors import FynxError, OutOfReach, Timeout
from fynx_scapy.harness.expect import ExpectationFailed, check_event, expect, fail
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.setting import Setting
from fynx_scapy.harness.worlds.peers import NOTHING, PeerChildSa, PeerConfig, PeerIkeSa
from fynx_scapy.harness.worlds.world import QUIRKS, Driver, Site, World
from fynx_scapy.iana import ExchangeType, NotifyType, lookup
from fynx_scapy.ike.config import EndpointConfig, IkeChanges, IkeConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.events import (
    ChildSaInstalled,
    EspReceived,
    EspSent,
    Event,
    KeysDerived,
    MessageReceived,
    MessageSent,
    PeerNotified,
    RequestRefused,
)
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.child_config import ChildFields
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.keylog import IkeKeys, KeyLog
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import IKEv2, chain
from fynx_scapy.net.echo import udp_packet
from fynx_scapy.session import Session
from fynx_scapy.session_setup import SessionFields

E = TypeVar("E", bound=Event)
ESTABLISHED = 10.0
"""How many seconds the peer may take to call an IKE SA established that we do."""


class Verbs(ABC):
    """The base class of `Run`. ``s`` is our session, ``peer`` what makes its peer act."""

    role: Role
    world: World
    setting: Setting

    def __init__(self) -> None:
        self.error: FynxError | None = None
        self.left_out: list[str] = []
        self._s: Session | None = None
        self._peer: Driver | None = None

    @abstractmethod
    def session(
        self, label: str = "", *, embedded: SessionFields | None = None, **overrides: Unpack[SessionFields]
    ) -> Session:
        """A session."""

    @abstractmethod
    def driver(self, session: Session) -> Driver:
        """What makes the peer of a session act."""

    @property
    def s(self) -> Session:
        """Our session, configured as the setting of the scenario says; it is made when it is first used."""
        if self._s is None:
            config = self.config(**self.setting.ours)
            endpoint = self.setting.endpoint
            given: dict[str, Any] = {"endpoint": EndpointConfig(**endpoint)} if endpoint else {}
            given |= self.world.meet(self.role, config, self.setting, given)
            self._s = self.session(**given)
        return self._s

    @property
    def peer(self) -> Driver:
        """What makes the peer of `s` act, and says what it has."""
        if self._peer is None:
            self._peer = self.driver(self.s)
        return self._peer

    @property
    def peer_config(self) -> PeerConfig:
        """The peer's configuration."""
        return self.world.peer_config(self.setting)

    @property
    def here(self) -> Site:
        """The addresses of our end."""
        return self.world.ours

    @property
    def there(self) -> Site:
        """The addresses of the peer's end."""
        return self.world.theirs

    def config(self, *, child: ChildFields | None = None, **changes: Unpack[IkeChanges]) -> IkeConfig:
        """Our configuration: the peer's mirrored, with ``changes``; ``child`` changes every Child SA."""
        config = self.world.our_config(self.setting, **changes)
        child = child or {}
        return config.replace(children=tuple(ours.replace(**child) for ours in config.children))

    @property
    def we_begin(self) -> bool:
        """Whether we are the initiator."""
        return self.role.begins

    @property
    def events(self) -> list[Event]:
        """The events of our end."""
        return [event for who, event in self.s.events if who == self.s.name]

    # Time

    def wait_until(self, met: Callable[[], object], what: str, *, limit: float = 10.0) -> None:
        """Let time pass until ``met()`` is true; a slow peer has longer. Otherwise ExpectationFailed about ``what``."""
        limit *= self.world.slowness
        if not self.s.network.run(lambda: bool(met()), limit=limit):
            raise ExpectationFailed(f"expected {what} within {limit:g} s, but it did not happen")

    def wait_for_quiet(self, seconds: float = 0.2, *, limit: float = 5.0) -> None:
        """Let time pass until we have no event for ``seconds``, so that the peer has finished what it does unasked."""
        if not self.world.live:
            self.s.network.run()
            return
        last = [len(self.s.events), self.s.network.now]

        def rested() -> bool:
            if len(self.s.events) != last[0]:
                last[:] = [len(self.s.events), self.s.network.now]
            return self.s.network.now - last[1] >= seconds

        self.wait_until(rested, f"{seconds:g} s without an event", limit=limit)

    def event(self, kind: type[E], *, limit: float = 10.0, **fields: object) -> E:
        """Our first event of that class with these field values. Waits for it if it has not happened yet.

        LocalError for a field that the event does not have.
        """
        check_event(kind, fields)

        def first() -> E | None:
            events = (event for event in self.events if isinstance(event, kind))
            fits = (event for event in events if all(getattr(event, name) == value for name, value in fields.items()))
            return next(fits, None)

        self.wait_until(first, f"{kind.__name__} with {fields}" if fields else kind.__name__, limit=limit)
        event = first()
        assert event is not None
        return event

    def messages(self, kind: type[Event]) -> list[IKEv2]:
        """The messages that we sent (MessageSent) or received (MessageReceived), as decrypted Scapy layers."""
        events = [event for event in self.events if isinstance(event, kind)]
        return [chain(event.header, list(event.payloads)) for event in events]  # type: ignore[attr-defined]

    def requests(self, exchange: str | int) -> list[IKEv2]:
        """The requests of that exchange so far: ours if we initiate, else the peer's."""
        kind = MessageSent if self.we_begin else MessageReceived
        return [each for each in self.messages(kind) if _is_of(each, exchange, response=False)]

    def answers(self, exchange: str | int) -> list[IKEv2]:
        """The responses of that exchange so far: the peer's if we initiate, else ours."""
        kind = MessageReceived if self.we_begin else MessageSent
        return [each for each in self.messages(kind) if _is_of(each, exchange, response=True)]

    def answer(self, exchange: str | int) -> IKEv2:
        """The newest of `answers`. Waits for one if there is none yet."""
        self.wait_until(lambda: self.answers(exchange), f"a response of {exchange}")
        return self.answers(exchange)[-1]

    def wires(self) -> list[bytes]:
        """The octets of every encrypted IKE message that we sent, fragment by fragment."""
        sent = [event for event in self.events if isinstance(event, MessageSent) and event.encrypted]
        return [octets for event in sent for octets in event.wire]

    def join(self, name: str, config: IkeConfig | None = None, /, **where: Unpack[SessionFields]) -> Session:
        """Another session with the same peer, with its own name and its own address or ports."""
        where["name"] = name
        return self.world.join(config or self.config(), where)

    # Actions

    def half_open(self) -> None:
        """Leave a half-open IKE SA at the peer, so that its ``cookie_threshold`` of 1 is reached.

        An embedded peer with that threshold asks for cookies without it.
        """
        if self.world.live:
            self.join("somebody", port=10500, natt_port=14500).sa_init()

    def begin(self) -> None:
        """Have the initiator start, without checking the result. If we fail, the error is in ``error``."""
        if not self.we_begin:
            self.peer.initiate()
            return
        try:
            self.s.connect()
        except FynxError as error:
            self.error = error

    def establish(self, session: Session | None = None, *, child: bool = True) -> IkeSa:
        """Set up the IKE SA and, with ``child``, its first Child SA, whoever the initiator is; returns our IKE SA.

        ``session`` is by default `s`. ExpectationFailed when not both ends have it; otherwise as `Session.connect` and
        `Session.accept`.
        """
        s = session or self.s
        driver = self.peer if session is None else self.driver(session)
        try:
            if self.role.begins:
                s.connect()
            else:
                driver.initiate()
                s.accept(timeout=driver.patience)
        except Timeout:
            self._check_policy(s)
            raise
        sa = s.sa
        if not sa.established:
            self._check_policy(s)
        if child and session is None:
            expect(len(sa.children), "our number of Child SAs").between(1, 99)
        if not s.network.run(lambda: sa.established and driver.has(sa), limit=ESTABLISHED * self.world.slowness):
            fail("both ends to call the IKE SA established", f"our end {sa.state.name}")
        return sa

    def _check_policy(self, s: Session) -> None:
        """OutOfReach when a live peer and we have no algorithms in common, which its policy may be."""
        none = NotifyType.NO_PROPOSAL_CHOSEN
        for _, event in s.events if self.world.live else ():
            theirs = isinstance(event, PeerNotified) and event.notify_type == none
            if theirs or (isinstance(event, RequestRefused) and event.notify_type == none):
                raise OutOfReach("the peer does not have the algorithms of the scenario: NO_PROPOSAL_CHOSEN")

    def theirs(self, sa: IkeSa | None = None) -> PeerIkeSa:
        """The same IKE SA at the peer (by default of our newest), or `NOTHING`, which is not established."""
        ours = sa or self.s.sa
        same = [theirs for theirs in self.peer.sas() if (theirs.spi_i, theirs.spi_r) == (ours.spi_i, ours.spi_r)]
        return same[0] if same else NOTHING

    def send_traffic(self, *, count: int = 2, ipv6: bool = False, hosts: bool = False) -> None:
        """Send pings and UDP echoes through the newest Child SA in both directions; every one must be answered.

        With ``hosts`` they are between the two gateways instead of the hosts behind them.
        """
        if not self.shown("packets that begin behind the peer"):
            for _ in range(count):
                expect(self.s.ping()).has(ICMPv6EchoReply if ipv6 else ICMP)
            return
        ours, theirs = self.here, self.there
        source, target = (ours.inner6, theirs.inner6) if ipv6 else (ours.inner, theirs.inner)
        if hosts:
            source, target = ours.address(ipv6=ipv6), theirs.address(ipv6=ipv6)
        for number in range(count):
            # ESP {ICMP echo request}  -->   <--  ESP {ICMP echo reply}
            expect(self.s.ping(target, source=source)).has(ICMPv6EchoReply if ipv6 else ICMP)
            # ESP {UDP, port 7}  -->   <--  ESP {UDP}
            echo = self.s.send(udp_packet(source, target, 40000 + number, 7, b"fynx %d" % number))
            expect(bytes(echo).endswith(b"fynx %d" % number), "the UDP echo").holds()
        self.send_from_there(source, count=count, source=target if hosts else None)

    def emit(self, packet: bytes) -> None:
        """Send an inner packet, also where time passes, as in a timer. Nothing waits for it or for an answer."""
        self.world.emit(self.s, packet)

    def send_from_there(self, target: str, *, count: int = 2, source: str | None = None) -> None:
        """Send pings and UDP echoes from behind the peer to ``target`` behind us; every one must be answered."""
        for icmp in (True, False):
            # <--  ESP {echo request}   ESP {echo reply}  -->
            probe = self.peer.probe(target, icmp=icmp, source=source)
            for _ in range(count):
                probe.send()
            what = f"answers to {count} {'pings' if icmp else 'UDP datagrams'} from behind the peer"
            self.wait_until(functools.partial(getattr, probe, "complete"), what, limit=5)

    # Comparing state

    def agree(self, *, forgotten: Collection[bytes] = ()) -> None:
        """Check that both sides have the same IKE SA and Child SAs: SPIs, selectors, octets, and the keys that it logs.

        ``forgotten`` are the initiator's SPIs of IKE SAs that the peer gave up before it derived their keys.
        """
        if not self.shown("what the peer has of the SAs"):
            return
        sa = self.s.sa
        ours = {child.inbound.spi: child for child in sa.children.values() if not child.gone}

        def same() -> bool:
            return {child.spi_out for child in self.installed()} == set(ours)

        self.wait_until(same, f"the peer to have the Child SAs {', '.join(f'{spi:08x}' for spi in ours)}", limit=5)
        theirs = self.theirs()
        expect(theirs.initiator, "the peer being the original initiator").equals(not sa.initiator)
        for peer_child in self.installed():
            child = ours[peer_child.spi_out]
            expect(f"{peer_child.spi_in:08x}", "the peer's inbound SPI").equals(f"{child.outbound.spi:08x}")
            expect(_selectors(peer_child.local_ts), "its selectors").equals(set(child.remote_ts))
            expect(_selectors(peer_child.remote_ts), "its selectors for us").equals(set(child.local_ts))
            expect(peer_child.mode.lower(), "its mode").equals("tunnel" if child.hosts is None else "transport")
            self._check_octets(child, peer_child)
        self.check_keys(forgotten=forgotten)

    def no_ike_sa(self) -> None:
        """Check that there is no IKE SA at either end."""
        expect([sa for sa in self.s.client.sas.values() if sa.established], "our IKE SAs").fails()
        if self.shown("whether the peer has an IKE SA"):
            self.wait_until(lambda: not self.peer.sas(), "no IKE SA at the peer")

    def no_child_sa(self) -> None:
        """Check that there is no Child SA at either end."""
        expect([sa for sa in self.s.client.sas.values() if sa.children], "our IKE SAs with Child SAs").fails()
        if self.shown("whether the peer has a Child SA"):
            self.wait_until(lambda: not any(sa.children for sa in self.peer.sas()), "no Child SA at the peer")

    def shown(self, what: str) -> bool:
        """Whether the peer's SAs can be seen. If not, note that the check ``what`` is left out."""
        if not self.world.shows:
            self.left_out.append(what)
        return self.world.shows

    def unlike(self, quirk: str) -> bool:
        """Whether the peer has this one of `QUIRKS`. If so, note it: the check that it cannot pass is left out."""
        if quirk in self.peer.quirks:
            self.left_out.append(f"{self.peer.name}: {QUIRKS[quirk]}")
        return quirk in self.peer.quirks

    def installed(self) -> list[PeerChildSa]:
        """The Child SAs that the peer uses. (It may keep a replaced one for a while.)"""
        return [child for child in self.theirs().children if child.state == "INSTALLED"]

    def _check_octets(self, child: ChildSa, peer_child: PeerChildSa) -> None:
        """Check that the peer's counters of a Child SA match what we sent and received on it."""
        if peer_child.bytes_in is None:
            return
        # "the implementation SHOULD count the number of bytes to which the IPsec cryptographic algorithm is applied"
        # (RFC 4301 section 4.4.2.1): not to the IP header in transport mode, but our events count it.
        header = 0 if child.hosts is None else 40 if self.world.ipv6 else 20
        sent = [e.length for e in self.events if isinstance(e, EspSent) and e.spi == child.outbound.spi]
        got = [e.length for e in self.events if isinstance(e, EspReceived) and e.spi == child.inbound.spi]
        expect((peer_child.bytes_in, peer_child.bytes_out), "the octets that the peer has counted").equals(
            (sum(sent) - header * len(sent), sum(got) - header * len(got))
        )

    def ike_sa_remains(self) -> None:
        """Check that the IKE SA is alive though it has no Child SA; IpsecClient and IpsecServer end such an IKE SA."""
        if self.role.asynchronous:
            return
        if not self.we_begin:
            self.s.accept(timeout=self.peer.patience)
        # HDR, SK {}  -->   <--  HDR, SK {}
        expect(self.s.liveness()).empty()

    def check_keys(self, *, forgotten: Collection[bytes] = ()) -> None:
        """Check that the peer has logged our keys, those of each SA together, if it is a peer that logs keys.

        It must not have logged any keys for ``forgotten`` IKE SAs.
        """
        if not self.peer.logs_keys:
            return
        logged = KeyLog()
        logged.parse(self.peer.log(), f"the log of {self.peer.name}")
        ike = {_sk(keys) for keys in logged.ike}
        esp = {(keys.spi, keys.key, keys.auth_key) for keys in logged.esp}
        # A PPK changes the keys of an IKE SA: the last ones count.
        derived = {event.spi_i + event.spi_r: event for event in self.events if isinstance(event, KeysDerived)}
        if forgotten:
            expect(len(ike), "IKE SAs with keys in the peer's log").equals(len(derived) - len(forgotten))
        for last in derived.values():
            known = last.spi_i not in forgotten
            expect(_sk(last.keys) in ike, "our SK_* in the peer's log").equals(known)
        for event in self.events:
            if isinstance(event, ChildSaInstalled):
                inbound = (event.inbound.spi, event.encr_key_in, event.integ_key_in)
                outbound = (event.outbound.spi, event.encr_key_out, event.integ_key_out)
                expect({inbound, outbound} <= esp, "our ESP keys in the peer's log, under their SPIs").holds()


def _is_of(message: IKEv2, exchange: str | int, *, response: bool) -> bool:
    responds = bool(int(message.flags or 0) & FLAG_RESPONSE)
    return message.exch_type == lookup(ExchangeType, exchange) and responds is response


def _sk(keys: SkKeys | IkeKeys) -> tuple[bytes, ...]:
    return (keys.sk_d, keys.sk_ai, keys.sk_ar, keys.sk_ei, keys.sk_er, keys.sk_pi, keys.sk_pr)


def _selectors(texts: tuple[str, ...]) -> set[Selector]:
    return {Selector.of(text) for text in texts}
