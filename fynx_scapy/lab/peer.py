# SPDX-License-Identifier: GPL-2.0-or-later
"""The interface of all peers in a lab: configuration, commands and state.

It is the same for every implementation; each peer translates it to its own configuration format and state. Proposals
are written as in strongSwan, and as in our own configuration.
"""

from __future__ import annotations

import functools
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Protocol, Self, Unpack

import jinja2

from fynx_scapy.checks import (
    SECRET,
    Check,
    Checked,
    as_tuple,
    flag,
    kind,
    one_of,
    optional,
    seconds,
    setting,
    several,
    text,
    udp_port,
    whole,
)
from fynx_scapy.errors import ConfigError, LabError
from fynx_scapy.ike.config import ChildConfig, IkeChanges, IkeConfig, Psk

DYNAMIC = "dynamic"


def _texts(value: Any) -> tuple[Any, ...]:
    return as_tuple(value, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerChild(Checked):
    """A Child SA of the peer's configuration, from the peer's side.

    A traffic selector may be ``dynamic``: the address that one side assigns to the other.
    """

    name: str = setting("net", text())
    """Its name at the peer."""
    local_ts: tuple[str, ...] = setting(("10.2.0.0/24",), several(text(), 1, 255), read=_texts)
    """The traffic selectors behind the peer."""
    remote_ts: tuple[str, ...] = setting(("10.1.0.0/24",), several(text(), 1, 255), read=_texts)
    """The traffic selectors behind us."""
    esp: str = setting("aes128gcm16", text())
    """Its proposals, written as in strongSwan."""
    mode: str = setting("tunnel", one_of("tunnel", "transport"))
    """``tunnel`` or ``transport``."""
    tfc: int = setting(0, whole(0, 65535, "octets"))
    """The size in octets to which it pads its packets (RFC 4303 section 2.7); 0 for no padding."""

    if TYPE_CHECKING:

        def replace(
            self,
            *,
            name: str = ...,
            local_ts: tuple[str, ...] = ...,
            remote_ts: tuple[str, ...] = ...,
            esp: str = ...,
            mode: str = ...,
            tfc: int = ...,
        ) -> Self: ...


def _children(value: Any) -> tuple[Any, ...]:
    return as_tuple(value, PeerChild)


def _further(value: Any) -> tuple[Any, ...]:
    return as_tuple(value, PeerConfig)


_FURTHER = several(Check("a PeerConfig", lambda value: isinstance(value, PeerConfig)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig(Checked):
    """A peer's configuration, from the peer's side. None keeps the peer's default."""

    ike: str = setting("aes128gcm16-prfsha256-x25519", text())
    """Its proposals for the IKE SA, written as in strongSwan."""
    psk: str | bytes = setting("lab psk for testing", SECRET, repr=False)
    """The pre-shared key, as `Psk` reads it."""
    local_id: str = setting("bob", text())
    """The peer's identity."""
    remote_id: str = setting("alice", text())
    """The identity that we must prove."""
    local: str = setting("10.9.0.2", text())
    """Its address."""
    remote: str = setting("10.9.0.1", text())
    """The address that it serves and connects to; ``%any`` serves all."""
    port: int = setting(500, udp_port())
    """Its UDP port."""
    natt_port: int = setting(4500, udp_port())
    """Its UDP port for NAT traversal."""
    remote_port: int = setting(500, udp_port())
    """Our UDP port."""
    children: tuple[PeerChild, ...] = setting((PeerChild(),), several(kind(PeerChild)), read=_children)
    """Its Child SAs."""
    dpd_delay: int = setting(0, whole(0, 1 << 31, "seconds"))
    """The seconds of silence after which it checks that we are alive; 0 for never."""
    fragmentation: str = setting("yes", one_of("yes", "accept", "force", "no"))
    """Whether it sends and accepts fragments: ``yes``, ``accept``, ``force`` or ``no``."""
    fragment_size: int | None = setting(None, optional(whole(1, 65535, "octets")))
    """The size in octets of an IP packet with a fragment."""
    cookie_threshold: int | None = setting(None, optional(whole(0, 1 << 31)))
    """The number of half-open IKE SAs from which it requires cookies."""
    half_open_limits: bool = setting(True, flag())
    """Whether it defends itself against many half-open IKE SAs of one address, as strongSwan does from the third on."""
    childless: str = setting("allow", one_of("allow", "prefer", "force", "never"))
    """Whether it sets up IKE SAs without a Child SA: ``allow``, ``prefer``, ``force`` or ``never``."""
    pool: str | None = setting(None, optional(text()))
    """The pool from which it assigns addresses."""
    virtual_ip: bool = setting(False, flag())
    """Whether it requests an address."""
    keepalive: float | None = setting(None, optional(seconds(zero=True)))
    """Seconds between two NAT keepalives."""
    also: tuple[PeerConfig, ...] = setting((), _FURTHER, read=_further)
    """More connections, each with its own identity and Child SAs."""

    if TYPE_CHECKING:

        def replace(self, **changes: Any) -> Self: ...

    def connections(self) -> list[tuple[str, PeerConfig]]:
        """Every connection with its name: ``lab``, ``lab1``, ``lab2``, …"""
        return [("lab", self), *((f"lab{number}", other) for number, other in enumerate(self.also, 1))]

    def changed(self, **changes: Any) -> PeerConfig:
        """A changed copy; ``esp``, ``mode``, ``tfc``, ``local_ts`` and ``remote_ts`` change every Child SA."""
        names = ("esp", "mode", "local_ts", "remote_ts", "tfc")
        child_changes = {name: changes.pop(name) for name in names if name in changes}
        if child_changes and "children" not in changes:
            changes["children"] = tuple(child.replace(**child_changes) for child in self.children)
        return self.replace(**changes)

    def mirrored(self, **changes: Unpack[IkeChanges]) -> IkeConfig:
        """Our matching configuration; ``changes`` are fields of `IkeConfig`."""
        children = tuple(
            ChildConfig(
                name=child.name,
                proposals=child.esp,
                local_ts=[_fixed(ts) for ts in child.remote_ts],
                remote_ts=[_fixed(ts) for ts in child.local_ts],
                mode=child.mode,
            )
            for child in self.children
        )
        ours = IkeConfig(
            auth=self.psk, local_id=self.remote_id, remote_id=self.local_id, proposals=self.ike, children=children
        )
        return ours.replace(**changes)


def _fixed(selector: str) -> str:
    """A traffic selector of the peer's configuration as one of ours; ``dynamic`` becomes any address."""
    return "0.0.0.0/0" if selector == DYNAMIC else selector


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerChildSa:
    """A Child SA that the peer reports. Its SPIs and counters are inbound and outbound as the peer sees them."""

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
    """An IKE SA that the peer reports. ``established``: both sides are authenticated, and it was not replaced."""

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
        """Whether it still runs."""

    def kill(self) -> None:
        """Kill it and its child processes."""


class Machine(Protocol):
    """Where a peer runs: a `Namespace` of this machine, or a `Guest` with its own kernel."""

    def run(self, *argv: str, text: str | None = None, env: dict[str, str] | None = None) -> str:
        """Run a command in it; returns its output. LabError when it fails."""

    def popen(self, argv: Sequence[str], *, env: dict[str, str] | None = None, output: IO[Any]) -> Program:
        """Start a program in it, whose output goes to a file in the lab's folder."""


class Peer(ABC):
    """A running peer of another implementation. Its commands return at once; their results show later."""

    guest: ClassVar[bool] = False
    """Whether it runs in a guest."""
    packages: ClassVar[tuple[str, ...]] = ()
    """The packages that the guest needs."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Changes to the default configuration that this peer needs."""

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[str]]
    """The capabilities that trials may need."""

    @abstractmethod
    def __init__(self, machine: Any, folder: Path, config: PeerConfig) -> None:
        """A peer on that `Machine`, with its files in that folder."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The version that it reports."""

    @abstractmethod
    def start(self) -> None:
        """Start it, and wait until it answers. LabError when it does not."""

    @abstractmethod
    def kill(self) -> None:
        """Kill it, so that it sends no Delete."""

    @abstractmethod
    def initiate(self, connection: str = "lab", child: str | None = None) -> None:
        """Have it set up an IKE SA and a Child SA with us, by default its first Child SA."""

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

    def forget(self) -> None:
        """End all its IKE SAs at once, half-open ones too, without waiting for us. LabError for a peer that cannot."""
        raise LabError(f"{self.name} cannot be told to end all its IKE SAs")

    @abstractmethod
    def sas(self) -> list[PeerIkeSa]:
        """Its IKE SAs."""

    @abstractmethod
    def log(self) -> str:
        """Its log so far."""


@functools.cache
def templates() -> jinja2.Environment:
    """The templates of the peers' configurations, with filters that quote values."""
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
    """Render a template into a file that only its owner may read."""
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(templates().get_template(template).render(**values))
    return path


def quoted(text: object) -> str:
    """A value in double quotes. ConfigError for control characters, which configuration files cannot contain."""
    plain = str(text)
    if not plain.isprintable():
        raise ConfigError(f"expected printable characters in a value for a peer's configuration, found {plain!r}")
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def word(text: object) -> str:
    """A value without quotes: a proposal, an address, a name. ConfigError for other characters."""
    plain = str(text)
    if not re.fullmatch(r"[A-Za-z0-9._:/%\[\]+-]+", plain):
        raise ConfigError(f"expected letters, digits and . _ : / % [ ] + - in a peer's configuration, found {plain!r}")
    return plain


def hexed(secret: str | bytes) -> str:
    """A secret as hexadecimal digits, which need no quoting."""
    return "0x" + Psk(secret).secret.hex()


def words(values: Sequence[str]) -> str:
    """Several such values, separated by commas."""
    return ",".join(map(word, values))
