# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a peer's octets safe to print: no control characters reach the terminal, no character reverses the line.

This is done where octets become text, so that code that prints the text later need not do it.
"""

from __future__ import annotations

LONGEST = 2000
"""A peer's text is cut after so many characters."""


def printable(value: str | bytes, most: int | None = None) -> str:
    r"""Text on one line, with everything escaped that Unicode does not call printable: ``\x1b``, ``\n``, ``\u202e``.

    These are control and format characters (including bidirectional overrides), surrogates, separators other than the
    space, and private and unassigned characters. Octets are read as UTF-8; invalid ones become ``\xff``. Text longer
    than ``most`` characters is cut, and its length in octets is appended: ``AAAA… (65000 octets)``.
    """
    text = value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")
    rest = ""
    if most is not None and len(text) > most:
        octets = len(value) if isinstance(value, bytes) else len(text.encode("utf-8", "surrogatepass"))
        text, rest = text[:most], f"… ({counted(octets, 'octet')})"
    if not text.isprintable():
        text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return text + rest


def printable_lines(text: str) -> str:
    """Like `printable`, but line breaks stay."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


def sentence(text: str) -> str:
    """The text with a full stop, unless it ends with one."""
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def counted(count: int, noun: str) -> str:
    """``1 packet``, ``2 packets``."""
    return f"{count} {noun}" + ("" if count == 1 else "s")
