# SPDX-License-Identifier: GPL-2.0-or-later
"""A report as its reader has it once every section was opened: what script.js unpacks is in its place."""

from __future__ import annotations

import base64
import gzip
import re

from fynx_scapy.report.packing import unpacked

_PACKED = re.compile(r'<script type="text/plain" id="(octets|stories)">(.*?)</script>')
_PLACE = re.compile(r'(<details class="(?:story|all)" data-story="(\d+)"[^>]*>\n?<summary>.*?</summary>)', re.DOTALL)
_REFERENCE = re.compile(r'\{"@":\[(\d+),(\d+)\]\}')


def whole(page: str) -> str:
    """The page with the inside of each section, and the octets of its messages in hexadecimal."""
    packed = dict(_PACKED.findall(page))
    octets = gzip.decompress(base64.b64decode(packed["octets"]))

    def digits(found: re.Match[str]) -> str:
        begin, length = map(int, found.groups())
        assert begin + length <= len(octets)
        return f'"{octets[begin : begin + length].hex()}"'

    stories = [_REFERENCE.sub(digits, story) for story in unpacked(packed["stories"])]
    places = _PLACE.findall(page)
    assert [int(number) for _, number in places] == list(range(len(stories)))
    return _PLACE.sub(lambda found: found[1] + stories[int(found[2])], _PACKED.sub("", page))
