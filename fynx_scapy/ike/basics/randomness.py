# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources of SPIs, nonces, private keys, IVs and jitter: the system, or a seed that makes a run reproducible."""

from __future__ import annotations

import random
from typing import Protocol


class Randomness(Protocol):
    """The interface of a source of randomness."""

    def octets(self, count: int) -> bytes:
        """``count`` random octets."""

    def uniform(self, low: float, high: float) -> float:
        """A float between ``low`` and ``high``."""


class _FromRandom:
    """A source that uses a generator of the standard library."""

    def __init__(self, source: random.Random):
        self._source = source
        self.octets = source.randbytes
        self.uniform = source.uniform


class SystemRandomness(_FromRandom):
    """The operating system's randomness, the only source for real keys."""

    def __init__(self) -> None:
        super().__init__(random.SystemRandom())


class SeededRandomness(_FromRandom):
    """Randomness that is the same for the same seed: for tests and reproducible captures, never for real keys."""

    def __init__(self, seed: int | str | bytes):
        super().__init__(random.Random(seed))
