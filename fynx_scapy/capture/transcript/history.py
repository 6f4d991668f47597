# SPDX-License-Identifier: GPL-2.0-or-later
"""The history of a conversation's SAs: which exchange made each SA, what was agreed, and how each SA ended.

RFC 7296 sections 1.2, 1.3, 1.4, 2.8 and 2.16; RFC 6023 for childless IKE SAs. Only decrypted messages count: an
exchange whose messages could not be decrypted makes no SA here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fynx_scapy.capture.follow.exchanges import (
    AUTH,
    CREATE_CHILD,
    DELETE_CHILD,
    DELETE_IKE,
    INIT,
    REKEY_CHILD,
    REKEY_IKE,
)
from fynx_scapy.capture.transcript.exchanges import CapturedExchange
from fynx_scapy.capture.transcript.facts import ChildSaFacts, Ending, IkeSaFacts, proposals_of
from fynx_scapy.capture.transcript.messages import CapturedMessage
from fynx_scapy.iana import NotifyType, PayloadType, ProtocolId

INITIATOR, RESPONDER = "initiator", "responder"


class SaHistory:
    """The SAs that the exchanges of one conversation made.

    ``ike_sas`` maps the initiator's SPI to the IKE SA. ``children`` are the Child SAs, including refused ones.
    ``crossings`` are pairs of requests with which both peers rekeyed the same SA, the second sent before the first was
    answered. ``childless`` are the IKE_AUTH requests without a Child SA.
    """

    def __init__(self, exchanges: Sequence[CapturedExchange]) -> None:
        self.ike_sas: dict[bytes, IkeSaFacts] = {}
        self.children: list[ChildSaFacts] = []
        self.childless: list[int] = []
        # By IKE SPI: the IKE_AUTH request that has the SA payload
        self._asked: dict[bytes, tuple[CapturedMessage, dict[int, Any]]] = {}
        self._by_spi: dict[int, list[int]] = {}  # by SPI: indexes into `children`
        self._rekeying: list[tuple[int, int, bytes, bool]] = []  # request, response, SPI, by the initiator
        for exchange in exchanges:
            self._exchange(exchange)
        self.crossings = self._crossings()

    def _exchange(self, exchange: CapturedExchange) -> None:
        requests = [message for message in exchange.requests if not message.copy]
        responses = [message for message in exchange.responses if not message.copy]
        asked, answered = _payloads(requests), _payloads(responses)
        if not requests:
            return
        request, response = requests[0], responses[-1] if responses else None
        kind = exchange.kind
        if kind == INIT:
            self._initial(request, response, asked, answered)
        elif kind == AUTH:
            self._authentication(exchange, request, response, asked, answered)
        elif kind == REKEY_IKE and PayloadType.SA in asked:
            self._rekey_ike(exchange, request, response, asked, answered)
        elif kind in (CREATE_CHILD, REKEY_CHILD) and PayloadType.SA in asked:
            self._child(exchange, request, response, asked, answered, pfs=True)
        elif kind in (DELETE_CHILD, DELETE_IKE):
            for layer in asked.get(PayloadType.D, []):
                self._delete(exchange, request, layer)

    def _initial(self, request: CapturedMessage, response: CapturedMessage | None, asked: Any, answered: Any) -> None:
        offered = proposals_of(asked[PayloadType.SA][0]) if PayloadType.SA in asked else ()
        chosen = proposals_of(answered[PayloadType.SA][0]) if PayloadType.SA in answered else ()
        before = self.ike_sas.get(request.spi_i)
        if before is not None and before.chosen is not None:
            return
        numbers = (request.number,) if response is None else (request.number, response.number)
        made = response.time if chosen and response is not None else None
        spi_r = response.spi_r if response is not None else request.spi_r
        nonces = _nonces(request, asked) + (_nonces(response, answered) if response is not None else ())
        self.ike_sas[request.spi_i] = IkeSaFacts(
            request.spi_i, spi_r, offered, chosen[0] if chosen else None, numbers, made, nonces
        )

    def _authentication(
        self,
        exchange: CapturedExchange,
        request: CapturedMessage,
        response: CapturedMessage | None,
        asked: Any,
        answered: Any,
    ) -> None:
        spi = exchange.spi_i
        if PayloadType.SA in asked:
            self._asked[spi] = (request, asked)
        elif PayloadType.IDi in asked:
            self.childless.append(request.number)
        refused = response is not None and _refuses(response) and PayloadType.SA not in answered
        # With EAP, the response to the SA payload comes some exchanges later (RFC 7296 section 2.16).
        if spi in self._asked and (PayloadType.SA in answered or refused):
            request, asked = self._asked.pop(spi)
            self._child(exchange, request, response, asked, answered, pfs=False)

    def _child(
        self,
        exchange: CapturedExchange,
        request: CapturedMessage,
        response: CapturedMessage | None,
        asked: Any,
        answered: Any,
        *,
        pfs: bool,
    ) -> None:
        """Add a Child SA. ``pfs`` says whether its exchange can have a KE payload at all."""
        offered = proposals_of(asked[PayloadType.SA][0])
        chosen = proposals_of(answered[PayloadType.SA][0]) if PayloadType.SA in answered else ()
        notifies = {int(layer.type): layer for layer in answered.get(PayloadType.N, [])}
        wanted = {int(layer.type): layer for layer in asked.get(PayloadType.N, [])}
        rekeys = int.from_bytes(bytes(wanted[NotifyType.REKEY_SA].SPI)) if NotifyType.REKEY_SA in wanted else None
        number = request.number if response is None else response.number
        compressed = notifies.get(NotifyType.IPCOMP_SUPPORTED)
        data = bytes(compressed.notify) if compressed is not None else b""
        if rekeys is not None:
            self._rekeyed(exchange, request, response, rekeys.to_bytes(4), bool(chosen))
        for proposal in (*offered[:1], *chosen[:1]) if chosen else ():
            self._by_spi.setdefault(int.from_bytes(proposal.spi), []).append(len(self.children))
        self.children.append(
            ChildSaFacts(
                exchange.spi_i,
                int.from_bytes(offered[0].spi) if offered else 0,
                int.from_bytes(chosen[0].spi) if chosen else 0,
                offered,
                chosen[0] if chosen else None,
                (request.number, number) if response is not None else (request.number,),
                response.time if response is not None else None,
                (PayloadType.KE in asked and PayloadType.KE in answered) if pfs else None,
                "transport" if NotifyType.USE_TRANSPORT_MODE in notifies else "tunnel",
                data[2] if len(data) > 2 else None,
                bool(chosen) and _selectors(asked) != _selectors(answered),
                rekeys,
            )
        )

    def _rekey_ike(
        self,
        exchange: CapturedExchange,
        request: CapturedMessage,
        response: CapturedMessage | None,
        asked: Any,
        answered: Any,
    ) -> None:
        offered = proposals_of(asked[PayloadType.SA][0])
        chosen = proposals_of(answered[PayloadType.SA][0]) if PayloadType.SA in answered else ()
        self._rekeyed(exchange, request, response, exchange.spi_i, bool(chosen))
        if not offered:
            return
        nonces = _nonces(request, asked) + (_nonces(response, answered) if response is not None else ())
        self.ike_sas[offered[0].spi] = IkeSaFacts(
            offered[0].spi,
            chosen[0].spi if chosen else bytes(8),
            offered,
            chosen[0] if chosen else None,
            (request.number, response.number) if response is not None else (request.number,),
            response.time if response is not None else None,
            nonces,
            exchange.spi_i,
        )
        for at, child in enumerate(self.children):
            if chosen and child.ike_spi == exchange.spi_i and child.ended is None:
                self.children[at] = replace(child, ike_spi=offered[0].spi)

    def _rekeyed(
        self,
        exchange: CapturedExchange,
        request: CapturedMessage,
        response: CapturedMessage | None,
        spi: bytes,
        done: bool,
    ) -> None:
        left = exchange.conversation.left(request)
        if response is None:
            return
        self._rekeying.append((request.number, response.number, spi, left))
        if not done:
            return
        ending = Ending("rekeyed", INITIATOR if left else RESPONDER, response.number, response.time)
        if len(spi) == 8:
            self._end_ike(spi, ending)
        else:
            self._end_child(int.from_bytes(spi), ending)

    def _delete(self, exchange: CapturedExchange, request: CapturedMessage, layer: Any) -> None:
        ending = Ending(
            "deleted", INITIATOR if exchange.conversation.left(request) else RESPONDER, request.number, request.time
        )
        if int(layer.proto) == ProtocolId.IKE:
            self._end_ike(exchange.spi_i, ending)
            return
        for spi in layer.SPI:
            self._end_child(int.from_bytes(bytes(spi)), ending)

    def _end_ike(self, spi: bytes, ending: Ending) -> None:
        sa = self.ike_sas.get(spi)
        if sa is not None and sa.ended is None:
            self.ike_sas[spi] = replace(sa, ended=ending)
        # Its Child SAs end with it, except those that its successor inherited (RFC 7296 sections 1.4.1 and 2.8).
        for at, child in enumerate(self.children):
            if ending.how == "deleted" and child.ike_spi == spi and child.ended is None and child.chosen is not None:
                self.children[at] = replace(child, ended=ending)

    def _end_child(self, spi: int, ending: Ending) -> None:
        for at in self._by_spi.get(spi, ()):
            child = self.children[at]
            if child.ended is None:
                self.children[at] = replace(child, ended=ending)

    def _crossings(self) -> list[tuple[int, int]]:
        """Simultaneous rekeys: the second request was sent before the first was answered (RFC 7296 section 2.8.1)."""
        found = []
        pairs = {frozenset((child.spi_i, child.spi_r)) for child in self.children}
        for at, (request, response, spi, left) in enumerate(self._rekeying):
            for other, _, other_spi, other_left in self._rekeying[at + 1 :]:
                if other > response:
                    break  # the list is in the order of the requests
                ends = frozenset((int.from_bytes(spi), int.from_bytes(other_spi)))
                if left != other_left and (spi == other_spi or (len(spi) == 4 and ends in pairs)):
                    found.append((request, other))
        return found


def _refuses(response: CapturedMessage) -> bool:
    """Whether a response has an error Notify (RFC 7296 section 3.10.1)."""
    kinds = [int(layer.type) for layer in response.readable if layer.payload_type == PayloadType.N]
    return any(kind < NotifyType.INITIAL_CONTACT for kind in kinds)


def _payloads(messages: Sequence[CapturedMessage]) -> dict[int, list[Any]]:
    """The payloads of a message, or of its fragments, by type."""
    found: dict[int, list[Any]] = {}
    for message in messages:
        for layer in message.readable:
            found.setdefault(int(layer.payload_type), []).append(layer)
    return found


def _nonces(message: CapturedMessage, payloads: dict[int, list[Any]]) -> tuple[tuple[int, int], ...]:
    return tuple((message.number, len(layer.nonce)) for layer in payloads.get(PayloadType.Nonce, []))


def _selectors(payloads: dict[int, list[Any]]) -> list[bytes]:
    """The traffic selectors of a message, as octets without the generic header."""
    kinds = (PayloadType.TSi, PayloadType.TSr)
    return [bytes(layer)[4:] for kind in kinds for layer in payloads.get(kind, [])]
