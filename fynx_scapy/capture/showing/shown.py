# SPDX-License-Identifier: GPL-2.0-or-later
"""The protocol of a capture that can be drawn, tabulated or exported. `Capture` implements it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from fynx_scapy.capture.transcript.holder import Holder

if TYPE_CHECKING:
    from fynx_scapy.capture.follow.inner import Inner, InnerFlow
    from fynx_scapy.capture.transcript.conversations import ConversationBase
    from fynx_scapy.capture.transcript.messages import CapturedMessage


class Shown(Holder, Protocol):
    """A capture with its transcript and what was inside ESP."""

    name: str

    @property
    def conversations(self) -> Sequence[ConversationBase]:
        """Its conversations."""

    @property
    def messages(self) -> list[CapturedMessage]:
        """The IKE messages of all conversations."""

    @property
    def inner_flows(self) -> list[InnerFlow]:
        """The flows inside ESP."""

    def inner(self) -> Iterator[Inner]:
        """The ESP packets that could be decrypted."""
