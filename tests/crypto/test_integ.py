# SPDX-License-Identifier: GPL-2.0-or-later
"""Every integrity algorithm against the RFCs' vectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy import private_use
from fynx_scapy.crypto import aesmac
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Integ
from tests.crypto.rfc_vectors import AUTH_256, AUTH_384, AUTH_512, CMAC_96, XCBC_MAC

hexed = bytes.fromhex
SIZES: dict[Integ | private_use.Integ, tuple[int, int]] = {  # ID: octets of key and ICV
    Integ.NONE: (0, 0),
    Integ.AUTH_HMAC_MD5_96: (16, 12),  # RFC 2403
    Integ.AUTH_HMAC_SHA1_96: (20, 12),  # RFC 2404
    Integ.AUTH_HMAC_MD5_128: (16, 16),  # RFC 4595
    Integ.AUTH_HMAC_SHA1_160: (20, 20),
    private_use.Integ.AUTH_HMAC_SHA2_256_96: (32, 12),  # draft-ietf-ipsec-ciph-sha-256-00
    private_use.Integ.AUTH_HMAC_RIPEMD_160_96: (20, 12),  # RFC 2857
    Integ.AUTH_AES_XCBC_96: (16, 12),  # RFC 3566
    Integ.AUTH_AES_CMAC_96: (16, 12),  # RFC 4494
    Integ.AUTH_HMAC_SHA2_256_128: (32, 16),  # RFC 4868 section 2.6
    Integ.AUTH_HMAC_SHA2_384_192: (48, 24),
    Integ.AUTH_HMAC_SHA2_512_256: (64, 32),
}
VECTORS = {
    Integ.AUTH_AES_XCBC_96: [(key, message, mac[:24]) for key, message, mac in XCBC_MAC],
    Integ.AUTH_AES_CMAC_96: CMAC_96,
    Integ.AUTH_HMAC_SHA2_256_128: AUTH_256,
    Integ.AUTH_HMAC_SHA2_384_192: AUTH_384,
    Integ.AUTH_HMAC_SHA2_512_256: AUTH_512,
}


@pytest.mark.parametrize("number", SIZES)
def test_sizes(number: Integ) -> None:
    algorithm = integrity(number)
    assert (algorithm.key_size, algorithm.icv_size) == SIZES[number]
    assert len(algorithm.keyed(bytes(algorithm.key_size))(b"message")) == algorithm.icv_size
    assert algorithm.name == number.name


@pytest.mark.parametrize(
    ("number", "key", "message", "icv"), [(number, *row) for number, rows in VECTORS.items() for row in rows]
)
def test_vectors(number: int, key: str, message: str, icv: str) -> None:
    assert integrity(number).keyed(hexed(key))(hexed(message)).hex() == icv


@pytest.mark.parametrize(
    ("number", "icv"),
    [
        # "Hi There" with a key of 0x0b: RFC 2202's first vectors, RFC 2286's, RFC 4231's with a key of another length
        (Integ.AUTH_HMAC_MD5_96, "9294727a3638bb1c13f48ef8"),
        (Integ.AUTH_HMAC_MD5_128, "9294727a3638bb1c13f48ef8158bfc9d"),
        (Integ.AUTH_HMAC_SHA1_96, "b617318655057264e28bc0b6"),
        (Integ.AUTH_HMAC_SHA1_160, "b617318655057264e28bc0b6fb378c8ef146be00"),
        (private_use.Integ.AUTH_HMAC_RIPEMD_160_96, "24cb4bd67d20fc1a5d2ed773"),
    ],
)
def test_hmac_of_hi_there(number: int, icv: str) -> None:
    algorithm = integrity(number)
    assert algorithm.keyed(b"\x0b" * algorithm.key_size)(b"Hi There").hex() == icv


def test_hmac_sha256_96_is_the_long_one_cut() -> None:
    key, message = bytes(range(32)), b"message"
    whole = integrity(Integ.AUTH_HMAC_SHA2_256_128).keyed(key)(message)
    assert integrity(private_use.Integ.AUTH_HMAC_SHA2_256_96).keyed(key)(message) == whole[:12]


def test_a_hash_that_openssl_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    def new(*_: object, **__: object) -> None:
        raise ValueError("unsupported hash type ripemd160")

    monkeypatch.setattr("hmac.new", new)
    with pytest.raises(
        ConfigError, match="the installed OpenSSL has no RIPEMD160, which AUTH_HMAC_RIPEMD_160_96 needs"
    ):
        integrity(private_use.Integ.AUTH_HMAC_RIPEMD_160_96).keyed(bytes(20))


@pytest.mark.parametrize(("key", "message", "mac"), XCBC_MAC)
def test_xcbc_without_truncation(key: str, message: str, mac: str) -> None:
    assert aesmac.xcbc(hexed(key))(hexed(message)).hex() == mac


def test_xcbc_of_a_long_message() -> None:
    # RFC 3566 section 4.6, case 7
    key = hexed("000102030405060708090a0b0c0d0e0f")
    assert aesmac.xcbc(key)(bytes(1000)).hex() == "f0dafee895db30253761103b5d84528f"


@pytest.mark.parametrize("number", SIZES)
@given(parts=st.lists(st.binary(max_size=40), max_size=5))
def test_parts_are_one_message(number: Integ, parts: list[bytes]) -> None:
    sign = integrity(number).keyed(bytes(range(SIZES[number][0])))
    assert sign(*parts) == sign(b"".join(parts))


@pytest.mark.parametrize("number", SIZES)
def test_keys_have_one_length(number: int) -> None:
    algorithm = integrity(number)
    with pytest.raises(
        ConfigError, match=f"a key of {algorithm.key_size} octets for .*, found {algorithm.key_size + 1}"
    ):
        algorithm.keyed(bytes(algorithm.key_size + 1))


def test_what_is_not_implemented() -> None:
    with pytest.raises(ConfigError, match="INTEG AUTH_DES_MAC is not implemented: no library that we use has it"):
        integrity(Integ.AUTH_DES_MAC)
