# SPDX-License-Identifier: GPL-2.0-or-later
"""The key formats: the name of each, its reader, its writer, and how its lines are recognised.

A file may hold several formats. A line that a format recognises begins a part in that format, and everything up to a
line that only another one recognises belongs to it. What comes before the first such line is nobody's.
"""

from __future__ import annotations

import heapq
import itertools
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from fynx_scapy.keylog import (
    document,
    fortigate,
    iked,
    labelled,
    libreswan,
    plain,
    setkey,
    strongswan,
    tcpdump,
    tls,
    vpp,
    wireshark,
    xfrm,
)
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import Entry, Rows

IKE_TABLE, ESP_TABLE, JSON_KEYS = "ikev2_decryption_table", "esp_sa", "keys.json"
CHARON_LOG, PLUTO_LOG, XFRM_STATE, SECRETS = "charon.log", "pluto.log", "xfrm_state", "secrets"


@dataclass(frozen=True, slots=True)
class Format:
    """One format. Its name is a file's whole name or its suffix; ``title`` says what it is."""

    name: str
    title: str
    read: Callable[[Sequence[Line]], Rows]
    line: re.Pattern[str]
    """Matches where a line of this format begins."""

    write: Callable[[Iterable[Entry]], str] | None = None
    end: re.Pattern[str] | None = None
    """Matches the line that ends what has begun: up to it, no other format recognises a line."""


# Of two that recognise a line, the first has it
FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format(
            JSON_KEYS, "fynx-scapy's keys.json", document.read_json, document.LINE, document.write_json, document.END
        ),
        Format(
            ESP_TABLE,
            "Wireshark's esp_sa",
            wireshark.read_esp_table,
            wireshark.ESP_LINE,
            wireshark.write_esp_table,
        ),
        Format(
            IKE_TABLE,
            "Wireshark's ikev2_decryption_table",
            wireshark.read_ike_table,
            wireshark.IKE_LINE,
            wireshark.write_ike_table,
        ),
        Format("ikev1_decryption_table", "its table of IKEv1", wireshark.read_ikev1_table, wireshark.IKEV1_LINE),
        Format(
            CHARON_LOG, "strongSwan's log", strongswan.read_charon_log, strongswan.LINE, strongswan.write_charon_log
        ),
        Format(
            PLUTO_LOG, "libreswan's and Openswan's log", libreswan.read_pluto_log, libreswan.LINE,
            libreswan.write_pluto_log,
        ),
        Format("iked.log", "OpenIKED's log", iked.read_iked_log, iked.LINE),
        Format("tcpdump", "tcpdump -E", tcpdump.read_secrets, tcpdump.LINE),
        Format(XFRM_STATE, "ip xfrm state", xfrm.read_xfrm_state, xfrm.LINE, xfrm.write_xfrm_state),
        Format("setkey", "setkey -D and its scripts", setkey.read_setkey, setkey.LINE),
        Format("vpp", "VPP's show ikev2 sa details", vpp.read_vpp, vpp.LINE),
        Format("fortigate", "FortiGate's diagnose vpn", fortigate.read_fortigate, fortigate.LINE),
        Format(SECRETS, "lines of secrets", plain.read_plain, plain.LINE, plain.write_plain),
        Format("tlskeys", "a TLS key log (SSLKEYLOGFILE)", tls.read_tls_log, tls.LINE, tls.write_tls_log),
        Format("sk", "lines such as SK_ei: 0011…", labelled.read_labelled, labelled.LINE),
    )
}  # fmt: skip
KNOWN = ", ".join(entry.title for entry in FORMATS.values())


def by_name(name: str) -> Format | None:
    """The format for a file's name: a format's name, alone or as the suffix. A ``.gz`` suffix is ignored."""
    stem = name.removesuffix(".gz")
    return next((f for f in FORMATS.values() if stem == f.name or stem.endswith("." + f.name)), None)


def parts(lines: Sequence[Line], named: Format | None = None) -> dict[Format, list[Line]]:
    """The lines of each format. ``named`` is that of the first line, if the file's name says so."""
    text = "\n".join(line.text for line in lines)
    starts = [0, *itertools.accumulate(len(line.text) + 1 for line in lines)]
    forms = list(FORMATS.values())

    def found(order: int) -> Iterator[tuple[int, int]]:
        return ((bisect_right(starts, match.start()) - 1, order) for match in forms[order].line.finditer(text))

    matches = heapq.merge(*(found(order) for order in range(len(forms))))
    mine: dict[Format, list[Line]] = {}
    current, begin = named, 0
    closed = len(lines) if named is not None and named.end is not None else 0
    for at, group in itertools.groupby(matches, key=lambda match: match[0]):
        knowing = [forms[order] for _, order in group]
        if at < closed or (current in knowing and (current is None or current.end is None)):
            continue
        if current is not None:
            mine.setdefault(current, []).extend(lines[begin:at])
        current, begin = knowing[0], at
        if current.end is not None:
            ends = (n for n in range(at, len(lines)) if current.end.match(lines[n].text))
            closed = next(ends, len(lines) - 1) + 1
    if current is not None:
        mine.setdefault(current, []).extend(lines[begin:])
    return mine
