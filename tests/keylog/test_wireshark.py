# SPDX-License-Identifier: GPL-2.0-or-later
"""Wireshark's tables as Wireshark reads them: numbers, wildcards, prefixes, escapes, keys as text, newer columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from fynx_scapy.capture.follow.decrypt import EspOpener
from fynx_scapy.capture.follow.suites import Suites
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.iana import Encr
from fynx_scapy.keylog import EspKeys, KeyLog, esp_row

KEY = bytes(range(1, 21))
GCM = "AES-GCM with 16 octet ICV [RFC4106]"
ROW = '"IPv4","{src}","{dst}","{spi}","{encr}","{key}","{integ}","{auth_key}"{more}'
DEFAULTS = {
    "src": "*", "dst": "*", "spi": "0x1234", "encr": GCM, "key": f"0x{KEY.hex()}", "integ": "NULL", "auth_key": "",
    "more": "",
}  # fmt: skip


def rows(**changes: str) -> KeyLog:
    log = KeyLog()
    log.parse(ROW.format(**{**DEFAULTS, **changes}), "here")
    return log


def row(**changes: str) -> EspKeys:
    log = rows(**changes)
    assert log.warnings == []
    return log.esp[0]


@pytest.mark.parametrize(
    ("text", "spi"),
    [
        ("0x1234", 0x1234), ("0X00001234", 0x1234), ("4660", 4660), ("4096", 4096), ("943697395", 0x383FADF3),
        ("010", 8), ("0", 0), ("383fadf3", 0x383FADF3), ("*", None), ("", None), ("4294967295", 0xFFFFFFFF),
    ],
)  # fmt: skip
def test_an_spi_is_a_number_as_in_c(text: str, spi: int | None) -> None:
    assert row(spi=text).spi == spi


@pytest.mark.parametrize("text", ["0x123456789", "4294967296", "09", "-1", "0x", "1 2", "٣"])
def test_what_is_no_spi(text: str) -> None:
    log = rows(spi=text)
    if text != "0x":
        assert len(log.warnings) == 1
        assert f"found text of {len(text)} characters" in log.warnings[0]


def test_a_wildcard_stands_for_one_digit_of_an_spi() -> None:
    keys = row(spi="0x0000****")
    assert (keys.spi, keys.spis) == (None, "0x0000****")
    assert [keys.fits(spi) for spi in (0, 0x1234, 0xFFFF, 0x10000)] == [True, True, True, False]
    assert (esp_row(keys) or "").split(",")[3] == '"0x0000****"'
    assert all(row(spi="*").fits(spi) for spi in (0, 1, 0xFFFFFFFF))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"), ("192.0.2.7/24", "192.0.2.0/24"), ("0.0.0.0/0", "0.0.0.0/0"),
        ("192.0.2.7/32", "192.0.2.7"), ("192.0.2.*", "192.0.2.*"), ("2001:db8::/32", "2001:db8::/32"),
        ("2001:0DB8::1", "2001:db8::1"), ("*", "*"),
    ],
)  # fmt: skip
def test_addresses_have_prefixes_and_wildcards(text: str, address: str) -> None:
    assert (row(src=text).src, row(dst=text).dst) == (address, address)


def test_the_row_whose_prefix_fits_is_tried_first() -> None:
    other = "0x" + bytes(20).hex()
    log = KeyLog()
    for number, (prefix, key) in enumerate((("198.51.100.0/24", other), ("192.0.2.0/24", f"0x{KEY.hex()}"))):
        log.parse(ROW.format(**{**DEFAULTS, "dst": prefix, "key": key}), f"row {number}")
    opener = EspOpener(Suites())
    opener.add(log.esp)
    sa = OutboundSa(spi=0x1234, encr=encryption(Encr.ENCR_AES_GCM_16, 128, esp=True), key=KEY)
    opened = opener.open(sa.seal(b"\x45" + bytes(19), 4), "203.0.113.1", "192.0.2.2")
    assert (opened.icv, opened.next_header) == ("ok", 4)
    assert opener._candidates(0x1234, "203.0.113.1", "192.0.2.2")[0][0].cipher is not None


@pytest.mark.parametrize(
    ("more", "esn", "high"),
    [
        ("", None, 0), (',"32-bit","0"', False, 0), (',"64-bit","1f"', True, 0x1F), (',"64-bit","0x00000002"', True, 2),
        (',"64-bit ESN"', True, 0), (',"32-bit SN"', False, 0), (',"1.2"', None, 0),
    ],
)  # fmt: skip
def test_newer_columns_are_for_extended_sequence_numbers(more: str, esn: bool | None, high: int) -> None:
    keys = row(more=more)
    assert (keys.esn, keys.esn_high) == (esn, high)


def test_the_high_half_of_the_table_opens_a_packet_beyond_it() -> None:
    opener = EspOpener(Suites())
    opener.add([row(more=',"64-bit","7"')])
    encr = encryption(Encr.ENCR_AES_GCM_16, 128, esp=True)
    sa = OutboundSa(spi=0x1234, encr=encr, key=KEY, esn=True, seq=7 << 32 | 90)
    assert opener.open(sa.seal(bytes(20), 4), "192.0.2.1", "192.0.2.2").icv == "ok"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("0x" + "11" * 16, [b"\x11" * 16]),
        ("11" * 16, [b"\x11" * 16, b"1" * 32]),  # hexadecimal whose 0x is missing, or text as Wireshark takes it
        ("sixteen octets!!", [b"sixteen octets!!"]),
        ("a quote\\x22 in it", [b'a quote" in it']),
    ],
)
def test_a_key_without_0x_is_text(text: str, keys: list[bytes]) -> None:
    log = rows(encr="AES-CBC [RFC3602]", key=text)
    assert [entry.key for entry in log.esp] == [key for key in keys if len(key) in (16, 24, 32)]
    assert bool(log.warnings) == (not log.esp)


@pytest.mark.parametrize(
    ("name", "number", "size"),
    [
        ("ChaCha20 with Poly1305 [RFC7634]", Encr.ENCR_CHACHA20_POLY1305, 36),
        ("ChaCha20 with Poly1305 and IIV [RFC7634 & RFC8750]", Encr.ENCR_CHACHA20_POLY1305_IIV, 36),
        ("AES-GCM with IIV and 16 octet ICV [RFC4106 & RFC8750]", Encr.ENCR_AES_GCM_16_IIV, 20),
    ],
)
def test_names_of_newer_versions(name: str, number: int, size: int) -> None:
    assert row(encr=name, key="0x" + "11" * size).encr.id == number


def test_an_odd_number_of_digits_begins_with_zero() -> None:
    assert row(encr="AES-CBC [RFC3602]", key="0x" + "1" * 31).key == b"\x01" + b"\x11" * 15


def test_lines_of_windows_comments_spaces_and_a_mark(tmp_path: Path) -> None:
    text = "# a comment\r\n\r\n  # another\r\n" + ROW.format(**DEFAULTS).replace(",", " , ") + "\r\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path = tmp_path / f"{encoding}.esp_sa"
        path.write_bytes(text.encode(encoding))
        log = KeyLog.load(path)
        assert ([keys.spi for keys in log.esp], log.warnings) == ([0x1234], [])


def test_the_table_of_ikev1_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "ikev1_decryption_table"
    path.write_text("0102030405060708,00112233445566778899aabbccddeeff\n" * 2)
    (warning,) = KeyLog.load(path).warnings
    assert "line 1: a table of keys of IKEv1, which is not decrypted" in warning
    log = KeyLog()
    assert log.parse(path.read_text(), "unnamed") == 0
    assert "IKEv1" in log.warnings[0]
