# SPDX-License-Identifier: GPL-2.0-or-later
"""Text as a hostile peer writes it, and what none of our output may hold."""

from __future__ import annotations

import unicodedata

TEXT = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31mEVIL\r\n\x00\x08\x7f\x9b31m\u00ad\u200b\u202eevil\u202c\u2066x\u2069\u2028\u2029\ufeff\ue000\U000e0001"
    "<script>alert(1)</script></text>[red][/][bold]%n{0}{{7*7}}\"',;=+\\ünï"
)
"""Terminal sequences, controls of both sets, bidirectional overrides, markup of HTML and rich, quotes, commas."""

OCTETS = TEXT.encode() + b"\x9b31m\xed\xa0\x80\xff"
"""The same as octets, and such as are no UTF-8 behind it."""

_BAD = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def unprintable(text: str) -> set[str]:
    """The characters of a text that no output may hold: by Unicode's category; a newline is allowed."""
    return {each for each in set(text) if unicodedata.category(each) in _BAD and each != "\n"}
