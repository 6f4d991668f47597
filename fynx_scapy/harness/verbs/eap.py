# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs for EAP (RFC 3748) inside IKE_AUTH: packets of the real methods changed, and AUTH made with another secret.

A case says at which packet by its name in ladders: ``at="request with MSCHAPv2 Response"``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scapy.layers.eap import EAP
from scapy.packet import Packet

from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.harness.verbs.mutation import CHECKS, Scene, payload_verb
from fynx_scapy.iana import AuthMethod, ExchangeType
from fynx_scapy.ike.auth.authenticator import OwnAuth, id_payload
from fynx_scapy.ike.auth.methods import Covered
from fynx_scapy.ike.child.setup import ChildRequest
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_EAP, IKEv2_IDi, IKEv2_IDr, IKEv2_Nonce
from fynx_scapy.layers.ikev2.eap.aka import AKA_Attribute

_HEADER = 4
_MSK = 64
SECRETS: dict[str, Callable[[Scene, Covered], bytes]] = {
    "sk_p": lambda scene, covered: covered.sk_p,
    "another-msk": lambda scene, covered: scene.randomness.octets(_MSK),
    "zeros": lambda scene, covered: bytes(_MSK),
    "nothing": lambda scene, covered: b"",
}
"""What AUTH after EAP can be made with instead of the MSK: SK_pi or SK_pr, the MSK of another session, 64 zeros, or an
empty secret."""


def _payload(message: Outgoing) -> IKEv2_EAP:
    found = next((each for each in message.payloads if isinstance(each, IKEv2_EAP)), None)
    if found is None:
        raise LocalError(f"expected EAP in the message, found {', '.join(message.types()) or 'no payloads'}")
    return found


def _sized(octets: bytes) -> bytes:
    """The octets with a Length that says how many they are, as far as it can."""
    return octets[:2] + min(len(octets), 0xFFFF).to_bytes(2) + octets[_HEADER:]


def _layer(message: Outgoing) -> EAP:
    layer = _payload(message).eap
    if not isinstance(layer, Packet):
        raise LocalError("expected an EAP packet of a known method, found octets")
    return layer


# Other packets


@payload_verb
def eap_success(_: Scene, message: Outgoing) -> None:
    """Send EAP-Success instead of the EAP packet."""
    payload = _payload(message)
    payload.eap = bytes([EAP.SUCCESS, payload.data[1], 0, _HEADER])


@payload_verb
def eap_failure(_: Scene, message: Outgoing) -> None:
    """Send EAP-Failure instead of the EAP packet."""
    payload = _payload(message)
    payload.eap = bytes([EAP.FAILURE, payload.data[1], 0, _HEADER])


@payload_verb
def eap_instead(_: Scene, message: Outgoing, eap_type: int, data: bytes = b"") -> None:
    """Send an EAP packet of this type, with these data behind the type. Success and Failure become a request."""
    payload = _payload(message)
    code, identifier = payload.data[:2]
    code = code if code in (EAP.REQUEST, EAP.RESPONSE) else EAP.REQUEST
    payload.eap = _sized(bytes([code, identifier, 0, 0, eap_type]) + data)


@payload_verb
def eap_beside(_: Scene, message: Outgoing, code: int, at: int = 0) -> None:
    """Add another EAP payload with EAP-Success (3) or EAP-Failure (4), by default as the first payload."""
    message.payloads.insert(at, IKEv2_EAP(eap=bytes([code, _payload(message).data[1], 0, _HEADER])))


# The packet that there is


@payload_verb
def eap_code(_: Scene, message: Outgoing, code: int) -> None:
    """Set the Code of the EAP packet."""
    payload = _payload(message)
    payload.eap = bytes([code]) + payload.data[1:]


@payload_verb
def eap_identifier(_: Scene, message: Outgoing, by: int) -> None:
    """Add to the Identifier of the EAP packet."""
    payload = _payload(message)
    octets = payload.data
    payload.eap = octets[:1] + bytes([octets[1] + by & 0xFF]) + octets[2:]


@payload_verb
def eap_length(_: Scene, message: Outgoing, by: int) -> None:
    """Let the Length of the EAP packet be wrong by so many octets; the packet itself is not changed."""
    payload = _payload(message)
    octets = payload.data
    payload.eap = octets[:2] + (len(octets) + by & 0xFFFF).to_bytes(2) + octets[_HEADER:]


@payload_verb
def eap_type(_: Scene, message: Outgoing, kind: int) -> None:
    """Set the Type of the EAP packet, and leave what is behind it."""
    payload = _payload(message)
    payload.eap = payload.data[:_HEADER] + bytes([kind]) + payload.data[_HEADER + 1 :]


@payload_verb
def eap_overwrite(_: Scene, message: Outgoing, at: int, octets: bytes) -> None:
    """Overwrite octets of the EAP packet from this offset on; offset 5 is the first one behind the Type."""
    payload = _payload(message)
    data = payload.data
    if not 0 <= at <= len(data) - len(octets):
        raise LocalError(f"expected room for {len(octets)} octets at {at} of the EAP packet, found {len(data)} octets")
    payload.eap = data[:at] + octets + data[at + len(octets) :]


@payload_verb
def eap_cut(_: Scene, message: Outgoing, size: int) -> None:
    """Cut the EAP packet to so many octets. Its Length says so, the lengths inside do not."""
    payload = _payload(message)
    if size >= len(payload.data):
        raise LocalError(f"expected an EAP packet of more than {size} octets, found {len(payload.data)}")
    payload.eap = _sized(payload.data[:size])


@payload_verb
def eap_extend(_: Scene, message: Outgoing, octets: bytes) -> None:
    """Add octets at the end of the EAP packet. Its Length says so, the lengths inside do not."""
    payload = _payload(message)
    payload.eap = _sized(payload.data + octets)


@payload_verb
def eap_field(_: Scene, message: Outgoing, field: str, value: Any) -> None:
    """Set a field of the EAP packet, such as ``ms_length`` of EAP-MSCHAPv2. Lengths that are not set are computed."""
    layer = _layer(message)
    if field not in (known := [each.name for each in layer.fields_desc]):
        raise LocalError(f"expected a field of {type(layer).__name__} ({', '.join(known)}), found {field!r}")
    layer.setfieldval(field, value)


# Attributes of EAP-AKA


def _attributes(message: Outgoing, name: str) -> tuple[list[Any], int]:
    """The attributes of the packet, and where the first one of that name is."""
    found = list(getattr(_layer(message), "attributes", ()))
    names = [type(each).__name__ for each in found]
    if name not in names:
        raise LocalError(f"expected {name} in the EAP packet, found {', '.join(names) or 'no attributes'}")
    return found, names.index(name)


@payload_verb
def aka_attribute(_: Scene, message: Outgoing, /, name: str, **fields: Any) -> None:
    """Set fields of an attribute of EAP-AKA, such as ``length`` (in words of four octets) or ``value``."""
    found, at = _attributes(message, name)
    for field, value in fields.items():
        found[at].setfieldval(field, value)
    _layer(message).attributes = found


@payload_verb
def aka_drop(_: Scene, message: Outgoing, name: str) -> None:
    """Leave out an attribute of EAP-AKA."""
    found, at = _attributes(message, name)
    del found[at]
    _layer(message).attributes = found


@payload_verb
def aka_duplicate(_: Scene, message: Outgoing, name: str) -> None:
    """Repeat an attribute of EAP-AKA right behind itself."""
    found, at = _attributes(message, name)
    _layer(message).attributes = [*found[: at + 1], found[at].copy(), *found[at + 1 :]]


@payload_verb
def aka_add(_: Scene, message: Outgoing, kind: int, value: bytes = b"\0\0", length: int | None = None) -> None:
    """Add an attribute of this type at the end of a packet of EAP-AKA; ``length`` is what it says, in words."""
    layer = _layer(message)
    layer.attributes = [*layer.attributes, AKA_Attribute(type=kind, value=value, length=length)]


# Other messages between the rounds


@payload_verb
def create_child_instead(scene: Scene, message: Outgoing) -> None:
    """Send a CREATE_CHILD_SA request for our first Child SA, with the message ID of this request."""
    sa = scene.sa
    sa_payload, *selectors = ChildRequest.make(sa, sa.config.children[0], None).payloads()
    message.header.exch_type = ExchangeType.CREATE_CHILD_SA
    message.payloads[:] = [sa_payload, IKEv2_Nonce(nonce=scene.randomness.octets(32)), *selectors]


# AUTH


@payload_verb
def eap_auth(scene: Scene, message: Outgoing, secret: str) -> None:
    """Make AUTH as after EAP, with another secret than the MSK; a message without AUTH gets one.

    ``secret``: ``sk_p`` (SK_pi or SK_pr, as for a method without a key), ``another-msk``, ``zeros``, ``nothing``.
    """
    sa = scene.sa
    layer = IKEv2_IDi if sa.initiator else IKEv2_IDr
    keys = sa.keys
    covered = Covered(
        prf=sa.suite.prf_function(),
        message=sa.init_sent,
        nonce=sa.nonce_r if sa.initiator else sa.nonce_i,
        sk_p=keys.sk_pi if sa.initiator else keys.sk_pr,
        identity=id_payload(layer, sa.config.local_id).octets()[_HEADER:],
    )
    made = covered.shared_key(SECRETS[secret](scene, covered))
    auth = next((each for each in message.payloads if isinstance(each, IKEv2_AUTH)), None)
    if auth is None:
        auth = IKEv2_AUTH()
        message.payloads.append(auth)
    auth.auth_type, auth.load = int(AuthMethod.Shared_Key_Message_Integrity_Code), made


@payload_verb
def auth_as_before(scene: Scene, message: Outgoing, part: str) -> None:
    """Make AUTH of each round with the ``secret``, or over the ``identity``, of the first one (RFC 4739 section 2.1).

    It acts on every message of a case, so that its ``at`` names no round.
    """
    identity = message.get(IKEv2_IDi if scene.sa.initiator else IKEv2_IDr)
    if identity is not None:
        scene.notes.setdefault("identity", identity.octets()[_HEADER:])

    def as_before(value: Any) -> Any:
        first = scene.notes.setdefault("secret", value.by)
        if part == "identity":
            return lambda outgoing: value.by.value(replace(value.covered(outgoing), identity=scene.notes["identity"]))
        return lambda outgoing: first.value(value.covered(outgoing))

    message.computed = [
        (layer, name, as_before(value) if isinstance(value, OwnAuth) else value)
        for layer, name, value in message.computed
    ]


def _check_part(part: str) -> None:
    if part not in ("secret", "identity"):
        raise ConfigError(f"expected the part of AUTH that is as before, secret or identity, found {part!r}")


def _check_secret(secret: str) -> None:
    if secret not in SECRETS:
        raise ConfigError(f"expected a secret for AUTH ({', '.join(SECRETS)}), found {secret!r}")


CHECKS["eap_auth"] = _check_secret
CHECKS["auth_as_before"] = _check_part
