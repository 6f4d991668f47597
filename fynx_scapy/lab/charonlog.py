# SPDX-License-Identifier: GPL-2.0-or-later
"""The octets that a charon's log shows at level 4: every key, under the label that charon gives it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LABEL = re.compile(r"\[[A-Z]+\] (?:<[^>]*> )?(?P<label>.+?) => (?P<size>\d+) bytes @ 0x[0-9a-f]+$")
_ROW = re.compile(r"\[[A-Z]+\] (?:<[^>]*> )?\s*\d+: (?P<octets>(?:[0-9A-F]{2} ){1,16}) ")


def dumps(log: str) -> Iterator[tuple[str, bytes]]:
    """(label, octets) of every dump in a log, in order; one that is cut short is left out."""
    label, size, found = "", 0, b""
    for line in log.splitlines():
        head = _LABEL.search(line)
        if head:
            label, size, found = head["label"], int(head["size"]), b""
            continue
        row = _ROW.search(line + " ")
        if row and label:
            found += bytes.fromhex(row["octets"])
            if len(found) >= size:
                yield label, found[:size]
                label = ""
