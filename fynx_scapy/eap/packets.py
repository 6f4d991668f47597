# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP packets of no method: Identity, Notification, Nak, Success and Failure (RFC 3748 sections 4 and 5)."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from scapy.error import Scapy_Exception
from scapy.layers.eap import EAP
from scapy.packet import Packet

from fynx_scapy.errors import AuthenticationError
from fynx_scapy.layers.ikev2.eap import EAP_Expanded, EAP_Malformed

IDENTITY, NOTIFICATION, NAK, EXPANDED = 1, 2, 3, 254
"""The types that are no methods, and the one behind which there are more."""
LARGEST = 0xFFFF
"""The octets of the longest packet."""
_HEADER = 4
_UNREADABLE = (struct.error, Scapy_Exception, AttributeError, IndexError, OverflowError, TypeError, ValueError)
"""What Scapy's classes raise for octets that they do not expect."""


def read(octets: bytes | Packet) -> EAP:
    """An EAP packet as a layer. What has no valid form of its method is an `EAP_Malformed` that says why.

    AuthenticationError for octets without a valid header (RFC 3748 section 4).
    """
    octets = bytes(octets)
    if len(octets) < _HEADER:
        raise AuthenticationError(f"expected an EAP packet of at least {_HEADER} octets, found {len(octets)}")
    said = int.from_bytes(octets[2:4])
    if said != len(octets):
        raise AuthenticationError(f"expected an EAP packet of {said} octets, as its length says, found {len(octets)}")
    code = octets[0]
    if code in (EAP.REQUEST, EAP.RESPONSE) and len(octets) == _HEADER:
        raise AuthenticationError("expected a type in an EAP request or response, found none")
    try:
        packet = EAP(octets)
    except _UNREADABLE:
        return EAP_Malformed(error="its octets do not have the form of its method", data=octets)
    return packet if isinstance(packet, EAP) else EAP_Malformed(error="it is of no known form", data=octets)


def code_of(packet: EAP) -> int:
    """The code, whatever the class."""
    return bytes(packet)[0]


def identifier_of(packet: EAP) -> int:
    """The identifier, likewise."""
    return bytes(packet)[1]


def type_of(packet: EAP) -> int | None:
    """The type of a request or a response; None for the others."""
    octets = bytes(packet)
    return octets[_HEADER] if len(octets) > _HEADER else None


def data_of(packet: EAP) -> bytes:
    """The octets behind the type."""
    return bytes(packet)[_HEADER + 1 :]


def identity_request(message: bytes = b"") -> EAP:
    """Identity, with a message for the user (RFC 3748 section 5.1)."""
    return EAP(code=EAP.REQUEST, type=IDENTITY, message=message)


def identity_response(identity: bytes) -> EAP:
    """The answer to Identity."""
    return EAP(code=EAP.RESPONSE, type=IDENTITY, identity=identity)


def nak(request: EAP, wanted: Iterable[int]) -> EAP:
    """A Nak with the methods that we want instead; an expanded one for an expanded request (sections 5.3.1, 5.3.2)."""
    types = list(dict.fromkeys(wanted)) or [0]
    if isinstance(request, EAP_Expanded):
        data = b"".join(bytes([EXPANDED]) + bytes(3) + kind.to_bytes(4) for kind in types)
        return EAP_Expanded(code=EAP.RESPONSE, vendor=0, vendor_type=NAK, data=data)
    return EAP(code=EAP.RESPONSE, type=NAK, desired_auth_types=types)


def wanted_by(packet: EAP) -> list[int] | None:
    """The methods that a Nak wants, in its order; None for a packet that is none. 0 (no alternative) is left out."""
    kind, data = type_of(packet), data_of(packet)
    if kind == NAK:
        return [each for each in data if each]
    if kind == EXPANDED and data[:7] == bytes(3) + NAK.to_bytes(4):
        each = [data[at : at + 8] for at in range(7, len(data) - 7, 8)]
        return [int.from_bytes(one[4:]) for one in each if one[:4] == b"\xfe\0\0\0" and any(one[4:])]
    return None


def success(identifier: int) -> EAP:
    """EAP-Success, with the identifier of the response that it answers (section 4.2)."""
    return EAP(code=EAP.SUCCESS, id=identifier)


def failure(identifier: int) -> EAP:
    """EAP-Failure, likewise."""
    return EAP(code=EAP.FAILURE, id=identifier)
