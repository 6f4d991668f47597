# SPDX-License-Identifier: GPL-2.0-or-later
"""Wireshark's ``ikev2_decryption_table`` and ``esp_sa``, which strongSwan's save-keys plugin writes too."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable

from fynx_scapy import keynames
from fynx_scapy.errors import ConfigError
from fynx_scapy.keylog.keys import Entry, EspKeys, IkeKeys, Rows
from fynx_scapy.keylog.text import address, octets, sized, spi


def ike_row(keys: IkeKeys) -> str | None:
    """The line of ``ikev2_decryption_table`` for one IKE SA.

    None if the table has no name for its algorithms, or if the SPIs are unknown.
    """
    names = keynames.write_ike(keys.encr, keys.integ)
    if names is None or not keys.spi_i or not keys.spi_r:
        return None
    values = (keys.spi_i, keys.spi_r, keys.sk_ei, keys.sk_er, keys.sk_ai, keys.sk_ar)
    spi_i, spi_r, sk_ei, sk_er, sk_ai, sk_ar = (value.hex() for value in values)
    return f'{spi_i},{spi_r},{sk_ei},{sk_er},"{names[0]}",{sk_ai},{sk_ar},"{names[1]}"\n'


def esp_row(keys: EspKeys) -> str | None:
    """The line of ``esp_sa`` for one ESP SA, or None if the table has no name for its algorithms."""
    names = keynames.write_esp(keys.encr, keys.integ, keys.unchecked_icv)
    if names is None:
        return None
    family = "IPv6" if ":" in keys.src + keys.dst else "IPv4"
    number = "*" if keys.spi is None else f"0x{keys.spi:08x}"
    key, auth_key = (f"0x{value.hex()}" if value else "" for value in (keys.key, keys.auth_key))
    return f'"{family}","{keys.src}","{keys.dst}","{number}","{names[0]}","{key}","{names[1]}","{auth_key}"\n'


def write_ike_table(entries: Iterable[Entry]) -> str:
    """The whole table; what has no name in it is left out."""
    return "".join(row for entry in entries if isinstance(entry, IkeKeys) and (row := ike_row(entry)))


def write_esp_table(entries: Iterable[Entry]) -> str:
    """The whole table; what has no name in it is left out."""
    return "".join(row for entry in entries if isinstance(entry, EspKeys) and (row := esp_row(entry)))


def read_ike_table(text: str) -> Rows:
    """The rows of ``ikev2_decryption_table``."""
    return _table(text, 8, _ike_keys)


def read_esp_table(text: str) -> Rows:
    """The rows of ``esp_sa``."""
    return _table(text, 8, _esp_keys)


def _table(text: str, columns: int, make: Callable[[list[str]], Iterable[Entry]]) -> Rows:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue

        def row(line: str = line) -> Iterable[Entry]:
            try:
                values = next(csv.reader([line], strict=True))
            except csv.Error as error:
                raise ConfigError(f"not a row of comma-separated values: {error}") from None
            if len(values) != columns:
                raise ConfigError(f"{len(values)} columns, expected {columns}")
            return make([value.strip() for value in values])

        yield f"line {number}", row


def _ike_keys(row: list[str]) -> Iterable[IkeKeys]:
    encr, integ = keynames.read_ike(row[4], row[7])
    spi_i, spi_r = octets(row[0], "initiator's SPI", 8), octets(row[1], "responder's SPI", 8)
    sk_ei, sk_er, sk_ai, sk_ar = (
        octets(row[column], name) for column, name in ((2, "SK_ei"), (3, "SK_er"), (5, "SK_ai"), (6, "SK_ar"))
    )
    yield IkeKeys(spi_i, spi_r, encr, integ, sk_ei, sk_er, sk_ai, sk_ar)


def _esp_keys(row: list[str]) -> Iterable[EspKeys]:
    numbers, integ, unchecked = keynames.read_esp(row[4], row[6])
    src, dst = address(row[1]), address(row[2])
    key, auth_key = octets(row[5], "encryption key"), octets(row[7], "authentication key")
    number = spi(row[3])
    for cipher in numbers:
        encr = sized(cipher, key)
        yield EspKeys(number, src, dst, encr, key, integ, b"" if unchecked else auth_key, None, unchecked)
