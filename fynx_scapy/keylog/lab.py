# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's ``keys.json``: strongSwan's proposals, both peers' keys, and the secrets they are derived from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fynx_scapy import keynames
from fynx_scapy.iana import Encr
from fynx_scapy.keylog.keys import Entry, EspKeys, IkeKeys, Secret
from fynx_scapy.keylog.text import address, octets, spi

TRACED = {"PPK": "ppk", "secret": "psk"}


def ike_sa(entry: dict[str, Any]) -> Iterator[Entry]:
    """The keys of one IKE SA, and the shared secrets they are derived from."""
    suite = keynames.read_proposal(entry["proposal"])
    keys = {name: octets(value, name) for name, value in entry["keys"].items()}
    yield IkeKeys(
        octets(entry["spi_i"], "initiator's SPI", 8),
        octets(entry["spi_r"], "responder's SPI", 8),
        suite.encr,
        suite.integ,
        keys["SK_EI"],
        keys["SK_ER"],
        keys.get("SK_AI", b""),
        keys.get("SK_AR", b""),
        suite.prf,
        keys.get("SK_D", b""),
        keys.get("SK_PI", b""),
        keys.get("SK_PR", b""),
    )
    yield from _shared(entry)


def child_sa(entry: dict[str, Any]) -> Iterator[Entry]:
    """The keys of both directions of a Child SA. If the entry does not say which key belongs where, both are tried."""
    suite = keynames.read_proposal(entry["proposal"])
    for sa in entry["sas"]:
        for end in [sa["key"]] if "key" in sa else ["initiator", "responder"]:
            key = octets(entry[f"encryption_{end}_key"], "encryption key") if suite.encr.id != Encr.ENCR_NULL else b""
            auth_key = octets(entry.get(f"integrity_{end}_key", ""), "integrity key")
            src, dst = address(sa["src"]), address(sa["dst"])
            yield EspKeys(spi(sa["spi"]), src, dst, suite.encr, key, suite.integ, auth_key, suite.esn)
    yield from _shared(entry)


def traced(entry: dict[str, Any]) -> Iterator[Entry]:
    """The PSK, PPK or MSK in one line of ``auth_trace``."""
    kind = TRACED.get(entry["label"])
    if kind is not None:
        yield Secret(kind, octets(entry["hex"], kind))


def _shared(entry: dict[str, Any]) -> Iterator[Secret]:
    for value in entry.get("ke_secrets", []):
        yield Secret("secrets", octets(value, "shared secret"))
