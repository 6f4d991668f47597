# SPDX-License-Identifier: GPL-2.0-or-later
"""What of a capture was left out, counted and named: nothing is lost without a word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that is in a capture and not in what was made of it: what it is, how much of it, and a sentence.

    ``what`` is one of "tcp octets", "tcp streams", "fragments", "flows", "messages", "problems",
    "inner flows", "nested".
    """

    what: str
    count: int
    text: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def several(count: int, noun: str) -> str:
    """``1 packet``, ``2 packets``."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def some(losses: Iterable[Loss]) -> list[Loss]:
    """Those that count anything."""
    return [loss for loss in losses if loss.count]
