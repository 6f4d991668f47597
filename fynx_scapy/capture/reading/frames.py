# SPDX-License-Identifier: GPL-2.0-or-later
"""The frames of pcap and pcapng files, one object each, with their file offsets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fynx_scapy.capture.reading.blocks import Batch, batches
from fynx_scapy.errors import CaptureError


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured frame.

    ``offset`` is the file offset of its record, ``missing`` the number of octets that were not captured, ``order`` the
    byte order of the file (some link headers use it). ``fault`` says what is wrong with its record; the frame then has
    no octets.
    """

    number: int
    time: float | None
    linktype: int
    data: bytes
    offset: int = 0
    missing: int = 0
    comment: str = ""
    order: str = "<"
    fault: str = ""


NO_FRAME = Frame(0, None, 0, b"")
"""The frame of what is said of a capture as a whole."""


def frame_of(batch: Batch, index: int) -> Frame:
    """The frame of one entry of a batch."""
    entry = batch.entries[index]
    time, at, size, wire, link = entry
    return Frame(
        batch.first + index,
        time,
        link,
        batch.data[at : at + size],
        batch.offset(entry),
        max(0, wire - size),
        batch.comment(entry) if batch.ng else "",
        batch.order,
        batch.faults.get(index, ""),
    )


def frames(source: Path | BinaryIO, name: str | None = None) -> Iterator[Frame]:
    """Every frame of a pcap or pcapng file (gzip too), in order; packets are numbered from 1.

    Raises CaptureError with packet number and offset if the file becomes unreadable, after yielding every frame before
    that place.
    """
    for batch in batches(source, name):
        for index in range(len(batch.entries)):
            yield frame_of(batch, index)
        if batch.end:
            raise CaptureError(batch.end)
