# SPDX-License-Identifier: GPL-2.0-or-later
"""How a network in memory treats datagrams: delay, loss, duplication, reordering, MTU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from fynx_scapy.checks import Checked, check_setting, number, optional, seconds, setting, whole

_PROBABILITY = number(0, 1)


@dataclass(slots=True)
class Wire(Checked):
    """How the network treats datagrams. Fields may be set at any time; each value is checked when it is set."""

    delay: float = setting(0.01, seconds(zero=True))
    """The delay of every datagram, in seconds."""
    loss: float = setting(0.0, _PROBABILITY)
    """The probability that a datagram is lost."""
    duplication: float = setting(0.0, _PROBABILITY)
    """The probability that a datagram arrives twice."""
    reordering: float = setting(0.0, _PROBABILITY)
    """The probability that a datagram is delayed further, so that later ones may overtake it."""
    jitter: float = setting(0.05, seconds(zero=True))
    """The longest further delay, in seconds."""
    mtu: int | None = setting(None, optional(whole(1, 1 << 16, "octets")))
    """The longest IP packet, in octets; None for no limit."""

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
