# SPDX-License-Identifier: GPL-2.0-or-later
"""The Configuration payload and its attributes (RFC 7296 section 3.15)."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import CpAttribute, CpType, PayloadType, lookup, name_of
from fynx_scapy.layers.ikev2.fields import OctetEnum, Octets, Reserved, ShortEnum, SizeOf, octets_of, readable
from fynx_scapy.layers.ikev2.lists import Structures
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload
from fynx_scapy.layers.ikev2.structure import FormError, Structure
from fynx_scapy.text import counted, printable

Codec = tuple[Callable[[str], bytes], Callable[[bytes], str]]


def _address(version: int) -> Codec:
    cls = (ipaddress.IPv4Address, ipaddress.IPv6Address)[version == 6]
    return lambda text: cls(text).packed, lambda octets: str(cls(octets))


def _netmask_text(octets: bytes) -> str:
    """Address and netmask, 8 octets: ``10.1.0.0/16``."""
    if len(octets) != 8:
        raise ValueError
    return ipaddress.IPv4Interface((octets[:4], str(ipaddress.IPv4Address(octets[4:])))).with_prefixlen


def _netmask_octets(text: str) -> bytes:
    interface = ipaddress.IPv4Interface(text)
    return interface.packed + interface.netmask.packed


def _prefix_text(octets: bytes) -> str:
    """Address and prefix length, 17 octets: ``2001:db8::1/64``."""
    if len(octets) != 17:
        raise ValueError
    return f"{ipaddress.IPv6Address(octets[:16])}/{octets[16]}"


def _prefix_octets(text: str) -> bytes:
    interface = ipaddress.IPv6Interface(text)
    return interface.packed + bytes((interface.network.prefixlen,))


def _list_text(octets: bytes) -> str:
    if len(octets) % 2:
        raise ValueError
    numbers = (int.from_bytes(octets[at : at + 2]) for at in range(0, len(octets), 2))
    return ", ".join(name_of(CpAttribute, number).removeprefix("UNKNOWN-") for number in numbers)


def _list_octets(text: str) -> bytes:
    return b"".join(lookup(CpAttribute, word).to_bytes(2) for word in text.replace(",", " ").split())


_TEXT: Codec = (str.encode, bytes.decode)
_IP4, _IP6 = _address(4), _address(6)
_A = CpAttribute

CODECS: dict[int, Codec] = {
    **dict.fromkeys((_A.INTERNAL_IP4_ADDRESS, _A.INTERNAL_IP4_NETMASK, _A.INTERNAL_IP4_DNS), _IP4),
    **dict.fromkeys((_A.INTERNAL_IP4_NBNS, _A.INTERNAL_IP4_DHCP, _A.P_CSCF_IP4_ADDRESS), _IP4),
    23456: _IP4,  # INTERNAL_IP4_SERVER
    23457: _IP6,  # INTERNAL_IP6_SERVER
    **dict.fromkeys((_A.INTERNAL_IP6_DNS, _A.INTERNAL_IP6_DHCP, _A.P_CSCF_IP6_ADDRESS), _IP6),
    _A.INTERNAL_IP4_SUBNET: (_netmask_octets, _netmask_text),
    _A.INTERNAL_IP6_ADDRESS: (_prefix_octets, _prefix_text),
    _A.INTERNAL_IP6_SUBNET: (_prefix_octets, _prefix_text),
    _A.APPLICATION_VERSION: _TEXT,
    _A.INTERNAL_DNS_DOMAIN: _TEXT,
    _A.SUPPORTED_ATTRIBUTES: (_list_octets, _list_text),
}
"""For each attribute type: text to octets, and octets to text (RFC 7296 section 3.15.1, RFC 8598 section 4)."""


def value_octets(kind: int, text: str) -> bytes:
    """The octets of an attribute's value from text: by its type, else from hexadecimal digits. Raises ConfigError."""
    if not text:
        return b""
    codec = CODECS.get(kind)
    if codec is None:
        octets: bytes = octets_of(f"the value of {name_of(CpAttribute, kind)}", text)
        return octets
    try:
        return codec[0](text)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a value of {name_of(CpAttribute, kind)}: {error}") from None


def value_text(kind: int, octets: bytes) -> str | None:
    """The value of an attribute as text, or None if the text is not printable or does not encode to these octets."""
    codec = CODECS.get(kind)
    if codec is None or not octets:
        return None
    try:
        text = codec[1](octets)
        return text if text.isprintable() and value_octets(kind, text) == octets else None
    except ValueError:
        return None


class _Value(Octets):
    """An attribute's value: text if its type has a text form, else octets."""

    __slots__ = []

    def any2i(self, pkt: Any, x: Any) -> Any:
        return x if isinstance(x, str) else super().any2i(pkt, x)

    def i2m(self, pkt: Any, x: Any) -> bytes:
        return value_octets(pkt.internal("type") & 0x7FFF, x) if isinstance(x, str) else super().i2m(pkt, x)

    def m2i(self, pkt: Any, x: bytes) -> Any:
        text = value_text(pkt.fields["type"] & 0x7FFF, x)
        return x if text is None else text

    def i2repr(self, pkt: Any, x: Any) -> str:
        return readable(x) if isinstance(x, bytes) and x else printable(x) if isinstance(x, str) else repr(x)


class ConfigurationAttribute(Structure):
    """A configuration attribute (RFC 7296 section 3.15.1).

    ``value`` takes bytes, or text by its type: ``"10.0.0.1"``, ``"10.1.0.0/16"``, ``"2001:db8::1/64"``, a name, a list
    of attributes. In a request an empty value asks for one. The reserved bit is treated as part of the type.
    """

    name = "IKEv2 Configuration Attribute"
    fields_desc = [ShortEnum("type", 1, CpAttribute), SizeOf("length", "value", "H"), _Value("value")]

    @classmethod
    def measure(cls, octets: bytes, offset: int) -> int:
        left = len(octets) - offset
        if left < 4:
            raise FormError(0, f"configuration attribute: expected at least 4 octets, found {left}")
        size = 4 + int.from_bytes(octets[offset + 2 : offset + 4])
        if size > left:
            raise FormError(2, f"configuration attribute: length {size - 4}, but {counted(left - 4, 'octet')} left")
        return size

    def computed(self, name: str, tail: bytes) -> Any:
        return len(tail) if name == "length" else super().computed(name, tail)


class IKEv2_CP(IKEv2_Payload):
    """The Configuration payload: a list of attributes."""

    name = "IKEv2 Configuration"
    payload_type = PayloadType.CP
    fields_desc = [
        *GENERIC,
        OctetEnum("CFGType", CpType.CFG_REQUEST, CpType),
        Reserved(),
        Structures("attributes", lambda octets, offset: ConfigurationAttribute),
    ]


__all__ = ["ConfigurationAttribute", "IKEv2_CP"]
