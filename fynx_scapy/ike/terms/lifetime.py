# SPDX-License-Identifier: GPL-2.0-or-later
"""The lifetime of an SA. Each peer has its own limits; they are not negotiated (RFC 7296 section 2.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from fynx_scapy.checks import CENTURY, Check, Checked, flag, kind, number, optional, setting, whole
from fynx_scapy.checks import seconds as _time
from fynx_scapy.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Checked):
    """Limits in seconds, bytes and packets; None for no limit."""

    seconds: float | None = setting(None, optional(_time(most=2 * CENTURY)))
    """Seconds since the SA was set up."""
    bytes: int | None = setting(None, optional(whole(1, 1 << 80, "bytes")))
    """Bytes in one direction; for an IKE SA, the bytes of all messages sent and received."""
    packets: int | None = setting(None, optional(whole(1, 1 << 80, "packets")))
    """Packets in one direction; for an IKE SA, all messages sent and received."""

    if TYPE_CHECKING:

        def replace(
            self, *, seconds: float | None = ..., bytes: int | None = ..., packets: int | None = ...
        ) -> Self: ...

    def scaled(self, factor: float) -> Limits:
        """These limits times ``factor``. A count stays a whole number above 0."""
        bytes_, packets = (None if n is None else max(1, int(n * factor)) for n in (self.bytes, self.packets))
        return Limits(seconds=None if self.seconds is None else self.seconds * factor, bytes=bytes_, packets=packets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime(Checked):
    """When to rekey an SA, and when to close it."""

    soft: Limits = setting(Limits(seconds=3600.0), kind(Limits))
    """The limits at which to rekey."""
    hard: Limits | None = setting(None, optional(kind(Limits)))
    """The limits at which to close the SA; by default a tenth later."""
    jitter: float = setting(
        0.1, Check("a number from 0 to less than 1", lambda value: number(0, 1).accepts(value) and value < 1)
    )
    """The largest part by which the soft limits come earlier, from 0 to less than 1. It is random for each SA, so that
    two peers with the same limits rarely rekey at once."""
    rekey_idle: bool = setting(True, flag())
    """Whether to rekey an SA that carried nothing. If not, it expires (RFC 7296 section 2.8)."""

    if TYPE_CHECKING:

        def replace(
            self, *, soft: Limits = ..., hard: Limits | None = ..., jitter: float = ..., rekey_idle: bool = ...
        ) -> Self: ...

    def _check_together(self) -> None:
        for name in ("seconds", "bytes", "packets"):
            soft, hard = getattr(self.soft, name), getattr(self.end, name)
            if soft is not None and hard is not None and hard < soft:
                raise ConfigError(f"expected a hard limit of at least {soft} {name} (the soft limit), found {hard}")

    @property
    def end(self) -> Limits:
        """The hard limits."""
        return self.soft.scaled(1.1) if self.hard is None else self.hard


IKE_LIFETIME = Lifetime(soft=Limits(seconds=4 * 3600.0))
CHILD_LIFETIME = Lifetime()
NEVER = Lifetime(soft=Limits())
