# SPDX-License-Identifier: GPL-2.0-or-later
"""A meeting: one trial under way. Our end, the peer, and what both are asked to do and to have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, Unpack

from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoReply

from fynx_scapy.crypto.keymat import SkKeys
from fynx_scapy.errors import FynxError
from fynx_scapy.harness.expect import ExpectationFailed, check_event, expect
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
from fynx_scapy.lab.lab import RETRANSMISSION, Lab
from fynx_scapy.lab.peer import PeerChildSa, PeerIkeSa
from fynx_scapy.lab.role import Role
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import IKEv2, chain
from fynx_scapy.net.echo import udp_packet
from fynx_scapy.session import Session
from fynx_scapy.session_setup import SessionFields

E = TypeVar("E", bound=Event)


class Meeting:
    """What a trial is handed: ``lab``, ``peer``, our session ``s``, and the ``role`` that we play."""

    def __init__(self, role: Role, lab: Lab, ours: Mapping[str, Any], endpoint: Mapping[str, Any]) -> None:
        self.role, self.lab = role, lab
        self.peer = lab.peer
        self.error: FynxError | None = None
        self.s: Session = lab.session(self.config(**ours), endpoint=EndpointConfig(**endpoint))

    def config(self, *, child: ChildFields | None = None, **changes: Unpack[IkeChanges]) -> IkeConfig:
        """Our configuration: the peer's in a mirror, with some of it changed; ``child`` changes every Child SA's."""
        config = self.lab.config.mirrored(**(IkeChanges(retransmission=RETRANSMISSION) | changes))
        child = child or {}
        return config.replace(children=tuple(each.replace(**child) for each in config.children))

    @property
    def we_begin(self) -> bool:
        """Whether we are the initiator."""
        return self.role is Role.INITIATOR

    # Time

    def wait_until(self, met: Callable[[], object], what: str, *, limit: float = 10.0) -> None:
        """Let time pass until ``met()`` is true; ExpectationFailed with ``what`` was expected when it never is."""
        if not self.lab.run(met, limit=limit):
            raise ExpectationFailed(f"expected {what} within {limit:g} s, found nothing of the kind")

    def wait_for_quiet(self, seconds: float = 0.2, *, limit: float = 5.0) -> None:
        """Let time pass until nothing has happened at our end for so long: what the peer does of itself has ended."""
        last = [len(self.s.events), self.s.network.now]

        def rested() -> bool:
            if len(self.s.events) != last[0]:
                last[:] = [len(self.s.events), self.s.network.now]
            return self.s.network.now - last[1] >= seconds

        self.wait_until(rested, f"{seconds:g} s without an event", limit=limit)

    def event(self, kind: type[E], *, limit: float = 10.0, **fields: object) -> E:
        """The first event of that kind at our end whose fields have these values; waited for if need be.

        LocalError for a field that the event does not have.
        """
        check_event(kind, fields)

        def found() -> E | None:
            events = (event for _, event in self.s.events if isinstance(event, kind))
            fits = (event for event in events if all(getattr(event, name) == value for name, value in fields.items()))
            return next(fits, None)

        self.wait_until(found, f"{kind.__name__} with {fields}" if fields else kind.__name__, limit=limit)
        event = found()
        assert event is not None
        return event

    def messages(self, kind: type[Event]) -> list[IKEv2]:
        """What we have sent (MessageSent) or received (MessageReceived), as Scapy layers, decrypted."""
        found = [event for _, event in self.s.events if isinstance(event, kind)]
        return [chain(event.header, list(event.payloads)) for event in found]  # type: ignore[attr-defined]

    def answer(self, exchange: str | int) -> IKEv2:
        """The newest response of that exchange, whoever gave it."""
        number = lookup(ExchangeType, exchange)
        kind = MessageReceived if self.we_begin else MessageSent

        def found() -> IKEv2 | None:
            responses = [message for message in self.messages(kind) if int(message.flags or 0) & FLAG_RESPONSE]
            return next((message for message in reversed(responses) if message.exch_type == number), None)

        self.wait_until(found, f"a response of {exchange}")
        message = found()
        assert message is not None
        return message

    def wires(self) -> list[bytes]:
        """The octets of every IKE message that we sent behind IKE_SA_INIT, fragment by fragment."""
        sent = [event for _, event in self.s.events if isinstance(event, MessageSent) and event.encrypted]
        return [octets for event in sent for octets in event.wire]

    def join(self, name: str, config: IkeConfig | None = None, /, **where: Unpack[SessionFields]) -> Session:
        """A further session of ours with the same peer, under a name and from an address or ports of its own."""
        where["name"] = name
        return self.lab.session(config or self.config(), **where)

    # What both do

    def begin(self) -> None:
        """Whoever has to begins; what becomes of it is not looked at. What we are told then is in ``error``."""
        if not self.we_begin:
            self.peer.initiate()
            return
        try:
            self.s.connect()
        except FynxError as error:
            self.error = error

    def establish(self, *, child: bool = True) -> IkeSa:
        """Set up the IKE SA and, with ``child``, its first Child SA; returns our end once both have it."""
        if self.we_begin:
            self.s.connect()
        else:
            self.peer.initiate()
            self.s.accept(timeout=10)
        if child:
            expect(len(self.s.sa.children), "Child SAs of ours").between(1, 99)
        self.wait_until(lambda: self.theirs().established, "the peer to call the IKE SA established")
        return self.s.sa

    def theirs(self, sa: IkeSa | None = None) -> PeerIkeSa:
        """The peer's end of our IKE SA (by default the newest); one that is not established when it has none."""
        ours = sa or self.s.sa
        found = [each for each in self.peer.sas() if (each.spi_i, each.spi_r) == (ours.spi_i, ours.spi_r)]
        return found[0] if found else NOTHING

    def send_traffic(self, *, count: int = 2, ipv6: bool = False, hosts: bool = False) -> None:
        """Pings and UDP through the newest Child SA, from us and from behind the peer; every one is answered.

        With ``hosts`` they are between the two ends themselves.
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

    def send_from_there(self, target: str, *, count: int = 2, source: str | None = None) -> None:
        """Pings and UDP from behind the peer to ``target`` behind us; every one is answered."""
        for icmp in (True, False):
            # <--  ESP {echo request}   ESP {echo reply}  -->
            probe = self.lab.inside.probe(target, icmp=icmp, source=source)
            for _ in range(count):
                probe.send()
            what = f"answers to {count} {'pings' if icmp else 'UDP datagrams'} from behind the peer"
            self.wait_until(functools.partial(getattr, probe, "complete"), what, limit=5)

    # What both have

    def agree(self, *, forgotten: Collection[bytes] = ()) -> None:
        """Both ends have the same IKE SA and the same Child SAs: SPIs, selectors, octets, and the keys that it logs.

        ``forgotten`` are the initiator's SPIs of IKE SAs that the peer gave up before it derived their keys.
        """
        sa = self.s.sa
        ours = {child.inbound.spi: child for child in sa.children.values() if not child.gone}

        def same() -> bool:
            return {child.spi_out for child in self.installed()} == set(ours)

        self.wait_until(same, f"the peer to have the Child SAs {', '.join(f'{spi:08x}' for spi in ours)}", limit=5)
        theirs = self.theirs()
        expect(theirs.initiator, "the peer being the original initiator").equals(not sa.initiator)
        for found in self.installed():
            child = ours[found.spi_out]
            expect(f"{found.spi_in:08x}", "the peer's inbound SPI").equals(f"{child.outbound.spi:08x}")
            expect(_selectors(found.local_ts), "its selectors").equals(set(child.remote_ts))
            expect(_selectors(found.remote_ts), "its selectors for us").equals(set(child.local_ts))
            expect(found.mode.lower(), "its mode").equals("tunnel" if child.hosts is None else "transport")
            self._check_octets(child, found)
        self.check_keys(forgotten=forgotten)

    def installed(self) -> list[PeerChildSa]:
        """The Child SAs that the peer uses; one that was replaced may linger with it for a while."""
        return [child for child in self.theirs().children if child.state == "INSTALLED"]

    def _check_octets(self, child: ChildSa, found: PeerChildSa) -> None:
        """What it has counted of a Child SA is what we have sent and received on it."""
        if found.bytes_in is None:
            return
        # "the implementation SHOULD count the number of bytes to which the IPsec cryptographic algorithm is applied"
        # (RFC 4301 section 4.4.2.1): to an IP header in transport mode it is not, which our events count with the rest.
        header = 0 if child.hosts is None else 40 if self.lab.ipv6 else 20
        sent = [e.length for _, e in self.s.events if isinstance(e, EspSent) and e.spi == child.outbound.spi]
        got = [e.length for _, e in self.s.events if isinstance(e, EspReceived) and e.spi == child.inbound.spi]
        expect((found.bytes_in, found.bytes_out), "the octets that the peer has counted").equals(
            (sum(sent) - header * len(sent), sum(got) - header * len(got))
        )

    def check_keys(self, *, forgotten: Collection[bytes] = ()) -> None:
        """Our keys are in the peer's log, those of each SA together, if it is a peer that logs keys.

        Those of ``forgotten`` IKE SAs are not, and no others are in their place.
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
