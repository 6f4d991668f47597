# SPDX-License-Identifier: GPL-2.0-or-later
"""A peer's octets as text: nothing in it speaks to a terminal."""

from __future__ import annotations

import pathlib
import re
import sys
import unicodedata
from pathlib import Path

import pytest

import fynx_scapy
from fynx_scapy.errors import CertificateError, FynxError, PeerError
from fynx_scapy.harness.reachability import Unreached
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.keylog import KeyLog
from fynx_scapy.layers.ikev2.notify import SizeError
from fynx_scapy.layers.ikev2.structure import FormError
from fynx_scapy.text import LONGEST, printable, printable_lines
from tests.hostile import OCTETS, TEXT, unprintable


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\r\t\0", r"a\nb\r\t\x00"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("\u202e\u2066\u2028\ufeff", r"\u202e\u2066\u2028\ufeff"),
        ("\U000e0001\ue000\udc9b", r"\U000e0001\ue000\udc9b"),
        ("ünï 漢 é", "ünï 漢 é"),
        (b"\xc3\xbc\xc2\x9b\x9b\xff", r"ü\x9b\x9b\xff"),
        (r"already \x1b", r"already \x1b"),
        ("", ""),
    ],
)
def test_what_is_not_printable_becomes_an_escape(given: str | bytes, shown: str) -> None:
    assert printable(given) == shown


def test_every_character_that_unicode_has() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    shown = printable(everything)
    assert not unprintable(shown)
    assert "\n" not in shown
    letters = {each for each in everything if unicodedata.category(each)[0] in "LMNPS"}
    assert letters <= set(shown)


def test_long_text_is_cut_and_its_octets_are_counted() -> None:
    assert printable("ü" * 10, 4) == "üüüü… (20 octets)"
    assert printable(b"\x1b" * 100_000, 2) == r"\x1b\x1b… (100000 octets)"
    assert printable("\ud800" * 3, 1) == r"\ud800… (9 octets)"
    assert printable("abcd", 4) == "abcd"


def test_lines_stay_lines() -> None:
    assert printable_lines("one\x1b\ntwo\r") == "one\\x1b\ntwo\\r"


@pytest.mark.parametrize("kind", range(16))
def test_identities(kind: int) -> None:
    text = str(Identity(kind, OCTETS))
    assert not unprintable(text)
    assert "\n" not in text
    assert len(str(Identity(kind, b"\x1b" * 100_000))) < 5 * LONGEST
    assert not unprintable(repr(Identity(kind, OCTETS)))


def test_an_identity_that_is_printable_stays_as_it_is() -> None:
    for text in ("alice@example.org", "bücher.example", "192.0.2.1", "keyid:0a1b"):
        assert str(Identity.of(text)) == text
        assert Identity.of(str(Identity.of(text))) == Identity.of(text)


def subclasses(kind: type[FynxError]) -> set[type[FynxError]]:
    return {kind, *(found for each in kind.__subclasses__() for found in subclasses(each))}


@pytest.mark.parametrize("kind", sorted(subclasses(FynxError), key=str))
def test_errors_of_every_kind(kind: type[FynxError]) -> None:
    arguments = {
        CertificateError: ("expired", TEXT),
        PeerError: (1, b"", TEXT),
        FormError: (0, TEXT),
        SizeError: (0, TEXT),
        Unreached: (TEXT, [TEXT]),
    }
    error = kind(*arguments.get(kind, (TEXT,)))
    assert "EVIL" in str(error)
    assert not unprintable(str(error))
    assert not unprintable(repr(error))


ROWS = {
    "ikev2_decryption_table": f"{TEXT},{TEXT},{TEXT},{TEXT},{TEXT},{TEXT},{TEXT},{TEXT}\n",
    "esp_sa": f'"IPv4","{TEXT}","*","0x1","AES-GCM [RFC4106]","{TEXT}","NULL","{TEXT}"\n',
    "keys.json": '{"ike": [{"spi_i": "\\u001b[2J", "encr": "\\u202e", "\\u001b": "\\u009b"}]}',
    "keys.txt": f"psk {TEXT}\nsecret {TEXT}\n{TEXT}\n",
    "charon.log": f"00:00:00 01[IKE] {TEXT} => 32 bytes @ 0x1\n00:00:00 01[CFG] selected proposal: IKE:{TEXT}\n",
}


@pytest.mark.parametrize("name", ROWS)
def test_warnings_about_key_files(name: str, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "\x1b[31m\u202e"
    folder.mkdir()
    (folder / name).write_text(ROWS[name])
    keys = KeyLog()
    try:
        keys.add(folder / name)
        warnings = keys.warnings
    except FynxError as error:
        warnings = [str(error)]
    assert warnings or name == "charon.log"
    assert not any(map(unprintable, warnings))


NOUNS = (
    "packets", "messages", "conversations", "SAs", "captures", "flows", "problems", "fragments", "datagrams",
    "exchanges", "events", "attempts", "scenarios", "findings", "lines",
)  # fmt: skip
COUNTED = re.compile(rf"\{{[^{{}}]*\}} (?!sent )(?:[A-Za-z]+ )?(?:{'|'.join(NOUNS)})\b")
SHOWN = (
    "capture/showing", "capture/audit", "capture/transcript", "capture/reading", "commands", "ladder", "net", "report",
)  # fmt: skip


@pytest.mark.parametrize("folder", SHOWN)
def test_what_is_counted_is_singular_or_plural(folder: str) -> None:
    """Texts use `counted`, so that none says "1 packets"."""
    root = Path(fynx_scapy.__file__).parent / folder
    found = {f"{path.name}: {match[0]}" for path in root.rglob("*.py") for match in COUNTED.finditer(path.read_text())}
    assert found == set()
