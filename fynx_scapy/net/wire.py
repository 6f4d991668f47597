# SPDX-License-Identifier: GPL-2.0-or-later
"""How a network in memory treats what it carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from fynx_scapy.checks import Checked, check_setting, number, optional, seconds, setting, whole

_PROBABILITY = number(0, 1)


@dataclass(slots=True)
class Wire(Checked):
    """How the network treats a datagram. It may be changed meanwhile: each value is checked when it is set."""

    delay: float = setting(0.01, seconds(zero=True))
    """Seconds that every datagram takes."""
    loss: float = setting(0.0, _PROBABILITY)
    """The probability that one is lost."""
    duplication: float = setting(0.0, _PROBABILITY)
    """The probability that one arrives twice."""
    reordering: float = setting(0.0, _PROBABILITY)
    """The probability that one takes longer, so that later ones may overtake it."""
    jitter: float = setting(0.05, seconds(zero=True))
    """Up to how many seconds longer."""
    mtu: int | None = setting(None, optional(whole(1, 1 << 16, "octets")))
    """Octets of the longest IP packet; None for no limit."""

    if TYPE_CHECKING:

        def replace(
            self,
            *,
            delay: float = ...,
            loss: float = ...,
            duplication: float = ...,
            reordering: float = ...,
            jitter: float = ...,
            mtu: int | None = ...,
        ) -> Self: ...

    def __setattr__(self, name: str, value: Any) -> None:
        check_setting(self, name, value)
        object.__setattr__(self, name, value)
