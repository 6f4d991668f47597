# SPDX-License-Identifier: GPL-2.0-or-later
"""The time of a packet: seconds since 1970 as a float, which of today's times holds microseconds, and no nanoseconds.

A file with a finer clock has times that also hold their nanoseconds.
"""

from __future__ import annotations

import math

COARSE = 10**6
"""Ticks per second up to which a float is exact."""
_SECOND = 10**9


class Time(float):
    """A time in seconds that also holds its nanoseconds since 1970."""

    __slots__ = ("nanoseconds",)
    nanoseconds: int

    @classmethod
    def of(cls, nanoseconds: int) -> Time:
        """The time at so many nanoseconds."""
        made = cls(nanoseconds / _SECOND)
        made.nanoseconds = nanoseconds
        return made


def fine(offset: int, stamp: int, ticks: int) -> Time:
    """The time at ``stamp`` ticks, of which ``ticks`` are a second, plus ``offset`` seconds."""
    return Time.of(offset * _SECOND + stamp * _SECOND // ticks)


def nanoseconds(time: float | None) -> int | None:
    """Nanoseconds since 1970. None for an unknown time, or one that is no number."""
    if isinstance(time, Time):
        return time.nanoseconds
    if time is None or not math.isfinite(time):
        return None
    return round(time * COARSE) * 1000
