# SPDX-License-Identifier: GPL-2.0-or-later
"""Offer, answer and install Child SAs, in any exchange (RFC 7296 sections 1.2, 2.9 and 2.17)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.crypto.keymat import derive_child
from fynx_scapy.errors import LocalError, MalformedError, PeerError
from fynx_scapy.esp.inbound import InboundSa
from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.iana import NotifyType, ProtocolId
from fynx_scapy.ike.child import transport
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.core.child import ChildSa, TransportHosts
from fynx_scapy.ike.core.keyshare import KeyShare, agreed_secret
from fynx_scapy.ike.events import ChildSaInstalled
from fynx_scapy.ike.message import Message, Payloads
from fynx_scapy.ike.terms.options import NO_OPTIONS, ChildOptions, agree, announce, more_possible, one_pair
from fynx_scapy.ike.terms.proposals import KE, Choice, check_answer, choose, offers
from fynx_scapy.ike.terms.selectors import Flow, Selector, narrow
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_SA, IKEv2_TSi, IKEv2_TSr

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord


@dataclass(slots=True)
class ChildRequest:
    """The initiator's state between its offer and the answer.

    ``share`` is its part of a separate key exchange (PFS).
    """

    config: ChildConfig
    spi: int
    local_ts: tuple[Selector, ...]
    remote_ts: tuple[Selector, ...]
    share: KeyShare | None = None
    replaces: ChildSa | None = None
    transport: bool = False

    @classmethod
    def make(cls, sa: SaRecord, config: ChildConfig, packet: bytes | None = None) -> ChildRequest:
        """Prepare an offer. The selectors of the packet that triggers it come first (section 2.9)."""
        local, remote = config.local_ts, config.remote_ts
        if packet is not None:
            source, destination = Flow.parse(packet).selectors()
            local, remote = (source, *local), (destination, *remote)
        in_transport = config.mode == "transport"
        if in_transport:
            local, remote = transport.offered(sa, local, remote)
        return cls(config, sa.endpoint.new_child_spi(), local, remote, transport=in_transport)

    @classmethod
    def rekey(cls, sa: SaRecord, old: ChildSa) -> ChildRequest:
        """Prepare the offer that rekeys a Child SA: the selectors in use, without those of a packet (section 2.9.2)."""
        local, remote = old.local_ts, old.remote_ts
        in_transport = old.hosts is not None
        if in_transport:
            local, remote = transport.offered_again(sa, old)
        return cls(old.config, sa.endpoint.new_child_spi(), local, remote, replaces=old, transport=in_transport)

    @property
    def groups(self) -> list[int]:
        """The offered key exchange methods, in order."""
        return list(dict.fromkeys(t.id for p in self.config.proposals for t in p.of_type(KE) if t.id))

    def payloads(self, without: Sequence[int] = (KE,)) -> list[Packet]:
        """SAi2, TSi, TSr."""
        return [
            self.offer(without),
            *ts_payloads(self.local_ts, self.remote_ts),
            *transport.announce(self.transport),
            *announce(accept_tfc=self.config.accept_tfc, fragments=self.config.fragments),
        ]

    def offer(self, without: Sequence[int] = ()) -> Packet:
        """The SA payload."""
        spi = self.spi.to_bytes(4)
        return IKEv2_SA(prop=[p.layer(n, spi, without=without) for n, p in enumerate(self.config.proposals, 1)])

    def accept(
        self,
        sa: SaRecord,
        sent: Payloads,
        answer: Message,
        nonces: tuple[bytes, bytes],
        *,
        without: Sequence[int] = (KE,),
    ) -> ChildSa:
        """Install the Child SA of the answer; MalformedError when the answer does not match what was ``sent``.

        LocalError when a tap sent the SPI of another of our Child SAs.
        """
        choice = check_answer(offers(answer.one(IKEv2_SA)), offers(sent.one(IKEv2_SA)), without=without)
        if _in_use(sa, choice.spi):
            raise MalformedError(f"expected an unused SPI, found {choice.spi.hex()}, which another Child SA has")
        answered = selectors(answer.one(IKEv2_TSi)), selectors(answer.one(IKEv2_TSr))
        asked = sent.has_notify(NotifyType.USE_TRANSPORT_MODE)
        view = transport.answered(sa, asked, answer, *answered)
        local = _within(view.local, _possible(sent.one(IKEv2_TSi)), "TSi")
        remote = _within(view.remote, _possible(sent.one(IKEv2_TSr)), "TSr")
        shared = agreed_secret(choice, self.share, sent, answer) if not without else b""
        options = agree(answer, fragments=sent.has_notify(NotifyType.NON_FIRST_FRAGMENTS_ALSO))
        plan = ChildPlan(self.config, choice, local, remote, view.hosts, options)
        spi = int.from_bytes(choice.own_spi)
        if spi in sa.endpoint.children:
            raise LocalError(f"expected an unused SPI, sent was {spi:#010x}, which another of our Child SAs has")
        child = install(sa, plan, spi, nonces, initiator=True, shared=shared, replaces=self.replaces)
        if asked and view.hosts is None:
            transport.declined(sa, child)
        return child


@dataclass(frozen=True, slots=True)
class ChildPlan:
    """A negotiated Child SA before its keys are derived."""

    config: ChildConfig
    choice: Choice
    local_ts: tuple[Selector, ...]
    remote_ts: tuple[Selector, ...]
    hosts: TransportHosts | None = None
    options: ChildOptions = NO_OPTIONS


def no_room(sa: SaRecord, more: int = 0) -> str | None:
    """Why the peer may not set up another Child SA, or None. ``more``: how many more a rekey may have for a while."""
    limits, here = sa.endpoint.config, len(sa.endpoint.children)
    if len(sa.children) >= sa.config.child_limit + more:
        return f"this IKE SA has {len(sa.children)} Child SAs already"
    if here >= limits.children_limit + more:
        return f"the endpoint has {here} Child SAs already"
    same = sa.endpoint.number_of_children(sa.remote_id)
    if same >= limits.peer_children_limit + more:
        return f"{sa.remote_id} has {same} Child SAs already"
    return None


def _in_use(sa: SaRecord, spi: bytes) -> bool:
    """Whether the peer uses that SPI already: one Delete would name both Child SAs (RFC 4303 section 2.1)."""
    return any(child.outbound.spi == int.from_bytes(spi) for child in sa.children.values())


def answer_child(
    sa: SaRecord, request: Message, configs: Iterable[ChildConfig], *, without: Sequence[int] = (KE,)
) -> ChildPlan:
    """Choose the first configuration whose selectors and proposals match the request, as the responder.

    PeerError TS_UNACCEPTABLE when no selectors match (section 2.9), NO_PROPOSAL_CHOSEN when selectors match but no
    proposal does (section 2.7).
    """
    theirs, ours = selectors(request.one(IKEv2_TSi)), selectors(request.one(IKEv2_TSr))
    offered = offers(request.one(IKEv2_SA))
    ke = request.get(IKEv2_KE)
    met = False
    configs = list(configs)
    for config in configs:
        view = transport.view(sa, config, request, ours, theirs)
        if view is None:
            continue
        remote, local = narrow(view.remote, config.remote_ts), narrow(view.local, config.local_ts)
        if not remote or not local or (view.hosts and transport.taken(sa, view.hosts, local, remote)):
            continue
        if config.single_pair:
            remote, local = one_pair(remote, local)
        met = True
        choice = choose(offered, config.proposals, without=without, prefer_ke=ke.group if ke else None)
        if choice is not None and _in_use(sa, choice.spi):
            raise PeerError(
                NotifyType.NO_PROPOSAL_CHOSEN,
                reason=f"expected an unused SPI, found {choice.spi.hex()}, which another Child SA has",
            )
        if choice is not None:
            policies = [(other.remote_ts, other.local_ts) for other in configs]
            additional = more_possible((theirs, ours), (remote, local), policies)
            options = agree(request, fragments=config.fragments, additional=additional)
            return ChildPlan(config, choice, local[:255], remote[:255], view.hosts, options)
    if met:
        raise PeerError(NotifyType.NO_PROPOSAL_CHOSEN, reason="no proposal for the Child SA is acceptable")
    raise PeerError(NotifyType.TS_UNACCEPTABLE, reason="policy allows no part of the proposed traffic selectors")


def install(
    sa: SaRecord,
    plan: ChildPlan,
    spi_in: int,
    nonces: tuple[bytes, bytes],
    *,
    initiator: bool,
    shared: bytes = b"",
    replaces: ChildSa | None = None,
) -> ChildSa:
    """Derive KEYMAT (section 2.17), create both ESP SAs and add them to the IKE SA.

    ``nonces`` are Ni and Nr of this exchange.
    """
    config, suite = plan.config, plan.choice.suite
    encr, integ = suite.encryption(esp=True), suite.integrity()
    mode = "tunnel" if plan.hosts is None else "transport"
    keys = derive_child(sa.suite.prf_function(), sa.keys.sk_d, encr, integ, *nonces, shared)
    ours, theirs = (keys.encr_i, keys.integ_i), (keys.encr_r, keys.integ_r)
    if not initiator:
        ours, theirs = theirs, ours
    spi_out = int.from_bytes(plan.choice.spi)
    outbound = OutboundSa(
        spi=spi_out,
        encr=encr,
        key=ours[0],
        integ=integ,
        auth_key=ours[1],
        esn=suite.esn,
        mode=mode,
        iv=sa.endpoint.randomness.octets,
    )
    inbound = InboundSa(
        spi=spi_in,
        encr=encr,
        key=theirs[0],
        integ=integ,
        auth_key=theirs[1],
        esn=suite.esn,
        mode=mode,
        replay_window=config.replay_window,
    )
    child = ChildSa(config, suite, inbound, outbound, plan.local_ts, plan.remote_ts, initiator)
    child.replaces, child.ready = replaces, initiator or replaces is None
    child.options = plan.options
    child.hosts = plan.hosts
    sa.add_child(child)
    sa.emit(
        ChildSaInstalled(
            *sa.stamp,
            name=config.name,
            inbound=inbound,
            outbound=outbound,
            encr=suite.encr,
            integ=suite.integ,
            esn=suite.esn,
            mode=mode,
            initiator=initiator,
            local_ts=tuple(map(str, plan.local_ts)),
            remote_ts=tuple(map(str, plan.remote_ts)),
            local=sa.local,
            remote=sa.remote,
            encr_key_in=theirs[0],
            integ_key_in=theirs[1],
            encr_key_out=ours[0],
            integ_key_out=ours[1],
            ke_secrets=(shared,) if shared else (),
        )
    )
    return child


def child_answer_payloads(plan: ChildPlan, spi: int) -> list[Packet]:
    """The responder's SAr2, TSi, TSr and notifies."""
    return [
        IKEv2_SA(prop=[plan.choice.layer(spi.to_bytes(4))]),
        *ts_payloads(plan.remote_ts, plan.local_ts),
        *plan.options.answer(accept_tfc=plan.config.accept_tfc),
        *transport.announce(plan.hosts is not None),
    ]


def ts_payloads(tsi: Sequence[Selector], tsr: Sequence[Selector]) -> list[Packet]:
    """TSi and TSr (section 3.13)."""
    return [
        IKEv2_TSi(traffic_selector=[ts.layer() for ts in tsi]),
        IKEv2_TSr(traffic_selector=[ts.layer() for ts in tsr]),
    ]


def selectors(payload: Packet) -> tuple[Selector, ...]:
    """The selectors of a TS payload; those of unknown type are ignored (section 2.9)."""
    return tuple(ts for layer in payload.traffic_selector if (ts := Selector.parse(layer)) is not None)


def _possible(payload: Packet) -> tuple[Selector, ...]:
    """The selectors that we sent, without those that a tap made invalid."""
    found: list[Selector] = []
    for layer in payload.traffic_selector:
        with contextlib.suppress(MalformedError):
            found += [ts for ts in [Selector.parse(layer)] if ts is not None]
    return tuple(found)


def _within(answer: tuple[Selector, ...], asked: tuple[Selector, ...], name: str) -> tuple[Selector, ...]:
    if not answer:
        raise MalformedError(f"expected a traffic selector of a known type in {name}, found none")
    for ts in answer:
        if not any(own.covers(ts) for own in asked):
            raise MalformedError(f"expected {name} of the answer to be a part of what was sent, found {ts}")
    return answer


def is_esp(protocol: int) -> bool:
    """Whether the protocol of a Delete or Notify is ESP."""
    return protocol == ProtocolId.ESP
