# SPDX-License-Identifier: GPL-2.0-or-later
"""How long an SA may live, as each end wants it; nothing of it is negotiated (RFC 7296 section 2.8)."""

from __future__ import annotations

from dataclasses import dataclass

from fynx_scapy.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long, how many bytes, how many packets; None for no limit.

    Bytes and packets are those of one direction; of an IKE SA they are the messages sent or received.
    """

    seconds: float | None = None
    bytes: int | None = None
    packets: int | None = None

    def __post_init__(self) -> None:
        for name in ("seconds", "bytes", "packets"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"expected a limit of more than 0 {name} or None, found {value}")

    def scaled(self, factor: float) -> Limits:
        """The same limits, longer or shorter; a count stays a whole number and above 0."""
        bytes_, packets = (None if n is None else max(1, int(n * factor)) for n in (self.bytes, self.packets))
        return Limits(seconds=None if self.seconds is None else self.seconds * factor, bytes=bytes_, packets=packets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """When an SA is rekeyed (``soft``) and when it is closed (``hard``; by default a tenth later).

    Each SA's soft limits come up to the part ``jitter`` of them earlier, so that two ends with the same limits seldom
    rekey at once. With ``rekey_idle=False`` an SA that carried nothing is left to expire (section 2.8).
    """

    soft: Limits = Limits(seconds=3600.0)
    hard: Limits | None = None
    jitter: float = 0.1
    rekey_idle: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.jitter < 1:
            raise ConfigError(f"expected a jitter of 0 or more and below 1, found {self.jitter}")
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
