# SPDX-License-Identifier: GPL-2.0-or-later
"""Collect the facts of a `Capture`: go through each conversation once, message by message, in capture order."""

from __future__ import annotations

import hashlib
import ipaddress
from bisect import bisect
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fynx_scapy.capture.audit.chains import Certificates
from fynx_scapy.capture.audit.facts import (
    AuthFacts,
    CaptureFacts,
    ClosedFacts,
    ConversationFacts,
    ErrorFacts,
    ExchangeFacts,
    FlowFacts,
    NatFacts,
    NotifyFacts,
    OddFacts,
    PieceFacts,
    RequestFacts,
    VendorFacts,
)
from fynx_scapy.capture.audit.proofs import algorithm_of, signed_sha1
from fynx_scapy.capture.chosen import ChosenCapture
from fynx_scapy.capture.fingerprint import Fingerprint, of_conversation
from fynx_scapy.capture.follow.decrypt import keys_used, reason_of
from fynx_scapy.capture.headers.kinds import UDP
from fynx_scapy.capture.reading.packets import IKE_PORTS, NATT_PORT
from fynx_scapy.capture.transcript.facts import ChildSaFacts, IkeSaFacts, SeenProposal, proposals_of
from fynx_scapy.iana import ExchangeType, KeMethod, NotifyType, PayloadType, TransformType, name_of

if TYPE_CHECKING:
    from fynx_scapy.capture.capture import Capture
    from fynx_scapy.capture.conversation import Conversation
    from fynx_scapy.capture.reading.flows import EspFlow
    from fynx_scapy.capture.transcript.exchanges import CapturedExchange
    from fynx_scapy.capture.transcript.messages import CapturedMessage
    from fynx_scapy.pki.trust import Trust

SK, SKF = int(PayloadType.SK), int(PayloadType.SKF)
INITIATOR, RESPONDER = "initiator", "responder"
SIGNED = (1, 3, 9, 10, 11, 14)  # methods that sign with the key of a certificate (RFC 7296 section 3.8, RFC 4754)
EAP_REQUEST, LAST_NO_METHOD = 1, 3  # RFC 3748 section 5: identity, notification and Nak are no methods
PORTS = (*IKE_PORTS, NATT_PORT)


def collect(capture: Capture, trust: Trust | None = None, at: datetime | None = None) -> CaptureFacts:
    """The facts of a capture. If there are keys, one pass decrypts ESP to count its ICVs.

    ``trust`` judges certificates, ``at`` that time or that of their packets.
    """
    icvs = dict(capture.icvs)
    pieces = _pieces(capture)
    found: list[ConversationFacts] = []
    prints: list[Fingerprint] = []
    for conversation in capture.conversations:  # both at a time, while the layers of its messages are kept
        found.append(_Collector(conversation, Certificates(trust, at)).facts(pieces.get(conversation.number, ())))
        prints += of_conversation(conversation)
    conversations = tuple(found)
    agreed: dict[int, list[SeenProposal]] = defaultdict(list)
    for child in (child for each in conversations for child in each.children):
        if child.chosen is not None:
            agreed[child.spi_i].append(child.chosen)
            agreed[child.spi_r].append(child.chosen)
    spis = {spi for each in conversations for child in each.children for spi in (child.spi_i, child.spi_r)}
    flows = tuple(
        FlowFacts(
            flow.protocol, flow.spi, flow.src, flow.dst, flow.encapsulation, flow.first_number, flow.last_number,
            flow.packets, flow.octets, flow.lowest, flow.highest, flow.missing, flow.reordered, flow.late,
            flow.duplicates, flow.replays, flow.spi in spis, flow.captured_twice, flow.mirror, flow.zeros,
            flow.zero_number, *_otherwise(capture, flow, agreed.get(flow.spi, ())),
        )
        for flow in capture.flows
    )  # fmt: skip
    closed = tuple(
        ClosedFacts(
            each.spi,
            each.icv == "bad",
            each.keyed,
            each.keyed and keys_used(each.error),
            reason_of(each.error),
            each.packets,
            each.numbers,
            each.spi in spis,
        )
        for each in capture.tally.packets
        if not each.opened
    )
    odd = tuple(
        OddFacts(each.spi, each.error, each.packets, each.numbers) for each in capture.tally.packets if each.opened
    )
    losses = tuple(capture.losses)
    named = {loss.text for loss in losses}
    problems = tuple((each.number, each.offset, each.text) for each in capture.problems if each.text not in named)
    left_out = capture.left_out if isinstance(capture, ChosenCapture) else 0
    return CaptureFacts(
        capture.name, capture.index.packets, conversations, flows, problems, icvs, _reauthenticated(conversations),
        tuple(prints), closed, losses, tuple(capture.index.twice),
        tuple(sorted(capture.index.cut.items())), odd, left_out, tuple(pieces.get(0, ())),
    )  # fmt: skip


def _otherwise(capture: Capture, flow: EspFlow, agreed: Sequence[SeenProposal]) -> tuple[str, str]:
    """What a flow was opened with and what was agreed on, where they differ: a key table has its own algorithms."""
    sa = capture.opener.esp_sa(flow.spi, flow.dst) if agreed and flow.protocol == "esp" else None
    if sa is None:
        return "", ""
    used = {
        TransformType.ENCR: (sa.encr.id, sa.encr.name),
        TransformType.INTEG: (sa.integ.id, sa.integ.name) if sa.integ is not None else (0, "no integrity algorithm"),
        TransformType.SN: (int(sa.esn), "ESN" if sa.esn else "32-bit sequence numbers"),
    }
    kinds = [
        kind
        for kind, (number, _) in used.items()
        if not any(number in ({each.id for each in proposal.of(kind)} or {0}) for proposal in agreed)
    ]
    names = [each.name for kind in kinds for each in agreed[-1].of(kind)] or ["none"]
    return (", ".join(used[kind][1] for kind in kinds), ", ".join(names)) if kinds else ("", "")


def _pieces(capture: Capture) -> dict[int, list[PieceFacts]]:
    """By conversation: the UDP packets of which fragments are missing, sent between its hosts.

    They belong to the latest conversation that has begun, or else to the first that begins: its IKE_SA_INIT came in
    fragments. Those of ports of IKE between hosts without any conversation are at 0.
    """
    found: dict[int, list[PieceFacts]] = defaultdict(list)
    between: dict[tuple[str, str], list[Conversation]] = {}
    for piece in capture.index.pieces:
        if piece.protocol != UDP:
            continue
        ends = (piece.src, piece.dst)
        if ends not in between:
            between[ends] = [
                each
                for each in capture.conversations
                if each.version == 2 and each.hosts[0] | each.hosts[1] >= set(ends)
            ]
        conversations = between[ends]
        if conversations:
            begun = bisect(conversations, piece.number, key=lambda each: each.messages[0].number)
            conversation = conversations[max(0, begun - 1)]
            by, number = (INITIATOR if piece.src in conversation.hosts[0] else RESPONDER), conversation.number
        elif {piece.sport, piece.dport}.isdisjoint(PORTS):
            continue
        else:
            by, number = (INITIATOR if piece.dport in PORTS else RESPONDER), 0
        port = piece.dport if by == INITIATOR else piece.sport
        found[number].append(PieceFacts(piece.number, by, port, piece.first))
    return found


def _reauthenticated(conversations: tuple[ConversationFacts, ...]) -> tuple[tuple[int, int], ...]:
    """Pairs of established conversations between the same two hosts, one after the other."""
    pairs: list[tuple[int, int]] = []
    latest: dict[frozenset[str], int] = {}
    for conversation in conversations:
        hosts = frozenset((conversation.initiator, conversation.responder))
        if conversation.version == 2 and conversation.established:
            if hosts in latest:
                pairs.append((latest[hosts], conversation.number))
            latest[hosts] = conversation.number
    return tuple(pairs)


class _Collector:
    """Goes through one conversation and collects its facts."""

    def __init__(self, conversation: Conversation, certificates: Certificates) -> None:
        self.certificates = certificates
        self.conversation, self.history = conversation, conversation.history
        self.auths: list[AuthFacts] = []
        self.errors: list[ErrorFacts] = []
        self.notifies: list[NotifyFacts] = []
        self.nat: list[NatFacts] = []
        self.vendors: list[VendorFacts] = []
        self.fragments: list[int] = []
        self.closed: list[int] = []
        self.bad_icv: list[int] = []
        self.eap: list[int] = []
        self.eap_type = 0
        self.faults: list[tuple[int, str]] = []
        self.requests: dict[int, list[CapturedMessage]] = {}  # packet number of a response -> its request

    def facts(self, pieces: Sequence[PieceFacts] = ()) -> ConversationFacts:
        """Go through the conversation and return its facts."""
        conversation = self.conversation
        base = ConversationFacts(
            conversation.number, conversation.initiator, conversation.responder, conversation.version,
            conversation.complete, conversation.messages[0].number, conversation.first, conversation.last,
        )  # fmt: skip
        if conversation.version != 2:
            return base
        for exchange in conversation.exchanges:
            for response in exchange.responses if exchange.requests else ():
                self.requests[response.number] = exchange.requests
        for message in conversation.messages:
            if not message.copy:
                self._message(message)
        return replace(
            base,
            ike_sas=tuple(self.history.ike_sas.values()),
            children=tuple(self.history.children),
            auths=tuple(self.auths),
            errors=tuple(self._settled(error) for error in sorted(self.errors, key=lambda error: error.number)),
            exchanges=tuple(self._exchange_facts(exchange) for exchange in conversation.exchanges),
            notifies=tuple(self.notifies),
            nat=tuple(self.nat),
            vendors=tuple(self.vendors),
            fragments=tuple(self.fragments),
            closed=tuple(self.closed),
            bad_icv=tuple(self.bad_icv),
            collisions=tuple(self.history.crossings),
            childless=tuple(self.history.childless),
            eap=tuple(self.eap),
            eap_type=self.eap_type,
            certificates=self.certificates.facts(),
            left_out=tuple(self.certificates.left_out.items()),
            faults=tuple(self.faults),
            twice=tuple(message.number for message in conversation.messages if message.twice),
            cut=tuple(message.number for message in conversation.messages if message.missing),
            pieces=tuple(pieces),
        )

    def _role(self, message: CapturedMessage) -> str:
        """The role in the conversation of a message's sender, whichever peer made the message's IKE SA."""
        return INITIATOR if self.conversation.left(message) else RESPONDER

    # -- facts from single messages

    def _message(self, message: CapturedMessage) -> None:
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
        for layer in message.readable:
            kind = int(layer.payload_type)
            if kind == PayloadType.N:
                self._notify(message, layer, role, protected)
            elif kind == PayloadType.V:
                octets = layer.getfieldval("vendorID")
                octets = octets if isinstance(octets, bytes) else str(octets).encode()
                self.vendors.append(VendorFacts(message.number, role, octets.hex(), layer.vendor or ""))
            elif kind == PayloadType.CERT:
                self.certificates.take(message, layer, role)
            elif kind in (PayloadType.IDi, PayloadType.IDr):
                if kind == (PayloadType.IDi if message.from_initiator else PayloadType.IDr):
                    self.certificates.identity(layer, role)
            elif kind == PayloadType.EAP:
                self.eap.append(message.number)
                self.eap_type = _eap_method(layer) or self.eap_type
            elif kind == PayloadType.AUTH:
                self._auth(message, layer, role)
        if message.exchange_type == ExchangeType.IKE_SA_INIT:
            self._nat(message, role)

    def _notify(self, message: CapturedMessage, layer: Any, role: str, protected: bool) -> None:
        kind = int(layer.type)
        data = bytes(layer.notify) if layer.notify else b""
        if kind >= NotifyType.INITIAL_CONTACT:
            self.notifies.append(NotifyFacts(message.number, role, kind, message.exchange, data))
            return
        detail = ""
        if kind == NotifyType.INVALID_KE_PAYLOAD and len(data) == 2:
            detail = f"it asks for {name_of(KeMethod, int.from_bytes(data))}"
        elif kind == NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD and data:
            detail = f"payload type {data[0]} is not known to it"
        elif kind == NotifyType.INVALID_MAJOR_VERSION and data:
            detail = f"its version is {data[0]}"
        requests = self.requests.get(message.number)
        number, asked = (requests[0].number, _asked(requests)) if requests else (None, None)
        self.errors.append(
            ErrorFacts(message.number, kind, message.exchange, role, protected, number, detail, data=data, asked=asked)
        )

    def _auth(self, message: CapturedMessage, layer: Any, role: str) -> None:
        verdict = next((each for each in message.opened.auth), None)
        verified, reason = (
            (None, "no known key can check it") if verdict is None else (verdict.verified, verdict.reason)
        )
        method, given = int(layer.auth_type), self.certificates
        leaf = given.leaf(role) if method in SIGNED else None
        chain = given.chain(message, role) if method in SIGNED else None
        sha1 = leaf is not None and signed_sha1(method, bytes(layer)[8:], leaf.public_key())
        key = given.key(role) if method in SIGNED else ""
        self.auths.append(
            AuthFacts(message.number, role, method, algorithm_of(layer), key, verified, reason, chain, sha1)
        )

    def _nat(self, message: CapturedMessage, role: str) -> None:
        """RFC 7296 section 2.23: the hash is SHA-1 of both SPIs, the address and the port that the sender sees."""
        hashes: dict[int, list[bytes]] = {}
        for layer in message.readable:
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

    def _settled(self, error: ErrorFacts) -> ErrorFacts:
        """Add to an error whether a retry of the refused exchange succeeded."""
        overcome = False
        if error.exchange == "IKE_SA_INIT":
            overcome = any(
                sa.chosen is not None and sa.numbers[-1] > error.number for sa in self.history.ike_sas.values()
            )
        elif error.kind in (NotifyType.INVALID_KE_PAYLOAD, NotifyType.TEMPORARY_FAILURE):
            later: list[ChildSaFacts | IkeSaFacts] = [*self.history.children, *self.history.ike_sas.values()]
            overcome = any(sa.chosen is not None and sa.numbers[-1] > error.number for sa in later)
        return replace(error, overcome=overcome)

    def _exchange_facts(self, exchange: CapturedExchange) -> ExchangeFacts:
        return ExchangeFacts(
            exchange.name,
            exchange.message_id,
            self._role(exchange.requests[0]) if exchange.requests else "",
            tuple(message.number for message in exchange.messages if not message.twice),
            tuple(message.number for message in exchange.messages if message.retransmission),
            exchange.latency,
            exchange.answered or not exchange.requests,
        )


def _asked(requests: Sequence[CapturedMessage]) -> RequestFacts:
    """What a request has. Its fragments are one request, and so are its retransmissions."""
    whole = [message for message in requests if not message.copy]
    layers = [layer for message in whole for layer in message.readable]
    offered = [proposal for layer in layers if layer.payload_type == PayloadType.SA for proposal in proposals_of(layer)]
    groups = [each.id for proposal in offered for each in proposal.of(TransformType.KE) if each.id]
    used = next((int(layer.group) for layer in layers if layer.payload_type == PayloadType.KE), None)
    return RequestFacts(
        tuple(dict.fromkeys(groups)),
        used,
        tuple((int(layer.payload_type), bool(layer.critical)) for layer in layers),
        tuple(text for message in whole for text in message.errors),
        all(not message.opened.closed for message in whole),
    )


def _eap_method(layer: Any) -> int:
    """The method that an EAP request asks for (RFC 3748 section 4.1), 0 for other messages."""
    message = bytes(layer.getfieldval("eap") or b"")
    return message[4] if len(message) > 4 and message[0] == EAP_REQUEST and message[4] > LAST_NO_METHOD else 0


def _hash(head: bytes, address: str, port: int | None) -> bytes:
    octets = ipaddress.ip_address(address).packed + (port or 0).to_bytes(2)
    return hashlib.sha1(head + octets, usedforsecurity=False).digest()
