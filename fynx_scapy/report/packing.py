# SPDX-License-Identifier: GPL-2.0-or-later
"""What a page holds compressed, and script.js unpacks: texts, and the octets of messages.

Octets are apart, each once: as hexadecimal digits in the texts they would be the larger part of the page.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

AT = "@"
"""The one key of a reference: ``{"@": [offset, length]}``."""
SHORT = 16
"""Fields of fewer octets stay texts."""
_HEX = re.compile(r"(?:[0-9a-f]{2})+")


def packed(texts: Sequence[str]) -> str:
    """Texts as one compressed text: every message of every ladder is too much for a browser to parse."""
    return _compressed(json.dumps(list(texts), ensure_ascii=False).encode())


def unpacked(text: str) -> list[str]:
    """The texts that `packed` took."""
    found: list[str] = json.loads(gzip.decompress(base64.b64decode(text)))
    return found


def _compressed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()


class Octets:
    """The octets of the messages of a page."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._places: dict[bytes, int] = {}

    def add(self, octets: bytes) -> dict[str, list[int]]:
        """A reference to these octets."""
        place = self._places.get(octets)
        if place is None:
            place = self._places[octets] = len(self._data)
            self._data += octets
        return {AT: [place, len(octets)]}

    def within(self, value: Any, messages: Sequence[bytes]) -> Any:
        """A record whose long octets, in hexadecimal, are references into one of the messages that have them."""
        if isinstance(value, Mapping):
            return {name: self._reference(inner, messages) for name, inner in value.items()}
        return [self.within(inner, messages) for inner in value] if isinstance(value, list | tuple) else value

    def _reference(self, value: Any, messages: Sequence[bytes]) -> Any:
        if not isinstance(value, str) or len(value) < 2 * SHORT or not _HEX.fullmatch(value):
            return self.within(value, messages)
        octets = bytes.fromhex(value)
        for message in messages:
            if (place := message.find(octets)) >= 0:
                begin = self.add(message)[AT][0]
                return {AT: [begin + place, len(octets)]}
        return value

    @property
    def packed(self) -> str:
        """All of them, compressed."""
        return _compressed(bytes(self._data))
