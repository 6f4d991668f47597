# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads strongSwan's swanctl.conf: the connections that can be expressed; what cannot is named with its line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.settings.source import exposed, readable_by_all
from fynx_scapy.settings.swanctl.authorities import read_authorities
from fynx_scapy.settings.swanctl.connections import IKE_PORT, Connection
from fynx_scapy.settings.swanctl.folders import Folders
from fynx_scapy.settings.swanctl.keys import LeftOut, Notes
from fynx_scapy.settings.swanctl.secrets import read_secrets
from fynx_scapy.settings.swanctl.sections import read_sections
from fynx_scapy.text import LONGEST, printable

__all__ = ["Swanctl", "read_swanctl"]

_SECTIONS = ("connections", "secrets", "pools", "authorities")


@dataclass(frozen=True, slots=True)
class Swanctl:
    """What is read from a swanctl.conf."""

    connections: Mapping[str, IkeConfig]
    local: tuple[str, ...] = ()
    """The local addresses of all connections; none if one of them takes any."""
    port: int = IKE_PORT
    """The local port for IKE."""
    warnings: tuple[str, ...] = field(default=())
    """A line for everything that is left out, and why."""


def read_swanctl(path: Path) -> Swanctl:
    """The connections of a swanctl.conf. ConfigError for a file that is not one, with the file and the line."""
    document = read_sections(path)
    root, notes = document.root, Notes()
    notes.lines += document.warnings
    for name, section in root.sections.items():
        if name not in _SECTIONS and name not in document.referred:
            near = difflib.get_close_matches(name, _SECTIONS, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            notes.lines.append(f"{section.place}: section {printable(name, LONGEST)} is not used{meant}")
    for name, value in root.values.items():
        notes.add(value, printable(name, LONGEST), "the value is outside of every section, and not used")
    secrets = read_secrets(root.sections.get("secrets"), notes)
    notes.lines += [exposed(each) for each in dict.fromkeys(secrets.paths) if readable_by_all(each)]
    named = read_authorities(root.sections.get("authorities"), path.parent, notes)
    folders = Folders(path.parent, secrets.passphrases, named, notes)
    configs: dict[str, IkeConfig] = {}
    taken: list[Connection] = []
    written = root.sections.get("connections")
    for section in written.sections.values() if written else ():
        try:
            connection = Connection(section, secrets, folders, root.sections.get("pools"), notes)
            found = connection.configs()
        except LeftOut as reason:
            notes.lines.append(f"{reason}; connection {printable(section.name, LONGEST)} is left out")
            continue
        configs |= found
        taken.append(connection)
    folders.finish()
    ports = list(dict.fromkeys(connection.port for connection in taken)) or [IKE_PORT]
    if len(ports) > 1:
        notes.lines.append(f"{path}: local_port is one for all connections: {ports[0]} is taken")
    locals_ = [connection.local for connection in taken]
    local = tuple(dict.fromkeys(host for hosts in locals_ for host in hosts)) if all(locals_) else ()
    return Swanctl(configs, local, ports[0], tuple(notes.lines))
