# SPDX-License-Identifier: GPL-2.0-or-later
"""Follow conversations: derive every key from the given secrets, decrypt, and verify every AUTH payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fynx_scapy.capture.follow.follower import Follower

__all__ = ["Follower"]


def __getattr__(name: str) -> Any:
    """Import the follower on first use, so that the command's help works without ciphers."""
    if name != "Follower":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fynx_scapy.capture.follow.follower import Follower

    return Follower
