# SPDX-License-Identifier: GPL-2.0-or-later
"""When to ask again, when to give a peer up, and what follows (RFC 7296 section 2.4)."""

from __future__ import annotations

from dataclasses import dataclass

from fynx_scapy.errors import ConfigError

ACTIONS = ("clear", "restart", "hold")
"""What may follow a peer's death."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retransmission:
    """When an unanswered request goes out again (RFC 7296 section 2.4).

    After ``timeout`` seconds, then after ``base`` times as long, and so on, ``tries`` times in all.
    """

    timeout: float = 2.0
    base: float = 1.8
    tries: int = 5

    def wait(self, attempt: int) -> float:
        """Seconds to wait after attempt number ``attempt``, the first one being 0."""
        return self.timeout * self.base**attempt

    @property
    def total(self) -> float:
        """Seconds until a request without an answer is given up."""
        return sum(self.wait(attempt) for attempt in range(self.tries + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadPeerDetection:
    """After ``interval`` seconds without anything authentic from the peer it is asked; None never asks.

    ``retransmission`` is the schedule of that question (None: the one of all requests). ``action`` is what follows when
    the peer is dead: ``clear`` closes the IKE SA and that is all, ``restart`` sets it up again with its Child SAs,
    ``hold`` waits for the next packet that wants through.
    """

    interval: float | None = 300.0
    action: str = "clear"
    retransmission: Retransmission | None = None

    def __post_init__(self) -> None:
        if self.interval is not None and not self.interval > 0:
            raise ConfigError(f"expected an interval of more than 0 s or None, found {self.interval}")
        if self.action not in ACTIONS:
            raise ConfigError(f"expected one of {', '.join(ACTIONS)} for action, found {self.action!r}")


RETRANSMISSION = Retransmission()
DETECTION = DeadPeerDetection()
