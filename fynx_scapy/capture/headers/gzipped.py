# SPDX-License-Identifier: GPL-2.0-or-later
"""Gzipped captures, with a ceiling for what they unpack to."""

from __future__ import annotations

import gzip
from typing import BinaryIO

GZIP = b"\x1f\x8b"
"""How a gzipped file begins."""
MOST_RATIO = 200
"""How many times its size a gzipped capture may unpack to; packets compress far less, and zeros 1,000 times."""
MOST_UNPACKED = 4 << 20
"""What any gzipped capture may unpack to, in octets."""


class _Packed:
    """A gzipped stream that counts the octets read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.count = stream, 0

    def read(self, size: int = -1) -> bytes:
        """What `gzip` calls."""
        data = self._stream.read(size)
        self.count += len(data)
        return data


class Unpacked:
    """What a gzipped stream unpacks to. It ends with an EOFError where it is far larger than what it was read from."""

    def __init__(self, stream: BinaryIO) -> None:
        self._packed, self._count = _Packed(stream), 0
        self._file = gzip.GzipFile(fileobj=self._packed)  # type: ignore[call-overload]

    def read(self, size: int) -> bytes:
        """Like the method of a file."""
        data: bytes = self._file.read1(size)
        self._count += len(data)
        if self._count > max(MOST_UNPACKED, MOST_RATIO * self._packed.count):
            raise EOFError(
                f"gzip unpacks to more than {MOST_RATIO} times its size, as no capture does: unpack it first"
            )
        return data
