# SPDX-License-Identifier: GPL-2.0-or-later
"""The share of the SPIs that an endpoint hands out, where several endpoints serve the same ports."""

from __future__ import annotations

from typing import NamedTuple

_LOW = 4
"""The octets of an SPI that decide: all of an ESP SPI, the last of an IKE SPI."""


class Share(NamedTuple):
    """The SPIs whose last four octets are ``number`` modulo ``total``. An endpoint that is alone has them all."""

    number: int = 0
    total: int = 1

    def has(self, spi: bytes) -> bool:
        """Whether an IKE or ESP SPI, of four octets or more, is in the share."""
        return int.from_bytes(spi[-_LOW:]) % self.total == self.number

    def near(self, spi: bytes) -> bytes:
        """The SPI of the share that is closest below a random one, or the highest one with these first octets."""
        low = int.from_bytes(spi[-_LOW:])
        low += self.number - low % self.total
        return spi[:-_LOW] + (low if low < 1 << 32 else low - self.total).to_bytes(_LOW)


WHOLE = Share()
"""The share of an endpoint that is alone."""
