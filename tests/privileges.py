# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets a test run by root meet files that it may not read, as any other user does."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

VERSION_3 = 0x20080522  # capabilities(7): 64 bits, in two halves
OVERRIDES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@contextmanager
def no_override() -> Iterator[None]:
    """This thread obeys file permissions (it drops two effective capabilities). Nothing to do unless run by root."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, before = struct.pack("=Ii", VERSION_3, 0), ctypes.create_string_buffer(24)
    if libc.capget(header, before):
        raise OSError(ctypes.get_errno(), "capget")
    effective, *others = struct.unpack("=6I", before.raw)
    if libc.capset(header, struct.pack("=6I", effective & ~OVERRIDES, *others)):
        raise OSError(ctypes.get_errno(), "capset")
    try:
        yield
    finally:
        libc.capset(header, before)
