# SPDX-License-Identifier: GPL-2.0-or-later
"""The Identification payloads IDi and IDr (RFC 7296 section 3.5), and IDg of group key management (RFC 9838)."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

import ipaddress
from typing import Any

from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.iana import IdType, PayloadType
from fynx_scapy.layers.ikev2.der import name_octets, name_text
from fynx_scapy.layers.ikev2.fields import OctetEnum, Octets, Reserved, octets_of, readable
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload
from fynx_scapy.text import printable

_ADDRESS_SIZES = {IdType.ID_IPV4_ADDR: 4, IdType.ID_IPV6_ADDR: 16}
_TEXT = frozenset({IdType.ID_FQDN, IdType.ID_RFC822_ADDR, IdType.ID_KEY_ID, IdType.ID_FC_NAME, IdType.ID_NULL})
_SCAPYS_NAMES = {"IPv4_addr": 1, "Email_addr": 3, "IPv6_addr": 5, "Key": 11}


def guessed_type(identity: str | bytes | None) -> int:
    """The ID type for the form of an identity: an address, a name with @, a distinguished name, else FQDN.

    Bytes are ID_KEY_ID, no identity is ID_NULL (RFC 7619 section 2.3).
    """
    if not identity:
        return IdType.ID_NULL
    if not isinstance(identity, str):
        return IdType.ID_KEY_ID
    try:
        return (IdType.ID_IPV4_ADDR, IdType.ID_IPV6_ADDR)[ipaddress.ip_address(identity).version == 6]
    except ValueError:
        pass
    if "@" in identity and "=" not in identity:
        return IdType.ID_RFC822_ADDR
    return IdType.ID_DER_ASN1_DN if "=" in identity else IdType.ID_FQDN


def identity_octets(kind: int, identity: str | bytes) -> bytes:
    """The Identification Data of an ID payload (RFC 7296 section 3.5): bytes unchanged, text by its type.

    Raises ConfigError if the text does not fit the type.
    """
    if isinstance(identity, bytes):
        return identity
    if kind in _ADDRESS_SIZES:
        try:
            address = ipaddress.ip_address(identity).packed
        except ValueError:
            address = b""
        if len(address) != _ADDRESS_SIZES[kind]:  # type: ignore[index]
            raise ConfigError(f"{identity!r} is not an address for ID type {IdType(kind).name}")
        return address
    if kind == IdType.ID_DER_ASN1_DN:
        return name_octets(identity)
    if kind == IdType.ID_DER_ASN1_GN:
        octets: bytes = octets_of("ID", identity)
        return octets
    return identity.encode()


def identity_text(kind: int, data: bytes) -> str:
    """Identification Data as readable text: an address, a name, text, else hexadecimal digits."""
    if len(data) == _ADDRESS_SIZES.get(kind, -1):  # type: ignore[call-overload]
        return str(ipaddress.ip_address(data))
    if kind == IdType.ID_DER_ASN1_DN:
        try:
            return name_text(data)
        except MalformedError:
            return data.hex()
    return readable(data) if data else ""


class _IdType(OctetEnum):
    """An ID type; if None, it is computed from the form of the identity."""

    def __init__(self) -> None:
        super().__init__("IDtype", None, IdType)

    def any2i_one(self, pkt: Any, x: Any) -> Any:
        return _SCAPYS_NAMES[x] if isinstance(x, str) and x in _SCAPYS_NAMES else super().any2i_one(pkt, x)

    def computed(self, pkt: Any) -> int:
        return guessed_type(pkt.internal("ID"))


class _Identity(Octets):
    """Identification data: addresses are text, everything else is bytes. Text is encoded by the ID type."""

    __slots__ = []

    def any2i(self, pkt: Any, x: Any) -> Any:
        return x if isinstance(x, str) else super().any2i(pkt, x)

    def i2m(self, pkt: Any, x: Any) -> bytes:
        if type(x) is bytes:
            return x
        return identity_octets(pkt.kind, x) if isinstance(x, str) else super().i2m(pkt, x)

    def m2i(self, pkt: Any, x: bytes) -> Any:
        kind = pkt.fields["IDtype"]
        return identity_text(kind, x) if len(x) == _ADDRESS_SIZES.get(kind) else x

    def i2h(self, pkt: Any, x: Any) -> Any:
        return x.encode() if isinstance(x, str) and pkt is not None and pkt.kind in _TEXT else x

    def i2repr(self, pkt: Any, x: Any) -> str:
        return identity_text(pkt.kind, x) if isinstance(x, bytes) else printable(str(x))


class IKEv2_IDi(IKEv2_Payload):
    """The Identification payload of the initiator.

    ``ID`` takes bytes, or text by its type: an address, a name, a distinguished name such as
    ``"C=CH, O=Lab, CN=moon"``. If ``IDtype`` is None, it is computed from the text. ``data`` is the octets, ``text`` a
    readable form, ``body`` the RestOfInitIDPayload of RFC 7296 section 2.15.
    """

    name = "IKEv2 Identification - Initiator"
    payload_type = PayloadType.IDi
    fields_desc = [*GENERIC, _IdType(), Reserved(), _Identity("ID")]

    def read(self, octets: bytes) -> None:
        super().read(octets)
        size = _ADDRESS_SIZES.get(self.fields["IDtype"])
        if size is not None and isinstance(self.fields["ID"], bytes):
            self.note_fault(
                f"expected an address of {size} octets at offset 8 of the payload, found {len(self.fields['ID'])}"
            )

    @property
    def kind(self) -> int:
        """The ID type, computed if it is None."""
        kind = self.internal("IDtype")
        return guessed_type(self.internal("ID")) if kind is None else int(kind)

    @property
    def data(self) -> bytes:
        """The identification data as octets."""
        return self.get_field("ID").i2m(self, self.internal("ID"))  # type: ignore[no-any-return]

    @property
    def text(self) -> str:
        """The identification data as readable text."""
        return identity_text(self.kind, self.data)

    @property
    def body(self) -> bytes:
        """ID type, reserved octets and data, as AUTH covers them (RFC 7296 section 2.15)."""
        return self.octets()[4:]


class IKEv2_IDr(IKEv2_IDi):
    """The Identification payload of the responder; see :class:`IKEv2_IDi`."""

    name = "IKEv2 Identification - Responder"
    payload_type = PayloadType.IDr


class IKEv2_IDg(IKEv2_IDi):
    """The group identity of G-IKEv2 (RFC 9838), in the same format; see :class:`IKEv2_IDi`."""

    name = "IKEv2 Group Identification"
    payload_type = PayloadType.IDg


__all__ = ["IKEv2_IDg", "IKEv2_IDi", "IKEv2_IDr", "guessed_type", "identity_octets", "identity_text"]
