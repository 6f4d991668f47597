# SPDX-License-Identifier: GPL-2.0-or-later
"""Wireshark's ``ikev2_decryption_table`` and ``esp_sa``, which strongSwan's save-keys plugin writes too."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from fynx_scapy import keynames
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import ConfigError
from fynx_scapy.keylog.envelopes import Line
from fynx_scapy.keylog.keys import Entry, EspKeys, IkeKeys, Rows
from fynx_scapy.keylog.text import address, number, octets, sized

COLUMNS = 8
ESP_LINE = re.compile(
    r"^[ \t]*(?:\"(?:IPv4|IPv6|Any)\"[ \t]*,|(?:IPv4|IPv6|Any)[ \t]*,(?:[^,\n]{0,200},){4})",
    re.IGNORECASE | re.MULTILINE,
)
# SPIs first, or, if columns are swapped, at least seven commas around names of this table
IKE_LINE = re.compile(
    r"^[ \t]*\"?(?:0x)?[0-9A-Fa-f]{16}\"?,\"?(?:0x)?[0-9A-Fa-f]{16}\"?,"
    r"|^[ \t]*\"?[0-9A-Fa-fx]+\"?,[^\n]*\"[A-Za-z0-9 _-]+ \[RFC\d+\]\"[^\n]*,[^\n]*\"[A-Za-z0-9 _-]+ \[(?:RFC|draft)",
    re.MULTILINE,
)
IKEV1_LINE = re.compile(r"^(?:0x)?[0-9A-Fa-f]{16},(?:0x)?[0-9A-Fa-f]+[ \t]*$", re.MULTILINE)
_SPIS = re.compile(r"0x(?=[0-9A-Fa-f*]*\*)(?=[0-9A-Fa-f*]*[0-9A-Fa-f])[0-9A-Fa-f*]{8}", re.IGNORECASE)
_SPACED = re.compile(r"\"\s+,")
_ESCAPED = re.compile(r"\\x([0-9A-Fa-f]{2})")  # how Wireshark writes a quotation mark or a backslash


def ike_row(keys: IkeKeys) -> str | None:
    """The line of ``ikev2_decryption_table`` for one IKE SA.

    None if the table has no name for its algorithms, or if the SPIs are unknown.
    """
    names = keynames.write_ike(keys.encr, keys.integ, keys.unchecked_icv)
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
    spi = f"0x{keys.spi:08x}" if keys.spi is not None else keys.spis or "*"
    key, auth_key = (f"0x{value.hex()}" if value else "" for value in (keys.key, keys.auth_key))
    return f'"{family}","{keys.src}","{keys.dst}","{spi}","{names[0]}","{key}","{names[1]}","{auth_key}"\n'


def write_ike_table(entries: Iterable[Entry]) -> str:
    """The whole table; what has no name in it is left out."""
    return "".join(row for entry in entries if isinstance(entry, IkeKeys) and (row := ike_row(entry)))


def write_esp_table(entries: Iterable[Entry]) -> str:
    """The whole table; what has no name in it is left out."""
    return "".join(row for entry in entries if isinstance(entry, EspKeys) and (row := esp_row(entry)))


def read_ike_table(lines: Sequence[Line]) -> Rows:
    """The rows of ``ikev2_decryption_table``."""
    return _table(lines, _ike_keys)


def read_esp_table(lines: Sequence[Line]) -> Rows:
    """The rows of ``esp_sa``, in which newer versions of Wireshark have columns for extended sequence numbers."""
    return _table(lines, _esp_keys)


def read_ikev1_table(lines: Sequence[Line]) -> Rows:
    """One row for the whole ``ikev1_decryption_table``, which says that there is nothing in it for IKEv2."""
    rows = [line.number for line in lines if line.text.strip() and not line.text.startswith("#")]
    if rows:
        yield f"line {rows[0]}", _ikev1


def _ikev1() -> Iterable[Entry]:
    raise ConfigError("a table of keys of IKEv1, which is not decrypted; those of IKEv2 are in ikev2_decryption_table")


def _table(lines: Sequence[Line], make: Callable[[list[str]], Iterable[Entry]]) -> Rows:
    for place, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue

        def row(line: str = line) -> Iterable[Entry]:
            try:
                values = next(csv.reader([_SPACED.sub('",', line.strip())], strict=True, skipinitialspace=True))
            except csv.Error as error:
                raise ConfigError(f"not a row of comma-separated values: {error}") from None
            if len(values) < COLUMNS:
                raise ConfigError(f"{len(values)} {'column' if len(values) == 1 else 'columns'}, expected {COLUMNS}")
            return list(make([_ESCAPED.sub(_unescaped, value.strip()) for value in values]))

        yield f"line {place}", row


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16))


def _ike_keys(row: list[str]) -> Iterable[IkeKeys]:
    encr, integ, unchecked = keynames.read_ike(row[4], row[7])
    spi_i, spi_r = octets(row[0], "initiator's SPI", 8), octets(row[1], "responder's SPI", 8)
    sk_ei, sk_er, sk_ai, sk_ar = (
        octets(row[column], name) for column, name in ((2, "SK_ei"), (3, "SK_er"), (5, "SK_ai"), (6, "SK_ar"))
    )
    if unchecked:
        sk_ai = sk_ar = b""
    yield IkeKeys(spi_i, spi_r, encr, integ, sk_ei, sk_er, sk_ai, sk_ar, unchecked_icv=unchecked)


def _esp_keys(row: list[str]) -> Iterator[EspKeys]:
    numbers, integ, unchecked = keynames.read_esp(row[4], row[6])
    src, dst = address(row[1]), address(row[2])
    pattern = row[3].casefold() if _SPIS.fullmatch(row[3]) else ""
    spi = None if pattern or row[3].strip("*") in ("", "0x") else number(row[3])
    esn, high = _sequence_numbers(row[COLUMNS:])
    auth_keys = [b""]
    if integ is not None and not unchecked:
        size = integrity(integ.id).key_size
        readings = _readings(row[7], "authentication key")
        auth_keys = [key for key in readings if len(key) == size] or readings[:1]
    for cipher in numbers:
        for encr, key in _sized(cipher, row[5]):
            for auth_key in auth_keys:
                yield EspKeys(spi, src, dst, encr, key, integ, auth_key, esn, unchecked, pattern, high)


def _readings(text: str, what: str) -> list[bytes]:
    """What a key may be. Wireshark takes one without 0x as text, and people leave 0x out: then both are possible."""
    if text[:2] in ("0x", "0X"):
        digits = text[2:]
        return [octets(digits if len(digits) % 2 == 0 else f"0{digits}", what)]
    try:
        return list(dict.fromkeys((octets(text, what), text.encode())))
    except ConfigError:
        return [text.encode()]


def _sized(cipher: int, text: str) -> Iterator[tuple[Transform, bytes]]:
    """The readings of an encryption key that have a size of this cipher. Raises ConfigError if none has."""
    fault: ConfigError | None = None
    found = False
    for key in _readings(text, "encryption key"):
        try:
            yield sized(cipher, key), key
            found = True
        except ConfigError as error:
            fault = fault or error
    if not found and fault is not None:
        raise fault


def _sequence_numbers(columns: list[str]) -> tuple[bool | None, int]:
    """What the columns "SN" (32-bit or 64-bit) and "ESN High Bits" (hexadecimal) say, if a row has them."""
    if not columns or columns[0][:2] not in ("32", "64"):
        return None, 0
    esn = columns[0].startswith("64")
    high = octets(columns[1].removeprefix("0x").zfill(8), "column of the high bits", 4) if len(columns) > 1 else b""
    return esn, int.from_bytes(high) if esn else 0
