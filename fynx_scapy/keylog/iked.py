# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenIKED's log (``iked -dvvv``): the shared secrets of key exchanges, and SK_* of IKE SAs.

The SPIs are the end of S, the seed of prf+ (RFC 7296 section 2.14). No algorithms are named: the sizes of the keys say
what they may be for. The keys of Child SAs are not in the log, but follow from SK_d.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial

from fynx_scapy.errors import ConfigError
from fynx_scapy.keylog.algorithms import ike_keys
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import Entry, Rows, Secret

LINE = re.compile(
    r"^[^\n:]{0,80}(?::[ \t])?ikev2_sa_keys: (?:DHSECRET|SKEYSEED|S|SK_(?:d|[aep][ir])) with \d+ bytes", re.MULTILINE
)
_DUMP = re.compile(r".*\bikev2_sa_keys: (DHSECRET|SKEYSEED|S|SK_(?:d|[aep][ir])) with (\d{1,4}) bytes")
_DUMPED = re.compile(r"(?:[0-9a-f]{2}){1,4}(?: (?:[0-9a-f]{2}){1,4}){0,7}\s*$")


def read_iked_log(lines: Sequence[Line]) -> Rows:
    """The keys and secrets in a log."""
    found: list[tuple[int, dict[str, bytes]]] = []
    at = 0
    while at < len(lines):
        number, dump = lines[at].number, _DUMP.match(lines[at].text)
        at += 1
        if dump is None:
            continue
        dumped = bytearray()
        while at < len(lines) and len(dumped) < int(dump[2]) and _DUMPED.match(lines[at].text):
            dumped += bytes.fromhex(lines[at].text)
            at += 1
        if len(dumped) != int(dump[2]):
            yield f"line {number}", partial(_short, dump[1], int(dump[2]), len(dumped))
            continue
        if not found or dump[1] == "DHSECRET" or dump[1] in found[-1][1]:
            found.append((number, {}))
        found[-1][1][dump[1]] = bytes(dumped)
    for number, values in found:
        yield f"line {number}", partial(_entries, values)


def _short(name: str, wanted: int, size: int) -> Iterable[Entry]:
    raise ConfigError(f"expected {wanted} octets of {name} after this line, found {size}: run iked with -vvv")


def _entries(values: dict[str, bytes]) -> Iterable[Entry]:
    if secret := values.get("DHSECRET"):
        yield Secret("secrets", secret)
    keys = {name.casefold(): value for name, value in values.items() if name.startswith("SK_")}
    if keys:
        seed = values.get("S", b"")
        spis = (seed[-16:-8], seed[-8:]) if len(seed) >= 16 else (b"", b"")
        yield from ike_keys(spis, ("", "", ""), keys)
