# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets of EAP-AKA and EAP-AKA', and which attributes each may have (RFC 4187 sections 9 and 10.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from scapy.layers.eap import EAP

from fynx_scapy.eap.method import shown
from fynx_scapy.layers.ikev2.eap import EAP_AKA, EAP_AKA_Prime, EAP_Malformed
from fynx_scapy.layers.ikev2.eap.aka import AT_ENCR_DATA, AT_IV, AT_KDF, SKIPPABLE, AKA_Attribute
from fynx_scapy.layers.ikev2.eap.names import AKA_ATTRIBUTES, AKA_SUBTYPES

LAYERS: dict[int, type[EAP]] = {EAP_AKA().type: EAP_AKA, EAP_AKA_Prime().type: EAP_AKA_Prime}
"""EAP type -> the layer."""
FAILURE_AFTER, FAILURE, SUCCESS = 0, 16384, 32768
"""Codes of AT_NOTIFICATION: after authentication, before it, and success (RFC 4187 section 10.19)."""
SUCCEEDS, PHASE = 0x8000, 0x4000
"""The S bit: it "does not imply failure"; and the P bit: it is sent before authentication, without a MAC."""
NOTIFICATIONS = {
    FAILURE_AFTER: "general failure after authentication", 1026: "temporarily denied access",
    1031: "not subscribed to the requested service", FAILURE: "general failure", SUCCESS: "success",
}  # fmt: skip
"""Codes of AT_NOTIFICATION in words."""
BIDDING = 0x8000
"""The D bit of AT_BIDDING (RFC 9048 section 4)."""
MOST_RESYNCHRONISATIONS = 2
"""How often one conversation may begin again with another sequence number."""
Found = dict[type[AKA_Attribute], Any]
"""The attributes of a packet by their class; the last of several."""


class UnusableError(Exception):
    """A packet that ends the conversation: by Client-Error of the peer, by Notification of the server."""


def read(packet: EAP, kind: int) -> EAP:
    """The packet, if it is a well-formed one of this method. UnusableError says what it is instead."""
    if isinstance(packet, EAP_Malformed):
        raise UnusableError(f"expected well-formed attributes, found {packet.malformed}")
    if not isinstance(packet, LAYERS[kind]):
        raise UnusableError(f"expected a packet of the method in use, found {shown(packet)}")
    return packet


def attributes(packet: EAP, need: Iterable[type[AKA_Attribute]], may: Iterable[type[AKA_Attribute]] = ()) -> Found:
    """What a packet has of these. UnusableError for one that is missing, twice there, or not known and not skippable.

    Section 8.1: "When an attribute numbered in the range 128 through 255 is encountered but not recognized", it is
    ignored. Only AT_KDF may be there several times.
    """
    need = tuple(need)
    taken, found = {*need, *may}, Found()
    for each in packet.attributes:
        kind = type(each)
        if kind not in taken:
            if each.type < SKIPPABLE:
                raise UnusableError(f"expected no {_name(each.type)} in {shown(packet)}, found one")
            continue
        if kind in found and kind is not AT_KDF:
            raise UnusableError(f"expected one {_name(each.type)} in {shown(packet)}, found two")
        found[kind] = each
    for kind in need:
        if kind not in found:
            raise UnusableError(f"expected {kind._name} in {shown(packet)}, found none")
    if (AT_IV in found) != (AT_ENCR_DATA in found):
        raise UnusableError(f"expected both AT_IV and AT_ENCR_DATA in {shown(packet)}, or none, found one")
    return found


def kdfs(packet: EAP) -> list[int]:
    """The key derivation functions that a packet names, in its order."""
    return [each.number for each in packet.attributes if isinstance(each, AT_KDF)]


def made(kind: int, code: int, subtype: int, identifier: int, parts: Sequence[AKA_Attribute]) -> EAP:
    """A packet of the method."""
    return LAYERS[kind](code=code, id=identifier, subtype=subtype, attributes=list(parts))


def subtype_name(packet: EAP) -> str:
    """What a packet is."""
    return AKA_SUBTYPES.get(packet.subtype, f"subtype {packet.subtype}")


def _name(kind: int) -> str:
    return AKA_ATTRIBUTES.get(kind, f"attribute {kind}")
