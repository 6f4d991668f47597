# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures: read them, decrypt them with known keys, and show them packet by packet."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fynx_scapy.capture.capture import Capture
    from fynx_scapy.capture.choice import Filter
    from fynx_scapy.capture.chosen import ChosenCapture
    from fynx_scapy.capture.conversation import Conversation
    from fynx_scapy.capture.dissect import Dissection
    from fynx_scapy.capture.fingerprint import Fingerprint, fingerprints
    from fynx_scapy.capture.follow.follower import Follower
    from fynx_scapy.capture.follow.inner import Inner, InnerFlow
    from fynx_scapy.capture.index import Index
    from fynx_scapy.capture.reading.flows import EspFlow
    from fynx_scapy.capture.reading.frames import Frame, frames
    from fynx_scapy.capture.reading.losses import Loss
    from fynx_scapy.capture.scale import process
    from fynx_scapy.capture.sniffing import IPsecSession, rdpcap
    from fynx_scapy.capture.transcript.exchanges import CapturedExchange
    from fynx_scapy.capture.transcript.messages import CapturedMessage
    from fynx_scapy.capture.transcript.transcript import Transcript
    from fynx_scapy.keylog import KeyLog

__all__ = [
    "Capture",
    "CapturedExchange",
    "CapturedMessage",
    "ChosenCapture",
    "Conversation",
    "Dissection",
    "EspFlow",
    "Filter",
    "Fingerprint",
    "Follower",
    "Frame",
    "IPsecSession",
    "Index",
    "Inner",
    "InnerFlow",
    "KeyLog",
    "Loss",
    "Transcript",
    "fingerprints",
    "frames",
    "process",
    "rdpcap",
]

_HOME = {
    "Capture": "fynx_scapy.capture.capture",
    "Conversation": "fynx_scapy.capture.conversation",
    "Dissection": "fynx_scapy.capture.dissect",
    "EspFlow": "fynx_scapy.capture.reading.flows",
    "CapturedExchange": "fynx_scapy.capture.transcript.exchanges",
    "ChosenCapture": "fynx_scapy.capture.chosen",
    "Filter": "fynx_scapy.capture.choice",
    "Fingerprint": "fynx_scapy.capture.fingerprint",
    "Follower": "fynx_scapy.capture.follow.follower",
    "Frame": "fynx_scapy.capture.reading.frames",
    "IPsecSession": "fynx_scapy.capture.sniffing",
    "Index": "fynx_scapy.capture.index",
    "Inner": "fynx_scapy.capture.follow.inner",
    "InnerFlow": "fynx_scapy.capture.follow.inner",
    "KeyLog": "fynx_scapy.keylog",
    "Loss": "fynx_scapy.capture.reading.losses",
    "CapturedMessage": "fynx_scapy.capture.transcript.messages",
    "Transcript": "fynx_scapy.capture.transcript.transcript",
    "fingerprints": "fynx_scapy.capture.fingerprint",
    "frames": "fynx_scapy.capture.reading.frames",
    "process": "fynx_scapy.capture.scale",
    "rdpcap": "fynx_scapy.capture.sniffing",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that ``fynx --help`` works without Scapy."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
