# SPDX-License-Identifier: GPL-2.0-or-later
"""The Configuration payload: what is asked for, what is answered, and what it means.

RFC 7296 sections 2.19 and 3.15.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.iana import CpAttribute, CpType, lookup, name_of
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.layers.ikev2 import ConfigurationAttribute, IKEv2_CP
from fynx_scapy.layers.ikev2.cp import value_octets
from fynx_scapy.text import printable

if TYPE_CHECKING:
    pass

_A = CpAttribute
ADDRESS: dict[int, int] = {_A.INTERNAL_IP4_ADDRESS: 4, _A.INTERNAL_IP6_ADDRESS: 6}
_LENGTHS: dict[int, tuple[int, ...]] = {
    # RFC 7296 section 3.15.1, the table of attribute types. An empty INTERNAL_IP6_SUBNET asks for one, as with IPv4.
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


class _Variants:
    __slots__ = ()

    def replace(self, **changes: Any) -> Self:
        """The same with some fields changed; the variant is checked like the original."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRequest(_Variants):
    """What an initiator asks for in IKE_AUTH.

    ``addresses``: one each, ``0.0.0.0`` or ``::`` for any of that version, another one to have it again.
    ``attributes``: names or numbers of `fynx_scapy.iana.CpAttribute`. Without an address the IKE SA is deleted again
    if it is ``required``.
    """

    addresses: tuple[str, ...] = ("0.0.0.0",)
    attributes: tuple[int, ...] = ("INTERNAL_IP4_DNS", "INTERNAL_IP4_SUBNET")  # type: ignore[assignment]
    required: bool = True

    if TYPE_CHECKING:
        # What a person writes is wider than what is read: the constructor turns it into the fields' types.
        def __init__(
            self, *, addresses: str | Sequence[str] = ..., attributes: Sequence[str | int] = ..., **fields: Any
        ) -> None: ...

    def __post_init__(self) -> None:
        addresses = (self.addresses,) if isinstance(self.addresses, str) else tuple(self.addresses)
        try:
            self._set("addresses", tuple(str(ipaddress.ip_address(text)) for text in addresses))
        except ValueError as error:
            raise ConfigError(f"expected addresses such as 0.0.0.0 or :: to ask for: {error}") from None
        self._set("attributes", tuple(lookup(CpAttribute, name) for name in self.attributes))

    def payload(self) -> IKEv2_CP:
        """CP(CFG_REQUEST)."""
        attributes = [_address_attribute(text) for text in self.addresses]
        attributes += [ConfigurationAttribute(type=int(kind)) for kind in self.attributes]
        return IKEv2_CP(CFGType=int(CpType.CFG_REQUEST), attributes=attributes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReply(_Variants):
    """What a responder gives to those who ask.

    ``pool``: ranges of addresses as `Selector.of` reads them; ``dns`` addresses, ``subnets`` networks, ``domains``
    names; ``more`` pairs of an attribute and its value as text. Who does not ask gets no Child SA if it is
    ``required``. ``accepts`` are the attributes of a CFG_SET that are taken. ``most_addresses`` is how many addresses
    of each IP version one IKE SA may hold, so that one peer cannot take the whole pool; what it asks for beyond is not
    answered, as if the pool were empty.
    """

    pool: tuple[Selector, ...] = ()
    netmask: str | None = None
    dns: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    version: str = ""
    more: tuple[tuple[int | str, str], ...] = ()
    required: bool = False
    accepts: tuple[int, ...] = ()
    most_addresses: int = 4

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            pool: str | Selector | Sequence[str | Selector] = ...,
            dns: str | Sequence[str] = ...,
            subnets: str | Sequence[str] = ...,
            domains: str | Sequence[str] = ...,
            accepts: Sequence[str | int] = ...,
            **fields: Any,
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("pool", "dns", "subnets", "domains"):
            value = getattr(self, name)
            self._set(name, (value,) if isinstance(value, str | Selector) else tuple(value))
        self._set("pool", tuple(Selector.of(network) for network in self.pool))
        self._set("accepts", tuple(lookup(CpAttribute, kind) for kind in self.accepts))
        if self.most_addresses < 1:
            raise ConfigError(f"expected most_addresses to be 1 or more, found {self.most_addresses}")
        # Everything is written once here, so that a mistake shows where it was made.
        self.attributes()

    def attributes(self) -> list[ConfigurationAttribute]:
        """What everybody gets who asks for anything, the addresses left out."""
        pairs: list[tuple[int, str]] = []
        pairs += [(_by_version(text, _A.INTERNAL_IP4_DNS, _A.INTERNAL_IP6_DNS), text) for text in self.dns]
        pairs += [(_by_version(text, _A.INTERNAL_IP4_SUBNET, _A.INTERNAL_IP6_SUBNET), text) for text in self.subnets]
        pairs += [(_A.INTERNAL_DNS_DOMAIN, text) for text in self.domains]
        pairs += [(lookup(CpAttribute, kind), text) for kind, text in self.more]
        return [ConfigurationAttribute(type=int(kind), value=value_octets(kind, text)) for kind, text in pairs]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the peer's Configuration payload tells: text where an attribute has some, octets for the rest."""

    addresses: tuple[str, ...] = ()
    netmask: str | None = None
    dns: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    version: str | None = None
    others: tuple[tuple[int, bytes], ...] = ()

    @classmethod
    def read(cls, attributes: Iterable[tuple[int, bytes]]) -> Settings:
        """From pairs of type and octets; those without a value say nothing."""
        found = [(kind, value) for kind, value in attributes if value]
        addresses = [str(ipaddress.ip_address(value[:16])) for kind, value in found if kind in ADDRESS]
        masks = [str(ipaddress.ip_address(value)) for kind, value in found if kind == _A.INTERNAL_IP4_NETMASK]
        dns = [
            str(ipaddress.ip_address(value))
            for kind, value in found
            if kind in (_A.INTERNAL_IP4_DNS, _A.INTERNAL_IP6_DNS)
        ]
        subnets = [_subnet(value) for kind, value in found if kind in (_A.INTERNAL_IP4_SUBNET, _A.INTERNAL_IP6_SUBNET)]
        texts = {
            kind: [printable(value) for found_kind, value in found if found_kind == kind]
            for kind in (_A.APPLICATION_VERSION, _A.INTERNAL_DNS_DOMAIN)
        }
        return cls(
            tuple(addresses),
            masks[0] if masks else None,
            tuple(dns),
            tuple(subnets),
            tuple(texts[_A.INTERNAL_DNS_DOMAIN]),
            next(iter(texts[_A.APPLICATION_VERSION]), None),
            tuple((kind, value) for kind, value in found if kind not in _KNOWN),
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


def _by_version(text: str, four: CpAttribute, six: CpAttribute) -> CpAttribute:
    try:
        return four if ipaddress.ip_interface(text).version == 4 else six
    except ValueError as error:
        raise ConfigError(f"expected an address or a network, found {text!r}: {error}") from None


def _address_attribute(text: str) -> ConfigurationAttribute:
    """One that asks for an address: empty for any."""
    address = ipaddress.ip_address(text)
    kind = _A.INTERNAL_IP4_ADDRESS if address.version == 4 else _A.INTERNAL_IP6_ADDRESS
    value = b"" if address.is_unspecified else address.packed + (b"" if address.version == 4 else bytes([128]))
    return ConfigurationAttribute(type=int(kind), value=value)


def _subnet(value: bytes) -> str:
    """A network as text; its host bits are left out, an impossible mask makes it a single address."""
    if len(value) == 8:
        mask: str | int = str(ipaddress.IPv4Address(value[4:]))
        host = str(ipaddress.IPv4Address(value[:4]))
    else:
        mask, host = value[16], str(ipaddress.IPv6Address(value[:16]))
    try:
        return str(ipaddress.ip_network(f"{host}/{mask}", strict=False))
    except ValueError:
        return host
