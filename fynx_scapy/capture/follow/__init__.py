# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole conversation from the least that determines it: every key derived, every AUTH verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fynx_scapy.capture.follow.follower import Follower

__all__ = ["Follower"]


def __getattr__(name: str) -> Any:
    """Import the follower on first use: the command beside it answers for help without ciphers."""
    if name != "Follower":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fynx_scapy.capture.follow.follower import Follower

    return Follower
