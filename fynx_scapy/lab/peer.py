# SPDX-License-Identifier: GPL-2.0-or-later
"""What every peer in a lab has in common: how it is told what to do, and how it tells what it has.

The words are neutral; each peer turns them into its own configuration, and its own state into ours. Proposals are
written as strongSwan writes them, and as ours are.
"""

from __future__ import annotations

import functools
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, ClassVar, Protocol

import jinja2

from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.config import ChildConfig, IkeConfig, Psk

DYNAMIC = "dynamic"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerChild:
    """A Child SA of the peer's configuration, as it sees it: ``local_ts`` is behind the peer.

    A selector may be ``dynamic``: the address that one end assigns to the other. ``tfc`` is the size in bytes that it
    pads its packets to (RFC 4303 section 2.7).
    """

    name: str = "net"
    local_ts: tuple[str, ...] = ("10.2.0.0/24",)
    remote_ts: tuple[str, ...] = ("10.1.0.0/24",)
    esp: str = "aes128gcm16"
    mode: str = "tunnel"
    tfc: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig:
    """A peer's configuration, from its own side. Times are in seconds, 0 or None is "not", or the peer's default.

    ``remote`` is whom it serves and connects to (``%any`` serves all). ``dpd_delay`` is after how much silence it asks
    whether we live, ``fragment_size`` the IP packet's, ``cookie_threshold`` how many half-open IKE SAs it has before
    it wants cookies, ``childless`` one of allow, prefer, force and never, ``pool`` what it gives
    addresses from, ``virtual_ip`` whether it asks for one itself. ``also`` are further connections, each with an
    identity and Child SAs of its own. ``port`` and ``natt_port`` are where it listens, ``remote_port`` is
    where it finds us.
    """

    ike: str = "aes128gcm16-prfsha256-x25519"
    psk: str | bytes = field(default="lab psk for testing", repr=False)
    local_id: str = "bob"
    remote_id: str = "alice"
    local: str = "10.9.0.2"
    remote: str = "10.9.0.1"
    port: int = 500
    natt_port: int = 4500
    remote_port: int = 500
    children: tuple[PeerChild, ...] = (PeerChild(),)
    dpd_delay: int = 0
    fragmentation: str = "yes"
    fragment_size: int | None = None
    cookie_threshold: int | None = None
    childless: str = "allow"
    pool: str | None = None
    virtual_ip: bool = False
    keepalive: float | None = None
    also: tuple[PeerConfig, ...] = ()

    def connections(self) -> list[tuple[str, PeerConfig]]:
        """Every connection with its name: ``lab``, ``lab1``, ``lab2``, …"""
        return [("lab", self), *((f"lab{number}", other) for number, other in enumerate(self.also, 1))]

    def changed(self, **changes: Any) -> PeerConfig:
        """A variant; ``esp``, ``mode``, ``tfc``, ``local_ts`` and ``remote_ts`` change every Child SA."""
        names = ("esp", "mode", "local_ts", "remote_ts", "tfc")
        child = {name: changes.pop(name) for name in names if name in changes}
        if child and "children" not in changes:
            changes["children"] = tuple(replace(each, **child) for each in self.children)
        return replace(self, **changes)

    def mirrored(self, **changes: Any) -> IkeConfig:
        """What we configure to get along with it; ``changes`` are fields of `IkeConfig`."""
        children = tuple(
            ChildConfig(
                name=each.name,
                proposals=each.esp,
                local_ts=[_fixed(ts) for ts in each.remote_ts],
                remote_ts=[_fixed(ts) for ts in each.local_ts],
                mode=each.mode,
            )
            for each in self.children
        )
        fields: dict[str, Any] = {
            "auth": Psk(self.psk),
            "local_id": self.remote_id,
            "remote_id": self.local_id,
            "proposals": self.ike,
            "children": children,
        }
        return IkeConfig(**(fields | changes))


def _fixed(selector: str) -> str:
    """A selector of a peer's configuration as one of ours: ``dynamic`` is whatever address will be assigned."""
    return "0.0.0.0/0" if selector == DYNAMIC else selector


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerChildSa:
    """A Child SA that the peer says it has; SPIs and counters are the peer's inbound and outbound ones."""

    name: str
    state: str
    mode: str
    encap: bool
    spi_in: int
    spi_out: int
    esp: str
    esn: bool = False
    bytes_in: int | None = None
    bytes_out: int | None = None
    packets_in: int | None = None
    packets_out: int | None = None
    local_ts: tuple[str, ...]
    remote_ts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerIkeSa:
    """An IKE SA that the peer says it has. ``established``: both ends are authenticated, and it was not replaced."""

    name: str
    spi_i: bytes
    spi_r: bytes
    initiator: bool
    established: bool
    state: str
    ike: str
    local: str
    remote: str
    remote_id: str
    children: tuple[PeerChildSa, ...]


class Program(Protocol):
    """A program that runs on a machine."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""

    def kill(self) -> None:
        """End it at once, and what it has started."""


class Machine(Protocol):
    """Where a peer runs: a `Namespace` of this machine, or a `Guest`, which has a kernel of its own."""

    def run(self, *argv: str, text: str | None = None, env: dict[str, str] | None = None) -> str:
        """Run a command in it to its end; returns its output. LabError when it fails."""

    def popen(self, argv: Sequence[str], *, env: dict[str, str] | None = None, output: IO[Any]) -> Program:
        """Start a program in it, whose output goes to a file in the lab's folder."""


class Peer(ABC):
    """Another implementation, running. What it is asked to do it begins at once; what comes of it shows later.

    ``capabilities`` are what trials may need of it; ``guest`` says that it runs in a guest, with ``packages`` there
    that are not installed. ``defaults`` is what its configuration has to be unless a trial says otherwise.
    """

    guest: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[Mapping[str, Any]] = {}

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[str]]

    @abstractmethod
    def __init__(self, machine: Any, folder: Path, config: PeerConfig) -> None:
        """A peer on that `Machine`, which keeps its files in that folder."""

    @property
    @abstractmethod
    def version(self) -> str:
        """What it says of its own version."""

    @abstractmethod
    def start(self) -> None:
        """Run it, and return when it answers. LabError when it does not."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once, so that it tells nobody."""

    @abstractmethod
    def initiate(self, connection: str = "lab", child: str | None = None) -> None:
        """Have it set up an IKE SA and a Child SA with us; ``child`` is its first one by default."""

    @abstractmethod
    def rekey_ike(self, connection: str = "lab") -> None:
        """Have it rekey an IKE SA."""

    @abstractmethod
    def rekey_child(self, child: str = "net") -> None:
        """Have it rekey a Child SA."""

    @abstractmethod
    def delete_ike(self, connection: str = "lab") -> None:
        """Have it delete an IKE SA."""

    @abstractmethod
    def delete_child(self, child: str = "net") -> None:
        """Have it delete a Child SA."""

    @abstractmethod
    def sas(self) -> list[PeerIkeSa]:
        """The IKE SAs that it has."""

    @abstractmethod
    def log(self) -> str:
        """What it has logged so far."""


@functools.cache
def templates() -> jinja2.Environment:
    """The templates of the peers' configurations; ``quoted`` puts a value into double quotes."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fynx_scapy.lab", "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters |= {"quoted": quoted, "word": word, "words": words, "hexed": hexed}
    return environment


def write(folder: Path, name: str, template: str, **values: Any) -> Path:
    """Render a template into a file that its owner alone may read."""
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(templates().get_template(template).render(**values))
    return path


def quoted(text: object) -> str:
    """A value in double quotes. ConfigError for control characters, which no configuration file holds."""
    plain = str(text)
    if not plain.isprintable():
        raise ConfigError(f"expected printable characters in a value for a peer's configuration, found {plain!r}")
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def word(text: object) -> str:
    """A value that stands without quotes: a proposal, an address, a name. ConfigError for anything else."""
    plain = str(text)
    if not re.fullmatch(r"[A-Za-z0-9._:/%\[\]+-]+", plain):
        raise ConfigError(f"expected letters, digits and . _ : / % [ ] + - in a peer's configuration, found {plain!r}")
    return plain


def hexed(secret: str | bytes) -> str:
    """A secret as hexadecimal digits, which need no quoting."""
    return "0x" + Psk(secret).secret.hex()


def words(values: Sequence[str]) -> str:
    """Several words, separated by commas."""
    return ",".join(map(word, values))
