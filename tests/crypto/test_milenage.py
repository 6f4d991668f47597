# SPDX-License-Identifier: GPL-2.0-or-later
"""Milenage, by the vectors of RFC 9048 appendix D (test set 19 of 3GPP TS 35.208), and the generator of FIPS 186-2."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.crypto.fips186 import compressed, generate
from fynx_scapy.crypto.milenage import Milenage, Vector
from fynx_scapy.errors import ConfigError

K, OP = bytes.fromhex("5122250214c33e723a5dd523fc145fc0"), bytes.fromhex("c9e8763286b5b9ffbdf56e1297d0887b")
SQN, AMF = 0x16F3B3F70FC2, bytes.fromhex("c3ab")
RAND = bytes.fromhex("81e92b6c0ee0e12ebceba8d92a99dfa5")
VECTOR = Vector(
    RAND,
    autn=bytes.fromhex("bb52e91c747ac3ab2a5c23d15ee351d5"),
    res=bytes.fromhex("28d7b0f2a2ec3de5"),
    ck=bytes.fromhex("5349fbe098649f948f5d2e973a81c00f"),
    ik=bytes.fromhex("9744871ad32bf9bbd1dd5ce54e3e2e5a"),
)
CARD = Milenage.of_op(K, OP)


def test_the_vector_of_rfc_9048() -> None:
    assert CARD.vector(RAND, SQN, AMF) == VECTOR
    assert CARD.verify(RAND, VECTOR.autn) == (VECTOR, SQN)


def test_the_star_functions() -> None:
    """f1* and f5* of test set 1 of 3GPP TS 35.208, through AUTS: RFC 9048 has no vector of them."""
    rand, sqn = bytes.fromhex("23553cbe9637a89d218ae64dae47bf35"), 0xFF9BB4D0B607
    card = Milenage.of_op(
        bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc"), bytes.fromhex("cdc202d5123e20f62b6d676ac72cb318")
    )
    assert card.opc.hex() == "cd63cb71954a9f4e48a5994e37a02baf"
    assert card.vector(rand, sqn, b"\xb9\xb9").autn[8:].hex() == "4a9ffac354dfafb3"
    assert card._f1(rand, sqn.to_bytes(6), b"\xb9\xb9")[8:].hex() == "01cfaf9ec4e871e9"
    assert card.auts(rand, 0)[:6].hex() == "451e8beca43b"


@given(st.integers(0, 127))
def test_no_bit_of_autn_may_be_another(bit: int) -> None:
    wrong = (int.from_bytes(VECTOR.autn) ^ 1 << bit).to_bytes(16)
    assert CARD.verify(RAND, wrong) is None


@given(st.binary(min_size=16, max_size=16), st.integers(0, (1 << 48) - 1))
def test_resynchronisation(rand: bytes, sqn: int) -> None:
    auts = CARD.auts(rand, sqn)
    assert len(auts) == 14
    assert CARD.resynchronise(rand, auts) == sqn
    assert CARD.resynchronise(rand, auts[:-1] + bytes([auts[-1] ^ 1])) is None


def test_keys_of_another_size_and_secrets() -> None:
    for k, opc in ((K[1:], OP), (K, OP + b"x")):
        with pytest.raises(ConfigError, match=r"as 16 octets, found 1[57] octets"):
            Milenage(k, opc)
    assert K.hex() not in repr((CARD, VECTOR))
    assert "\\x" not in repr(CARD)


def test_the_generator_of_fips_186() -> None:
    """The example of NIST's "Examples-1024bit" for change notice 1."""
    seed = bytes.fromhex("bd029bbe7f51960bcf9edb2b61f06f0feb5a38b6")
    wanted = "2070b3223dba372fde1c0ffc7b2e3b498b2606143c6c18bacb0f6c55babb13788e20d737a3275116"
    assert generate(seed, 40).hex() == wanted
    assert generate(seed, 33) == generate(seed, 40)[:33]


def test_the_keys_of_rfc_4186() -> None:
    """Appendix A.5, which EAP-SIM makes as EAP-AKA does: K_encr, K_aut, MSK and EMSK."""
    wanted = (
        "536e5ebc4465582aa6a8ec9986ebb62025af1942efcbf4bc72b3943421f2a974"
        "39d45aeaf4e30601983e972b6cfd46d1c363773365690d09cd44976b525f47d3"
        "a60a985e955c53b090b2e4b73719196a402542968fd14a888f46b9a7886e4488"
        "5949eab0fff69d52315c6c634fd14a7f0d52023d56f79698fa6596abeed4f93f"
        "bb48eb534d985414ceed0d9a8ed33c387c9dfdab92ffbdf240fcecf65a2c93b9"
    )
    assert generate(bytes.fromhex("e576d5ca332e9930018bf1baee2763c795b3c712"), 160).hex() == wanted


@given(st.binary(max_size=55))
def test_the_compression_function_is_that_of_sha1(data: bytes) -> None:
    padded = (data + b"\x80").ljust(56, b"\0") + (8 * len(data)).to_bytes(8)
    assert compressed(padded) == hashlib.sha1(data, usedforsecurity=False).digest()
