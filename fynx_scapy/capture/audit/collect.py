# SPDX-License-Identifier: GPL-2.0-or-later
"""From a `Capture` to the facts of it: each conversation walked once, message by message, in the capture's order."""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from ...iana import CertEncoding, ExchangeType, KeMethod, NotifyType, PayloadType, ProtocolId, name_of
from ...layers.ikev2.payload import IKEv2_Payload
from ..fingerprint import fingerprints
from .facts import (
    AuthFacts,
    CaptureFacts,
    ChildSaFacts,
    ConversationFacts,
    Ending,
    ErrorFacts,
    ExchangeFacts,
    FlowFacts,
    IkeSaFacts,
    NatFacts,
    NotifyFacts,
    Proposal,
    Transform,
    VendorFacts,
)

if TYPE_CHECKING:
    from ..capture import Capture
    from ..transcript.messages import Conversation, Exchange, Message

SK, SKF = int(PayloadType.SK), int(PayloadType.SKF)
MOST_BAD = 100
"""How many ESP packets with a bad ICV are named; all are counted."""
INITIATOR, RESPONDER = "initiator", "responder"


def collect(capture: Capture) -> CaptureFacts:
    """The facts of a capture. ESP is opened in one pass where there are keys, so that its ICVs are counted."""
    icvs = dict(capture.icvs)
    bad_esp: list[tuple[int, int]] = []
    if icvs["bad"]:
        bad = ((packet.number, packet.spi) for packet in capture.esp() if packet.icv == "bad")
        bad_esp += itertools.islice(bad, MOST_BAD)
    conversations = tuple(_Walk(conversation).facts() for conversation in capture.conversations)
    spis = {spi for each in conversations for child in each.children for spi in (child.spi_i, child.spi_r)}
    flows = tuple(
        FlowFacts(
            flow.protocol, flow.spi, flow.src, flow.dst, flow.encapsulation, flow.first_number, flow.last_number,
            flow.packets, flow.octets, flow.lowest, flow.highest, flow.missing, flow.reordered, flow.late,
            flow.duplicates, flow.replays, flow.spi in spis,
        )
        for flow in capture.flows
    )  # fmt: skip
    problems = tuple((each.number, each.offset, each.text) for each in capture.problems)
    return CaptureFacts(
        capture.name, capture.index.packets, conversations, flows, problems, icvs, _reauthenticated(conversations),
        tuple(fingerprints(capture)), tuple(bad_esp),
    )  # fmt: skip


def _reauthenticated(conversations: tuple[ConversationFacts, ...]) -> tuple[tuple[int, int], ...]:
    """Established conversations that follow an established one between the same two hosts."""
    found: list[tuple[int, int]] = []
    last: dict[frozenset[str], int] = {}
    for each in conversations:
        ends = frozenset((each.initiator, each.responder))
        if each.version == 2 and each.established:
            if ends in last:
                found.append((last[ends], each.number))
            last[ends] = each.number
    return tuple(found)


class _Walk:
    """The walk through one conversation, and what it has gathered so far."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.ike_sas: dict[bytes, IkeSaFacts] = {}
        self.children: list[ChildSaFacts] = []
        self.auths: list[AuthFacts] = []
        self.errors: list[ErrorFacts] = []
        self.notifies: list[NotifyFacts] = []
        self.nat: list[NatFacts] = []
        self.vendors: list[VendorFacts] = []
        self.fragments: list[int] = []
        self.closed: list[int] = []
        self.bad_icv: list[int] = []
        self.childless: list[int] = []
        self.eap: list[int] = []
        self.faults: list[tuple[int, str]] = []
        self.asked: dict[bytes, tuple[Message, dict[int, Any]]] = {}  # by IKE SPI: the IKE_AUTH request that has SA
        self.requests: dict[int, int] = {}  # the number of each response: that of its request
        self.by_spi: dict[int, list[int]] = {}  # where in the children each SPI is
        self.rekeying: list[tuple[int, int, bytes, bool]] = []  # request, response, SPI, by the initiator

    def facts(self) -> ConversationFacts:
        """Walk, and tell."""
        conversation = self.conversation
        base = ConversationFacts(
            conversation.number, conversation.initiator, conversation.responder, conversation.version,
            conversation.complete, conversation.messages[0].number, conversation.first, conversation.last,
        )  # fmt: skip
        if conversation.version != 2:
            return base
        for exchange in conversation.exchanges:
            for response in exchange.responses if exchange.requests else ():
                self.requests[response.number] = exchange.requests[0].number
        for message in conversation.messages:
            if not message.copy:
                self._message(message)
        for exchange in conversation.exchanges:
            self._exchange(exchange)
        return replace(
            base,
            ike_sas=tuple(self.ike_sas.values()),
            children=tuple(self.children),
            auths=tuple(self.auths),
            errors=tuple(self._settled(error) for error in sorted(self.errors, key=lambda error: error.number)),
            exchanges=tuple(self._exchange_facts(exchange) for exchange in conversation.exchanges),
            notifies=tuple(self.notifies),
            nat=tuple(self.nat),
            vendors=tuple(self.vendors),
            fragments=tuple(self.fragments),
            closed=tuple(self.closed),
            bad_icv=tuple(self.bad_icv),
            collisions=tuple(self._collisions()),
            childless=tuple(self.childless),
            eap=tuple(self.eap),
            faults=tuple(self.faults),
        )

    def _role(self, message: Message) -> str:
        """The conversation's end that has sent a message, whoever made the IKE SA that it belongs to."""
        return INITIATOR if self.conversation.left(message) else RESPONDER

    # -- what one message says by itself

    def _message(self, message: Message) -> None:
        found = message.opened
        role = self._role(message)
        if found.fragment is not None:
            self.fragments.append(message.number)
        if message.icv == "bad":
            self.bad_icv.append(message.number)
        elif found.closed:
            self.closed.append(message.number)
        self.faults += [(message.number, text) for text in message.errors if not found.closed]
        protected = found.opened is not None and found.opened.plaintext is not None
        key = ""
        for layer in _layers(message):
            kind = int(layer.payload_type)
            if kind == PayloadType.N:
                self._notify(message, layer, role, protected)
            elif kind == PayloadType.V:
                octets = layer.getfieldval("vendorID")
                octets = octets if isinstance(octets, bytes) else str(octets).encode()
                self.vendors.append(VendorFacts(message.number, role, octets.hex(), layer.vendor or ""))
            elif kind == PayloadType.CERT and not key:
                key = _key(layer)
            elif kind == PayloadType.EAP:
                self.eap.append(message.number)
            elif kind == PayloadType.AUTH:
                self._auth(message, layer, role, key)
        if message.exchange_type == ExchangeType.IKE_SA_INIT:
            self._nat(message, role)

    def _notify(self, message: Message, layer: Any, role: str, protected: bool) -> None:
        kind = int(layer.type)
        if kind >= NotifyType.INITIAL_CONTACT:
            self.notifies.append(NotifyFacts(message.number, role, kind, message.exchange))
            return
        data = bytes(layer.notify) if layer.notify else b""
        detail = ""
        if kind == NotifyType.INVALID_KE_PAYLOAD and len(data) == 2:
            detail = f"it wants {name_of(KeMethod, int.from_bytes(data))}"
        elif kind == NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD and data:
            detail = f"payload type {data[0]} is not known to it"
        elif kind == NotifyType.INVALID_MAJOR_VERSION and data:
            detail = f"its version is {data[0]}"
        self.errors.append(
            ErrorFacts(
                message.number, kind, message.exchange, role, protected, self.requests.get(message.number), detail
            )
        )

    def _auth(self, message: Message, layer: Any, role: str, key: str) -> None:
        verdict = next((each for each in message.opened.auth), None)
        verified, reason = (
            (None, "nothing at hand can check it") if verdict is None else (verdict.verified, verdict.reason)
        )
        algorithm = _algorithm(layer)
        self.auths.append(AuthFacts(message.number, role, int(layer.auth_type), algorithm, key, verified, reason))

    def _nat(self, message: Message, role: str) -> None:
        """RFC 7296 section 2.23: the hash is SHA-1 of both SPIs, the address and the port, as the sender knows them."""
        hashes: dict[int, list[bytes]] = {}
        for layer in _layers(message):
            if layer.payload_type == PayloadType.N:
                hashes.setdefault(int(layer.type), []).append(bytes(layer.notify))
        source = hashes.get(NotifyType.NAT_DETECTION_SOURCE_IP)
        destination = hashes.get(NotifyType.NAT_DETECTION_DESTINATION_IP)
        if source is None and destination is None:
            return
        head = message.spi_i + message.spi_r
        self.nat.append(
            NatFacts(
                message.number,
                role,
                None if source is None else _hash(head, message.src, message.sport) in source,
                None if destination is None else _hash(head, message.dst, message.dport) in destination,
            )
        )

    # -- what an exchange comes to

    def _exchange(self, exchange: Exchange) -> None:
        requests = [message for message in exchange.requests if not message.copy]
        responses = [message for message in exchange.responses if not message.copy]
        asked, answered = _payloads(requests), _payloads(responses)
        if not requests:
            return
        request, response = requests[0], responses[-1] if responses else None
        if exchange.exchange_type == ExchangeType.IKE_SA_INIT:
            self._initial(request, response, asked, answered)
        elif exchange.exchange_type == ExchangeType.IKE_AUTH:
            self._authentication(exchange, request, response, asked, answered)
        elif exchange.exchange_type == ExchangeType.CREATE_CHILD_SA and PayloadType.SA in asked:
            proposals = _proposals(asked[PayloadType.SA][0])
            if proposals and proposals[0].protocol == ProtocolId.IKE:
                self._rekey_ike(exchange, request, response, asked, answered)
            else:
                self._child(exchange.spi_i, request, response, asked, answered, pfs=True)
        elif exchange.exchange_type == ExchangeType.INFORMATIONAL:
            for layer in asked.get(PayloadType.D, []):
                self._delete(exchange, request, layer)

    def _initial(self, request: Message, response: Message | None, asked: Any, answered: Any) -> None:
        offered = _proposals(asked[PayloadType.SA][0]) if PayloadType.SA in asked else ()
        chosen = _proposals(answered[PayloadType.SA][0]) if PayloadType.SA in answered else ()
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
        self, exchange: Exchange, request: Message, response: Message | None, asked: Any, answered: Any
    ) -> None:
        spi = exchange.spi_i
        if PayloadType.SA in asked:
            self.asked[spi] = (request, asked)
        elif PayloadType.IDi in asked:
            self.childless.append(request.number)
        refused = [
            error for error in self.errors if response is not None and error.number == response.number
        ] and PayloadType.SA not in answered
        # With EAP the SA payload is answered some exchanges later (RFC 7296 section 2.16).
        if spi in self.asked and (PayloadType.SA in answered or refused):
            request, asked = self.asked.pop(spi)
            self._child(spi, request, response, asked, answered, pfs=False)

    def _child(
        self, spi: bytes, request: Message, response: Message | None, asked: Any, answered: Any, *, pfs: bool
    ) -> None:
        """One Child SA; ``pfs`` is whether its exchange can have a KE payload at all."""
        offered = _proposals(asked[PayloadType.SA][0])
        chosen = _proposals(answered[PayloadType.SA][0]) if PayloadType.SA in answered else ()
        notifies = {int(layer.type): layer for layer in answered.get(PayloadType.N, [])}
        wanted = {int(layer.type): layer for layer in asked.get(PayloadType.N, [])}
        rekeys = int.from_bytes(bytes(wanted[NotifyType.REKEY_SA].SPI)) if NotifyType.REKEY_SA in wanted else None
        number = request.number if response is None else response.number
        compressed = notifies.get(NotifyType.IPCOMP_SUPPORTED)
        data = bytes(compressed.notify) if compressed is not None else b""
        if rekeys is not None:
            self._rekeyed(request, response, rekeys.to_bytes(4), bool(chosen))
        for proposal in (*offered[:1], *chosen[:1]) if chosen else ():
            self.by_spi.setdefault(int.from_bytes(proposal.spi), []).append(len(self.children))
        self.children.append(
            ChildSaFacts(
                spi,
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
        self, exchange: Exchange, request: Message, response: Message | None, asked: Any, answered: Any
    ) -> None:
        offered = _proposals(asked[PayloadType.SA][0])
        chosen = _proposals(answered[PayloadType.SA][0]) if PayloadType.SA in answered else ()
        self._rekeyed(request, response, exchange.spi_i, bool(chosen))
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

    def _rekeyed(self, request: Message, response: Message | None, spi: bytes, done: bool) -> None:
        left = self.conversation.left(request)
        if response is None:
            return
        self.rekeying.append((request.number, response.number, spi, left))
        if not done:
            return
        ending = Ending("rekeyed", INITIATOR if left else RESPONDER, response.number, response.time)
        if len(spi) == 8:
            self._end_ike(spi, ending)
        else:
            self._end_child(int.from_bytes(spi), ending)

    def _delete(self, exchange: Exchange, request: Message, layer: Any) -> None:
        ending = Ending("deleted", self._role(request), request.number, request.time)
        if int(layer.proto) == ProtocolId.IKE:
            self._end_ike(exchange.spi_i, ending)
            return
        for spi in layer.SPI:
            self._end_child(int.from_bytes(bytes(spi)), ending)

    def _end_ike(self, spi: bytes, ending: Ending) -> None:
        sa = self.ike_sas.get(spi)
        if sa is not None and sa.ended is None:
            self.ike_sas[spi] = replace(sa, ended=ending)
        # Its Child SAs end with it, but for those that its successor took over (RFC 7296 sections 1.4.1 and 2.8).
        for at, child in enumerate(self.children):
            if ending.how == "deleted" and child.ike_spi == spi and child.ended is None and child.chosen is not None:
                self.children[at] = replace(child, ended=ending)

    def _end_child(self, spi: int, ending: Ending) -> None:
        for at in self.by_spi.get(spi, ()):
            child = self.children[at]
            if child.ended is None:
                self.children[at] = replace(child, ended=ending)

    def _collisions(self) -> list[tuple[int, int]]:
        """Rekeys of one SA by both ends, the second asked before the first was answered (RFC 7296 section 2.8.1)."""
        found = []
        pairs = {frozenset((child.spi_i, child.spi_r)) for child in self.children}
        for at, (request, response, spi, left) in enumerate(self.rekeying):
            for other, _, other_spi, other_left in self.rekeying[at + 1 :]:
                if other > response:
                    break  # they are in the order of their requests
                ends = frozenset((int.from_bytes(spi), int.from_bytes(other_spi)))
                if left != other_left and (spi == other_spi or (len(spi) == 4 and ends in pairs)):
                    found.append((request, other))
        return found

    def _settled(self, error: ErrorFacts) -> ErrorFacts:
        """Whether what was refused succeeded in another try."""
        overcome = False
        if error.exchange == "IKE_SA_INIT":
            overcome = any(sa.chosen is not None and sa.numbers[-1] > error.number for sa in self.ike_sas.values())
        elif error.kind in (NotifyType.INVALID_KE_PAYLOAD, NotifyType.TEMPORARY_FAILURE):
            later: list[ChildSaFacts | IkeSaFacts] = [*self.children, *self.ike_sas.values()]
            overcome = any(sa.chosen is not None and sa.numbers[-1] > error.number for sa in later)
        return replace(error, overcome=overcome)

    def _exchange_facts(self, exchange: Exchange) -> ExchangeFacts:
        return ExchangeFacts(
            exchange.name,
            exchange.message_id,
            self._role(exchange.requests[0]) if exchange.requests else "",
            tuple(message.number for message in exchange.messages),
            tuple(message.number for message in exchange.messages if message.copy),
            exchange.latency,
            exchange.answered or not exchange.requests,
        )


def _layers(message: Message) -> list[Any]:
    """The payloads of a message that could be read; what is wrong with others is among its errors."""
    return [layer for layer in message.layers if isinstance(layer, IKEv2_Payload)]


def _payloads(messages: list[Message]) -> dict[int, list[Any]]:
    """The payloads of a message, or of its fragments, by type."""
    found: dict[int, list[Any]] = {}
    for message in messages:
        for layer in _layers(message):
            found.setdefault(int(layer.payload_type), []).append(layer)
    return found


def _proposals(layer: Any) -> tuple[Proposal, ...]:
    found = []
    for proposal in layer.prop:
        if not hasattr(proposal, "trans"):
            continue  # it could not be read, which is among the message's errors
        transforms = tuple(
            Transform(int(each.transform_type), int(each.transform_id), each.key_length)
            for each in proposal.trans
            if hasattr(each, "transform_type")
        )
        found.append(Proposal(int(proposal.proposal), int(proposal.proto), bytes(proposal.SPI), transforms))
    return tuple(found)


def _nonces(message: Message, payloads: dict[int, list[Any]]) -> tuple[tuple[int, int], ...]:
    return tuple((message.number, len(layer.nonce)) for layer in payloads.get(PayloadType.Nonce, []))


def _selectors(payloads: dict[int, list[Any]]) -> list[bytes]:
    """The traffic selectors of a message: their octets behind the generic header."""
    kinds = (PayloadType.TSi, PayloadType.TSr)
    return [bytes(layer)[4:] for kind in kinds for layer in payloads.get(kind, [])]


def _hash(head: bytes, address: str, port: int | None) -> bytes:
    octets = ipaddress.ip_address(address).packed + (port or 0).to_bytes(2)
    return hashlib.sha1(head + octets, usedforsecurity=False).digest()


def _algorithm(layer: Any) -> str | None:
    """The signature algorithm of method 14; RSASSA-PSS with its hash, which stands in its parameters."""
    name: str | None = layer.algorithm
    identifier = layer.algorithm_identifier
    if name != "RSASSA-PSS" or identifier is None:
        return name
    # The hash stands before the one of the mask generation function.
    found = sorted((identifier.find(oid), text) for oid, text in _PSS_HASHES if oid in identifier)
    return f"RSASSA-PSS with {found[0][1] if found else 'SHA1'}"


_PSS_HASHES = [
    (bytes.fromhex("0609608648016503040201"), "SHA256"),
    (bytes.fromhex("0609608648016503040202"), "SHA384"),
    (bytes.fromhex("0609608648016503040203"), "SHA512"),
]
"""The DER object identifiers of the hashes. Without parameters it is SHA-1 (RFC 4055 section 3.1)."""


def _key(layer: Any) -> str:
    """What kind of public key a certificate holds, as ``RSA-2048``; empty where it cannot be read."""
    if int(layer.cert_encoding) != CertEncoding.X_509_Certificate_Signature:
        return ""
    try:
        key = x509.load_der_x509_certificate(bytes(layer.cert_data)).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return ""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA-{key.curve.name}"
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA-{key.key_size}"
    return type(key).__name__.strip("_").removesuffix("PublicKey")
