# SPDX-License-Identifier: GPL-2.0-or-later
"""The key formats: the name of each, its reader, its writer, and how to recognise it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fynx_scapy.keylog.document import read_json, write_json
from fynx_scapy.keylog.keys import Entry, Rows
from fynx_scapy.keylog.libreswan import LINE as PLUTO_LINE
from fynx_scapy.keylog.libreswan import read_pluto_log, write_pluto_log
from fynx_scapy.keylog.plain import read_plain, recognises, write_plain
from fynx_scapy.keylog.strongswan import LINE, read_charon_log, write_charon_log
from fynx_scapy.keylog.wireshark import read_esp_table, read_ike_table, write_esp_table, write_ike_table
from fynx_scapy.keylog.xfrm import START, read_xfrm_state, write_xfrm_state

IKE_TABLE, ESP_TABLE, JSON_KEYS = "ikev2_decryption_table", "esp_sa", "keys.json"
CHARON_LOG, PLUTO_LOG, XFRM_STATE, SECRETS = "charon.log", "pluto.log", "xfrm_state", "secrets"


@dataclass(frozen=True, slots=True)
class Format:
    """One format. Its name is a file's whole name or its suffix."""

    name: str
    read: Callable[[str], Rows]
    write: Callable[[Iterable[Entry]], str]
    is_first_line: Callable[[str], bool]


def _columns(line: str) -> list[str]:
    return line.replace('"', "").split(",")


FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format(JSON_KEYS, read_json, write_json, lambda line: line.startswith("{")),
        Format(
            ESP_TABLE, read_esp_table, write_esp_table, lambda line: _columns(line)[0].casefold() in ("ipv4", "ipv6")
        ),
        Format(
            IKE_TABLE,
            read_ike_table,
            write_ike_table,
            lambda line: len(_columns(line)) == 8 and len(_columns(line)[0]) == 16,
        ),
        Format(CHARON_LOG, read_charon_log, write_charon_log, lambda line: LINE.search(line) is not None),
        Format(PLUTO_LOG, read_pluto_log, write_pluto_log, lambda line: PLUTO_LINE.match(line) is not None),
        Format(XFRM_STATE, read_xfrm_state, write_xfrm_state, lambda line: START.match(line) is not None),
        Format(SECRETS, read_plain, write_plain, recognises),
    )
}


def by_name(name: str) -> Format | None:
    """The format for a file's name: a format's name, alone or as the suffix. A ``.gz`` suffix is ignored."""
    stem = name.removesuffix(".gz")
    return next((f for f in FORMATS.values() if stem == f.name or stem.endswith("." + f.name)), None)


def by_content(text: str) -> Format | None:
    """The format for the first lines of a file."""
    lines = [line.strip() for line in text.splitlines()[:200]]
    for line in [line for line in lines if line and not line.startswith("#")][:20]:
        for entry in FORMATS.values():
            if entry.is_first_line(line):
                return entry
    return None
