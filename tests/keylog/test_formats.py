# SPDX-License-Identifier: GPL-2.0-or-later
"""Every format written and read back, ip xfrm state, libreswan's log, secrets as text, as JSON and as arguments."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Encr, Integ, Prf, TransformType
from fynx_scapy.keylog import FORMATS, EspKeys, IkeKeys, KeyLog
from tests.shared import shared

GCM = Transform(TransformType.ENCR, Encr.ENCR_AES_GCM_16, 128)
CBC = Transform(TransformType.ENCR, Encr.ENCR_AES_CBC, 256)
SHA256 = Transform(TransformType.INTEG, Integ.AUTH_HMAC_SHA2_256_128)
PRF = Transform(TransformType.PRF, Prf.PRF_HMAC_SHA2_256)
IKE = IkeKeys(
    b"initiate", b"respond.", CBC, SHA256, b"\1" * 32, b"\2" * 32, b"\3" * 32, b"\4" * 32, PRF, b"\5" * 32,
    b"\6" * 32, b"\7" * 32,
)  # fmt: skip
SUCCESSOR = IkeKeys(b"", b"", GCM, None, b"\1" * 20, b"\2" * 20, b"", b"", PRF, b"\5" * 32, b"\6" * 32, b"\7" * 32)
ESP = EspKeys(0x1234, "10.0.0.1", "10.0.0.2", GCM, b"\1" * 20, None, b"", True)
ESP6 = EspKeys(0xFFFF0001, "fd00::1", "fd00::2", CBC, b"\1" * 32, SHA256, b"\x0f" * 32, False)
SECRETS = {"secrets": [b"\x11" * 32, b"\x12" * 256], "psk": [b"lab psk"], "ppk": [b"\0\xff"]}

# as iproute2 prints them
XFRM = """\
src 10.0.0.1 dst 10.0.0.2
\tproto esp spi 0x00001234 reqid 1 mode tunnel
\treplay-window 0 flag af-unspec esn
\taead rfc4106(gcm(aes)) 0x0101010101010101010101010101010101010101 128
\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0
\tanti-replay esn context:
\t seq-hi 0x0, seq 0x0, oseq-hi 0x0, oseq 0x3
\t replay_window 32, bitmap-length 1
\t 00000000\x20
\tsel src 0.0.0.0/0 dst 0.0.0.0/0\x20
src fd00::1 dst fd00::2
\tproto esp spi 0xffff0001(4294901761) reqid 1(0x00000001) mode transport
\treplay-window 32 seq 0x00000000 flag  (0x00000000)
\tauth-trunc hmac(sha256) 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f 128
\tenc cbc(aes) 0x0101010101010101010101010101010101010101010101010101010101010101
\tanti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000
"""


def full() -> KeyLog:
    return KeyLog([IKE, SUCCESSOR], [ESP, ESP6], **SECRETS)  # type: ignore[arg-type]


# what each format holds of it: IKE SAs, ESP SAs, kinds of secrets
HOLDS = {
    "keys.json": ([IKE, SUCCESSOR], [ESP, ESP6], {"secrets", "psk", "ppk"}),
    "charon.log": ([IKE, SUCCESSOR], [ESP, ESP6], {"secrets", "psk", "ppk"}),
    "secrets": ([], [], {"secrets", "psk", "ppk"}),
    "xfrm_state": ([], [ESP, ESP6], set()),
}


@pytest.mark.parametrize("form", sorted(HOLDS))
@pytest.mark.parametrize("named", [True, False])
def test_what_is_written_reads_back(tmp_path: Path, form: str, named: bool) -> None:
    ike, esp, kinds = HOLDS[form]
    path = tmp_path / (f"run.{form}" if named else "keys")
    full().write(path, form)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    log = KeyLog.load(path)
    assert (log.ike, log.esp, log.warnings) == (ike, esp, [])
    for kind, values in SECRETS.items():
        assert getattr(log, kind) == (values if kind in kinds else [])


def test_wireshark_rows_need_both_spis(tmp_path: Path) -> None:
    full().write(tmp_path / "ikev2_decryption_table")
    assert len((tmp_path / "ikev2_decryption_table").read_text().splitlines()) == 1


def test_a_libreswan_log_does_not_say_which_direction_has_which_key(tmp_path: Path) -> None:
    full().write(tmp_path / "pluto.log")
    log = KeyLog.load(tmp_path / "pluto.log")
    assert {(keys.spi, keys.key, keys.auth_key, keys.integ, keys.esn) for keys in log.esp} == {
        (keys.spi, keys.key, keys.auth_key, keys.integ, keys.esn) for keys in (ESP, ESP6)
    }
    assert (log.psk, log.warnings) == ([b"lab psk"], [])
    dumped = (b"\1" * 16).hex(" ")
    text = f"| our  keymat\n|   {dumped}   \n| peer keymat\n|   {dumped}   \n"
    text += '"lab"[1] 10.9.0.1 #2: responder established Child SA using #1; IPsec tunnel [10.2.0.0/24===10.1.0.0/24] '
    text += "{ESPinUDP=>0x61f9a467 <0x0f2e1f24 xfrm=3DES_CBC-HMAC_SHA1_96 DPD=passive}\n"
    path = tmp_path / "other.log"
    path.write_text(text)
    log = KeyLog.load(path)
    assert log.esp == []
    assert len(log.warnings) == 1
    assert "the encryption key has 16 octets, expected 24" in log.warnings[0]


def test_libreswan_4_10_shows_the_psk(tmp_path: Path) -> None:
    """Lines of a log of libreswan 4.10 with plutodebug=all,crypt,private."""
    (tmp_path / "pluto.log").write_text(
        "| newref logger@0x55bf4c0d5310(0->1) (main() +1601 /programs/pluto/plutomain.c)\n"
        "| concluding with best_match=c best=0x55bf4c176e50 (lineno=1)\n"
        "| PreShared Key\n"
        "|   6c 61 62 20  70 73 6b 20  66 6f 72 20  74 65 73 74   lab psk for test\n"
        "|   69 6e 67                                             ing\n"
        "| inputs to hash1 (first packet)\n"
    )
    assert KeyLog.load(tmp_path / "pluto.log").psk == [b"lab psk for testing"]


@pytest.mark.parametrize("oneline", [False, True])
def test_xfrm_state(tmp_path: Path, oneline: bool) -> None:
    text = XFRM.replace("\n\t", "\\\t") if oneline else XFRM
    path = tmp_path / "states.txt"
    path.write_text(text)
    log = KeyLog.load(path)
    assert (log.esp, log.warnings) == ([ESP, ESP6], [])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("rfc4106(gcm(aes))", "rfc9999(moon)"), "the algorithm of 'aead' is not supported (13 characters)"),
        (("proto esp spi 0x00001234", "proto ah spi 0x00001234"), "expected an SA of esp, found one of ah"),
        (("0x0101010101010101010101010101010101010101 128", "<<Keys hidden>> 128"), "the keys are hidden"),
        (("0x0101010101010101010101010101010101010101 128", "0x0101 128"), "the encryption key has 2 octets"),
        (("\tproto esp spi 0x00001234 reqid 1 mode tunnel\n", ""), "expected an SA:"),
        (("\taead rfc4106", "\tcomp rfc4106"), "expected 'enc' or 'aead' in an SA of esp"),
    ],
)
def test_bad_states_are_reported_and_the_rest_is_kept(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    path = tmp_path / "xfrm_state"
    path.write_text(XFRM.replace(*change, 1))
    log = KeyLog.load(path)
    assert log.esp == [ESP6]
    assert len(log.warnings) == 1
    assert log.warnings[0].startswith(f"{path}: line 1: ")
    assert complaint in log.warnings[0]


def test_ipcomp_has_no_keys_and_a_truncation_that_is_unknown_is_left_unchecked(tmp_path: Path) -> None:
    path = tmp_path / "xfrm_state"
    comp = "src 10.0.0.1 dst 10.0.0.2\n\tproto comp spi 0x00000002 reqid 1 mode tunnel\n\tcomp deflate\n"
    path.write_text(comp + XFRM.replace("0f 128", "0f 64"))
    log = KeyLog.load(path)
    assert log.warnings == []
    assert [keys.unchecked_icv for keys in log.esp] == [0, 8]


@pytest.mark.parametrize(
    ("cipher", "number", "signer", "icv"),
    [
        ("cbc(des)", Encr.ENCR_DES, "hmac(md5)", 12),
        ("cbc(blowfish)", Encr.ENCR_BLOWFISH, "hmac(sha1)", 12),
        ("cbc(cast5)", Encr.ENCR_CAST, "hmac(sha256)", 12),
    ],
)
def test_weak_algorithms_of_the_kernel(cipher: str, number: int, signer: str, icv: int) -> None:
    log = KeyLog()
    key = "0102030405060708" * (1 if number == Encr.ENCR_DES else 2)
    size = {"hmac(md5)": 16, "hmac(sha1)": 20, "hmac(sha256)": 32}[signer]
    log.parse(
        "# of the lab\nsrc 192.0.2.1 dst 192.0.2.2\n\tproto esp spi 0x00001234 reqid 1 mode tunnel\n"
        f"\tauth-trunc {signer} 0x{'11' * size} 96\n\tenc {cipher} 0x{key}\n# end\n"
    )
    (keys,) = log.esp
    assert (keys.encr.id, keys.unchecked_icv, log.warnings) == (number, 0, [])
    assert keys.integ is not None
    assert integrity(keys.integ.id).icv_size == icv


def test_a_cipher_of_the_kernel_that_no_library_has_is_named() -> None:
    log = KeyLog()
    log.parse(XFRM.replace("cbc(aes)", "cbc(twofish)"), "here")
    assert any(warning.endswith("no library that we use decrypts Twofish") for warning in log.warnings)


def test_secrets_as_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.secrets"
    path.write_text(
        '# mine\nsecret 0x' + "11" * 32 + "\n" + "22" * 32 + '\npsk "lab psk"\npsk bare words\nppk 0s/w==\nprivate 07\n'
        "sk_d 0x08\nmsk " + "33" * 64 + '\neap_password Ar3etTnp\neap_password "0x no digits"\n'
    )  # fmt: skip
    log = KeyLog.load(path)
    assert log.warnings == []
    assert log.secrets == [b"\x11" * 32, b"\x22" * 32]
    assert (log.psk, log.ppk) == ([b"lab psk", b"bare words"], [b"\xff"])
    assert (log.private, log.sk_d, log.msk) == ([b"\7"], [b"\x08"], [b"\x33" * 64])
    assert log.passwords == [b"Ar3etTnp", b"0x no digits"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("secret xyzzy", "the shared secret of a key exchange is not hexadecimal (5 characters)"),
        ("password xyzzy", "expected the line to begin with one of: secret, private"),
        ("ppk 0sxyzzy", "is not base64"),
        ("psk", "the pre-shared key is empty"),
    ],
)
def test_bad_secrets_are_reported_without_being_shown(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "a.secrets"
    path.write_text(f"psk good\n{line}\n")
    log = KeyLog.load(path)
    assert log.psk == [b"good"]
    assert log.warnings[0].startswith(f"{path}: line 2: ")
    assert complaint in log.warnings[0]
    assert "xyzzy" not in log.warnings[0]


def test_arguments_are_octets_or_text_one_or_several() -> None:
    log = KeyLog(secrets=["11" * 16, b"\x22" * 16, "11" * 16], psk="lab psk", ppk=["0x00ff", b"raw"], private=b"\7")
    assert log.secrets == [b"\x11" * 16, b"\x22" * 16]
    assert (log.psk, log.ppk, log.private) == ([b"lab psk"], [b"\0\xff", b"raw"], [b"\7"])
    with pytest.raises(ConfigError, match="is not hexadecimal"):
        KeyLog(secrets="lab psk")
    with pytest.raises(ConfigError, match="is empty"):
        KeyLog(psk="")


def test_a_log_counts_and_never_shows_what_it_holds() -> None:
    assert repr(full()) == "KeyLog(ike=2, esp=2, secrets=2, psk=1, ppk=1)"


def test_json_secrets_of_the_wrong_form(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"format": "fynx-scapy keys 1", "psk": ["zz", 5, "6162"], "ke_secrets": "11"}))
    log = KeyLog.load(path)
    assert log.psk == [b"ab"]
    assert [warning.partition("keys.json: ")[2] for warning in log.warnings] == [
        "member: ke_secrets is not a list",
        "psk[0]: the pre-shared key is not hexadecimal (2 characters)",
        "psk[1]: a member has the wrong type",
    ]


def test_a_format_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'nonsense' is not a key format that can be written"):
        full().write(tmp_path / "x", "nonsense")
    tables = {"keys.json", "esp_sa", "ikev2_decryption_table"}
    written = tables | {"charon.log", "pluto.log", "xfrm_state", "secrets", "tlskeys"}
    assert {name for name, form in FORMATS.items() if form.write is not None} == written
    with pytest.raises(ConfigError, match="'vpp' is not a key format that can be written"):
        full().write(tmp_path / "run.vpp", "vpp")


def test_beside_a_capture_every_format_is_found(tmp_path: Path) -> None:
    for form in (name for name, each in FORMATS.items() if each.write is not None):
        full().write(tmp_path / f"run.{form}")
    log = KeyLog.beside(tmp_path / "run.pcap")
    assert log.warnings == []
    assert (len(log.secrets), len(log.psk), len(log.ike)) == (2, 1, 3)  # the IKE table's row has no PRF
    assert not KeyLog.beside(shared("captures/lab/psk-ipv6.pcap")).warnings


@given(
    text=st.text(alphabet='src dst pro esp i0x1f:\t\n\\|"[]{}=><#_-ABNS', max_size=300),
    form=st.sampled_from(sorted(FORMATS)),
)
def test_any_text_is_keys_or_warnings_in_every_format(text: str, form: str) -> None:
    log = KeyLog()
    log.parse(text, "here", FORMATS[form])
    assert all(warning.startswith("here: ") for warning in log.warnings)
