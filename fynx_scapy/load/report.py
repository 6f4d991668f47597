# SPDX-License-Identifier: GPL-2.0-or-later
"""What a load measured, in the terms of the BMWG (draft-ietf-bmwg-ipsec-term): as figures, as JSON, as samples."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fynx_scapy.bench.figures import Figure
from fynx_scapy.load.plan import LoadPlan
from fynx_scapy.load.quantiles import Quantiles

MOST_SAMPLES = 2000
"""How many samples are kept. When there are more, every second one goes."""


@dataclass(frozen=True, slots=True)
class Point:
    """What there was at one time, in all."""

    seconds: float
    tunnels: int
    """Tunnels that are up."""
    set_up: int
    failed: int
    rekeys: int
    packets_out: int
    packets_in: int


@dataclass(slots=True)
class LoadReport:
    """What was asked for, and what came of it."""

    plan: LoadPlan
    attempts: int = 0
    tunnels: int = 0
    """Tunnels that were set up."""
    most: int = 0
    """The most that were up at once."""
    setup_seconds: float = 0.0
    """From the first attempt to the end of the last."""
    hold_seconds: float = 0.0
    setups: Quantiles = field(default_factory=Quantiles)
    """How long each tunnel took to set up."""
    first_packets: Quantiles = field(default_factory=Quantiles)
    """From the beginning of a handshake to the first answer through its tunnel."""
    failures: Counter[str] = field(default_factory=Counter)
    """Tunnels that could not be set up, by the code of the error."""
    lost: Counter[str] = field(default_factory=Counter)
    """Tunnels that ended before we closed them, by code."""
    ike_rekeys: Quantiles = field(default_factory=Quantiles)
    child_rekeys: Quantiles = field(default_factory=Quantiles)
    rekey_failures: Counter[str] = field(default_factory=Counter)
    packets_out: int = 0
    packets_in: int = 0
    latencies: Quantiles = field(default_factory=Quantiles)
    """From a ping to its answer."""
    examples: dict[str, str] = field(default_factory=dict)
    """The text of one error of each code."""
    points: list[Point] = field(default_factory=list)

    def fail(self, counter: Counter[str], code: str, text: str) -> None:
        """Count a failure."""
        counter[code] += 1
        self.examples.setdefault(code, text)

    def sample(self, seconds: float, tunnels: int) -> None:
        """Note what there is now."""
        self.most = max(self.most, tunnels)
        rekeys = self.ike_rekeys.count + self.child_rekeys.count
        failed = sum(self.failures.values())
        if len(self.points) >= MOST_SAMPLES:
            del self.points[1::2]
        self.points.append(
            Point(seconds, tunnels, self.tunnels, failed, rekeys, self.packets_out, self.packets_in)
        )  # fmt: skip

    @property
    def setup_rate(self) -> float:
        """Tunnels a second, over the whole time in which they were set up."""
        return self.tunnels / self.setup_seconds if self.setup_seconds else math.nan

    @property
    def rekey_rate(self) -> float:
        """Rekeys a second while the tunnels were held."""
        return (self.ike_rekeys.count + self.child_rekeys.count) / self.hold_seconds if self.hold_seconds else math.nan

    @property
    def throughput(self) -> float:
        """Bits of inner packets a second that came back while the tunnels were held, which passed both ways."""
        size = self.plan.traffic.size if self.plan.traffic else 0
        return 8 * size * self.packets_in / self.hold_seconds if self.hold_seconds else math.nan

    @property
    def lost_packets(self) -> float:
        """The share of pings without an answer, in percent."""
        return 100 * (1 - self.packets_in / self.packets_out) if self.packets_out else math.nan

    @property
    def good(self) -> bool:
        """Whether every tunnel came up and stayed, every rekey succeeded, and answers came."""
        answered = self.packets_in > 0 or not self.packets_out
        return answered and not (self.failures or self.lost or self.rekey_failures)

    def figures(self) -> Iterator[Figure]:
        """The figures, by the names of the BMWG."""
        yield Figure("IPsec tunnel setup rate", self.setup_rate, "/s")
        yield from _times("IPsec tunnel setup time", self.setups)
        yield from _times("time to first packet", self.first_packets)
        if self.ike_rekeys.count + self.child_rekeys.count:
            yield Figure("IPsec tunnel rekey rate", self.rekey_rate, "/s")
        yield from _times("IKE SA rekey time", self.ike_rekeys)
        yield from _times("Child SA rekey time", self.child_rekeys)
        if self.packets_out:
            yield Figure("IPsec throughput", self.throughput / 1e6, "Mbit/s")
            yield Figure("IPsec frame loss", self.lost_packets, "% lost")
        yield from _times("IPsec latency, there and back", self.latencies)

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON. Times are in seconds."""
        return {
            "tunnels": {"asked": self.plan.tunnels, "begun": self.attempts, "set_up": self.tunnels, "most": self.most},
            "setup_rate": _number(self.setup_rate),
            "setup_seconds": round(self.setup_seconds, 3),
            "hold_seconds": round(self.hold_seconds, 3),
            "setup_time": self.setups.as_dict(),
            "time_to_first_packet": self.first_packets.as_dict(),
            "failures": dict(self.failures),
            "lost_tunnels": dict(self.lost),
            "rekey_rate": _number(self.rekey_rate),
            "ike_rekeys": self.ike_rekeys.as_dict(),
            "child_rekeys": self.child_rekeys.as_dict(),
            "rekey_failures": dict(self.rekey_failures),
            "packets": {"sent": self.packets_out, "answered": self.packets_in},
            "frame_loss_percent": _number(self.lost_packets),
            "throughput_bits_per_second": _number(self.throughput),
            "latency": self.latencies.as_dict(),
            "examples": self.examples,
        }


def _times(name: str, times: Quantiles) -> Iterator[Figure]:
    if times.count:
        for share, value in (("median", 0.5), ("99 %", 0.99)):
            yield Figure(f"{name}, {share}", 1000 * times.at(value), "ms")


def _number(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
