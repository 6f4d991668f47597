# SPDX-License-Identifier: GPL-2.0-or-later
"""Replay: resend the datagrams of a capture, or repeat its conversation with a new peer."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fynx_scapy.capture.replay.player import play
    from fynx_scapy.capture.replay.recording import Recording, load
    from fynx_scapy.capture.replay.world import RecordedWorld

__all__ = ["RecordedWorld", "Recording", "load", "play"]

_HOME = {"RecordedWorld": "world", "Recording": "recording", "load": "recording", "play": "player"}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that ``fynx --help`` works without Scapy."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
