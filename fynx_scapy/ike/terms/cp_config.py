# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration payloads: what an initiator requests, and what a responder assigns (RFC 7296 sections 2.19, 3.15)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypedDict

from fynx_scapy.checks import (
    Check,
    Checked,
    as_tuple,
    flag,
    kind,
    optional,
    pair,
    setting,
    several,
    shown,
    text,
    whole,
)
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import CpAttribute, CpType, lookup
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.layers.ikev2 import ConfigurationAttribute, IKEv2_CP
from fynx_scapy.layers.ikev2.cp import value_octets

if TYPE_CHECKING:
    from typing import Unpack

_A = CpAttribute


class RequestFields(TypedDict, total=False):
    """The arguments of `ConfigRequest`."""

    addresses: str | Sequence[str]
    attributes: Sequence[str | int]
    required: bool


class ReplyFields(TypedDict, total=False):
    """The arguments of `ConfigReply`."""

    pool: str | Selector | Sequence[str | Selector]
    netmask: str | None
    dns: str | Sequence[str]
    subnets: str | Sequence[str]
    domains: str | Sequence[str]
    version: str
    more: Sequence[tuple[int | str, str]]
    required: bool
    accepts: Sequence[str | int]
    most_addresses: int


def _addresses(value: Any) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_address(str(address))) for address in as_tuple(value, str))
    except ValueError as error:
        raise ConfigError(f"expected addresses such as 0.0.0.0 or ::, {error}") from None


def _attributes(value: Any) -> tuple[int, ...]:
    for kind_ in as_tuple(value):
        if not isinstance(kind_, str) and not whole(0, 0x7FFF).accepts(kind_):
            raise ConfigError(f"expected the names or numbers of attributes, found {shown(kind_)}")
    return tuple(lookup(CpAttribute, kind_) for kind_ in value)


def _netmask(value: Any) -> str | None:
    if value is None:
        return None
    try:
        return str(ipaddress.IPv4Address(str(value)))
    except ValueError:
        raise ConfigError(f"expected an IPv4 netmask such as 255.255.255.0, found {shown(value)}") from None


def _texts(value: Any) -> tuple[Any, ...]:
    return as_tuple(value, str)


def _pairs(value: Any) -> tuple[Any, ...]:
    return as_tuple(value)


def _pool(value: Any) -> tuple[Selector, ...]:
    return tuple(Selector.of(network) for network in as_tuple(value, str, Selector))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRequest(Checked):
    """What an initiator requests in IKE_AUTH (RFC 7296 section 2.19)."""

    addresses: tuple[str, ...] = setting(("0.0.0.0",), several(text(), 0, 256), read=_addresses)
    """The addresses to request: ``0.0.0.0`` or ``::`` for any address of that version, or an address to get again."""
    attributes: tuple[int, ...] = setting(
        ("INTERNAL_IP4_DNS", "INTERNAL_IP4_SUBNET"), several(whole(0, 0x7FFF)), read=_attributes
    )
    """The attributes to request, as names or numbers of `fynx_scapy.iana.CpAttribute`."""
    required: bool = setting(True, flag())
    """Whether to delete the IKE SA again when the responder assigns no address."""

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[RequestFields]) -> None: ...
        def replace(self, **changes: Unpack[RequestFields]) -> Self: ...

    def payload(self) -> IKEv2_CP:
        """CP(CFG_REQUEST)."""
        attributes = [_address_attribute(text) for text in self.addresses]
        attributes += [ConfigurationAttribute(type=int(kind)) for kind in self.attributes]
        return IKEv2_CP(CFGType=int(CpType.CFG_REQUEST), attributes=attributes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReply(Checked):
    """What a responder assigns on request (RFC 7296 section 2.19)."""

    pool: tuple[Selector, ...] = setting((), several(kind(Selector)), read=_pool)
    """Ranges of addresses to assign, in any form that `Selector.of` reads."""
    netmask: str | None = setting(None, optional(text()), read=_netmask)
    """The netmask that goes with an IPv4 address."""
    dns: tuple[str, ...] = setting((), several(text()), read=_texts)
    """Addresses of name servers."""
    subnets: tuple[str, ...] = setting((), several(text()), read=_texts)
    """Networks behind the responder."""
    domains: tuple[str, ...] = setting((), several(text()), read=_texts)
    """The DNS domains inside (INTERNAL_DNS_DOMAIN)."""
    version: str = setting("", text(empty=True))
    """The value of APPLICATION_VERSION; empty does not reveal a version."""
    more: tuple[tuple[int | str, str], ...] = setting(
        (), several(pair(Check("an attribute", lambda a: isinstance(a, int | str)), text(empty=True))), read=_pairs
    )
    """Further attributes, as pairs of a name or number and the value as text."""
    required: bool = setting(False, flag())
    """Whether to refuse a Child SA to a peer that sends no CFG_REQUEST."""
    accepts: tuple[int, ...] = setting((), several(whole(0, 0x7FFF)), read=_attributes)
    """The attributes of a CFG_SET to accept, as names or numbers."""
    most_addresses: int = setting(4, whole(1, 1 << 40))
    """How many addresses of each IP version one IKE SA may have, so that one peer cannot take the whole pool. Further
    requests are handled as if the pool were empty."""

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[ReplyFields]) -> None: ...
        def replace(self, **changes: Unpack[ReplyFields]) -> Self: ...

    def _check_together(self) -> None:
        # Build all attributes once, so that a wrong value raises its error here.
        self.attributes()

    def attributes(self) -> list[ConfigurationAttribute]:
        """The attributes of every reply, without the addresses."""
        pairs: list[tuple[int, str]] = []
        pairs += [(_by_version(text, _A.INTERNAL_IP4_DNS, _A.INTERNAL_IP6_DNS), text) for text in self.dns]
        pairs += [(_by_version(text, _A.INTERNAL_IP4_SUBNET, _A.INTERNAL_IP6_SUBNET), text) for text in self.subnets]
        pairs += [(_A.INTERNAL_DNS_DOMAIN, text) for text in self.domains]
        pairs += [(lookup(CpAttribute, kind), text) for kind, text in self.more]
        return [ConfigurationAttribute(type=int(kind), value=value_octets(kind, text)) for kind, text in pairs]


def _address_attribute(text: str) -> ConfigurationAttribute:
    """The attribute that requests an address; it is empty for any address."""
    address = ipaddress.ip_address(text)
    kind = _A.INTERNAL_IP4_ADDRESS if address.version == 4 else _A.INTERNAL_IP6_ADDRESS
    value = b"" if address.is_unspecified else address.packed + (b"" if address.version == 4 else bytes([128]))
    return ConfigurationAttribute(type=int(kind), value=value)


def _by_version(text: str, four: CpAttribute, six: CpAttribute) -> CpAttribute:
    try:
        return four if ipaddress.ip_interface(text).version == 4 else six
    except ValueError as error:
        raise ConfigError(f"expected an address or a network, found {text!r}: {error}") from None
