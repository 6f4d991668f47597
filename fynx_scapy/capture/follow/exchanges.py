# SPDX-License-Identifier: GPL-2.0-or-later
"""Exchanges, defined in one place: which request a response answers, the kind, and what the payloads agree on.

RFC 7296 sections 1.2, 1.3, 1.4 and 2.2. All code that interprets a capture uses these.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId

if TYPE_CHECKING:
    from scapy.packet import Packet

INIT, AUTH, CREATE_CHILD, REKEY_CHILD, REKEY_IKE = "init", "auth", "create child", "rekey child", "rekey IKE SA"
DELETE_CHILD, DELETE_IKE, INFORMATIONAL, OTHER = "delete child", "delete IKE SA", "informational", "other"

_KINDS: dict[int, str] = {ExchangeType.IKE_SA_INIT: INIT, ExchangeType.IKE_AUTH: AUTH}


def kind_of(exchange: int, payloads: Sequence[Packet]) -> str:
    """The kind of an exchange, from its type and the payloads of its request."""
    from fynx_scapy.layers.ikev2 import IKEv2_Delete, IKEv2_Notify, IKEv2_SA

    if exchange == ExchangeType.INFORMATIONAL:
        deleted = next((p for p in payloads if isinstance(p, IKEv2_Delete)), None)
        if deleted is None:
            return INFORMATIONAL
        return DELETE_IKE if deleted.proto == ProtocolId.IKE else DELETE_CHILD
    if exchange == ExchangeType.CREATE_CHILD_SA:
        if any(isinstance(p, IKEv2_Notify) and p.type == NotifyType.REKEY_SA for p in payloads):
            return REKEY_CHILD
        offer = next((p for p in payloads if isinstance(p, IKEv2_SA)), None)
        rekey = offer is not None and any(getattr(each, "proto", None) == ProtocolId.IKE for each in offer.prop)
        return REKEY_IKE if rekey else CREATE_CHILD
    return _KINDS.get(exchange, OTHER)


# -- matching responses to requests


class Key(NamedTuple):
    """What the messages of one exchange have in common. Each peer numbers its own requests (section 2.2)."""

    spi_i: bytes
    exchange_type: int
    message_id: int
    by_initiator: bool

    @classmethod
    def of(cls, spi_i: bytes, exchange_type: int, message_id: int, *, from_initiator: bool, request: bool) -> Key:
        """The key of one message."""
        return cls(spi_i, exchange_type, message_id, from_initiator == request)


class Paired(Protocol):
    """A request and its response, both with retransmissions and fragments."""

    requests: list[Any]
    responses: list[Any]


P = TypeVar("P", bound=Paired)


@dataclass(slots=True)
class Pairing(Generic[P]):
    """Assigns each message to its exchange. At most ``most`` exchanges are kept; beyond that, the oldest is dropped."""

    make: Callable[[Key], P]
    most: int | None = None
    _open: OrderedDict[Key, P] = field(default_factory=OrderedDict)

    def take(self, key: Key, message: Any, *, request: bool, copy: bool = False) -> P:
        """Add a message to its exchange, or begin one. ``copy``: the same octets were seen before."""
        found = self._open.get(key)
        # A retry of IKE_SA_INIT, with a cookie or another group, is another request with ID 0.
        again = request and not copy and key.exchange_type == ExchangeType.IKE_SA_INIT
        if found is None or (again and found.responses):
            self._open.pop(key, None)
            found = self._open[key] = self.make(key)
            if self.most is not None and len(self._open) > self.most:
                self._open.popitem(last=False)
        (found.requests if request else found.responses).append(message)
        return found


# -- what an exchange agrees on


@dataclass(slots=True)
class Parts:
    """The payloads of a message that SAs are made from. ``rekeyed`` is the SPI of the Child SA to replace."""

    proposals: list[Packet] = field(default_factory=list)
    ke: Packet | None = None
    nonce: bytes = b""
    link: bytes = b""
    rekeyed: bytes = b""
    transport: bool = False


def parts(layers: Sequence[Packet]) -> Parts:
    """Read the payloads of a message. Malformed ones are skipped."""
    from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_Notify, IKEv2_SA

    found = Parts()
    for layer in layers:
        if layer.malformed is not None:
            continue
        if isinstance(layer, IKEv2_SA):
            found.proposals = list(layer.prop)
        elif isinstance(layer, IKEv2_KE):
            found.ke = layer
        elif isinstance(layer, IKEv2_Nonce):
            found.nonce = bytes(layer.nonce)
        elif isinstance(layer, IKEv2_Notify):
            if layer.type == NotifyType.ADDITIONAL_KEY_EXCHANGE:
                found.link = bytes(layer.notify)
            elif layer.type == NotifyType.REKEY_SA:
                found.rekeyed = bytes(layer.SPI)
            elif layer.type == NotifyType.USE_TRANSPORT_MODE:
                found.transport = True
    return found


def offered_spi(proposals: Sequence[Packet], number: int) -> bytes:
    """The SPI in the proposal with that number: the initiator's SPI for the chosen proposal (section 3.3.1)."""
    return next((bytes(offer.SPI) for offer in proposals if offer.proposal == number), b"")
