# SPDX-License-Identifier: GPL-2.0-or-later
"""The section ``authorities`` of swanctl.conf: further certificates of authorities that are trusted."""

from __future__ import annotations

from pathlib import Path

from fynx_scapy.settings.swanctl.keys import AUTHORITY, LeftOut, Notes
from fynx_scapy.settings.swanctl.sections import Section
from fynx_scapy.text import LONGEST, printable


def read_authorities(section: Section | None, folder: Path, notes: Notes) -> dict[Path, str]:
    """The files of the certificates, each with the place that names it. What is wrong becomes a line each."""
    found: dict[Path, str] = {}
    for name, each in section.sections.items() if section else ():
        owner = f"authorities.{printable(name, LONGEST)}"
        try:
            values = notes.values(each, AUTHORITY, owner)
            given = [key for key in ("cacert", "file") if values.get(key)]
            if len(given) != 1:
                raise LeftOut(f"{each.place}: {owner}: expected one of cacert and file, found {len(given) or 'none'}")
            file = values[given[0]]
            if given == ["file"] and not Path(file).is_absolute():
                raise LeftOut(
                    f"{each.place}: {owner}.file: expected an absolute path, found {printable(file, LONGEST)!r}"
                )
        except LeftOut as reason:
            notes.lines.append(f"{reason}; the authority is left out")
            continue
        found[folder / "x509ca" / file] = f"{each.place}: {owner}.{given[0]}"
    return found
