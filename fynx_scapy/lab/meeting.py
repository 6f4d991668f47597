# SPDX-License-Identifier: GPL-2.0-or-later
"""A meeting: one running trial. It has our session and the peer, makes both act, and compares their state."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, Unpack

from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoReply

from fynx_scapy.crypto.keymat import SkKeys
from fynx_scapy.errors import FynxError
from fynx_scapy.harness.expect import ExpectationFailed, check_event, expect
from fynx_scapy.harness.role import Role
from fynx_scapy.iana import ExchangeType, lookup
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
)
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.child_config import ChildFields
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.keylog import IkeKeys, KeyLog
from fynx_scapy.lab.async_session import AsyncSession
from fynx_scapy.lab.lab import RETRANSMISSION, Lab
from fynx_scapy.lab.peer import PeerChildSa, PeerIkeSa
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import IKEv2, chain
from fynx_scapy.net.echo import udp_packet
from fynx_scapy.session import Session
from fynx_scapy.session_setup import SessionFields

E = TypeVar("E", bound=Event)


class Meeting:
    """The argument of a trial: ``lab``, ``peer``, our session ``s``, and our ``role``."""

    def __init__(self, role: Role, lab: Lab, ours: Mapping[str, Any], endpoint: Mapping[str, Any]) -> None:
        self.role, self.lab = role, lab
        self.peer = lab.peer
        self.error: FynxError | None = None
        self.s: Session = lab.session(self.config(**ours), endpoint=EndpointConfig(**endpoint))

    def config(self, *, child: ChildFields | None = None, **changes: Unpack[IkeChanges]) -> IkeConfig:
        """Our configuration: the peer's mirrored, with ``changes``; ``child`` changes every Child SA."""
        config = self.lab.config.mirrored(**(IkeChanges(retransmission=RETRANSMISSION) | changes))
        child = child or {}
        return config.replace(children=tuple(ours.replace(**child) for ours in config.children))

    @property
    def we_begin(self) -> bool:
        """Whether we are the initiator."""
        return self.role.begins

    # Time

    def wait_until(self, met: Callable[[], object], what: str, *, limit: float = 10.0) -> None:
        """Let time pass until ``met()`` is true. Otherwise ExpectationFailed, with ``what`` we expected."""
        if not self.lab.run(met, limit=limit):
            raise ExpectationFailed(f"expected {what} within {limit:g} s, but it did not happen")

    def wait_for_quiet(self, seconds: float = 0.2, *, limit: float = 5.0) -> None:
        """Let time pass until we have no event for ``seconds``, so that the peer has finished what it does unasked."""
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
            events = (event for _, event in self.s.events if isinstance(event, kind))
            fits = (event for event in events if all(getattr(event, name) == value for name, value in fields.items()))
            return next(fits, None)

        self.wait_until(first, f"{kind.__name__} with {fields}" if fields else kind.__name__, limit=limit)
        event = first()
        assert event is not None
        return event

    def messages(self, kind: type[Event]) -> list[IKEv2]:
        """The messages that we sent (MessageSent) or received (MessageReceived), as decrypted Scapy layers."""
        events = [event for _, event in self.s.events if isinstance(event, kind)]
        return [chain(event.header, list(event.payloads)) for event in events]  # type: ignore[attr-defined]

    def answer(self, exchange: str | int) -> IKEv2:
        """The newest response of that exchange: the peer's if we initiate, else ours."""
        number = lookup(ExchangeType, exchange)
        kind = MessageReceived if self.we_begin else MessageSent

        def newest() -> IKEv2 | None:
            responses = [message for message in self.messages(kind) if int(message.flags or 0) & FLAG_RESPONSE]
            return next((message for message in reversed(responses) if message.exch_type == number), None)

        self.wait_until(newest, f"a response of {exchange}")
        message = newest()
        assert message is not None
        return message

    def wires(self) -> list[bytes]:
        """The octets of every encrypted IKE message that we sent, fragment by fragment."""
        sent = [event for _, event in self.s.events if isinstance(event, MessageSent) and event.encrypted]
        return [octets for event in sent for octets in event.wire]

    def join(self, name: str, config: IkeConfig | None = None, /, **where: Unpack[SessionFields]) -> Session:
        """Another session with the same peer, with its own name and its own address or ports."""
        where["name"] = name
        return self.lab.session(config or self.config(), **where)

    # Actions

    def begin(self) -> None:
        """Have the initiator start, without checking the result. If we fail, the error is in ``error``."""
        if not self.we_begin:
            self.peer.initiate()
            return
        try:
            self.s.connect()
        except FynxError as error:
            self.error = error

    def establish(self, *, child: bool = True) -> IkeSa:
        """Set up the IKE SA and, with ``child``, its first Child SA; returns our IKE SA once both sides have it."""
        if self.we_begin:
            self.s.connect()
        else:
            self.peer.initiate()
            self.s.accept(timeout=10)
        if child:
            expect(len(self.s.sa.children), "our number of Child SAs").between(1, 99)
        self.wait_until(lambda: self.theirs().established, "the peer to call the IKE SA established")
        return self.s.sa

    def theirs(self, sa: IkeSa | None = None) -> PeerIkeSa:
        """The same IKE SA at the peer (by default of our newest), or `NOTHING`, which is not established."""
        ours = sa or self.s.sa
        same = [theirs for theirs in self.peer.sas() if (theirs.spi_i, theirs.spi_r) == (ours.spi_i, ours.spi_r)]
        return same[0] if same else NOTHING

    def send_traffic(self, *, count: int = 2, ipv6: bool = False, hosts: bool = False) -> None:
        """Send pings and UDP echoes through the newest Child SA in both directions; every one must be answered.

        With ``hosts`` they are between the two gateways instead of the hosts behind them.
        """
        ours, theirs = self.lab.ours, self.lab.theirs
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
        if isinstance(self.s, AsyncSession):
            self.s.emit(packet)
        else:
            self.s.client.send(packet, self.s.network.now)

    def send_from_there(self, target: str, *, count: int = 2, source: str | None = None) -> None:
        """Send pings and UDP echoes from behind the peer to ``target`` behind us; every one must be answered."""
        for icmp in (True, False):
            # <--  ESP {echo request}   ESP {echo reply}  -->
            probe = self.lab.inside.probe(target, icmp=icmp, source=source)
            for _ in range(count):
                probe.send()
            what = f"answers to {count} {'pings' if icmp else 'UDP datagrams'} from behind the peer"
            self.wait_until(functools.partial(getattr, probe, "complete"), what, limit=5)

    # Comparing state

    def agree(self, *, forgotten: Collection[bytes] = ()) -> None:
        """Check that both sides have the same IKE SA and Child SAs: SPIs, selectors, octets, and the keys that it logs.

        ``forgotten`` are the initiator's SPIs of IKE SAs that the peer gave up before it derived their keys.
        """
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

    def installed(self) -> list[PeerChildSa]:
        """The Child SAs that the peer uses. (It may keep a replaced one for a while.)"""
        return [child for child in self.theirs().children if child.state == "INSTALLED"]

    def _check_octets(self, child: ChildSa, peer_child: PeerChildSa) -> None:
        """Check that the peer's counters of a Child SA match what we sent and received on it."""
        if peer_child.bytes_in is None:
            return
        # "the implementation SHOULD count the number of bytes to which the IPsec cryptographic algorithm is applied"
        # (RFC 4301 section 4.4.2.1): not to the IP header in transport mode, but our events count it.
        header = 0 if child.hosts is None else 40 if self.lab.ipv6 else 20
        sent = [e.length for _, e in self.s.events if isinstance(e, EspSent) and e.spi == child.outbound.spi]
        got = [e.length for _, e in self.s.events if isinstance(e, EspReceived) and e.spi == child.inbound.spi]
        expect((peer_child.bytes_in, peer_child.bytes_out), "the octets that the peer has counted").equals(
            (sum(sent) - header * len(sent), sum(got) - header * len(got))
        )

    def check_keys(self, *, forgotten: Collection[bytes] = ()) -> None:
        """Check that the peer has logged our keys, those of each SA together, if it is a peer that logs keys.

        It must not have logged any keys for ``forgotten`` IKE SAs.
        """
        logged = KeyLog()
        logged.parse(self.peer.log(), f"the log of {self.peer.name}")
        ike = {_sk(keys) for keys in logged.ike}
        esp = {(keys.spi, keys.key, keys.auth_key) for keys in logged.esp}
        if "keys" not in self.peer.capabilities:
            return
        derived = [event for _, event in self.s.events if isinstance(event, KeysDerived)]
        if forgotten:
            expect(len(ike), "IKE SAs with keys in the peer's log").equals(len(derived) - len(forgotten))
        for _, event in self.s.events:
            if isinstance(event, KeysDerived):
                known = event.spi_i not in forgotten
                expect(_sk(event.keys) in ike, "our SK_* in the peer's log").equals(known)
            elif isinstance(event, ChildSaInstalled):
                inbound = (event.inbound.spi, event.encr_key_in, event.integ_key_in)
                outbound = (event.outbound.spi, event.encr_key_out, event.integ_key_out)
                expect({inbound, outbound} <= esp, "our ESP keys in the peer's log, under their SPIs").holds()


def _sk(keys: SkKeys | IkeKeys) -> tuple[bytes, ...]:
    return (keys.sk_d, keys.sk_ai, keys.sk_ar, keys.sk_ei, keys.sk_er, keys.sk_pi, keys.sk_pr)


NOTHING = PeerIkeSa(
    name="", spi_i=b"", spi_r=b"", initiator=False, established=False, state="none", ike="", local="", remote="",
    remote_id="", children=(),
)  # fmt: skip


def _selectors(texts: tuple[str, ...]) -> set[Selector]:
    return {Selector.of(text) for text in texts}
