# SPDX-License-Identifier: GPL-2.0-or-later
"""The registry of transforms and their keywords."""

from __future__ import annotations

import pytest

from fynx_scapy.crypto.encr import Encryption, encryption
from fynx_scapy.crypto.integ import Integrity
from fynx_scapy.crypto.transforms import REGISTRIES, Algorithm, Transform, find, keyword, keyword_of, register
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Encr, Integ, KeMethod, Prf, TransformType

ENCR, PRF, INTEG, KE, SN = (TransformType(number) for number in range(1, 6))


@pytest.mark.parametrize(
    ("word", "transform"),
    [
        # as strongSwan's documentation of proposals has them
        ("aes128", Transform(ENCR, Encr.ENCR_AES_CBC, 128)),
        ("aes192ctr", Transform(ENCR, Encr.ENCR_AES_CTR, 192)),
        ("aes256ccm8", Transform(ENCR, Encr.ENCR_AES_CCM_8, 256)),
        ("aes256ccm12", Transform(ENCR, Encr.ENCR_AES_CCM_12, 256)),
        ("aes128ccm16", Transform(ENCR, Encr.ENCR_AES_CCM_16, 128)),
        ("aes128gcm8", Transform(ENCR, Encr.ENCR_AES_GCM_8, 128)),
        ("aes128gcm96", Transform(ENCR, Encr.ENCR_AES_GCM_12, 128)),
        ("aes256gcm16", Transform(ENCR, Encr.ENCR_AES_GCM_16, 256)),
        ("aes256gcm128", Transform(ENCR, Encr.ENCR_AES_GCM_16, 256)),
        ("aes256gmac", Transform(ENCR, Encr.ENCR_NULL_AUTH_AES_GMAC, 256)),
        ("chacha20poly1305", Transform(ENCR, Encr.ENCR_CHACHA20_POLY1305)),
        ("camellia256", Transform(ENCR, Encr.ENCR_CAMELLIA_CBC, 256)),
        ("3des", Transform(ENCR, Encr.ENCR_3DES)),
        ("null", Transform(ENCR, Encr.ENCR_NULL)),
        ("des", Transform(ENCR, Encr.ENCR_DES)),
        ("blowfish256", Transform(ENCR, Encr.ENCR_BLOWFISH, 256)),
        ("blowfish", Transform(ENCR, Encr.ENCR_BLOWFISH, 128)),
        ("cast128", Transform(ENCR, Encr.ENCR_CAST, 128)),
        ("aes", Transform(ENCR, Encr.ENCR_AES_CBC, 128)),
        ("camellia", Transform(ENCR, Encr.ENCR_CAMELLIA_CBC, 128)),
        ("serpent", Transform(ENCR, 1026, 128)),
        ("twofish256", Transform(ENCR, 1027, 256)),
        ("encr_rc5_128", Transform(ENCR, Encr.ENCR_RC5, 128)),
        ("auth_des_mac", Transform(INTEG, Integ.AUTH_DES_MAC)),
        ("md5", Transform(INTEG, Integ.AUTH_HMAC_MD5_96)),
        ("md5_128", Transform(INTEG, Integ.AUTH_HMAC_MD5_128)),
        ("sha1_160", Transform(INTEG, Integ.AUTH_HMAC_SHA1_160)),
        ("sha256_96", Transform(INTEG, 1026)),
        ("sha2_256_96", Transform(INTEG, 1026)),
        ("prfmd5", Transform(PRF, Prf.PRF_HMAC_MD5)),
        ("modp768", Transform(KE, KeMethod.MODP_768)),
        ("none", Transform(KE, KeMethod.NONE)),
        ("sha1", Transform(INTEG, Integ.AUTH_HMAC_SHA1_96)),
        ("sha", Transform(INTEG, Integ.AUTH_HMAC_SHA1_96)),
        ("sha256", Transform(INTEG, Integ.AUTH_HMAC_SHA2_256_128)),
        ("sha2_384", Transform(INTEG, Integ.AUTH_HMAC_SHA2_384_192)),
        ("SHA512", Transform(INTEG, Integ.AUTH_HMAC_SHA2_512_256)),
        ("aesxcbc", Transform(INTEG, Integ.AUTH_AES_XCBC_96)),
        ("aescmac", Transform(INTEG, Integ.AUTH_AES_CMAC_96)),
        ("prfsha256", Transform(PRF, Prf.PRF_HMAC_SHA2_256)),
        ("prfaesxcbc", Transform(PRF, Prf.PRF_AES128_XCBC)),
        ("prfaescmac", Transform(PRF, Prf.PRF_AES128_CMAC)),
        ("modp1024", Transform(KE, KeMethod.MODP_1024)),
        ("modp2048s256", Transform(KE, KeMethod.MODP_2048_256)),
        ("modp8192", Transform(KE, KeMethod.MODP_8192)),
        ("ecp384", Transform(KE, KeMethod.ECP_384)),
        ("ecp512bp", Transform(KE, KeMethod.BRAINPOOL_P512R1)),
        ("x25519", Transform(KE, KeMethod.CURVE25519)),
        ("curve25519", Transform(KE, KeMethod.CURVE25519)),
        ("x448", Transform(KE, KeMethod.CURVE448)),
        ("mlkem768", Transform(KE, KeMethod.ML_KEM_768)),
        ("esn", Transform(SN, 1)),
        ("noesn", Transform(SN, 0)),
    ],
)
def test_keywords(word: str, transform: Transform) -> None:
    assert keyword(word) == (transform,)
    assert keyword(keyword_of(transform)) == (transform,)


def every_algorithm(family: type[Algorithm] = Algorithm) -> set[type[Algorithm]]:
    found = {family} if "id" in vars(family) else set()
    return found.union(*(every_algorithm(child) for child in family.__subclasses__()))


def test_every_algorithm_has_words_that_lead_back_to_it() -> None:
    keyword("aes128")  # the modules are loaded now
    algorithms = {one for one in every_algorithm() if one.__module__.startswith("fynx_scapy")}
    assert len(algorithms) == 20 + 7 + 12 + 22 + 2  # encryption, PRF, integrity, key exchange, sequence numbers
    for algorithm in algorithms:
        for length in algorithm.key_lengths or (None,):
            transform = Transform(algorithm.type, algorithm.id, length)
            assert keyword_of(transform) == algorithm.keywords[0].format(length)
            for word in algorithm.keywords:
                assert keyword(word.format(length)) == (transform,)


def test_an_unknown_word_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'aes128gmc16' is not a known algorithm; did you mean aes128gcm16"):
        keyword("aes128gmc16")
    with pytest.raises(ConfigError, match=r"'!' is not a known algorithm$"):
        keyword("!")


@pytest.mark.parametrize(
    ("transform", "text"),
    [
        (Transform(ENCR, Encr.ENCR_BLOWFISH, 448), "ENCR_BLOWFISH_448"),
        (Transform(ENCR, Encr.ENCR_AES_CBC), "ENCR_AES_CBC"),
        (Transform(INTEG, 4711), "UNKNOWN-4711"),
        (Transform(TransformType.ADDKE1, KeMethod.ML_KEM_768), "ML_KEM_768"),
        (Transform(TransformType.GCAUTH, 1), "UNKNOWN-14-1"),
    ],
)
def test_a_transform_without_a_word_shows_its_name(transform: Transform, text: str) -> None:
    assert keyword_of(transform) == text


def test_find_stays_within_its_family() -> None:
    assert find(Encryption, Encr.ENCR_AES_CBC).id == Encr.ENCR_AES_CBC
    with pytest.raises(ConfigError, match="INTEG UNKNOWN-20 is not implemented"):
        find(Integrity, 20)


def test_a_new_transform_is_one_class(monkeypatch: pytest.MonkeyPatch) -> None:
    from fynx_scapy.crypto import transforms

    monkeypatch.setattr(transforms, "_BY_NUMBER", dict(transforms._BY_NUMBER))

    class Mars(Encryption):
        id = 1024  # private use
        fixed_key_size = 16

    assert register(Mars) is Mars
    assert find(Encryption, 1024) is Mars
    assert (Mars.name, Mars().key_size) == ("UNKNOWN-1024", 16)


def test_every_transform_type_has_its_registry() -> None:
    # type 14 is used in group policies alone (RFC 9838), where there is no algorithm behind it
    assert REGISTRIES.keys() == set(TransformType) - {TransformType.GCAUTH}


def test_instances_are_shared() -> None:
    assert encryption(20, 128) is encryption(Encr.ENCR_AES_GCM_16, 128)
