# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures: read, decrypted with the keys at hand, and shown packet by packet."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..keylog import KeyLog
    from .dissect import Dissection
    from .follow import Follower
    from .frames import Frame, frames

__all__ = ["Dissection", "Follower", "Frame", "KeyLog", "frames"]

_HOME = {
    "Dissection": "fynx_scapy.capture.dissect",
    "Follower": "fynx_scapy.capture.follow",
    "Frame": "fynx_scapy.capture.frames",
    "KeyLog": "fynx_scapy.keylog",
    "frames": "fynx_scapy.capture.frames",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that ``fynx --help`` answers without Scapy."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
