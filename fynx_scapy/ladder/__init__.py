# SPDX-License-Identifier: GPL-2.0-or-later
"""A conversation as a ladder: text, HTML and SVG, drawn from the events of both ends and from nothing else.

`rows` pairs what was sent with what became of it, `names` says it in words; each picture is a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fynx_scapy.ike.events import Event
from fynx_scapy.ladder import html, svg, text
from fynx_scapy.ladder.html import STYLE
from fynx_scapy.ladder.names import REMARKS, message_text, message_title, payload_name
from fynx_scapy.ladder.rows import DELIVERED, DROPPED, LOST, Reader, Row
from fynx_scapy.ladder.text import WIDTH

__all__ = [
    "DELIVERED",
    "DROPPED",
    "LOST",
    "REMARKS",
    "STYLE",
    "WIDTH",
    "Ladder",
    "Row",
    "message_text",
    "message_title",
    "payload_name",
]


class Ladder:
    """The rows of a conversation between two ends, and three pictures of them.

    ``events`` are (who, event) in order, as `Session.events` has them; ``ends`` names the left and the right end, by
    default those who appear first. Events of anybody else are left out. ``one_sided``: the events of one end are all
    that there is, so that what it received was sent by the other, and what became of what it sent is not known.
    """

    def __init__(
        self, events: Iterable[tuple[str, Event]], ends: Sequence[str] | None = None, *, one_sided: bool = False
    ) -> None:
        found = list(events)
        names = list(dict.fromkeys([*(ends or ()), *(who for who, _ in found), "initiator", "responder"]))
        self.ends = (names[0], names[1])
        reader = Reader(self.ends, one_sided=one_sided)
        for who, event in found:
            if who in self.ends:
                reader.read(who, event)
        self.rows = reader.rows

    @property
    def packets(self) -> list[Row]:
        """The rows that are messages or ESP packets."""
        return [row for row in self.rows if row.is_packet]

    def rightwards(self, row: Row) -> bool:
        """Whether a packet runs from the left end to the right one."""
        return row.receiver == self.ends[1]

    def __str__(self) -> str:
        return text.draw(self.rows, self.ends)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<style>{STYLE}</style>{self.html()}"  # what a notebook shows

    def html(self, details: Callable[[Row], str] | None = None) -> str:
        """The ladder as an HTML fragment, to be shown with `STYLE`.

        ``details`` gives the HTML that a packet opens to; without it, or where it gives an empty string, nothing opens.
        """
        return html.draw(self.rows, self.ends, details)

    def svg(self) -> str:
        """The ladder as a self-contained SVG picture, readable on light and dark ground."""
        return svg.draw(self.rows, self.ends)
