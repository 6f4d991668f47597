# SPDX-License-Identifier: GPL-2.0-or-later
"""A conversation of a capture as a person holds it: what the transcript says of it, and its pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fynx_scapy.capture.transcript.conversations import ConversationBase

if TYPE_CHECKING:
    from fynx_scapy.capture.showing.pictures import CaptureLadder


class Conversation(ConversationBase):
    """A conversation that can be drawn."""

    def ladder(self, esp: str = "flows") -> CaptureLadder:
        """The conversation as a ladder. ``esp`` is "flows" (one row per flow), "packets" or "none"."""
        from fynx_scapy.capture.showing.pictures import CaptureLadder

        return CaptureLadder.of(self, esp)

    def _repr_html_(self) -> str:
        from fynx_scapy.capture.showing.pictures import conversation_html

        return conversation_html(self)
