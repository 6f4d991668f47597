# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources of a capture that are streams: each pass reads one from its start."""

from __future__ import annotations

import io
import shutil
import tempfile
from typing import Any, BinaryIO

from fynx_scapy.capture.reading.blocks import begins


def again(stream: BinaryIO) -> BinaryIO:
    """The stream from its start. Closing it leaves the stream open."""
    stream.seek(0)
    return io.BufferedReader(_Kept(stream))


def twice(stream: BinaryIO) -> BinaryIO:
    """A stream that can be read again: the stream itself, or a temporary copy."""
    if stream.seekable():
        return stream
    kept: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with the capture
    head = b""
    while len(head) < 4 and (more := stream.read(4 - len(head))):
        head += more
    kept.write(head)
    if begins(head):  # what is no capture may be endless
        shutil.copyfileobj(stream, kept, 1 << 20)
    return kept


class _Kept(io.RawIOBase):
    """A wrapper that leaves the stream open when its reader is closed."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
