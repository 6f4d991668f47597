# SPDX-License-Identifier: GPL-2.0-or-later
"""A peer's octets as text that a person may read: nothing in it speaks to the terminal, or turns the line around.

Applied where octets become text, so that whoever prints the text later need not think of it.
"""

from __future__ import annotations

LONGEST = 2000
"""Characters of a peer's text before it is cut."""


def printable(value: str | bytes, most: int | None = None) -> str:
    r"""Text on one line; everything that Unicode does not call printable is escaped: ``\x1b``, ``\n``, ``\u202e``.

    That is control and format characters (bidirectional overrides among them), surrogates, separators other than the
    space, and private and unassigned characters. Octets are read as UTF-8; those that are none become ``\xff``. What is
    longer than ``most`` characters is cut, and its octets are counted: ``AAAA… (65000 octets)``.
    """
    text = value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")
    rest = ""
    if most is not None and len(text) > most:
        octets = len(value) if isinstance(value, bytes) else len(text.encode("utf-8", "surrogatepass"))
        text, rest = text[:most], f"… ({octets} octets)"
    if not text.isprintable():
        text = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return text + rest


def printable_lines(text: str) -> str:
    """The same for text of several lines, which stay lines."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))
