# SPDX-License-Identifier: GPL-2.0-or-later
"""The interface of all peers in a lab: commands and state.

It is the same for every implementation; each peer translates `PeerConfig` to its own configuration format.
"""

from __future__ import annotations

import functools
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, Protocol

import jinja2

from fynx_scapy.errors import ConfigError, LabError
from fynx_scapy.harness.worlds.peers import DYNAMIC as DYNAMIC
from fynx_scapy.harness.worlds.peers import PeerChild as PeerChild
from fynx_scapy.harness.worlds.peers import PeerChildSa as PeerChildSa
from fynx_scapy.harness.worlds.peers import PeerConfig as PeerConfig
from fynx_scapy.harness.worlds.peers import PeerIkeSa as PeerIkeSa
from fynx_scapy.ike.config import Psk


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

    root: ClassVar[tuple[str, str] | None] = None
    """The suite and the kind of the root whose programs it runs (`fynx_scapy.lab.roots`); None: this machine's."""
    quirks: ClassVar[frozenset[str]] = frozenset()
    """What is known to be different about it, from `fynx_scapy.harness.worlds.world.QUIRKS`."""
    manifest: ClassVar[str] = ""
    """The name of the manifest for every version of this implementation, if there is one."""

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

    def configure(self, config: PeerConfig) -> None:
        """Kill it, and start it with another configuration. LabError for a peer that cannot."""
        raise LabError(f"{self.name} cannot be configured anew")

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
