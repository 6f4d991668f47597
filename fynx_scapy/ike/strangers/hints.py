# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong outside of any exchange: hints that change nothing, and what we tell the peer of it.

RFC 7296 sections 1.5, 2.4 and 2.21.4, and INVALID_SELECTORS of section 3.10.1. Everything here is limited in rate.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, ProtocolId, name_of
from fynx_scapy.ike.events import IcmpReceived, PeerNotified, Suspected
from fynx_scapy.ike.exchanges.informational import Informational, Liveness
from fynx_scapy.ike.extensions import quick_crash
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, Header, IcmpError, notify
from fynx_scapy.layers.ikev2 import IKEv2_Notify, parse_message

if TYPE_CHECKING:
    from fynx_scapy.ike.child.setup import ChildSa
    from fynx_scapy.ike.endpoint import Endpoint
    from fynx_scapy.ike.sa import IkeSa

_OFFENDER = 128
PATH_MTU_LIFETIME = 600.0
"""For how many seconds a path's MTU is believed; after that it may have grown (RFC 1191 section 6.3)."""

PATHS = 1024
"""Of how many paths the MTU is remembered."""

HINT = 2048
"""Octets of a Notify in the clear that is still read: an INVALID_IKE_SPI with four tokens has some 600."""

LOOKS, NOTIFIES = 10, 8
"""How many messages in the clear on its SPIs an IKE SA looks into a second, and how many Notifies of one."""

_HINTS = (NotifyType.INVALID_IKE_SPI, NotifyType.INVALID_SPI)


class Limiter:
    """How often something may be done: once an interval, or ``burst`` times at once after a rest."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}

    def allow(self, kind: str, now: float, interval: float, burst: int = 1) -> bool:
        """Whether it may be done once more now; if so, that counts."""
        due = max(self._due.get(kind, now), now)
        if due - now > interval * (burst - 1) + 1e-9:
            return False
        self._due[kind] = due + interval
        return True


# What comes in the clear


def in_the_clear(sa: IkeSa, datagram: Datagram, header: Header) -> bool:
    """Take a message in the clear on the SPIs of an IKE SA: a response may be a hint. False when it is none.

    Section 2.21.4: "A peer receiving such an unprotected Notify payload MUST NOT respond and MUST NOT change the state
    of any existing SAs." Only a token of RFC 6290 does.
    """
    if not header.response or header.next_payload != PayloadType.N or header.exchange == ExchangeType.IKE_SA_INIT:
        return False
    if not sa.limits.allow("clear", sa.now, 1 / LOOKS, burst=LOOKS):
        return False
    notifies = _notifies(datagram)[:NOTIFIES]
    if not notifies:
        return False
    for note in notifies:
        _tell(sa, note)
    names = ", ".join(name_of(NotifyType, note.type) for note in notifies)
    sa.drop(datagram, f"expected {header.exchange_name} inside SK, found {names} in the clear, which is a hint at most")
    if not quick_crash.shown(sa, notifies, datagram):
        for note in notifies:
            if note.type in _HINTS:
                suspect(sa, note.type)
    return True


def stray(endpoint: Endpoint, datagram: Datagram, header: Header) -> bool:
    """Take a Notify in the clear that belongs to no IKE SA, and is never answered (section 1.5).

    An INVALID_SPI that names a Child SA of ours towards that address is a hint for its IKE SA.
    """
    if header.next_payload != PayloadType.N:
        return False
    for note in _notifies(datagram) if endpoint.admission.may_look(datagram, endpoint.now) else ():
        spi = int.from_bytes(bytes(note.notify or b""))
        for sa in list(_peers(endpoint, datagram)) if note.type == NotifyType.INVALID_SPI else ():
            if any(child.outbound.spi == spi for child in sa.children.values()):
                sa.now = endpoint.now
                _tell(sa, note)
                suspect(sa, note.type)
    return True


def suspect(sa: IkeSa, notify_type: int) -> None:
    """Ask whether the peer lives, on the word of a Notify that nobody has protected."""
    sa.emit(Suspected, notify_type=notify_type, acted=ask(sa))


def ask(sa: IkeSa) -> bool:
    """Start a liveness check, unless we are asking something or asked lately; returns whether we do."""
    idle = sa.established and not sa.requests.pending and not sa.requests.waiting
    if not (idle and sa.limits.allow("liveness", sa.now, sa.endpoint.config.hint_interval)):
        return False
    sa.start(Liveness(sa))
    return True


# What ICMP says


class Destinations:
    """Where we have sent to lately: ICMP errors about any other address are not believed."""

    MOST = 1024

    def __init__(self) -> None:
        self._known: OrderedDict[Address, None] = OrderedDict()

    def add(self, remote: Address) -> None:
        """Something leaves for that address."""
        if remote in self._known:
            self._known.move_to_end(remote)
        else:
            self._known[remote] = None
            if len(self._known) > self.MOST:
                self._known.popitem(last=False)

    def __contains__(self, remote: Address) -> bool:
        return remote in self._known

    def __len__(self) -> int:
        return len(self._known)


def icmp(endpoint: Endpoint, error: IcmpError) -> None:
    """Take in an ICMP error: the path's MTU is used, anything else is a hint to ask whether the peer lives.

    Section 2.4: "an endpoint MUST NOT conclude that the other endpoint has failed based on any routing information
    (e.g., ICMP messages)". RFC 7383 section 2.5.1: "If the sender has information about the PMTU size, it SHOULD use
    it". Anybody may send such an error: one about a destination that we have not sent to is not believed, nor is less
    than every path must carry.
    """
    acted, believed = False, error.remote in endpoint.destinations
    if not believed:
        pass
    elif error.mtu is not None:
        least = 1280 if ":" in error.remote.host else 576
        endpoint.path_mtu.pop(error.remote.host, None)
        endpoint.path_mtu[error.remote.host] = (max(error.mtu, least), endpoint.now + PATH_MTU_LIFETIME)
        if len(endpoint.path_mtu) > PATHS:
            del endpoint.path_mtu[next(iter(endpoint.path_mtu))]
    else:
        for sa in [sa for sa in endpoint.sas.values() if sa.remote == error.remote]:
            sa.now = endpoint.now
            acted |= ask(sa)
    fields = {field.name: getattr(error, field.name) for field in dataclasses.fields(error)}
    endpoint.emit(IcmpReceived(time=endpoint.now, acted=acted, believed=believed, **fields))


# What we tell


def unknown_esp(endpoint: Endpoint, datagram: Datagram, spi: int) -> None:
    """Tell where an ESP packet on an unknown SPI came from: inside SK if we can, else in the clear (section 1.5)."""
    if not endpoint.config.report_unknown_spi or spi in endpoint.past_spis:
        return
    if not endpoint.admission.may_look(datagram, endpoint.now):
        return
    data = spi.to_bytes(4)
    sa = next(_peers(endpoint, datagram), None)
    if sa is None:
        if datagram.kind is DatagramKind.ESP_IN_UDP:
            endpoint.tell_stranger(datagram, NotifyType.INVALID_SPI, data)
    elif sa.limits.allow("unknown SPI", endpoint.now, endpoint.config.hint_interval):
        sa.now = endpoint.now
        sa.start(Informational(sa, notify(NotifyType.INVALID_SPI, data)))


def outside_selectors(sa: IkeSa, child: ChildSa, packet: bytes) -> None:
    """Tell the peer of a packet that its Child SA is not for (section 3.10.1), if we are configured to."""
    config = sa.endpoint.config
    if config.report_selectors and sa.established and sa.limits.allow("selectors", sa.now, config.hint_interval):
        spi = child.inbound.spi.to_bytes(4)
        offender = notify(NotifyType.INVALID_SELECTORS, packet[:_OFFENDER], protocol=ProtocolId.ESP, spi=spi)
        sa.start(Informational(sa, offender))


def _peers(endpoint: Endpoint, datagram: Datagram) -> Iterator[IkeSa]:
    """The IKE SAs with that address, and that port where UDP was used."""
    for sa in endpoint.sas.values():
        if sa.established and sa.remote.host == datagram.remote.host and datagram.remote.port in (0, sa.remote.port):
            yield sa


def _notifies(datagram: Datagram) -> list[IKEv2_Notify]:
    """The Notify payloads of a message in the clear that holds nothing else that matters and can be read."""
    if len(datagram.data) > HINT:
        return []
    _, payloads = parse_message(datagram.data)
    if any(payload.malformed or payload.payload_type in (PayloadType.SK, PayloadType.SKF) for payload in payloads):
        return []
    return [payload for payload in payloads if isinstance(payload, IKEv2_Notify)]


def _tell(sa: IkeSa, note: IKEv2_Notify) -> None:
    sa.emit(
        PeerNotified,
        notify_type=note.type,
        data=bytes(note.notify or b""),
        protocol=note.proto or 0,
        spi=bytes(note.SPI or b""),
        encrypted=False,
    )
