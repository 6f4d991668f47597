# SPDX-License-Identifier: GPL-2.0-or-later
"""The Configuration payload: read its attributes and their meaning.

RFC 7296 sections 2.19 and 3.15.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from fynx_scapy.errors import MalformedError
from fynx_scapy.iana import CpAttribute, name_of
from fynx_scapy.ike.terms.cp_config import ConfigReply as ConfigReply
from fynx_scapy.ike.terms.cp_config import ConfigRequest as ConfigRequest
from fynx_scapy.layers.ikev2 import IKEv2_CP
from fynx_scapy.layers.ikev2.cp import value_octets
from fynx_scapy.text import printable

_A = CpAttribute
ADDRESS: dict[int, int] = {_A.INTERNAL_IP4_ADDRESS: 4, _A.INTERNAL_IP6_ADDRESS: 6}
_LENGTHS: dict[int, tuple[int, ...]] = {
    # RFC 7296 section 3.15.1, the table of attribute types. An empty INTERNAL_IP6_SUBNET is a request, as with IPv4.
    _A.INTERNAL_IP4_ADDRESS: (0, 4),
    _A.INTERNAL_IP4_NETMASK: (0, 4),
    _A.INTERNAL_IP4_DNS: (0, 4),
    _A.INTERNAL_IP4_NBNS: (0, 4),
    _A.INTERNAL_IP4_DHCP: (0, 4),
    _A.INTERNAL_IP6_ADDRESS: (0, 17),
    _A.INTERNAL_IP6_DNS: (0, 16),
    _A.INTERNAL_IP6_DHCP: (0, 16),
    _A.INTERNAL_IP4_SUBNET: (0, 8),
    _A.INTERNAL_IP6_SUBNET: (0, 17),
}
SUPPORTED = (
    *_LENGTHS,
    _A.APPLICATION_VERSION,
    _A.SUPPORTED_ATTRIBUTES,
    _A.INTERNAL_DNS_DOMAIN,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The content of the peer's Configuration payload: known attributes as text, other ones as octets."""

    addresses: tuple[str, ...] = ()
    netmask: str | None = None
    dns: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    version: str | None = None
    others: tuple[tuple[int, bytes], ...] = ()

    @classmethod
    def read(cls, attributes: Iterable[tuple[int, bytes]]) -> Settings:
        """Read pairs of type and octets; attributes without a value are ignored."""
        pairs = [(kind, value) for kind, value in attributes if value]
        addresses = [str(ipaddress.ip_address(value[:16])) for kind, value in pairs if kind in ADDRESS]
        masks = [str(ipaddress.ip_address(value)) for kind, value in pairs if kind == _A.INTERNAL_IP4_NETMASK]
        dns = [
            str(ipaddress.ip_address(value))
            for kind, value in pairs
            if kind in (_A.INTERNAL_IP4_DNS, _A.INTERNAL_IP6_DNS)
        ]
        subnets = [_subnet(value) for kind, value in pairs if kind in (_A.INTERNAL_IP4_SUBNET, _A.INTERNAL_IP6_SUBNET)]
        texts = {
            kind: [printable(value) for other_kind, value in pairs if other_kind == kind]
            for kind in (_A.APPLICATION_VERSION, _A.INTERNAL_DNS_DOMAIN)
        }
        return cls(
            tuple(addresses),
            masks[0] if masks else None,
            tuple(dns),
            tuple(subnets),
            tuple(texts[_A.INTERNAL_DNS_DOMAIN]),
            next(iter(texts[_A.APPLICATION_VERSION]), None),
            tuple((kind, value) for kind, value in pairs if kind not in _KNOWN),
        )


_KNOWN = {
    *ADDRESS,
    _A.INTERNAL_IP4_NETMASK,
    _A.INTERNAL_IP4_DNS,
    _A.INTERNAL_IP6_DNS,
    _A.INTERNAL_IP4_SUBNET,
    _A.INTERNAL_IP6_SUBNET,
    _A.INTERNAL_DNS_DOMAIN,
    _A.APPLICATION_VERSION,
}


def read(payload: IKEv2_CP) -> list[tuple[int, bytes]]:
    """The attributes of a payload as pairs of type and octets; MalformedError when one has an impossible length."""
    pairs = []
    for attribute in payload.attributes:
        # Section 3.15.1: the reserved bit is ignored.
        kind, value = attribute.type & 0x7FFF, attribute.value
        octets = value_octets(kind, value) if isinstance(value, str) else bytes(value or b"")
        if kind in _LENGTHS and len(octets) not in _LENGTHS[kind]:
            wanted = " or ".join(map(str, _LENGTHS[kind]))
            raise MalformedError(f"expected {name_of(_A, kind)} of {wanted} octets, found {len(octets)}")
        pairs.append((kind, octets))
    return pairs


def _subnet(value: bytes) -> str:
    """A network as text, without its host bits; with an impossible mask, the address alone."""
    if len(value) == 8:
        mask: str | int = str(ipaddress.IPv4Address(value[4:]))
        host = str(ipaddress.IPv4Address(value[:4]))
    else:
        mask, host = value[16], str(ipaddress.IPv6Address(value[:16]))
    try:
        return str(ipaddress.ip_network(f"{host}/{mask}", strict=False))
    except ValueError:
        return host
