# SPDX-License-Identifier: GPL-2.0-or-later
"""Ladder diagrams as text, HTML and SVG, drawn only from events.

`rows` pairs what one endpoint sent with what the other received, `names` writes the texts, and each format is one file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fynx_scapy.ike.events import Event
from fynx_scapy.ladder import html, svg
from fynx_scapy.ladder import text as as_text
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
    """A ladder diagram of the messages between two endpoints.

    ``events`` are (name, event) in order, as in `Session.events`. ``ends`` are the names of the left and the right
    endpoint, by default the first two that appear; events of others are left out. ``one_sided`` says that only one
    endpoint reports events. Then the other endpoint sent whatever it received, and the fate of what it sent is unknown.
    """

    def __init__(
        self, events: Iterable[tuple[str, Event]], ends: Sequence[str] | None = None, *, one_sided: bool = False
    ) -> None:
        entries = list(events)
        names = list(dict.fromkeys([*(ends or ()), *(name for name, _ in entries), "initiator", "responder"]))
        self.ends = (names[0], names[1])
        reader = Reader(self.ends, one_sided=one_sided)
        for name, event in entries:
            if name in self.ends:
                reader.read(name, event)
        self.rows = reader.rows

    @property
    def packets(self) -> list[Row]:
        """The rows that are messages or ESP packets."""
        return [row for row in self.rows if row.is_packet]

    def rightwards(self, row: Row) -> bool:
        """Whether a packet goes from the left to the right endpoint."""
        return row.receiver == self.ends[1]

    def text(self, width: int | None = None) -> str:
        """The ladder as lines of at most ``width`` characters, by default the terminal's width.

        If the output is not a terminal, the default is `WIDTH`.
        """
        return as_text.draw(self.rows, self.ends, as_text.columns() if width is None else width)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<style>{STYLE}</style>{self.html()}"  # shown by notebooks

    def html(self, details: Callable[[Row], str] | None = None) -> str:
        """The ladder as an HTML fragment, for use with `STYLE`.

        ``details`` returns the HTML that is shown when a packet is opened; an empty string if it cannot be opened.
        """
        return html.draw(self.rows, self.ends, details)

    def svg(self) -> str:
        """The ladder as a self-contained SVG picture, readable on a light or dark background."""
        return svg.draw(self.rows, self.ends)
