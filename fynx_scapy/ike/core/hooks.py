# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the extensions of an IKE SA, in the order in which they were registered.

The engine calls these functions for every exchange. An exchange itself calls `answer` and `allowed`, and also `note`
if only it knows when a message is valid (``notes_itself``).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.iana import PayloadType
from fynx_scapy.ike.core.extension import Extension, Place
from fynx_scapy.layers.ikev2 import IKEv2_Notify

if TYPE_CHECKING:
    from fynx_scapy.ike.config import ChildConfig, IkeConfig
    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.exchange import Exchange
    from fynx_scapy.ike.core.record import SaRecord
    from fynx_scapy.ike.message import Datagram, Header, Message, Outgoing


_AFTER: dict[Place, tuple[PayloadType, ...]] = {
    Place.NONCE: (PayloadType.Nonce,),
    Place.IDENTITY: (PayloadType.IDi, PayloadType.IDr),
    Place.AUTH: (PayloadType.AUTH,),
    Place.LAST: (),
}
"""The payloads that each place follows, in the order of the places."""


@functools.lru_cache(maxsize=256)
def _with(kinds: tuple[object, ...], hook: str) -> tuple[type[Extension], ...]:
    extensions = (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Extension))
    return tuple(kind for kind in extensions if getattr(kind, hook) is not getattr(Extension, hook))


def having(sa: SaRecord, hook: str) -> list[Extension]:
    """The extensions of an IKE SA whose class has written this hook, in their order."""
    return [sa.of(kind) for kind in _with(sa.endpoint.extensions, hook)]


def offer(exchange: Exchange, message: Outgoing, request: Message | None) -> None:
    """Add the payloads of the extensions to a message of ours, each at its place."""
    if not exchange.extensible:
        return
    offered: dict[Place, list[Packet]] = {}
    for one in having(exchange.about, "offer"):
        if payloads := one.offer(message, exchange, request):
            offered.setdefault(one.place, []).extend(payloads)
    for place, after in _AFTER.items():
        if fitting := offered.get(place):
            kinds = (payload.payload_type for payload in message.payloads)
            at = next((n for n, kind in enumerate(kinds, 1) if kind in after), len(message.payloads))
            message.payloads[at:at] = fitting


def sent(exchange: Exchange, message: Outgoing) -> None:
    """We have sent a message."""
    for one in having(exchange.about, "sent"):
        one.sent(message, exchange)


def doubted(sa: SaRecord, answer: Message) -> bool:
    """Whether an extension wants a better answer to IKE_SA_INIT than this one."""
    return any(one.doubts(answer) for one in having(sa, "doubts"))


def take(exchange: Exchange, message: Message) -> None:
    """Let the extensions check a request of the peer, and read the message if it is valid already."""
    if not message.header_fields.response:
        for one in having(exchange.about, "check"):
            one.check(message, exchange)
    if not exchange.notes_itself:
        note(exchange, message)


def note(exchange: Exchange, message: Message) -> None:
    """Let the extensions read a valid message of the peer."""
    for one in having(exchange.about, "note"):
        one.note(message, exchange)


def ended(exchange: Exchange) -> None:
    """An exchange that we began is complete."""
    for one in having(exchange.about, "ended"):
        one.ended(exchange)


def answer(sa: SaRecord, request: Message) -> list[Packet]:
    """The payloads that answer those of a request; they go before those of a Child SA. PeerError for a refusal."""
    return [payload for one in having(sa, "answer") for payload in one.answer(request)]


def allowed(sa: SaRecord) -> list[ChildConfig]:
    """The Child SAs that the peer may have."""
    configs: Sequence[ChildConfig] = sa.config.children
    for one in having(sa, "allow"):
        configs = one.allow(configs)
    return list(configs)


def established(sa: SaRecord) -> None:
    """Both peers are authenticated."""
    for one in having(sa, "established"):
        one.established()


def inherit(sa: SaRecord, old: SaRecord) -> None:
    """Let the extensions of a new IKE SA copy state from its predecessor."""
    for one in having(sa, "inherit"):
        one.inherit(old.of(type(one)))


def again(sa: SaRecord, config: IkeConfig) -> IkeConfig:
    """The configuration to set an IKE SA up again from scratch."""
    for one in having(sa, "again"):
        config = one.again(config)
    return config


def took_over(sa: SaRecord) -> None:
    """An IKE SA took over from its predecessor."""
    for one in having(sa, "took_over"):
        one.took_over()


def closed(sa: SaRecord) -> None:
    """An IKE SA has ended."""
    for one in having(sa, "closed"):
        one.closed()


def hint(sa: SaRecord, notifies: Iterable[IKEv2_Notify], datagram: Datagram) -> bool:
    """Whether an extension has acted on unprotected Notify payloads."""
    return any(one.hint(notifies, datagram) for one in having(sa, "hint"))


def ahead(sa: SaRecord, datagram: Datagram, header: Header) -> None:
    """A request has a message ID above our window."""
    for one in having(sa, "ahead"):
        one.ahead(datagram, header)


def beside_invalid_spi(endpoint: EndpointRecord, header: Header) -> list[Packet]:
    """The payloads to send with INVALID_IKE_SPI to an unknown peer."""
    kinds = [kind for kind in endpoint.extensions if isinstance(kind, type) and issubclass(kind, Extension)]
    return [payload for kind in kinds for payload in kind.beside_invalid_spi(endpoint, header)]
