# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets a test run by root meet what it may not do, as any other user does."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

VERSION_3 = 0x20080522  # capabilities(7): 64 bits, in two halves
OVERRIDES = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


def no_override() -> AbstractContextManager[None]:
    """This thread obeys file permissions. Nothing to do unless run by root."""
    return without_capabilities(*OVERRIDES)


@contextmanager
def without_capabilities(*numbers: int) -> Iterator[None]:
    """This thread does without these capabilities. Nothing to do unless run by root."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, before = struct.pack("=Ii", VERSION_3, 0), ctypes.create_string_buffer(24)
    if libc.capget(header, before):
        raise OSError(ctypes.get_errno(), "capget")
    effective, *others = struct.unpack("=6I", before.raw)
    if libc.capset(header, struct.pack("=6I", effective & ~sum(1 << number for number in numbers), *others)):
        raise OSError(ctypes.get_errno(), "capset")
    try:
        yield
    finally:
        libc.capset(header, before)
