# SPDX-License-Identifier: GPL-2.0-or-later
"""Every pseudorandom function against the RFCs' vectors, and prf+."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.crypto.prf import prf
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Prf
from tests.crypto.rfc_vectors import CMAC_PRF, HMAC_PRF, XCBC_PRF

hexed = bytes.fromhex
SIZES = {
    Prf.PRF_HMAC_MD5: 16,
    Prf.PRF_HMAC_SHA1: 20,
    Prf.PRF_AES128_XCBC: 16,
    Prf.PRF_HMAC_SHA2_256: 32,
    Prf.PRF_HMAC_SHA2_384: 48,
    Prf.PRF_HMAC_SHA2_512: 64,
    Prf.PRF_AES128_CMAC: 16,
}
HMACS = (Prf.PRF_HMAC_SHA2_256, Prf.PRF_HMAC_SHA2_384, Prf.PRF_HMAC_SHA2_512)


@pytest.mark.parametrize(
    ("number", "key", "message", "output"),
    [(Prf.PRF_AES128_XCBC, *row) for row in XCBC_PRF]
    + [(Prf.PRF_AES128_CMAC, *row) for row in CMAC_PRF]
    + [(number, row[0], row[1], row[2 + place]) for place, number in enumerate(HMACS) for row in HMAC_PRF],
)
def test_vectors(number: int, key: str, message: str, output: str) -> None:
    found = prf(number)(hexed(key), hexed(message)).hex()
    assert found[: len(output)] == output
    assert len(output) in (2 * SIZES[Prf(number)], 32)  # RFC 4231 case 5 is truncated


@pytest.mark.parametrize(
    ("number", "output"),
    [  # RFC 2202, case 2
        (Prf.PRF_HMAC_MD5, "750c783e6ab0b503eaa86e310a5db738"),
        (Prf.PRF_HMAC_SHA1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    ],
)
def test_old_hmacs(number: int, output: str) -> None:
    assert prf(number)(b"Jefe", b"what do ya want for nothing?").hex() == output
    assert prf(number).legacy


@pytest.mark.parametrize("number", SIZES)
def test_sizes(number: Prf) -> None:
    function = prf(number)
    assert function.key_size == function.output_size == SIZES[number] == len(function(b"key", b"data"))
    assert function.name == number.name
    # RFC 7296 section 2.14
    assert function.half_nonces == (number in (Prf.PRF_AES128_XCBC, Prf.PRF_AES128_CMAC))


@pytest.mark.parametrize("number", SIZES)
@given(key=st.binary(max_size=150), seed=st.binary(max_size=80), length=st.integers(0, 500))
def test_prf_plus(number: int, key: bytes, seed: bytes, length: int) -> None:
    # RFC 7296 section 2.13: T1 = prf (K, S | 0x01), T2 = prf (K, T1 | S | 0x02), ...
    function = prf(number)
    expected, block = b"", b""
    for count in range(1, length // function.output_size + 2):
        block = function(key, block + seed + bytes((count,)))
        expected += block
    assert function.plus(key, seed, length) == expected[:length]


def test_prf_plus_ends_with_its_counter() -> None:
    function = prf(Prf.PRF_HMAC_SHA2_256)
    assert len(function.plus(b"key", b"seed", 255 * 32)) == 255 * 32
    with pytest.raises(ConfigError, match=r"at most 8160 octets from prf\+ with .*, found 8161"):
        function.plus(b"key", b"seed", 255 * 32 + 1)


def test_what_is_not_implemented() -> None:
    with pytest.raises(ConfigError, match="PRF PRF_HMAC_TIGER is not implemented"):
        prf(Prf.PRF_HMAC_TIGER)
