# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-AKA (RFC 4187), EAP-AKA' (RFC 9048) and EAP-SIM (RFC 4186): one form of packet, a subtype and attributes."""
# ruff: noqa: N801 -- class names as in the RFCs
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from typing import Any, ClassVar

from scapy.fields import ByteEnumField

from fynx_scapy.layers.ikev2.eap.methods import EAP_Method, header
from fynx_scapy.layers.ikev2.eap.names import AKA_ATTRIBUTES as NAMES
from fynx_scapy.layers.ikev2.eap.names import AKA_SUBTYPES as SUBTYPES
from fynx_scapy.layers.ikev2.fields import Octet, Octets, Short, Text
from fynx_scapy.layers.ikev2.lists import Structures
from fynx_scapy.layers.ikev2.structure import FormError, Structure
from fynx_scapy.text import counted

SIM_TYPE, AKA_TYPE, AKA_PRIME_TYPE = 18, 23, 50
CHALLENGE, REJECT, SYNCHRONISATION, IDENTITY, NOTIFICATION, REAUTHENTICATION, CLIENT_ERROR = 1, 2, 4, 5, 12, 13, 14
"""Subtypes (RFC 4187 section 11)."""
SKIPPABLE = 128
"""From this type on, an attribute that is not known is ignored (RFC 4187 section 8.1)."""
_UNIT = 4


class _Actual(Short):
    """The size of the value before its padding, in octets or, of RES, in bits; computed if None."""

    def computed(self, pkt: Any) -> int:
        return len(bytes(pkt.internal("value") or b"")) * pkt.unit  # type: ignore[no-any-return]


class _Padding(Octets):
    """Zeros up to a multiple of four octets; computed if None."""

    __slots__ = []

    def __init__(self, name: str = "padding"):
        super().__init__(name)
        setattr(self, "default", None)  # noqa: B010 -- the base class wants octets

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        return s + (bytes(-len(s) % _UNIT) if val is None else self.i2m(pkt, val))


class AKA_Attribute(Structure):
    """An attribute without a class of its own: ``value`` is all behind its length."""

    name = "AKA attribute"
    fields_desc = [ByteEnumField("type", SKIPPABLE, NAMES), Octet("length", None), Octets("value")]

    @classmethod
    def measure(cls, octets: bytes, offset: int) -> int:
        left = len(octets) - offset
        if left < _UNIT:
            raise FormError(0, f"{cls._name}: expected at least {_UNIT} octets, found {left}")
        size = octets[offset + 1] * _UNIT
        if size == 0:
            raise FormError(1, f"{cls._name}: expected a length of at least 1, found 0")
        if size > left:
            raise FormError(1, f"{cls._name}: length {size}, but {counted(left, 'octet')} left")
        return size

    def computed(self, name: str, tail: bytes) -> Any:
        """The length is in units of four octets."""
        if name == "length":
            return -(-(self._struct.size + len(tail)) // _UNIT)
        return super().computed(name, tail)


def _number(kind: int, name: str = "number", default: int = 0) -> list[Any]:
    """Two octets that are the whole value."""
    return [ByteEnumField("type", kind, NAMES), Octet("length", None), Short(name, default)]


def _octets(kind: int, size: int | None = None) -> list[Any]:
    """Two reserved octets, then so many, or all up to the end."""
    return [*_number(kind, "res"), Octets("value", bytes(size or 0), (lambda pkt: size) if size else None)]


class _Sized(AKA_Attribute):
    """A value whose size is said before it, since it is padded."""

    unit: ClassVar[int] = 1

    @classmethod
    def fields_of(cls, kind: int, value: type[Octets] = Octets) -> list[Any]:
        """The fields of such an attribute."""
        size = [ByteEnumField("type", kind, NAMES), Octet("length", None), _Actual("actual", None)]
        return [*size, value("value", b"", lambda pkt: -(-pkt.internal("actual") // pkt.unit)), _Padding()]


class AT_RAND(AKA_Attribute):
    """RAND; several of them in EAP-SIM (RFC 4187 section 10.6)."""

    name = "AT_RAND"
    fields_desc = _octets(1)


class AT_AUTN(AKA_Attribute):
    """AUTN (RFC 4187 section 10.7)."""

    name = "AT_AUTN"
    fields_desc = _octets(2, 16)


class AT_RES(_Sized):
    """RES; ``actual`` is its size in bits (RFC 4187 section 10.8)."""

    name = "AT_RES"
    unit = 8
    fields_desc = _Sized.fields_of(3)


class AT_AUTS(AKA_Attribute):
    """AUTS (RFC 4187 section 10.9)."""

    name = "AT_AUTS"
    fields_desc = [ByteEnumField("type", 4, NAMES), Octet("length", None), Octets("value", bytes(14), lambda pkt: 14)]


class AT_PADDING(AKA_Attribute):
    """What fills encrypted attributes up to whole blocks (RFC 4187 section 10.12)."""

    name = "AT_PADDING"
    fields_desc = [ByteEnumField("type", 6, NAMES), Octet("length", None), Octets("value", bytes(2))]


class AT_NONCE_MT(AKA_Attribute):
    """The peer's nonce in EAP-SIM (RFC 4186 section 10.4)."""

    name = "AT_NONCE_MT"
    fields_desc = _octets(7, 16)


class AT_PERMANENT_ID_REQ(AKA_Attribute):
    """Asks for the permanent identity (RFC 4187 section 10.2)."""

    name = "AT_PERMANENT_ID_REQ"
    fields_desc = _number(10, "res")


class AT_MAC(AKA_Attribute):
    """The MAC of the packet (RFC 4187 section 10.15)."""

    name = "AT_MAC"
    fields_desc = _octets(11, 16)


class AT_NOTIFICATION(AKA_Attribute):
    """How it ends, or will (RFC 4187 section 10.19)."""

    name = "AT_NOTIFICATION"
    fields_desc = _number(12)


class AT_ANY_ID_REQ(AKA_Attribute):
    """Asks for any identity (RFC 4187 section 10.3)."""

    name = "AT_ANY_ID_REQ"
    fields_desc = _number(13, "res")


class AT_IDENTITY(_Sized):
    """The peer's identity (RFC 4187 section 10.5)."""

    name = "AT_IDENTITY"
    fields_desc = _Sized.fields_of(14, Text)


class AT_VERSION_LIST(_Sized):
    """The versions of EAP-SIM that the server has, two octets each (RFC 4186 section 10.2)."""

    name = "AT_VERSION_LIST"
    fields_desc = _Sized.fields_of(15)


class AT_SELECTED_VERSION(AKA_Attribute):
    """The version of EAP-SIM that the peer takes (RFC 4186 section 10.3)."""

    name = "AT_SELECTED_VERSION"
    fields_desc = _number(16)


class AT_FULLAUTH_ID_REQ(AKA_Attribute):
    """Asks for an identity for full authentication (RFC 4187 section 10.4)."""

    name = "AT_FULLAUTH_ID_REQ"
    fields_desc = _number(17, "res")


class AT_COUNTER(AKA_Attribute):
    """Counts fast re-authentications (RFC 4187 section 10.16)."""

    name = "AT_COUNTER"
    fields_desc = _number(19)


class AT_COUNTER_TOO_SMALL(AKA_Attribute):
    """The peer has seen a higher counter (RFC 4187 section 10.17)."""

    name = "AT_COUNTER_TOO_SMALL"
    fields_desc = _number(20, "res")


class AT_NONCE_S(AKA_Attribute):
    """The server's nonce of a fast re-authentication (RFC 4187 section 10.18)."""

    name = "AT_NONCE_S"
    fields_desc = _octets(21, 16)


class AT_CLIENT_ERROR_CODE(AKA_Attribute):
    """Why the peer gives up (RFC 4187 section 10.20)."""

    name = "AT_CLIENT_ERROR_CODE"
    fields_desc = _number(22)


class AT_KDF_INPUT(_Sized):
    """The name of the network (RFC 9048 section 3.1)."""

    name = "AT_KDF_INPUT"
    fields_desc = _Sized.fields_of(23, Text)


class AT_KDF(AKA_Attribute):
    """A key derivation function (RFC 9048 section 3.2)."""

    name = "AT_KDF"
    fields_desc = _number(24, default=1)


class AT_IV(AKA_Attribute):
    """The initialization vector of AT_ENCR_DATA (RFC 4187 section 10.12)."""

    name = "AT_IV"
    fields_desc = _octets(129, 16)


class AT_ENCR_DATA(AKA_Attribute):
    """Encrypted attributes (RFC 4187 section 10.12)."""

    name = "AT_ENCR_DATA"
    fields_desc = _octets(130)


class AT_NEXT_PSEUDONYM(_Sized):
    """The pseudonym for the next time (RFC 4187 section 10.10)."""

    name = "AT_NEXT_PSEUDONYM"
    fields_desc = _Sized.fields_of(132, Text)


class AT_NEXT_REAUTH_ID(_Sized):
    """The identity for the next fast re-authentication (RFC 4187 section 10.11)."""

    name = "AT_NEXT_REAUTH_ID"
    fields_desc = _Sized.fields_of(133, Text)


class AT_CHECKCODE(AKA_Attribute):
    """A hash of the identity packets, or nothing (RFC 4187 section 10.13)."""

    name = "AT_CHECKCODE"
    fields_desc = _octets(134)


class AT_RESULT_IND(AKA_Attribute):
    """Asks for a protected success (RFC 4187 section 10.14)."""

    name = "AT_RESULT_IND"
    fields_desc = _number(135, "res")


class AT_BIDDING(AKA_Attribute):
    """Whether the sender would rather have EAP-AKA': the highest bit (RFC 9048 section 4)."""

    name = "AT_BIDDING"
    fields_desc = _number(136)


CLASSES: dict[int, type[AKA_Attribute]] = {
    each.fields_desc[0].default: each
    for each in (
        AT_RAND, AT_AUTN, AT_RES, AT_AUTS, AT_PADDING, AT_NONCE_MT, AT_PERMANENT_ID_REQ, AT_MAC, AT_NOTIFICATION,
        AT_ANY_ID_REQ, AT_IDENTITY, AT_VERSION_LIST, AT_SELECTED_VERSION, AT_FULLAUTH_ID_REQ, AT_COUNTER,
        AT_COUNTER_TOO_SMALL, AT_NONCE_S, AT_CLIENT_ERROR_CODE, AT_KDF_INPUT, AT_KDF, AT_IV, AT_ENCR_DATA,
        AT_NEXT_PSEUDONYM, AT_NEXT_REAUTH_ID, AT_CHECKCODE, AT_RESULT_IND, AT_BIDDING,
    )
}  # fmt: skip
"""Attribute type -> its class."""


def _choose(octets: bytes, offset: int) -> type[AKA_Attribute]:
    return CLASSES.get(octets[offset], AKA_Attribute)


def _fields(kind: int) -> list[Any]:
    return [
        *header(kind),
        ByteEnumField("subtype", CHALLENGE, SUBTYPES),
        Short("res", 0),
        Structures("attributes", _choose),
    ]


class EAP_AKA(EAP_Method):
    """A packet of EAP-AKA: ``subtype`` says which. ``packet[AT_RAND].value`` is an attribute's value."""

    name = "EAP-AKA"
    fields_desc = _fields(AKA_TYPE)


class EAP_AKA_Prime(EAP_Method):
    """A packet of EAP-AKA', likewise."""

    name = "EAP-AKA'"
    fields_desc = _fields(AKA_PRIME_TYPE)


class EAP_SIM(EAP_Method):
    """A packet of EAP-SIM, likewise."""

    name = "EAP-SIM"
    fields_desc = _fields(SIM_TYPE)


__all__ = ["EAP_AKA", "EAP_SIM", "AKA_Attribute", "EAP_AKA_Prime", *(each.__name__ for each in CLASSES.values())]
