# SPDX-License-Identifier: GPL-2.0-or-later
"""Every integrity algorithm against the RFCs' vectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.crypto import aesmac
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Integ
from tests.crypto.rfc_vectors import AUTH_256, AUTH_384, AUTH_512, CMAC_96, XCBC_MAC

hexed = bytes.fromhex
SIZES = {  # ID: octets of key and ICV
    Integ.NONE: (0, 0),
    Integ.AUTH_HMAC_SHA1_96: (20, 12),  # RFC 2404
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


def test_hmac_sha1_96() -> None:
    # RFC 2404 has no vectors; HMAC-SHA1 of "Hi There" with twenty times 0x0b is RFC 2202's first (20 octets of key)
    assert integrity(Integ.AUTH_HMAC_SHA1_96).keyed(b"\x0b" * 20)(b"Hi There").hex() == "b617318655057264e28bc0b6"


@pytest.mark.parametrize(("key", "message", "mac"), XCBC_MAC)
def test_xcbc_without_truncation(key: str, message: str, mac: str) -> None:
    assert aesmac.xcbc(hexed(key))(hexed(message)).hex() == mac


def test_xcbc_of_a_long_message() -> None:
    # RFC 3566 section 4.6, case 7
    key = hexed("000102030405060708090a0b0c0d0e0f")
    assert aesmac.xcbc(key)(bytes(1000)).hex() == "f0dafee895db30253761103b5d84528f"


@pytest.mark.parametrize("number", SIZES)
@given(parts=st.lists(st.binary(max_size=40), max_size=5))
def test_parts_are_one_message(number: int, parts: list[bytes]) -> None:
    sign = integrity(number).keyed(bytes(range(SIZES[Integ(number)][0])))
    assert sign(*parts) == sign(b"".join(parts))


@pytest.mark.parametrize("number", SIZES)
def test_keys_have_one_length(number: int) -> None:
    algorithm = integrity(number)
    with pytest.raises(
        ConfigError, match=f"a key of {algorithm.key_size} octets for .*, found {algorithm.key_size + 1}"
    ):
        algorithm.keyed(bytes(algorithm.key_size + 1))


def test_what_is_not_implemented() -> None:
    with pytest.raises(ConfigError, match="INTEG AUTH_HMAC_MD5_96 is not implemented"):
        integrity(Integ.AUTH_HMAC_MD5_96)
