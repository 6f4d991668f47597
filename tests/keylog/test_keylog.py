# SPDX-License-Identifier: GPL-2.0-or-later
"""Key tables of every format, read, written, and damaged."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy import keynames, private_use
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import CaptureError, ConfigError
from fynx_scapy.iana import Encr, Integ, Prf, TransformType
from fynx_scapy.keylog import EspKeys, IkeKeys, KeyLog, esp_row, ike_row
from tests.shared import shared

ENCR, INTEG, PRF = TransformType.ENCR, TransformType.INTEG, TransformType.PRF
GCM = Transform(ENCR, Encr.ENCR_AES_GCM_16, 128)
CBC = Transform(ENCR, Encr.ENCR_AES_CBC, 256)
SHA256 = Transform(INTEG, Integ.AUTH_HMAC_SHA2_256_128)
BLOWFISH, MD5 = Transform(ENCR, Encr.ENCR_BLOWFISH, 256), Transform(INTEG, Integ.AUTH_HMAC_MD5_96)
IKE = IkeKeys(b"initiate", b"respond.", CBC, SHA256, b"\1" * 32, b"\2" * 32, b"\3" * 32, b"\4" * 32)
FULL = IkeKeys(
    b"initiate", b"respond.", GCM, None, b"\1" * 20, b"\2" * 20, b"", b"",
    Transform(PRF, Prf.PRF_HMAC_SHA2_256), b"\5" * 32, b"\6" * 32, b"\7" * 32,
)  # fmt: skip
ESP = EspKeys(0x1234, "10.0.0.1", "10.0.0.2", GCM, b"\1" * 20, None, b"", True)

GCM_ROW = '"IPv4","10.0.0.1","10.0.0.2","0x00001234","AES-GCM with 16 octet ICV [RFC4106]","0x{}","NULL",""\n'


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_rows_are_strongswans_to_the_octet() -> None:
    folder = shared("captures/lab")
    for name in ("psk-cbc128-sha256-modp2048", "psk-gcm256-ecp384", "psk-3des-sha1-modp2048", "psk-ipv6", "k-tfc"):
        for suffix in ("ikev2_decryption_table", "esp_sa"):
            path = folder / f"{name}.{suffix}"
            log = KeyLog.load(path)
            assert log.warnings == []
            rows = [*map(ike_row, log.ike), *map(esp_row, log.esp)]
            assert "".join(row or "" for row in rows) == path.read_text()


def test_save_and_load(tmp_path: Path) -> None:
    log = KeyLog([FULL, IKE], [ESP])
    paths = log.save(tmp_path / "new" / "keys")
    assert [path.name for path in paths] == ["ikev2_decryption_table", "esp_sa", "keys.json"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in paths)
    again = KeyLog.load(tmp_path / "new" / "keys" / "keys.json")
    assert (again.ike, again.esp, again.warnings) == ([FULL, IKE], [ESP], [])
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in log.save(tmp_path / "again")] == first


def test_every_name_reads_back() -> None:
    for name, (number, lengths) in keynames.IKE_ENCR.items():
        for bits in lengths:
            transform = Transform(ENCR, number, bits)
            for integ_name, integ in keynames.IKE_INTEG.items():
                signer = Transform(INTEG, integ) if integ else None
                assert keynames.write_ike(transform, signer) == (name.format(bits), integ_name)
                assert keynames.read_ike(name.format(bits), integ_name) == (transform, signer, 0)
    for name, number in keynames.ESP_ENCR.items():
        for integ_name, integ in keynames.ESP_INTEG.items():
            signer = Transform(INTEG, integ) if integ else None
            assert keynames.write_esp(Transform(ENCR, number), signer) == (name, integ_name)
            assert keynames.read_esp(name, integ_name) == ((number,), signer, 0)


# The lists of Wireshark 4.0 to 4.4: epan/dissectors/packet-ipsec.c and packet-isakmp.c
WIRESHARK_ESP_ENCR = (
    "NULL", "TripleDES-CBC [RFC2451]", "AES-CBC [RFC3602]", "AES-CTR [RFC3686]", "DES-CBC [RFC2405]",
    "CAST5-CBC [RFC2144]", "BLOWFISH-CBC [RFC2451]", "TWOFISH-CBC", "AES-GCM [RFC4106]",
    "AES-GCM with 8 octet ICV [RFC4106]", "AES-GCM with 12 octet ICV [RFC4106]", "AES-GCM with 16 octet ICV [RFC4106]",
    "ChaCha20 with Poly1305 [RFC7634]",
)  # fmt: skip
WIRESHARK_ESP_INTEG = (
    "NULL", "HMAC-SHA-1-96 [RFC2404]", "HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]",
    "HMAC-SHA-256-128 [RFC4868]", "HMAC-SHA-384-192 [RFC4868]", "HMAC-SHA-512-256 [RFC4868]", "HMAC-MD5-96 [RFC2403]",
    "MAC-RIPEMD-160-96 [RFC2857]",
    *(f"ANY {bits} bit authentication [no checking]" for bits in (64, 96, 128, 192, 256)),
)  # fmt: skip
WIRESHARK_IKE_INTEG = (
    "HMAC_MD5_96 [RFC2403]", "HMAC_SHA1_96 [RFC2404]", "HMAC_MD5_128 [RFC4595]", "HMAC_SHA1_160 [RFC4595]",
    "HMAC_SHA2_256_96 [draft-ietf-ipsec-ciph-sha-256-00]", "HMAC_SHA2_256_128 [RFC4868]",
    "HMAC_SHA2_384_192 [RFC4868]", "HMAC_SHA2_512_256 [RFC4868]", "NONE [RFC4306]",
)  # fmt: skip


@pytest.mark.parametrize("encr", WIRESHARK_ESP_ENCR)
def test_every_name_of_wiresharks_esp_table_is_read(encr: str) -> None:
    for integ in WIRESHARK_ESP_INTEG:
        numbers, signer, unchecked = keynames.read_esp(encr, integ)
        assert numbers, integ
        aead = "GCM" in encr or "Poly1305" in encr
        assert (signer is None and not unchecked) == (integ == "NULL" or (aead and integ.startswith("ANY"))), integ


@pytest.mark.parametrize("integ", WIRESHARK_IKE_INTEG)
def test_every_name_of_wiresharks_ike_table_is_read(integ: str) -> None:
    _, signer, _ = keynames.read_ike("3DES [RFC2451]", integ)
    assert (signer is None) == integ.startswith("NONE")


@pytest.mark.parametrize(
    ("encr", "size", "integ", "found"),
    [
        ("DES-CBC", 8, "HMAC-MD5-96", (Encr.ENCR_DES, None, Integ.AUTH_HMAC_MD5_96)),
        ("CAST5-CBC", 16, "HMAC-SHA-256-96", (Encr.ENCR_CAST, 128, private_use.Integ.AUTH_HMAC_SHA2_256_96)),
        ("CAST5-CBC", 5, "HMAC-MD5-96", (Encr.ENCR_CAST, 40, Integ.AUTH_HMAC_MD5_96)),
        ("BLOWFISH-CBC", 56, "MAC-RIPEMD-160-96", (Encr.ENCR_BLOWFISH, 448, private_use.Integ.AUTH_HMAC_RIPEMD_160_96)),
        ("3DES [RFC2451]", 24, "HMAC-SHA-1-160", (Encr.ENCR_3DES, None, Integ.AUTH_HMAC_SHA1_160)),
    ],
)
def test_rows_with_old_algorithms(
    tmp_path: Path, encr: str, size: int, integ: str, found: tuple[int, int | None, int]
) -> None:
    key, auth_key = "11" * size, "22" * integrity(found[2]).key_size
    row = f'"IPv4","10.0.0.1","10.0.0.2","0x1","{encr}","0x{key}","{integ}","0x{auth_key}"'
    log = KeyLog.load(write(tmp_path, "esp_sa", row))
    (keys,) = log.esp
    assert keys.integ is not None
    assert (keys.encr.id, keys.encr.key_length, keys.integ.id) == found
    assert log.warnings == []
    assert KeyLog.load(write(tmp_path, "again.esp_sa", esp_row(keys) or "")).esp == [keys]


def test_a_row_with_a_cipher_that_no_library_has(tmp_path: Path) -> None:
    row = f'"IPv4","10.0.0.1","10.0.0.2","0x1","TWOFISH-CBC","0x{"11" * 16}","HMAC-MD5-96","0x{"22" * 16}"'
    log = KeyLog.load(write(tmp_path, "esp_sa", row))
    assert log.esp == []
    assert "line 1: ENCR ENCR_TWOFISH_CBC is not implemented: no library that we use has it" in log.warnings[0]


@pytest.mark.parametrize("name", ["tripledes-cbc [rfc2451]", "TripleDes-CBC  [RFC2451]", "TripleDES-CBC"])
def test_names_without_regard_to_case_and_reference(name: str) -> None:
    assert keynames.read_esp(name, "HMAC-SHA-1-96")[0] == (Encr.ENCR_3DES,)


def test_old_gcm_name_leaves_the_icv_open(tmp_path: Path) -> None:
    row = '"IPv4","10.0.0.1","10.0.0.2","0x1","AES-GCM [RFC4106]","0x{}","ANY 128 bit authentication [no checking]",""'
    log = KeyLog.load(write(tmp_path, "esp_sa", row.format("11" * 20)))
    assert [keys.encr.id for keys in log.esp] == [Encr.ENCR_AES_GCM_16, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_GCM_8]
    assert {keys.unchecked_icv for keys in log.esp} == {0}
    ccm = row.replace("AES-GCM [RFC4106]", "AES-CCM with 16 octet ICV").format("11" * 19)
    assert [keys.unchecked_icv for keys in KeyLog.load(write(tmp_path, "b.esp_sa", ccm)).esp] == [0]


def test_an_icv_without_a_key(tmp_path: Path) -> None:
    row = '"IPv4","10.0.0.1","*","*","AES-CBC","0x{}","ANY 96 bit authentication [no checking]",""'
    (keys,) = KeyLog.load(write(tmp_path, "a.esp_sa", row.format("11" * 16))).esp
    assert (keys.spi, keys.src, keys.dst, keys.unchecked_icv) == (None, "10.0.0.1", "*", 12)
    assert esp_row(keys) == row.format("11" * 16).replace("AES-CBC", "AES-CBC [RFC3602]") + "\n"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("one,two", "2 columns, expected 8"),
        (GCM_ROW.format("11" * 19), "the encryption key has 19 octets, expected one of 20, 28, 36"),
        (GCM_ROW.format("xy"), "the encryption key is not hexadecimal"),
        (
            GCM_ROW.replace("0x00001234", "0x123456789").format("11" * 20),
            "expected an SPI of 32 bits, such as 0x1234 or 4660, found text of 11 characters",
        ),
        (GCM_ROW.replace("10.0.0.1", "moon").format("11" * 20), "or '*', found text of 4 characters"),
        (GCM_ROW.replace("AES-GCM with 16", "AES-XYZ with 16").format("11" * 20), "expected one of: NULL, TripleDES"),
        (
            GCM_ROW.replace('"NULL"', '"CRC"').format("11" * 20),
            "the authentication algorithm is not supported (3 characters)",
        ),
        ('"IPv4","open', "not a row of comma-separated values"),
    ],
)
def test_bad_rows_of_esp_sa_are_reported_and_the_rest_is_kept(tmp_path: Path, row: str, complaint: str) -> None:
    good = GCM_ROW.format("22" * 20)
    path = write(tmp_path, "esp_sa", f"# a comment\n\n{row.strip()}\n{good}")
    log = KeyLog.load(path)
    assert len(log.esp) == 1
    (warning,) = log.warnings
    assert warning.startswith(f"{path}: line 3: ")
    assert complaint in warning


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("696e697469617465", "69"), "the initiator's SPI has 1 octet, expected 8"),
        (("01" * 32, "01" * 16), "the encryption key has 16 octets, expected 32 (ENCR_AES_CBC with a key of 256 bits)"),
        (("03" * 32, ""), "the integrity key has 0 octets, expected 32"),
        (("HMAC_SHA2_256_128 [RFC4868]", "NONE [RFC4306]"), "needs an integrity algorithm, found none"),
        (("AES-CBC-256 [RFC3602]", "ROT13"), "the encryption algorithm is not supported (5 characters)"),
        (("HMAC_SHA2_256_128 [RFC4868]", "CRC"), "the integrity algorithm is not supported (3 characters)"),
    ],
)
def test_bad_rows_of_the_ike_table(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    row = ike_row(IKE)
    assert row is not None
    path = write(tmp_path, "ikev2_decryption_table", row.replace(*change) + row)
    log = KeyLog.load(path)
    assert log.ike == [IKE]
    assert log.warnings[0].startswith(f"{path}: line 1: ")
    assert complaint in log.warnings[0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not JSON: "),
        ("[]", "expected a JSON object"),
        ("[" * 100_000, "not JSON: "),
        ("{}", 'expected "format": "fynx-scapy keys 1"'),
        ('{"ike_sas": 5}', "ike_sas is not a list"),
        ('{"ike_sas": [5]}', "ike_sas[0]: a member has the wrong type"),
        ('{"ike_sas": [{}]}', "ike_sas[0]: the member 'proposal' is missing"),
        (
            '{"child_sas": [{"proposal": "ESP:ROT13/NO_EXT_SEQ"}]}',
            "names no encryption algorithm (20 characters); expected one of: 3DES_CBC",
        ),
        ('{"format": "fynx-scapy keys 1", "esp": [{"spi": null, "src": 1}]}', "esp[0]: "),
    ],
)
def test_bad_json(tmp_path: Path, text: str, complaint: str) -> None:
    log = KeyLog.load(write(tmp_path, "keys.json", text))
    assert not log.ike
    assert not log.esp
    assert complaint in log.warnings[0]


def test_json_members_of_the_wrong_type(tmp_path: Path) -> None:
    KeyLog([FULL], [ESP]).save(tmp_path)
    document = json.loads((tmp_path / "keys.json").read_text())
    for member, value in (("esn", "yes"), ("unchecked_icv", "1"), ("key", 5), ("encr", None), ("encr", "AES")):
        changed = {**document, "esp": [{**document["esp"][0], member: value}, document["esp"][0]]}
        log = KeyLog.load(write(tmp_path, "changed.keys.json", json.dumps(changed)))
        assert len(log.warnings) == 1
        assert log.esp == [ESP]
        assert log.ike == [FULL]


def test_a_folder_with_names_of_any_kind(tmp_path: Path) -> None:
    write(tmp_path, "ikev2_decryption_table", ike_row(IKE) or "")
    write(tmp_path, "a.esp_sa", GCM_ROW.format("11" * 20))
    write(tmp_path, "b.esp_sa", GCM_ROW.format("22" * 20))
    write(tmp_path, "notes.txt", "nothing")
    log = KeyLog.load(tmp_path)
    assert (len(log.ike), len(log.esp), log.warnings) == (1, 2, [])


def test_a_file_of_another_name_is_known_by_its_first_line(tmp_path: Path) -> None:
    assert len(KeyLog.load(write(tmp_path, "a.txt", ike_row(IKE) or "")).ike) == 1
    assert len(KeyLog.load(write(tmp_path, "b.txt", "# here\n" + GCM_ROW.format("11" * 20))).esp) == 1
    assert len(KeyLog.load(write(tmp_path, "c.txt", "hello")).warnings) == 1


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(
        CaptureError, match="no key tables in this folder; expected files named ikev2_decryption_table or"
    ):
        KeyLog.load(tmp_path)
    with pytest.raises(CaptureError, match="cannot be read: No such file"):
        KeyLog.load(tmp_path / "absent")


def test_tables_beside_a_capture(tmp_path: Path) -> None:
    KeyLog([IKE]).save(tmp_path / "run.keys")
    write(tmp_path, "run.esp_sa", GCM_ROW.format("11" * 20))
    for capture in ("run.pcap", "run.pcapng", "run.pcap.gz"):
        log = KeyLog.beside(tmp_path / capture)
        assert (len(log.ike), len(log.esp)) == (1, 1)
    assert not KeyLog.beside(tmp_path / "other.pcap").ike


def test_the_lab_tells_whose_key_a_direction_has_or_both_are_tried() -> None:
    known = KeyLog.load(shared("captures/lab/psk-gcm128-x25519.keys.json"))
    unknown = KeyLog.load(shared("captures/lab/k-gmac.keys.json"))
    assert len({keys.spi for keys in known.esp}) == len(known.esp)
    assert len({keys.spi for keys in unknown.esp}) * 2 == len(unknown.esp)
    assert {keys.encr for keys in unknown.esp} == {Transform(ENCR, Encr.ENCR_NULL_AUTH_AES_GMAC, 128)}


@pytest.mark.parametrize(
    ("text", "suite"),
    [
        ("IKE:AES_GCM_16_128/PRF_HMAC_SHA2_256/CURVE_25519", (GCM, None, Prf.PRF_HMAC_SHA2_256, None)),
        ("ESP:AES_CBC_256/HMAC_SHA2_256_128/EXT_SEQ", (CBC, SHA256, None, True)),
        ("ESP:CHACHA20_POLY1305/NO_EXT_SEQ", (Transform(ENCR, Encr.ENCR_CHACHA20_POLY1305), None, None, False)),
        ("ESP:BLOWFISH_CBC_256/HMAC_MD5_96/NO_EXT_SEQ", (BLOWFISH, MD5, None, False)),
        ("ESP:DES_CBC/HMAC_MD5_96", (Transform(ENCR, Encr.ENCR_DES), MD5, None, None)),
        ("ESP:NULL_AES_GMAC_256", (Transform(ENCR, Encr.ENCR_NULL_AUTH_AES_GMAC, 256), None, None, None)),
    ],
)
def test_proposals(text: str, suite: tuple[Transform, Transform | None, int | None, bool | None]) -> None:
    read = keynames.read_proposal(text)
    assert (read.encr, read.integ, read.prf.id if read.prf else None, read.esn) == suite


def test_no_key_is_ever_shown() -> None:
    for keys in (FULL, ESP, KeyLog([IKE], [ESP])):
        text = repr(keys)
        for octet in range(1, 8):
            assert repr(bytes((octet,)))[2:-1] * 3 not in text


def test_a_warning_never_carries_a_key(tmp_path: Path) -> None:
    log = KeyLog.load(write(tmp_path, "esp_sa", GCM_ROW.format("c0ffee" * 5 + "zz")))
    assert "c0ffee" not in log.warnings[0]


@given(text=st.text(alphabet='",0x#[]{}\n AESGCM-12368:', max_size=200), name=st.sampled_from(["a.esp_sa", "a.txt"]))
def test_any_text_is_keys_or_warnings(tmp_path_factory: pytest.TempPathFactory, text: str, name: str) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_text(text)
    log = KeyLog.load(path)
    assert not log.ike
    assert all(str(path) in warning for warning in log.warnings)


def test_unknown_proposal_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="names no encryption algorithm"):
        keynames.read_proposal("IKE:HMAC_SHA2_256_128")


def test_integrity_sizes_of_all_names() -> None:
    for number in {*keynames.IKE_INTEG.values(), *keynames.ESP_INTEG.values()} - {Integ.NONE}:
        assert integrity(number).key_size > 0


@pytest.mark.parametrize("wrong", [5, [5], None, [None], {"a": 1}, [[b"x"]]])
@pytest.mark.parametrize("kind", ["psk", "secrets", "sk_d"])
def test_a_number_is_no_secret(kind: str, wrong: Any) -> None:
    """Python makes five zero octets of the number 5."""
    with pytest.raises(ConfigError):
        KeyLog(**{kind: wrong})
