# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration of a TUN device."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypedDict

from fynx_scapy.checks import Check, Checked, as_tuple, flag, setting, several, shown, whole
from fynx_scapy.errors import ConfigError

if TYPE_CHECKING:
    from typing import Unpack

Addresses: TypeAlias = "str | IPv4Address | IPv6Address | Sequence[str | IPv4Address | IPv6Address]"
Interfaces: TypeAlias = "str | IPv4Interface | IPv6Interface | Sequence[str | IPv4Interface | IPv6Interface]"
Networks: TypeAlias = "str | IPv4Network | IPv6Network | Sequence[str | IPv4Network | IPv6Network]"


class TunFields(TypedDict, total=False):
    """The arguments of `TunConfig`. The constructor converts them to the types of the fields."""

    name: str
    mtu: int
    addresses: Interfaces
    routes: Networks
    around: Addresses
    queue: int
    offload: bool


_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,15}|(?=.{1,15}\Z)[A-Za-z0-9_.-]+%d")
_ADDRESSES = (IPv4Address, IPv6Address, IPv4Network, IPv6Network)  # and their subclasses, the interfaces


def _read_by(convert: Callable[[str], object], wanted: str) -> Callable[[Any], tuple[str, ...]]:
    """Makes a tuple of canonical texts of one text or several; ConfigError, which says what was ``wanted``."""

    def read(value: Any) -> tuple[str, ...]:
        texts = []
        for text in as_tuple(value, str, *_ADDRESSES):
            try:
                texts.append(str(convert(str(text))))
            except ValueError:
                raise ConfigError(f"expected {wanted}, found {shown(text)}") from None
        return tuple(texts)

    return read


_DEVICE_NAME = Check(
    "a name of at most 15 letters, digits, dots and dashes, of which the end may be %d for a number that is free",
    lambda value: isinstance(value, str) and value not in (".", "..") and _NAME.fullmatch(value) is not None,
)
_TEXTS = several(Check("text", lambda value: isinstance(value, str)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TunConfig(Checked):
    """The settings of a TUN device."""

    name: str = setting("fynx%d", _DEVICE_NAME)
    """The name of the device. ``%d`` at its end is a number that is free."""
    mtu: int = setting(1400, whole(68, 65535, "octets"))
    """The largest inner packet in octets. With UDP and ESP around it, 1,400 fit into 1,500 over IPv4 and IPv6."""
    addresses: tuple[str, ...] = setting((), _TEXTS, read=_read_by(ip_interface, "an address such as 10.1.0.1/24"))
    """Addresses of this machine on the device, each with the length of its prefix."""
    routes: tuple[str, ...] = setting((), _TEXTS, read=_read_by(ip_network, "a network such as 10.2.0.0/24"))
    """The networks that are reached through it. One for all addresses does not replace the default route."""
    around: tuple[str, ...] = setting((), _TEXTS, read=_read_by(ip_address, "an address such as 192.0.2.1"))
    """Addresses that are reached as before, although ``routes`` covers them: those of the peers."""
    queue: int = setting(1000, whole(1, 1_000_000, "packets"))
    """How many packets wait for us in the kernel. What is more is dropped there."""
    offload: bool = setting(True, flag())
    """Whether TCP segments are joined where the kernel allows it."""

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[TunFields]) -> None: ...
        def replace(self, **changes: Unpack[TunFields]) -> Self: ...

    def _check_together(self) -> None:
        if self.mtu < 1280 and any(":" in text for text in self.addresses + self.routes):
            raise ConfigError(f"expected TunConfig.mtu to be at least 1280 for IPv6 (RFC 8200), found {self.mtu}")
