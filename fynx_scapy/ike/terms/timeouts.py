# SPDX-License-Identifier: GPL-2.0-or-later
"""When to ask again, when to give a peer up, and what follows (RFC 7296 section 2.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from fynx_scapy.checks import CENTURY, Checked, kind, number, one_of, optional, seconds, setting, whole
from fynx_scapy.errors import ConfigError

ACTIONS = ("clear", "restart", "hold")
"""What may follow a peer's death."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retransmission(Checked):
    """When an unanswered request goes out again (RFC 7296 section 2.4): each wait is ``base`` times the one before."""

    timeout: float = setting(2.0, seconds())
    """Seconds until the first retransmission."""
    base: float = setting(1.8, number(1, 100))
    """By how much each wait is longer than the one before."""
    tries: int = setting(5, whole(0, 10_000, "retransmissions"))
    """How often a request is sent again before it is given up."""

    if TYPE_CHECKING:

        def replace(self, *, timeout: float = ..., base: float = ..., tries: int = ...) -> Self: ...

    def _check_together(self) -> None:
        try:
            total = self.total
        except OverflowError:
            total = float("inf")
        if total > CENTURY:
            raise ConfigError(
                f"expected a schedule that ends within a century, found {self.tries} tries from {self.timeout:g} s on, "
                f"each wait {self.base:g} times the one before"
            )

    def wait(self, attempt: int) -> float:
        """Seconds to wait after attempt number ``attempt``, the first one being 0."""
        return self.timeout * self.base**attempt

    @property
    def total(self) -> float:
        """Seconds until a request without an answer is given up."""
        return sum(self.wait(attempt) for attempt in range(self.tries + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadPeerDetection(Checked):
    """When a silent peer is asked whether it lives, and what follows when it does not (RFC 7296 section 2.4)."""

    interval: float | None = setting(300.0, optional(seconds()))
    """After how many seconds without anything authentic from the peer it is asked; None never asks."""
    action: str = setting("clear", one_of(*ACTIONS))
    """What follows when the peer is dead: ``clear`` closes the IKE SA and that is all, ``restart`` sets it up again
    with its Child SAs, ``hold`` waits for the next packet that wants through."""
    retransmission: Retransmission | None = setting(None, optional(kind(Retransmission)))
    """The schedule of that question; None for the one of all requests."""

    if TYPE_CHECKING:

        def replace(
            self, *, interval: float | None = ..., action: str = ..., retransmission: Retransmission | None = ...
        ) -> Self: ...


DETECTION = DeadPeerDetection()
