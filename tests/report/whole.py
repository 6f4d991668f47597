# SPDX-License-Identifier: GPL-2.0-or-later
"""A report as its reader has it once every section was opened: what script.js unpacks is in its place."""

from __future__ import annotations

import re

from fynx_scapy.report.page import unpacked

_PACKED = re.compile(r'<script type="text/plain" id="stories">(.*?)</script>')
_PLACE = re.compile(r'(<details class="(?:story|all)" data-story="(\d+)"[^>]*>\n?<summary>.*?</summary>)', re.DOTALL)


def whole(page: str) -> str:
    """The page with the inside of each section."""
    packed = _PACKED.search(page)
    assert packed is not None
    stories = unpacked(packed[1])
    places = _PLACE.findall(page)
    assert [int(number) for _, number in places] == list(range(len(stories)))
    return _PLACE.sub(lambda found: found[1] + stories[int(found[2])], _PACKED.sub("", page))
