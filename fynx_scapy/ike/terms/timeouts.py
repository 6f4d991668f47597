# SPDX-License-Identifier: GPL-2.0-or-later
"""Retransmission and dead peer detection: when to send again, and when a peer is dead (RFC 7296 section 2.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from fynx_scapy.checks import CENTURY, Checked, kind, number, one_of, optional, seconds, setting, whole
from fynx_scapy.errors import ConfigError

ACTIONS = ("clear", "restart", "hold")
"""What we can do when the peer is dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retransmission(Checked):
    """When to retransmit a request (RFC 7296 section 2.4). Each wait is ``base`` times the one before."""

    timeout: float = setting(2.0, seconds())
    """Seconds until the first retransmission."""
    base: float = setting(1.8, number(1, 100))
    """The factor by which each wait is longer than the one before."""
    tries: int = setting(5, whole(0, 10_000, "retransmissions"))
    """How many retransmissions to send before giving up."""

    if TYPE_CHECKING:

        def replace(self, *, timeout: float = ..., base: float = ..., tries: int = ...) -> Self: ...

    def _check_together(self) -> None:
        try:
            total = self.total
        except OverflowError:
            total = float("inf")
        if total > CENTURY:
            raise ConfigError(
                f"expected retransmissions that end within a century, found {self.tries} tries, the first after "
                f"{self.timeout:g} s, each wait {self.base:g} times the one before"
            )

    def wait(self, attempt: int) -> float:
        """Seconds to wait after attempt number ``attempt``, the first one being 0."""
        return self.timeout * self.base**attempt

    @property
    def total(self) -> float:
        """Seconds until we give up a request that has no answer."""
        return sum(self.wait(attempt) for attempt in range(self.tries + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadPeerDetection(Checked):
    """When to check that a silent peer is alive, and what to do when it is dead (RFC 7296 section 2.4)."""

    interval: float | None = setting(300.0, optional(seconds()))
    """After how many seconds without an authentic packet from the peer to check; None never checks."""
    action: str = setting("clear", one_of(*ACTIONS))
    """What to do when the peer is dead: ``clear`` only closes the IKE SA, ``restart`` sets it and its Child SAs up
    again, ``hold`` sets them up again when the next packet needs them."""
    retransmission: Retransmission | None = setting(None, optional(kind(Retransmission)))
    """The retransmissions of the check; None uses those of all requests."""

    if TYPE_CHECKING:

        def replace(
            self, *, interval: float | None = ..., action: str = ..., retransmission: Retransmission | None = ...
        ) -> Self: ...


DETECTION = DeadPeerDetection()
_LARGE = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect(Checked):
    """When a client sets up a session again after the peer was lost. Each wait is ``factor`` times the one before."""

    wait: float = setting(1.0, seconds(zero=True))
    """Seconds until the first attempt. Each wait is cut at random by up to a half, so that not all clients of a server
    come back at once."""
    factor: float = setting(2.0, number(1, 100))
    """The factor by which each wait is longer than the one before."""
    limit: float = setting(60.0, seconds(zero=True))
    """The longest wait in seconds."""
    attempts: int | None = setting(None, optional(whole(1, 1_000_000, "attempts")))
    """How many attempts in a row may fail before the session ends; None for no limit."""

    if TYPE_CHECKING:

        def replace(
            self, *, wait: float = ..., factor: float = ..., limit: float = ..., attempts: int | None = ...
        ) -> Self: ...

    def delay(self, attempt: int) -> float:
        """Seconds to wait before attempt number ``attempt``, the first one being 0."""
        if attempt * math.log(self.factor) > _LARGE:  # a float has no room for the power
            return self.limit
        return min(self.limit, self.wait * self.factor**attempt)
