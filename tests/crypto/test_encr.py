# SPDX-License-Identifier: GPL-2.0-or-later
"""Every cipher against the RFCs' vectors, and properties of all ciphers."""

from __future__ import annotations

import sys
from types import ModuleType

import hypothesis
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.crypto.encr import Encryption, encryption, plain
from fynx_scapy.errors import ConfigError, IntegrityError, LocalError, MalformedError
from fynx_scapy.iana import Encr
from tests.crypto.rfc_vectors import AES_CBC, AES_CTR, CHACHA20_POLY1305
from tests.examples import examples

# ID: octets of key material at each key length, salt, IV, ICV, block
SIZES: dict[Encr, tuple[dict[int | None, int], int, int, int, int]] = {
    Encr.ENCR_DES: ({None: 8}, 0, 8, 0, 8),  # RFC 2405
    Encr.ENCR_3DES: ({None: 24}, 0, 8, 0, 8),  # RFC 2451
    Encr.ENCR_IDEA: ({None: 16}, 0, 8, 0, 8),
    Encr.ENCR_CAST: ({128: 16, 40: 5}, 0, 8, 0, 8),
    Encr.ENCR_BLOWFISH: ({128: 16, 192: 24, 256: 32, 40: 5, 448: 56}, 0, 8, 0, 8),
    Encr.ENCR_NULL: ({None: 0}, 0, 0, 0, 1),  # RFC 2410
    Encr.ENCR_AES_CBC: ({128: 16, 192: 24, 256: 32}, 0, 16, 0, 16),  # RFC 3602
    Encr.ENCR_AES_CTR: ({128: 20, 192: 28, 256: 36}, 4, 8, 0, 1),  # RFC 3686 section 5.1
    Encr.ENCR_AES_CCM_8: ({128: 19, 192: 27, 256: 35}, 3, 8, 8, 1),  # RFC 4309 section 7.1
    Encr.ENCR_AES_CCM_12: ({128: 19, 192: 27, 256: 35}, 3, 8, 12, 1),
    Encr.ENCR_AES_CCM_16: ({128: 19, 192: 27, 256: 35}, 3, 8, 16, 1),
    Encr.ENCR_AES_GCM_8: ({128: 20, 192: 28, 256: 36}, 4, 8, 8, 1),  # RFC 4106 section 8.1
    Encr.ENCR_AES_GCM_12: ({128: 20, 192: 28, 256: 36}, 4, 8, 12, 1),
    Encr.ENCR_AES_GCM_16: ({128: 20, 192: 28, 256: 36}, 4, 8, 16, 1),
    Encr.ENCR_NULL_AUTH_AES_GMAC: ({128: 20, 192: 28, 256: 36}, 4, 8, 16, 1),  # RFC 4543 section 5.4
    Encr.ENCR_CAMELLIA_CBC: ({128: 16, 192: 24, 256: 32}, 0, 16, 0, 16),  # RFC 5529
    Encr.ENCR_CHACHA20_POLY1305: ({None: 36}, 4, 8, 16, 1),  # RFC 7634 section 2
    Encr.ENCR_AES_CCM_8_IIV: ({128: 19, 192: 27, 256: 35}, 3, 0, 8, 1),  # RFC 8750
    Encr.ENCR_AES_GCM_16_IIV: ({128: 20, 192: 28, 256: 36}, 4, 0, 16, 1),
    Encr.ENCR_CHACHA20_POLY1305_IIV: ({None: 36}, 4, 0, 16, 1),
}
ALL = [encryption(number, length, esp=True) for number, (lengths, *_) in SIZES.items() for length in lengths]
AEADS = [cipher for cipher in ALL if cipher.aead]
PLAIN = [cipher for cipher in ALL if not cipher.aead]
LEGACY = {Encr.ENCR_DES, Encr.ENCR_3DES, Encr.ENCR_IDEA, Encr.ENCR_CAST, Encr.ENCR_BLOWFISH}
hexed = bytes.fromhex


def of(ciphers: list[Encryption]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("cipher", ciphers, ids=repr)


@of(ALL)
def test_sizes(cipher: Encryption) -> None:
    keys, salt, iv, icv, block = SIZES[Encr(cipher.id)]
    assert cipher.key_size == keys[cipher.key_length]
    assert (cipher.salt_size, cipher.iv_size, cipher.icv_size, cipher.block_size) == (salt, iv, icv, block)
    assert cipher.aead == bool(icv)
    assert cipher.name == Encr(cipher.id).name
    assert cipher.legacy == (cipher.id in LEGACY)
    assert encryption(cipher.id, cipher.key_length, esp=True) is cipher


@pytest.mark.parametrize(("key", "iv", "plaintext", "ciphertext"), AES_CBC)
def test_aes_cbc(key: str, iv: str, plaintext: str, ciphertext: str) -> None:
    cipher = encryption(Encr.ENCR_AES_CBC, 128).keyed(hexed(key))
    for _ in range(2):  # the contexts live on, and each message must stand for itself
        assert cipher.encrypt(hexed(iv), hexed(plaintext)).hex() == ciphertext
        assert cipher.decrypt(hexed(iv), hexed(ciphertext)).hex() == plaintext


@pytest.mark.parametrize(
    ("number", "length", "key", "plaintext", "ciphertext"),
    [
        # one block with an IV of zero: FIPS 81's example key, RFC 2144 appendix B.1, Schneier's first vector, Lai's
        (Encr.ENCR_DES, None, "133457799bbcdff1", "0123456789abcdef", "85e813540f0ab405"),
        (Encr.ENCR_CAST, 128, "0123456712345678234567893456789a", "0123456789abcdef", "238b4fe5847e44b2"),
        (Encr.ENCR_CAST, 80, "01234567123456782345", "0123456789abcdef", "eb6a711a2c02271b"),
        (Encr.ENCR_CAST, 40, "0123456712", "0123456789abcdef", "7ac816d16e9b302e"),
        (Encr.ENCR_BLOWFISH, 128, "00" * 16, "0000000000000000", "4ef997456198dd78"),
        (Encr.ENCR_IDEA, None, "00010002000300040005000600070008", "0000000100020003", "11fbed2b01986de5"),
    ],
)
def test_deprecated_ciphers(number: int, length: int | None, key: str, plaintext: str, ciphertext: str) -> None:
    cipher = encryption(number, length).keyed(hexed(key))
    assert cipher.encrypt(bytes(8), hexed(plaintext)).hex() == ciphertext
    assert cipher.decrypt(bytes(8), hexed(ciphertext)).hex() == plaintext


@pytest.mark.parametrize(("key", "iv", "plaintext", "ciphertext"), AES_CTR)
def test_aes_ctr(key: str, iv: str, plaintext: str, ciphertext: str) -> None:
    cipher = encryption(Encr.ENCR_AES_CTR, 4 * len(key) - 32).keyed(hexed(key))
    for _ in range(2):
        assert cipher.encrypt(hexed(iv), hexed(plaintext)).hex() == ciphertext
        assert cipher.decrypt(hexed(iv), hexed(ciphertext)).hex() == plaintext


@pytest.mark.parametrize("number", [Encr.ENCR_CHACHA20_POLY1305, Encr.ENCR_CHACHA20_POLY1305_IIV])
@pytest.mark.parametrize(("key", "salt", "iv", "aad", "plaintext", "sealed"), CHACHA20_POLY1305)
def test_chacha20_poly1305(number: int, key: str, salt: str, iv: str, aad: str, plaintext: str, sealed: str) -> None:
    cipher = encryption(number, esp=True).keyed(hexed(key + salt))
    assert cipher.seal(hexed(iv), hexed(plaintext), hexed(aad)).hex() == sealed
    assert cipher.open(hexed(iv), hexed(sealed), hexed(aad)).hex() == plaintext


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_short_gcm_icvs_are_the_long_one_cut(bits: int) -> None:
    key, iv, plaintext, aad = bytes(range(bits // 8 + 4)), b"12345678", b"plaintext" * 9, b"additional"
    whole = encryption(Encr.ENCR_AES_GCM_16, bits).keyed(key).seal(iv, plaintext, aad)
    for number, size in ((Encr.ENCR_AES_GCM_12, 12), (Encr.ENCR_AES_GCM_8, 8)):
        short = encryption(number, bits).keyed(key)
        assert short.seal(iv, plaintext, aad) == whole[: size - 16]
        assert short.open(iv, whole[: size - 16], aad) == plaintext


def test_gmac_is_gcm_over_additional_data_alone() -> None:
    # RFC 4543 section 3.3: the IV belongs to the ESP payload that the AAD covers
    key, iv, payload, aad = bytes(range(20)), b"12345678", b"payload", b"spi and number"
    tag = AESGCM(key[:16]).encrypt(key[16:] + iv, b"", aad + iv + payload)
    cipher = encryption(Encr.ENCR_NULL_AUTH_AES_GMAC, 128, esp=True).keyed(key)
    assert cipher.seal(iv, payload, aad) == payload + tag


@pytest.mark.sample(3)
@of(AEADS)
@hypothesis.settings(max_examples=examples(15))
@given(data=st.data())
def test_aead_round_trip(cipher: Encryption, data: st.DataObject) -> None:
    octets = lambda size: data.draw(st.binary(min_size=size, max_size=size))  # noqa: E731
    keyed, iv = cipher.keyed(octets(cipher.key_size)), octets(8)
    hypothesis.assume(iv != b"other IV")
    plaintext, aad = data.draw(st.binary(max_size=80)), data.draw(st.binary(max_size=40))
    sealed = keyed.seal(iv, plaintext, aad)
    assert len(sealed) == len(plaintext) + cipher.icv_size
    assert keyed.open(iv, sealed, aad) == plaintext
    position = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytearray(sealed)
    changed[position] ^= data.draw(st.integers(1, 255))
    for wrong in (
        (iv, bytes(changed), aad),
        (iv, sealed, aad + b"\0"),
        (b"other IV", sealed, aad),
    ):
        with pytest.raises(IntegrityError, match="does not verify"):
            keyed.open(*wrong)


@of(AEADS)
def test_what_is_shorter_than_an_icv_does_not_verify(cipher: Encryption) -> None:
    for size in range(cipher.icv_size):
        with pytest.raises(IntegrityError):
            cipher.keyed(bytes(cipher.key_size)).open(bytes(8), bytes(size), b"")


@of(PLAIN)
@hypothesis.settings(max_examples=examples(15))
@given(data=st.data())
def test_round_trip(cipher: Encryption, data: st.DataObject) -> None:
    keyed = cipher.keyed(data.draw(st.binary(min_size=cipher.key_size, max_size=cipher.key_size)))
    fresh = cipher.keyed(bytes(cipher.key_size))
    for _ in range(2):
        iv = data.draw(st.binary(min_size=cipher.iv_size, max_size=cipher.iv_size))
        blocks = data.draw(st.integers(0, 6))
        size = blocks * cipher.block_size
        plaintext = data.draw(st.binary(min_size=size, max_size=size))
        ciphertext = keyed.encrypt(iv, plaintext)
        assert len(ciphertext) == len(plaintext)
        assert keyed.decrypt(iv, ciphertext) == plaintext
        fresh.decrypt(iv, ciphertext)  # another key's context is another's


@pytest.mark.parametrize("number", [Encr.ENCR_AES_CBC, Encr.ENCR_CAMELLIA_CBC, Encr.ENCR_3DES])
def test_cbc_takes_whole_blocks_and_survives_a_part_of_one(number: int) -> None:
    cipher = encryption(number, None if number == Encr.ENCR_3DES else 128)
    keyed, iv = cipher.keyed(bytes(range(cipher.key_size))), bytes(cipher.iv_size)
    before = keyed.encrypt(iv, bytes(48))
    for wrong_iv, wrong_data in ((iv, bytes(47)), (iv[1:], bytes(48)), (iv + b"\0", bytes(48))):
        for function in (keyed.encrypt, keyed.decrypt):
            with pytest.raises(MalformedError, match="whole blocks"):
                function(wrong_iv, wrong_data)
    assert keyed.encrypt(iv, bytes(48)) == before
    assert keyed.decrypt(iv, before) == bytes(48)


def test_ctr_takes_an_iv_of_eight_octets() -> None:
    keyed = encryption(Encr.ENCR_AES_CTR, 128).keyed(bytes(20))
    with pytest.raises(MalformedError, match="IV of 8 octets, found 7"):
        keyed.encrypt(bytes(7), b"data")


def test_each_kind_has_its_pair_of_functions() -> None:
    with pytest.raises(LocalError, match="seal and open"):
        encryption(Encr.ENCR_AES_GCM_16, 128).keyed(bytes(20)).encrypt(bytes(8), b"")
    with pytest.raises(LocalError, match="encrypt and decrypt"):
        encryption(Encr.ENCR_AES_CBC, 128).keyed(bytes(16)).open(bytes(16), b"", b"")


@of([cipher for cipher in ALL if cipher.key_size])
def test_keys_have_one_length(cipher: Encryption) -> None:
    for size in (cipher.key_size - 1, cipher.key_size + 1, 0):
        with pytest.raises(ConfigError, match=f"a key of {cipher.key_size} octets for .*, found {size}"):
            cipher.keyed(bytes(size))


@pytest.mark.parametrize(
    ("number", "length", "text"),
    [
        (Encr.ENCR_AES_CBC, None, "128 or 192 or 256 bits for ENCR_AES_CBC, found None"),  # RFC 7296 section 3.3.5
        (Encr.ENCR_AES_CBC, 512, "128 or 192 or 256 bits for ENCR_AES_CBC, found 512"),
        (Encr.ENCR_CHACHA20_POLY1305, 256, "no key length .it is fixed. for ENCR_CHACHA20_POLY1305, found 256"),
        (Encr.ENCR_3DES, 192, "no key length .it is fixed. for ENCR_3DES, found 192"),
        (Encr.ENCR_BLOWFISH, 36, "128 or 192 or 256 bits for ENCR_BLOWFISH, found 36"),
        (Encr.ENCR_KUZNYECHIK_MGM_KTREE, None, "ENCR_KUZNYECHIK_MGM_KTREE is not implemented$"),
        (1027, 128, "ENCR_TWOFISH_CBC is not implemented: no library that we use has it. It can be offered"),
        (4711, None, "UNKNOWN-4711 is not implemented"),
    ],
)
def test_what_is_no_cipher(number: int, length: int | None, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        encryption(number, length, esp=True)


def test_what_ikev2_does_not_allow() -> None:
    # the rows that say "Not allowed" in IANA's registry
    assert {cipher.id for cipher in ALL if cipher.esp_only} == {11, 21, 29, 30, 31}
    for cipher in ALL:
        if cipher.esp_only:
            with pytest.raises(ConfigError, match="not allowed in IKEv2"):
                encryption(cipher.id, cipher.key_length)
        else:
            assert encryption(cipher.id, cipher.key_length) is cipher


def test_no_representation_shows_a_key() -> None:
    key = b"sixteen byte key"
    keyed = encryption(Encr.ENCR_AES_CBC, 128).keyed(key)
    assert key.decode() not in repr(keyed)
    assert repr(encryption(Encr.ENCR_AES_CBC, 128)) == "<ENCR_AES_CBC 128>"


@pytest.mark.parametrize(("number", "name"), [(Encr.ENCR_CAMELLIA_CBC, "Camellia"), (Encr.ENCR_3DES, "TripleDES")])
def test_a_cipher_that_the_library_dropped(number: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cipher = encryption(number, None if number == Encr.ENCR_3DES else 128)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.decrepit.ciphers", None)
    monkeypatch.setattr(plain, "current", ModuleType("algorithms"))
    with pytest.raises(ConfigError, match=f"has no {name}"):
        cipher.keyed(bytes(range(cipher.key_size)))
