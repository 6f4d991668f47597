# SPDX-License-Identifier: GPL-2.0-or-later
"""What a configuration file holds: connections, the settings of the endpoint, local addresses."""

from __future__ import annotations

import ipaddress
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypedDict

from fynx_scapy.checks import Checked, as_tuple, kind, named, optional, setting, several, text
from fynx_scapy.errors import ConfigError
from fynx_scapy.files import AnyPath
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.terms.endpoint_config import EndpointConfig
from fynx_scapy.ike.terms.timeouts import Reconnect
from fynx_scapy.settings.swanctl import read_swanctl
from fynx_scapy.settings.toml import read_toml
from fynx_scapy.text import printable

if TYPE_CHECKING:
    from typing import Unpack


class SettingsFields(TypedDict, total=False):
    """The arguments of `Settings`."""

    local: str | Sequence[str]
    endpoint: EndpointConfig
    reconnect: Reconnect | None
    connections: Mapping[str, IkeConfig]


def _local(value: Any) -> tuple[str, ...]:
    hosts = as_tuple(value, str)
    try:
        return tuple(str(ipaddress.ip_address(host)) for host in hosts if isinstance(host, str) or _refuse(host))
    except ValueError as error:
        raise ConfigError(f"expected IP addresses such as 192.0.2.1 or 2001:db8::1: {error}") from None


def _refuse(host: object) -> bool:
    raise ConfigError(f"expected an IP address as text, found {type(host).__name__}")


def _connections(value: Any) -> Any:
    return MappingProxyType(dict(value)) if isinstance(value, Mapping) or value == () else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """What a client or a server runs with, as a file describes it."""

    local: tuple[str, ...] = setting((), several(text(), 0, 64), read=_local)
    """Our local IP addresses. Without any, a client uses the address that the system picks, a server all of them."""
    endpoint: EndpointConfig = setting(EndpointConfig(), kind(EndpointConfig))
    """The settings of the whole endpoint: ports, limits, protection from floods."""
    reconnect: Reconnect | None = setting(None, optional(kind(Reconnect)))
    """When a client sets a connection up again after its peer was lost. By default it does not, unless dead peer
    detection says ``restart``."""
    connections: Mapping[str, IkeConfig] = setting((), named(kind(IkeConfig)), read=_connections)
    """The connections by name, each with an IKE configuration. A server tries them in this order."""
    warnings: tuple[str, ...] = field(default=(), compare=False)
    """What the reader of the file has to say of it: a secret that others may read, a setting that we do not have."""

    if TYPE_CHECKING:

        def __init__(self, *, warnings: tuple[str, ...] = (), **fields: Unpack[SettingsFields]) -> None: ...
        def replace(self, *, warnings: tuple[str, ...] = ..., **changes: Unpack[SettingsFields]) -> Self: ...

    @classmethod
    def from_file(cls, path: AnyPath) -> Settings:
        """Read a TOML file, or with the suffix ``.conf`` a swanctl.conf. ConfigError names file, line and key."""
        if Path(path).suffix == ".conf":
            read = read_swanctl(Path(path))
            endpoint = EndpointConfig(port=read.port)
            return cls(local=read.local, endpoint=endpoint, connections=read.connections, warnings=read.warnings)
        settings, warnings = read_toml(Path(path), cls)
        return settings.replace(warnings=warnings)

    def connection(self, name: str | None = None) -> IkeConfig:
        """The connection of that name; without a name, the only one. ConfigError if there is none, or a choice."""
        names = ", ".join(printable(known) for known in self.connections) or "none"
        if name is None:
            if len(self.connections) != 1:
                names += "" if self.connections else self._left_out(".*")
                raise ConfigError(f"expected one connection, or a name to choose one; the connections are: {names}")
            (only,) = self.connections.values()
            return only
        if name not in self.connections:
            names += self._left_out(re.escape(printable(name)))
            raise ConfigError(f"no connection is called {printable(name)!r}; the connections are: {names}")
        return self.connections[name]

    def _left_out(self, pattern: str) -> str:
        """Why a connection of such a name is left out; empty if the reader has said nothing of it."""
        found = (line for line in self.warnings if re.search(f"; connection {pattern} is left out$", line))
        return next((f"; {line}" for line in found), "")


def connection_of(path: AnyPath, name: str | None = None) -> IkeConfig:
    """One connection of a file, as `Settings.connection` chooses it. What the reader has to say is a UserWarning."""
    settings = Settings.from_file(path)
    for warning in settings.warnings:
        warnings.warn(warning, stacklevel=3)
    try:
        return settings.connection(name)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
