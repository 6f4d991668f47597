# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case changed, what it expected and what it found: plain text, for reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fynx_scapy.text import printable


@dataclass(frozen=True, slots=True)
class Change:
    """One field that a mutation changed, such as ``AUTH / load``. A value is empty if the field did not exist."""

    stage: str
    """The tap stage at which it was changed."""
    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class CaseDetails:
    """The details of a case. A field is empty as long as the case has not come that far."""

    mutation: str = ""
    """The mutation, as its repr."""
    changes: tuple[Change, ...] = ()
    """What it changed in the message that was sent."""
    expected: str = ""
    """The outcome that the case expects."""
    found: str = ""
    """What the peer did."""

    def as_dict(self) -> dict[str, Any]:
        """The details as plain values for JSON."""
        return asdict(self) | {"changes": [asdict(change) for change in self.changes]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CaseDetails:
        """What `as_dict` made plain values of. KeyError or TypeError for anything else."""
        changes = tuple(Change(**{name: printable(text) for name, text in each.items()}) for each in values["changes"])
        return cls(printable(values["mutation"]), changes, printable(values["expected"]), printable(values["found"]))
