# SPDX-License-Identifier: GPL-2.0-or-later
"""The octets of a key file as text: compressed or not, in UTF-8 or UTF-16, of a limited size."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO

from fynx_scapy.errors import CaptureError
from fynx_scapy.files import read_octets

MOST_OCTETS = 64 << 20
"""The largest key file that is read, after decompression. It bounds memory: a log has no natural end."""

MOST_LINES = 2_000_000
"""The most lines that it may have: each takes memory of its own, however short it is."""

_GZIP = b"\x1f\x8b"
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def read_file(path: Path) -> str:
    """The text of a key file. Raises CaptureError if it cannot be read or is too large."""
    try:
        octets = read_octets(path, MOST_OCTETS)
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read: {error.strerror or error}") from None
    return read_stream(io.BytesIO(octets), str(path))


def read_stream(stream: BinaryIO, name: str) -> str:
    """The text of an open key file. Raises CaptureError if it is damaged or too large."""
    octets = stream.read(MOST_OCTETS + 1)
    if octets[:2] == _GZIP:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(octets)) as unpacked:
                octets = unpacked.read(MOST_OCTETS + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise CaptureError(f"{name}: cannot be read: {error}") from None
    if len(octets) > MOST_OCTETS:
        raise CaptureError(
            f"{name}: larger than {MOST_OCTETS >> 20} MB, the limit of key files: keep only the part with the keys"
        )
    if octets.count(b"\n") > MOST_LINES:
        raise CaptureError(f"{name}: more than {MOST_LINES:,} lines, the limit of key files")
    mark = next((mark for mark in _MARKS if octets.startswith(mark)), b"")
    return octets[len(mark) :].decode(_MARKS.get(mark, "utf-8"), errors="replace")
