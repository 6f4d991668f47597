# SPDX-License-Identifier: GPL-2.0-or-later
"""The requirements of RFC 7296, 7383, 4303 and 3948, sentence by sentence, each with an ID.

They are in requirements.json: one object per sentence, the sentence verbatim.
"""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from fynx_scapy.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Requirement:
    """One sentence of an RFC. ``level`` is its RFC 2119 keyword, or IMPLIED if it requires something without one."""

    id: str
    rfc: str
    section: str
    level: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.id} ({self.level}, RFC {self.rfc} section {self.section})"


@functools.cache
def catalogue() -> Mapping[str, Requirement]:
    """Every requirement by its ID."""
    text = resources.files(__package__).joinpath("requirements.json").read_text("utf-8")
    return {entry["id"]: Requirement(**entry) for entry in json.loads(text)}


def requirement(identifier: str) -> Requirement:
    """The requirement with that ID; ConfigError, which suggests the nearest ID, when there is none."""
    known = catalogue().get(identifier)
    if known is None:
        near = difflib.get_close_matches(identifier, catalogue(), n=1)
        raise ConfigError(f"no requirement has the ID {identifier!r}{f'; did you mean {near[0]}?' if near else ''}")
    return known
