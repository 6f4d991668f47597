# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of Wireshark's IKE table without an integrity algorithm: "ANY 96-bits of Authentication [No Checking]"."""

from __future__ import annotations

from pathlib import Path

import pytest

from fynx_scapy import Session
from fynx_scapy.capture import Dissection, KeyLog
from fynx_scapy.capture.showing.text import line
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.protector import Protector
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Encr, Integ
from fynx_scapy.net import Recorder

ANY = "ANY {}-bits of Authentication [No Checking]"


def recorded(folder: Path, proposals: str) -> tuple[Path, list[str]]:
    """A capture with a rekey of the IKE SA, and the rows of its key table."""
    session, recorder = Session(seed=1, proposals=proposals), Recorder()
    recorder.watch(session.network, "run")
    session.connect()
    session.rekey_ike()
    recorder.save_capture(folder / "run.pcapng")
    return folder / "run.pcapng", recorder.keys().text("ikev2_decryption_table").splitlines()


def without_integrity(row: str, bits: int) -> str:
    columns = row.split(",")
    return ",".join((*columns[:5], "", "", f'"{ANY.format(bits)}"'))


@pytest.mark.parametrize(
    ("proposals", "bits"),
    [
        ("aes128-sha1-x25519", 96),
        ("3des-sha256-modp2048", 128),
        ("aes256ctr-sha384-x25519", 192),
        ("aes128-sha512-x25519", 256),
    ],
)
def test_ike_is_decrypted_and_its_icv_is_not_checked(tmp_path: Path, proposals: str, bits: int) -> None:
    capture, rows = recorded(tmp_path, proposals)
    keys = KeyLog()
    keys.parse("\n".join(without_integrity(row, bits) for row in rows), "here")
    assert keys.warnings == []
    records = [record for record in Dissection(keys).records(capture) if record.get("encrypted")]
    assert len(records) >= 4
    assert {(record["decrypted"], record["icv"], record["error"]) for record in records} == {(True, "unchecked", None)}
    assert "SK {IDi(alice), IDr(bob), AUTH, SA, TSi, TSr}  [icv unchecked]" in line(records[0])


@pytest.mark.parametrize("wrong", ["size", "key"])
def test_what_decrypts_to_no_payloads_is_not_taken(tmp_path: Path, wrong: str) -> None:
    capture, rows = recorded(tmp_path, "aes128-sha1-x25519")
    columns = without_integrity(rows[0], 128 if wrong == "size" else 96).split(",")
    if wrong == "key":
        columns[2] = columns[3] = "77" * 16
    keys = KeyLog()
    keys.parse(",".join(columns), "here")
    records = [record for record in Dissection(keys).records(capture) if record.get("encrypted")]
    assert not any(record["decrypted"] for record in records)
    assert "what they decrypt is no chain of payloads" in records[0]["error"]
    assert records[0]["icv"] == "unchecked"


def test_such_a_row_is_written_as_it_was_read(tmp_path: Path) -> None:
    _, rows = recorded(tmp_path, "aes128-sha1-x25519")
    keys = KeyLog()
    keys.parse("\n".join(without_integrity(row, 96) for row in rows), "here")
    again = KeyLog()
    again.parse(keys.text("keys.json"), "here")
    assert again.text("ikev2_decryption_table") == keys.text("ikev2_decryption_table")
    assert [row.unchecked_icv for row in again.ike] == [12] * len(rows)


def test_with_an_aead_the_column_says_nothing(tmp_path: Path) -> None:
    capture, rows = recorded(tmp_path, "aes128gcm16-prfsha256-x25519")
    keys = KeyLog()
    keys.parse("\n".join(without_integrity(row, 128) for row in rows), "here")
    assert {record["icv"] for record in Dissection(keys).records(capture) if record.get("encrypted")} == {"ok"}


def test_nothing_can_be_sealed_without_the_integrity_key() -> None:
    cbc = encryption(Encr.ENCR_AES_CBC, 128)
    reader = Protector(cbc, None, bytes(16), b"", unchecked_icv=12)
    with pytest.raises(ConfigError, match="the integrity key is unknown"):
        reader.seal(b"", bytes(16), bytes(16))
    with pytest.raises(ConfigError, match="takes no integrity algorithm"):
        Protector(cbc, integrity(Integ.AUTH_HMAC_SHA1_96), bytes(16), bytes(20), unchecked_icv=12)
