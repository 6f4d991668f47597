# SPDX-License-Identifier: GPL-2.0-or-later
"""What was left out of a capture: each loss has a count and a text, so that nothing is lost silently."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from fynx_scapy.text import counted

several = counted


@dataclass(frozen=True, slots=True)
class Loss:
    """Something in a capture that is missing from the results: its kind, a count, and a text.

    ``what`` is one of "tcp octets", "tcp streams", "fragments", "flows", "messages", "problems",
    "inner flows", "nested", "headers", "link types".
    """

    what: str
    count: int
    text: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def some(losses: Iterable[Loss]) -> list[Loss]:
    """The losses with a count above 0."""
    return [loss for loss in losses if loss.count]
