# SPDX-License-Identifier: GPL-2.0-or-later
"""What gateways and other tools print of their SAs: tcpdump -E, pluto, setkey, VPP, FortiGate, SK_* with labels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.iana import Encr, Integ, Prf, TransformType
from fynx_scapy.keylog import EspKeys, KeyLog

ENCR, INTEG, PRF = TransformType.ENCR, TransformType.INTEG, TransformType.PRF
CBC128, CBC256 = (Transform(ENCR, Encr.ENCR_AES_CBC, bits) for bits in (128, 256))
GCM128, GCM256 = (Transform(ENCR, Encr.ENCR_AES_GCM_16, bits) for bits in (128, 256))
SHA1, SHA256 = (Transform(INTEG, number) for number in (Integ.AUTH_HMAC_SHA1_96, Integ.AUTH_HMAC_SHA2_256_128))
K16, K20, K32, K36 = (bytes(range(1, size + 1)) for size in (16, 20, 32, 36))
A32 = bytes(range(101, 133))


def read(text: str, warnings: int = 0) -> KeyLog:
    """The keys in a text whose format nothing but the text says."""
    log = KeyLog()
    log.parse(text, "here")
    assert len(log.warnings) == warnings, log.warnings
    return log


# -- tcpdump -E and pluto ----------------------------------------------------------------------------------------------

IKE_LINES = (
    f"ikev2 I 0x0102030405060708 0x1112131415161718 sha256:0x{K32.hex()} aes256:0x{A32.hex()}\n"
    f"ikev2 R 0x0102030405060708 0x1112131415161718 sha256:0x{A32.hex()} aes256:0x{K32.hex()}\n"
)


@pytest.mark.parametrize("prefix", ["", "| ", "Nov 25 10:20:14 gw pluto[42]: | ", "2026-11-25T10:20:14Z gw pluto: | "])
def test_both_lines_of_an_ike_sa_make_its_keys(prefix: str) -> None:
    text = "".join(f"{prefix}{line}\n" for line in IKE_LINES.splitlines())
    (keys,) = read(f"{prefix}something else\n{text}" if prefix else text).ike
    assert (keys.spi_i.hex(), keys.spi_r.hex()) == ("0102030405060708", "1112131415161718")
    assert (keys.encr, keys.integ) == (CBC256, SHA256)
    assert (keys.sk_ei, keys.sk_er, keys.sk_ai, keys.sk_ar) == (A32, K32, K32, A32)


def test_a_line_without_that_of_the_other_end() -> None:
    log = read(IKE_LINES.splitlines()[0], warnings=1)
    assert log.warnings == ["here: line 1: an IKE SA needs a line for both ends; that of R is missing"]


def test_secrets_of_tcpdump() -> None:
    text = (
        f"# SPI@address, then algorithm and key\n0x1234@192.0.2.2 aes128-cbc-hmac96:0x{K16.hex()}\n"
        f"4661@192.0.2.1 aes256-cbc-hmac128:0x{K32.hex()},010@fd00::1 aes128:sixteen octets!!\n"
        "3des-cbc:abcdefghijklmnopqrstuvwx\n"
    )
    log = read(text)
    triple = Transform(ENCR, Encr.ENCR_3DES)
    assert log.esp == [
        EspKeys(0x1234, "*", "192.0.2.2", CBC128, K16, unchecked_icv=12),
        EspKeys(4661, "*", "192.0.2.1", CBC256, K32, unchecked_icv=16),
        EspKeys(8, "*", "fd00::1", CBC128, b"sixteen octets!!"),
        EspKeys(None, "*", "*", triple, b"abcdefghijklmnopqrstuvwx"),
    ]


def test_a_file_that_names_another(tmp_path: Path) -> None:
    (tmp_path / "inner").write_text(f"0x1234@192.0.2.2 aes128-cbc-hmac96:0x{K16.hex()}\nfile outer.tcpdump\n")
    (tmp_path / "outer.tcpdump").write_text("file inner\nfile absent\n")
    log = KeyLog.load(tmp_path / "outer.tcpdump")
    assert [keys.spi for keys in log.esp] == [0x1234]
    assert [warning.partition(f"{tmp_path}/")[2] for warning in log.warnings] == [
        "inner: line 2: files that name each other",
        "outer.tcpdump: line 2: names another file, which does not exist",
    ]
    assert "names another file: give that one instead" in read("file inner", warnings=1).warnings[0]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (f"0x1234@192.0.2.2 aes128-cbc-hmac97:0x{K16.hex()}", "expected -hmac and the bits of the ICV"),
        (f"0x1234@192.0.2.2 twofish-cbc:0x{K16.hex()}", "no library that we use decrypts Twofish"),
        (f"0x123456789@192.0.2.2 aes128-cbc:0x{K16.hex()}", "expected an SPI of 32 bits"),
        (f"0x1234@192.0.2.2 moon-cbc:0x{K16.hex()}", "the encryption algorithm is not known (8 characters)"),
        ("0x1234@192.0.2.2 aes128-cbc:0xzz", "the key is not hexadecimal"),
    ],
)
def test_a_bad_secret_of_tcpdump_costs_that_line_alone(line: str, complaint: str) -> None:
    log = read(f"{line}\n0x1234@192.0.2.2 aes128-cbc-hmac96:0x{K16.hex()}\n", warnings=1)
    assert len(log.esp) == 1
    assert log.warnings[0].startswith("here: line 1: ")
    assert complaint in log.warnings[0]


# -- OpenIKED ----------------------------------------------------------------------------------------------------------


def dumped(name: str, key: bytes, spi: str = "") -> str:
    groups = "\n".join(key[at : at + 32].hex(" ", -4) for at in range(0, len(key), 32))
    return f"{spi}ikev2_sa_keys: {name} with {len(key)} bytes\n{groups}\n"


def test_the_log_of_openiked() -> None:
    spi, spis = "spi=0x0102030405060708: ", bytes.fromhex("01020304050607081112131415161718")
    secret = bytes(range(48))
    text = dumped("DHSECRET", secret, spi) + dumped("SKEYSEED", K32) + dumped("S", K32 * 2 + spis, spi)
    keys = {"d": K32, "ai": A32, "ar": K32, "ei": K16, "er": K16[::-1], "pi": K32, "pr": A32}
    text += "".join(dumped(f"SK_{name}", key) for name, key in keys.items()) + "ikev2_msg_send: IKE_AUTH request\n"
    log = read(text)
    assert log.secrets == [secret]
    assert (log.ike[0].spi_i + log.ike[0].spi_r, log.ike[0].encr, log.ike[0].integ) == (spis, CBC128, SHA256)
    assert (log.ike[0].sk_ei, log.ike[0].sk_er, log.ike[0].sk_d, log.ike[0].sk_pr) == (K16, K16[::-1], K32, A32)
    quiet = read("ikev2_sa_keys: SK_ei with 16 bytes\nikev2_sa_keys: SK_er with 16 bytes\n", warnings=2)
    assert quiet.warnings[0] == (
        "here: line 1: expected 16 octets of SK_ei after this line, found 0: run iked with -vvv"
    )


# -- setkey ------------------------------------------------------------------------------------------------------------


def grouped(key: bytes) -> str:
    return key.hex(" ", -4)


def test_what_setkey_dumps() -> None:
    log = read(
        "192.0.2.1[4500] 192.0.2.2[4500] \n"
        "\tesp-udp mode=tunnel spi=4660(0x00001234) reqid=1(0x00000001)\n"
        f"\tE: rijndael-cbc  {grouped(K32)}\n\tA: hmac-sha2-256  {grouped(A32)}\n"
        "\tseq=0x00000003 replay=32 flags=0x00000000 state=mature\n"
        "fd00::1 fd00::2\n\tesp mode=transport spi=4661(0x00001235) reqid=1(0x00000001)\n"
        f"\tE: aes-gcm-16  {grouped(K20)}\n\tseq=0x00000003 replay=32\n"
        "192.0.2.1 192.0.2.2\n\tah mode=transport spi=4662(0x00001236) reqid=1(0x00000001)\n"
        f"\tA: hmac-sha1  {grouped(K20)}\n"
    )
    assert log.esp == [
        EspKeys(0x1234, "192.0.2.1", "192.0.2.2", CBC256, K32, SHA256, A32),
        EspKeys(0x1235, "fd00::1", "fd00::2", GCM128, K20),
    ]


def test_a_script_of_setkey() -> None:
    log = read(
        "#!/usr/sbin/setkey -f\nflush;\nspdflush;\n"
        f"add 192.0.2.1 192.0.2.2 esp 0x1234 -m tunnel -u 5\n  -E rijndael-cbc 0x{K32.hex()}\n"
        f"  -A hmac-sha2-256 0x{A32.hex()} ; # there\n"
        'add -6 fd00::1 fd00::2 esp 4661 -E aes-cbc "sixteen octets!!" -A hmac-sha1 "twenty octets, as is" ;\n'
        f"add 192.0.2.1 192.0.2.2 ah 4662 -A hmac-sha1 0x{K20.hex()} ;\n"
        "spdadd 10.1.0.0/24 10.2.0.0/24 any -P out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require ;\n"
    )
    assert log.esp == [
        EspKeys(0x1234, "192.0.2.1", "192.0.2.2", CBC256, K32, SHA256, A32),
        EspKeys(4661, "fd00::1", "fd00::2", CBC128, b"sixteen octets!!", SHA1, b"twenty octets, as is"),
    ]


# -- VPP ---------------------------------------------------------------------------------------------------------------

VPP = f"""\
 iip 192.0.2.1 ispi 2030405060708 rip 192.0.2.2 rspi 1112131415161718
 encr:aes-cbc-256  prf:hmac-sha2-256  integ:hmac-sha2-256-128  dh-group:modp-2048
  nonce i:00
        r:01
  SK_d    {K32.hex()}
  SK_a  i:{A32.hex()}
        r:{K32.hex()}
  SK_e  i:{K32.hex()}
        r:{A32.hex()}
  SK_p  i:{K32.hex()}
        r:{A32.hex()}
  identifier (i) id-type fqdn data a
  child sa 0:
    encr:aes-cbc-128  integ:sha1-96  esn:yes
    spi(i) 1234 spi(r) 1235
    SK_e  i:{K16.hex()}
          r:{K16[::-1].hex()}
    SK_a  i:{K20.hex()}
          r:{K20[::-1].hex()}
    traffic selectors (i):0 type 7 protocol_id 0 addr 10.1.0.0 - 10.1.0.255 port 0 - 65535
"""


def test_vpp_shows_ike_sas_and_their_child_sas() -> None:
    log = read(VPP + VPP.replace("2030405060708", "2030405060709").replace("spi(i) 1234", "spi(i) 1236"))
    assert [keys.spi_i.hex() for keys in log.ike] == ["0002030405060708", "0002030405060709"]
    keys = log.ike[0]
    assert (keys.encr, keys.integ, keys.prf) == (CBC256, SHA256, Transform(PRF, Prf.PRF_HMAC_SHA2_256))
    assert (keys.sk_d, keys.sk_ai, keys.sk_er, keys.sk_pr) == (K32, A32, A32, A32)
    assert log.esp[:2] == [
        EspKeys(0x1235, "192.0.2.1", "192.0.2.2", CBC128, K16, SHA1, K20, True),
        EspKeys(0x1234, "192.0.2.2", "192.0.2.1", CBC128, K16[::-1], SHA1, K20[::-1], True),
    ]
    assert {keys.spi for keys in log.esp} == {0x1234, 0x1235, 0x1236}


def test_capital_digits_in_what_vpp_shows() -> None:
    small = VPP.replace("2030405060708", "abcdefabcdef1")
    large = re.sub(r"\b[0-9a-f]{12,}\b", lambda digits: digits[0].upper(), small)
    assert (read(large).ike, read(large).esp) == (read(small).ike, read(small).esp)


def test_vpp_hides_the_salt_of_a_child_sa() -> None:
    text = VPP.replace("encr:aes-cbc-128  integ:sha1-96", "encr:aes-gcm-16-128 ")
    log = read(text, warnings=1)
    assert (len(log.ike), log.esp) == (1, [])
    assert log.warnings[0].startswith("here: line 13: VPP does not print the salt of this key; SK_d opens")


def test_vpp_shows_esp_sas() -> None:
    text = (
        "[0] sa 10 (0xa) spi 4660 (0x00001234) protocol:esp flags:[esn tunnel inbound aead ]\n   locks 1\n"
        f"   salt 0x{K20[16:].hex()}\n   thread-index:0\n   crypto alg aes-gcm-128 key {K16.hex()}\n"
        "   integrity alg none key [redacted]\n   UDP:[src:4500 dst:4500]\n   tunnel src:192.0.2.1 dst:192.0.2.2\n"
        "[1] sa 11 (0xb) spi 4661 (0x00001235) protocol:esp flags:[]\n   crypto alg aes-cbc-128 key [redacted]\n"
        "   integrity alg sha1-96 key [redacted]\n"
        "[2] sa 12 (0xc) spi 4662 (0x00001236) protocol:ah flags:[]\n"
    )
    log = read(text, warnings=1)
    assert log.esp[0] == EspKeys(0x1234, "192.0.2.1", "192.0.2.2", GCM128, K20, esn=True)
    assert {keys.spi for keys in log.esp} == {0x1234}
    assert log.warnings[0].startswith("here: line 9: an SA without its keys")


def test_vpp_shows_an_sa_without_encryption() -> None:
    text = (
        "[0] sa 10 (0xa) spi 4660 (0x00001234) protocol:esp flags:[]\n   salt 0x0\n   crypto alg none\n"
        f"   integrity alg sha1-96 key {K20.hex()}\n   tunnel src:192.0.2.1 dst:192.0.2.2\n"
        "[1] sa 11 (0xb) spi 4661 (0x00001235) protocol:esp flags:[]\n   crypto alg aes-cbc-128\n"
        "   integrity alg sha1-96\n"
    )
    log = read(text, warnings=1)
    null = Transform(ENCR, Encr.ENCR_NULL)
    assert log.esp == [EspKeys(0x1234, "192.0.2.1", "192.0.2.2", null, b"", SHA1, K20, esn=False)]
    assert "line 6: an SA without its keys" in log.warnings[0]


# -- FortiGate ---------------------------------------------------------------------------------------------------------


def test_tunnels_of_a_fortigate() -> None:
    log = read(
        "name=lab ver=2 serial=1 192.0.2.1:0->192.0.2.2:0 tun_id=192.0.2.2 dst_mtu=1500\n"
        "proxyid=lab proto=0 sa=1 ref=2 serial=1\n  src: 0:10.1.0.0-10.1.0.255:0\n"
        "       seqno=4 esn=1 replaywin_lastseq=00000003 qat=0 rekey=0 hash_search_len=1\n"
        f"  dec: spi=00001234 esp=aes key=32 {K32.hex()}\n       ah=sha256 key=32 {A32.hex()}\n"
        f"  enc: spi=00001235 esp=aes-gcm key=36 {K36.hex()}\n       ah=null key=0 \n"
        "  dec:pkts/bytes=3/252, enc:pkts/bytes=3/456\n"
    )
    assert log.esp[:2] == [
        EspKeys(0x1234, "192.0.2.2", "192.0.2.1", CBC256, K32, SHA256, A32, True),
        EspKeys(0x1235, "192.0.2.1", "192.0.2.2", GCM256, K36, None, b"", True),
    ]
    assert {keys.spi for keys in log.esp} == {0x1234, 0x1235}


def test_a_tunnel_that_is_cut_off() -> None:
    first = f"  dec: spi=00001234 esp=aes key=32 {K16.hex()}\n       ah=sha1 key=20 {K20.hex()}\n"
    log = read(f"{first}  enc: spi=00001235 esp=aes key=0\n", warnings=2)
    assert log.warnings[0] == "here: line 1: the encryption key has 16 octets, expected 32"
    assert log.warnings[1] == "here: line 3: expected a line 'ah=… key=…' after this one"


def dashed(key: bytes) -> str:
    return key.hex("-", 8)


def test_gateways_of_a_fortigate() -> None:
    (keys,) = read(
        "vd: root/0\nname: site1\nversion: 2\n  id/spi: 2 0102030405060708/1112131415161718\n  direction: initiator\n"
        f"  proposal: aes256-sha256\n  SK_ei: {dashed(K32)}\n  SK_er: {dashed(A32)}\n  SK_ai: {dashed(A32)}\n"
        f"  SK_ar: {dashed(K32)}\n  lifetime/rekey: 86400/86098\n"
        "  id/spi: 3 a102030405060708/1112131415161718\n  proposal: aes128-sha256\n"
        "  key: 27f09a3f144bf8da-85d9c19874786059\n"
    ).ike
    assert (keys.spi_i.hex(), keys.encr, keys.integ) == ("0102030405060708", CBC256, SHA256)
    assert (keys.sk_ei, keys.sk_ar) == (K32, K32)


def test_the_debug_log_of_a_fortigate_names_no_algorithm() -> None:
    sa = "ike 0:p1:1: IKE SA 0102030405060708/1112131415161718 SK_"
    log = read(
        f"{sa}ei 16:{K16.hex().upper()}\n{sa}er 16:{K16.hex()}\n{sa}ai 20:{K20.hex()}\n{sa}ar 20:{K20.hex()}\n"
        f"ike 0:p1:1:p2:1: IPsec SA dec spi 00001234 key 16:{K16.hex()} auth 20:{K20.hex()}\n"
    )
    assert (log.ike[0].encr, log.ike[0].integ, log.ike[0].sk_ei) == (CBC128, SHA1, K16)
    assert log.esp[0] == EspKeys(0x1234, "*", "*", CBC128, K16, SHA1, K20)


# -- labels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["sk_{}: {}", "SK_{} = 0x{}", '"sk_{}": "{}",', "  SK{}={}", "- SK_{}: {}"])
@pytest.mark.parametrize("joint", ["\n", "  "])
def test_labels_however_they_are_written(line: str, joint: str) -> None:
    values = {"ei": K32, "er": A32, "ai": A32, "ar": K32}
    lines = [line.format(name, value.hex()) for name, value in values.items()]
    (keys,) = {
        (keys.sk_ei, keys.sk_er, keys.sk_ai, keys.sk_ar, keys.spi_i) for keys in read(joint.join(lines) + "\n").ike
    }
    assert keys == (K32, A32, A32, K32, b"")


def test_labels_of_several_ike_sas_with_algorithms() -> None:
    one = (
        f"SPI_i: 0102030405060708\nSPI_r: 1112131415161718\nencr: AES_GCM_16_128\nprf: HMAC_SHA2_256\n"
        f"SK_d: {K32.hex()}\nSK_ei = {K20.hex(' ')}\nSK_er={K20.hex(':')}\nSK_pi: {K32.hex()}\nSK_pr: {A32.hex()}\n"
    )
    log = read(one + one.replace("0102", "a1b2"))
    assert [keys.spi_i.hex() for keys in log.ike] == ["0102030405060708", "a1b2030405060708"]
    assert {keys.encr for keys in log.ike} == {GCM128}
    assert (log.ike[0].sk_er, log.ike[0].sk_d, log.ike[0].sk_pr) == (K20, K32, A32)


def test_sk_d_alone_is_a_secret() -> None:
    assert read(f"SK_d: {K32.hex()}\n").sk_d == [K32]
    assert "without SK_er" in read(f"SK_ei: {K32.hex()}\n", warnings=1).warnings[0]


def test_the_secrets_of_strongswan() -> None:
    assert read('# ipsec.secrets\nalice bob : PSK "lab psk"\n: PSK 0x00ff\n').psk == [b"lab psk", b"\0\xff"]
