# SPDX-License-Identifier: GPL-2.0-or-later
"""How long an SA may live, as each end wants it; nothing of it is negotiated (RFC 7296 section 2.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from fynx_scapy.checks import CENTURY, Check, Checked, flag, kind, number, optional, setting, whole
from fynx_scapy.checks import seconds as _time
from fynx_scapy.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Checked):
    """How long, how many bytes, how many packets; None for no limit."""

    seconds: float | None = setting(None, optional(_time(most=2 * CENTURY)))
    """Seconds since the SA was set up."""
    bytes: int | None = setting(None, optional(whole(1, 1 << 80, "bytes")))
    """Bytes of one direction; of an IKE SA those of the messages sent or received."""
    packets: int | None = setting(None, optional(whole(1, 1 << 80, "packets")))
    """Packets of one direction; of an IKE SA the messages sent or received."""

    if TYPE_CHECKING:

        def replace(
            self, *, seconds: float | None = ..., bytes: int | None = ..., packets: int | None = ...
        ) -> Self: ...

    def scaled(self, factor: float) -> Limits:
        """The same limits, longer or shorter; a count stays a whole number and above 0."""
        bytes_, packets = (None if n is None else max(1, int(n * factor)) for n in (self.bytes, self.packets))
        return Limits(seconds=None if self.seconds is None else self.seconds * factor, bytes=bytes_, packets=packets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime(Checked):
    """When an SA is rekeyed, and when it is closed."""

    soft: Limits = setting(Limits(seconds=3600.0), kind(Limits))
    """When it is rekeyed."""
    hard: Limits | None = setting(None, optional(kind(Limits)))
    """When it is closed; by default a tenth later."""
    jitter: float = setting(
        0.1, Check("a number from 0 to less than 1", lambda value: number(0, 1).accepts(value) and value < 1)
    )
    """By up to which part of them the soft limits of an SA come earlier, so that two ends with the same limits seldom
    rekey at once."""
    rekey_idle: bool = setting(True, flag())
    """Whether an SA that carried nothing is rekeyed; else it is left to expire (RFC 7296 section 2.8)."""

    if TYPE_CHECKING:

        def replace(
            self, *, soft: Limits = ..., hard: Limits | None = ..., jitter: float = ..., rekey_idle: bool = ...
        ) -> Self: ...

    def _check_together(self) -> None:
        for name in ("seconds", "bytes", "packets"):
            soft, hard = getattr(self.soft, name), getattr(self.end, name)
            if soft is not None and hard is not None and hard < soft:
                raise ConfigError(f"expected a hard limit of {soft} {name} (the soft one) or more, found {hard}")

    @property
    def end(self) -> Limits:
        """The hard limits."""
        return self.soft.scaled(1.1) if self.hard is None else self.hard


IKE_LIFETIME = Lifetime(soft=Limits(seconds=4 * 3600.0))
CHILD_LIFETIME = Lifetime()
NEVER = Lifetime(soft=Limits())
