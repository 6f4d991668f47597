# SPDX-License-Identifier: GPL-2.0-or-later
"""How a network in memory treats what it carries."""

from __future__ import annotations

from dataclasses import dataclass

from fynx_scapy.errors import ConfigError


@dataclass(slots=True)
class Wire:
    """How the network treats a datagram.

    Probabilities are between 0 and 1, times in seconds, ``mtu`` in bytes of a whole IP packet.

    A reordered datagram takes up to ``jitter`` seconds longer, so that later ones may overtake it.
    """

    delay: float = 0.01
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    jitter: float = 0.05
    mtu: int | None = None

    def __post_init__(self) -> None:
        for name in ("loss", "duplication", "reordering"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"expected a probability between 0 and 1 for {name}, found {getattr(self, name)}")
