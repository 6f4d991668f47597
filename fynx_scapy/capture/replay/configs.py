# SPDX-License-Identifier: GPL-2.0-or-later
"""The configurations of both peers for replaying a recorded conversation.

They are inferred from the messages: proposals, identities, selectors, mode, and announced extensions.
"""

from __future__ import annotations

from typing import Any

from scapy.packet import Packet

from fynx_scapy.capture.follow.exchanges import AUTH, CREATE_CHILD, INIT, REKEY_CHILD, REKEY_IKE
from fynx_scapy.capture.replay.recording import Recorded, Recording, Step
from fynx_scapy.errors import CaptureError, ConfigError
from fynx_scapy.iana import AuthMethod, CpAttribute, NotifyType, ProtocolId, TransformType, name_of
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.credentials.certificates import Certificate, Certificates
from fynx_scapy.ike.terms.cp import ConfigRequest
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.proposals import Proposal, offers
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.layers.ikev2 import (  # fmt: skip
    IKEv2_AUTH,
    IKEv2_CERT,
    IKEv2_CP,
    IKEv2_IDi,
    IKEv2_IDr,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_SA,
    IKEv2_TSi,
    IKEv2_TSr,
)
from fynx_scapy.pki.trust import Trust
from fynx_scapy.session_setup import PeerFields

_ADDRESSES = {CpAttribute.INTERNAL_IP4_ADDRESS: "0.0.0.0", CpAttribute.INTERNAL_IP6_ADDRESS: "::"}


SIGNED = (1, 3, 9, 10, 11, 14)
"""Methods that sign with the key of a certificate (RFC 7296 section 3.8, RFC 4754, RFC 7427)."""


def initiator(
    recording: Recording,
    psk: bytes | str | None = None,
    certificate: Certificate | None = None,
    trust: Trust | None = None,
) -> IkeConfig:
    """The recorded initiator's configuration. Without ``psk``, the first PSK beside the capture is used.

    ``certificate`` signs for an initiator that signed, and ``trust`` judges a responder that did. Raises ConfigError
    without what AUTH is computed or judged with, CaptureError for a conversation that authenticates otherwise.
    """
    inits, auths = recording.of(INIT), recording.of(AUTH)
    signed, judged = signs(auths[0].request) if auths else False, signs(auths[0].response) if auths else False
    for step in auths[:1]:
        auth = step.request.get(IKEv2_AUTH)
        method = name_of(AuthMethod, int(auth.auth_type)) if auth is not None else "EAP"
        if not signed and (auth is None or auth.auth_type != AuthMethod.Shared_Key_Message_Integrity_Code):
            number = step.request.numbers[0]
            raise CaptureError(f"packet {number}: expected AUTH by a pre-shared key or a signature, found {method}")
    secret = psk or next(iter(recording.psk), None) or (None if auths else b"nothing is signed")
    if signed and certificate is None:
        raise ConfigError("expected a certificate and its key, as AUTH is signed anew: give them with --cert and --key")
    if not (signed and judged) and not secret:
        raise ConfigError("expected the pre-shared key, because AUTH is computed anew: give it with --psk-file")
    if judged and trust is None:
        raise ConfigError("expected the authority of the responder, which signs AUTH: give it with --ca")
    request = inits[0].request
    ke, nonce = request.get(IKEv2_KE), request.get(IKEv2_Nonce)
    if ke is None or nonce is None:
        raise CaptureError(f"packet {request.numbers[0]}: expected KE and a nonce in IKE_SA_INIT, found none")
    fields: dict[str, Any] = {
        "auth": certificate if signed else secret,
        "proposals": _proposals(request, ProtocolId.IKE, recording.of(REKEY_IKE)),
        "ke": int(ke.group),
        "nonce_size": min(256, max(16, len(nonce.nonce))),
        "fragmentation": request.notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED) is not None,
        "children": (),
    }
    if signed:
        fields["send_certificates"] = "always" if auths[0].request.get(IKEv2_CERT) is not None else "never"
    if judged:
        fields |= {"remote_auth": Certificates(), "trust": trust}
    elif signed:
        fields["remote_auth"] = secret
    if auths:
        first = auths[0].request
        fields["local_id"] = _identity(first, IKEv2_IDi)
        fields["remote_id"] = _identity(first, IKEv2_IDr)
        if first.get(IKEv2_SA) is not None:
            fields["children"] = (child(recording, auths[0]),)
        if (cp := first.get(IKEv2_CP)) is not None:
            fields["cp_request"] = _cp(cp)
    return IkeConfig(**fields)


def signs(message: Recorded | None) -> bool:
    """Whether a message has AUTH that is a signature."""
    auth = message.get(IKEv2_AUTH) if message else None
    return auth is not None and int(auth.auth_type) in SIGNED


def named(recording: Recording) -> Identity | None:
    """The identity of the recorded responder, None where it is not known."""
    auths = recording.of(AUTH)
    return _identity(auths[0].response, IKEv2_IDr) if auths else None


def responder(recording: Recording, ours: IkeConfig) -> PeerFields:
    """The fields that make an embedded peer answer like the recorded responder, as far as its responses show them.

    They are for the argument ``peer`` of `Session`.
    """
    inits, auths = recording.of(INIT), recording.of(AUTH)
    answers = [step.response for step in inits if step.response]
    chosen = next((answer for answer in answers if answer.get(IKEv2_SA) is not None), None)
    proposals = _proposals(chosen, ProtocolId.IKE, []) if chosen else ours.proposals
    children = []
    for step in (*auths[:1], *recording.of(CREATE_CHILD)):
        if step.request.get(IKEv2_SA) is None:
            continue
        asked = child(recording, step)
        local, remote = asked.remote_ts, asked.local_ts
        if step.response and step.response.get(IKEv2_TSr) is not None:
            local, remote = _selectors(step.response, IKEv2_TSr), _selectors(step.response, IKEv2_TSi)
        children.append(asked.replace(local_ts=local, remote_ts=remote))
    found: PeerFields = {
        "proposals": proposals,
        "children": tuple(children),
        "childless": any(answer.notify(NotifyType.CHILDLESS_IKEV2_SUPPORTED) is not None for answer in answers),
    }
    if own := named(recording):
        found["local_id"] = own
    if any(answer.notify(NotifyType.COOKIE) is not None for answer in answers):
        found["cookie_threshold"] = 0
    return found


def child(recording: Recording, step: Step) -> ChildConfig:
    """The Child SA that a request asks for. IKE_AUTH names no key exchange, so that of the rekeys is used."""
    request = step.request
    rekeys = recording.of(REKEY_CHILD) if step.kind == AUTH else []
    source = rekeys[0].request if rekeys else request
    return ChildConfig(
        proposals=_proposals(source, ProtocolId.ESP, rekeys or [step]),
        local_ts=_selectors(request, IKEv2_TSi),
        remote_ts=_selectors(request, IKEv2_TSr),
        mode="transport" if request.notify(NotifyType.USE_TRANSPORT_MODE) is not None else "tunnel",
        accept_tfc=request.notify(NotifyType.ESP_TFC_PADDING_NOT_SUPPORTED) is None,
        fragments=request.notify(NotifyType.NON_FIRST_FRAGMENTS_ALSO) is not None,
    )


def _proposals(message: Recorded, protocol: ProtocolId, steps: list[Step]) -> tuple[Proposal, ...]:
    """The proposals of a message, with the group of the first KE payload in ``steps`` first."""
    payload = message.get(IKEv2_SA)
    if payload is None:
        raise CaptureError(f"packet {message.numbers[0]}: expected an SA payload, found none")
    first = next((int(ke.group) for step in steps if (ke := step.request.get(IKEv2_KE)) is not None), None)
    found = []
    for offer in offers(payload):
        if offer.protocol == protocol and offer.fault is None:
            transforms = sorted(offer.transforms, key=lambda t: t.type == TransformType.KE and t.id != first)
            found.append(Proposal(protocol, tuple(transforms)))
    found = [proposal for proposal in found if proposal.fault() is None]
    if not found:
        raise CaptureError(f"packet {message.numbers[0]}: expected a proposal with supported algorithms, found none")
    return tuple(found)


def _identity(message: Recorded | None, layer: type[Packet]) -> Identity | None:
    payload = message.get(layer) if message else None
    return Identity.parse(payload.octets()[4:]) if payload is not None else None


def _selectors(message: Recorded, layer: type[Packet]) -> tuple[Selector, ...]:
    payload = message.get(layer)
    found = [Selector.parse(each) for each in payload.traffic_selector] if payload is not None else []
    return tuple(each for each in found if each is not None)


def _cp(payload: Packet) -> ConfigRequest:
    asked = [int(attribute.type) for attribute in payload.attributes]
    return ConfigRequest(addresses=tuple(text for kind, text in _ADDRESSES.items() if kind in asked))
