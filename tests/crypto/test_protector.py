# SPDX-License-Identifier: GPL-2.0-or-later
"""SK and SKF payloads: encryption, decryption, padding."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fynx_scapy.crypto.encr import Encryption, encryption
from fynx_scapy.crypto.integ import Integrity, integrity
from fynx_scapy.crypto.protector import Protector
from fynx_scapy.errors import ConfigError, IntegrityError, MalformedError
from fynx_scapy.iana import Encr, Integ
from tests.crypto.rfc_vectors import CHACHA20_POLY1305, CHACHA20_POLY1305_MESSAGE
from tests.examples import examples

hexed = bytes.fromhex
LENGTHS = {None: (Encr.ENCR_3DES, Encr.ENCR_CHACHA20_POLY1305)} | dict.fromkeys(
    (128, 192, 256),
    (
        Encr.ENCR_AES_CBC, Encr.ENCR_AES_CTR, Encr.ENCR_CAMELLIA_CBC, Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_GCM_12,
        Encr.ENCR_AES_GCM_16, Encr.ENCR_AES_CCM_8, Encr.ENCR_AES_CCM_12, Encr.ENCR_AES_CCM_16,
    ),
)  # fmt: skip
CIPHERS = [encryption(number, length) for length, numbers in LENGTHS.items() for number in numbers]
INTEGS = [integrity(number) for number in Integ if number in (2, 5, 8, 12, 13, 14)]
SUITES: list[tuple[Encryption, Integrity | None]] = [(cipher, None) for cipher in CIPHERS if cipher.aead]
SUITES += [(cipher, INTEGS[place % 6]) for place, cipher in enumerate(c for c in CIPHERS if not c.aead)]
SUITES += [(encryption(Encr.ENCR_AES_CBC, 128), integ) for integ in INTEGS]
EVERY = pytest.mark.parametrize(("encr", "integ"), SUITES, ids=lambda part: repr(part))


def protector(encr: Encryption, integ: Integrity | None) -> Protector:
    return Protector(encr, integ, bytes(range(encr.key_size)), bytes(integ.key_size if integ else 0))


@pytest.mark.sample(3)
@EVERY
@settings(max_examples=examples(15))
@given(payloads=st.binary(max_size=100), prefix=st.binary(min_size=32, max_size=64), iv=st.binary(min_size=16))
@pytest.mark.requirements("7296-3.14-04", "7296-3.14-06")
def test_round_trip(encr: Encryption, integ: Integrity | None, payloads: bytes, prefix: bytes, iv: bytes) -> None:
    sk = protector(encr, integ)
    plaintext = sk.pad(payloads)
    assert len(plaintext) % encr.block_size == 0
    assert len(plaintext) <= len(payloads) + encr.block_size
    body = sk.seal(prefix, plaintext, iv[: sk.iv_size])
    assert len(body) == sk.overhead(len(payloads)) == sk.iv_size + len(plaintext) + sk.icv_size
    assert body[: sk.iv_size] == iv[: sk.iv_size]
    assert sk.open(prefix, body) == plaintext
    assert sk.unpad(plaintext) == payloads
    for place in (0, sk.iv_size, len(body) - 1):
        changed = bytearray(body)
        changed[place] ^= 0x80
        with pytest.raises(IntegrityError):
            sk.open(prefix, bytes(changed))
    with pytest.raises(IntegrityError):
        sk.open(bytes((prefix[0] ^ 1,)) + prefix[1:], body)


@EVERY
def test_what_is_too_short_does_not_verify(encr: Encryption, integ: Integrity | None) -> None:
    sk = protector(encr, integ)
    least = sk.iv_size + sk.icv_size
    for size in (0, 1, sk.iv_size, least - 1):
        with pytest.raises(IntegrityError, match=f"expected at least {least} octets of IV and ICV, found {size}"):
            sk.open(bytes(32), bytes(size))
    with pytest.raises(IntegrityError):
        sk.open(bytes(32), bytes(least))


def test_rfc_7634_appendix_b() -> None:
    key, salt, iv, aad, plaintext, sealed = (hexed(field) for field in CHACHA20_POLY1305[2])
    message = hexed(CHACHA20_POLY1305_MESSAGE)
    sk = Protector(encryption(Encr.ENCR_CHACHA20_POLY1305), None, key + salt, b"")
    assert message == aad + iv + sealed
    assert sk.seal(message[:32], plaintext, iv) == message[32:]
    opened = sk.open(message[:32], message[32:])
    assert opened == plaintext == sk.pad(hexed("0000000c000040010000000a"))  # N(SET_WINDOW_SIZE), no padding
    assert sk.unpad(opened) == plaintext[:-1]


@pytest.mark.requirements("7296-3.14-04", negative=True)
def test_verified_octets_that_are_no_blocks() -> None:
    cipher, algorithm = encryption(Encr.ENCR_AES_CBC, 128), integrity(Integ.AUTH_HMAC_SHA1_96)
    sk = Protector(cipher, algorithm, bytes(16), bytes(20))
    covered = bytes(16 + 17)
    body = covered + algorithm.keyed(bytes(20))(b"prefix", covered)
    with pytest.raises(MalformedError, match="whole blocks of 16"):
        sk.open(b"prefix", body)


@pytest.mark.parametrize(
    ("plaintext", "text"),
    [(b"", "expected at least a Pad Length"), (b"\x01", "up to 0, found 1"), (b"ab\xff", "up to 2, found 255")],
)
def test_bad_padding(plaintext: bytes, text: str) -> None:
    with pytest.raises(MalformedError, match=text):
        protector(encryption(20, 128), None).unpad(plaintext)


def test_padding_of_ones_own() -> None:
    sk = protector(encryption(20, 128), None)
    assert sk.pad(b"payloads") == b"payloads\x00"
    assert sk.pad(b"payloads", b"xyz") == b"payloadsxyz\x03"
    assert sk.unpad(b"payloadsxyz\x03") == b"payloads"
    assert len(sk.pad(b"", bytes(255))) == 256
    with pytest.raises(ConfigError, match="at most 255 octets, found 256"):
        sk.pad(b"", bytes(256))


def test_algorithms_that_do_not_go_together() -> None:
    gcm, cbc, sha1 = encryption(20, 128), encryption(12, 128), integrity(2)
    with pytest.raises(ConfigError, match="is a combined mode"):
        Protector(gcm, sha1, bytes(20), bytes(20))
    with pytest.raises(ConfigError, match="is a combined mode"):
        Protector(gcm, None, bytes(20), bytes(20))
    with pytest.raises(ConfigError, match="needs an integrity algorithm"):
        Protector(cbc, None, bytes(16), b"")
    with pytest.raises(ConfigError, match="needs an integrity algorithm"):
        Protector(cbc, integrity(Integ.NONE), bytes(16), b"")
    with pytest.raises(ConfigError, match="key of 16 octets for <ENCR_AES_CBC 128>, found 15"):
        Protector(cbc, sha1, bytes(15), bytes(20))
    with pytest.raises(ConfigError, match="key of 20 octets for AUTH_HMAC_SHA1_96, found 19"):
        Protector(cbc, sha1, bytes(16), bytes(19))
    assert Protector(gcm, integrity(Integ.NONE), bytes(20), b"").integ is None


def test_an_iv_has_one_length() -> None:
    with pytest.raises(ConfigError, match=r"IV of 8 octets for .*, found 12"):
        protector(encryption(20, 128), None).seal(bytes(32), b"\0", bytes(12))


def test_representation() -> None:
    assert repr(protector(encryption(12, 128), integrity(2))) == "<Protector <ENCR_AES_CBC 128> <AUTH_HMAC_SHA1_96>>"
    assert repr(protector(encryption(20, 256), None)) == "<Protector <ENCR_AES_GCM_16 256>>"
