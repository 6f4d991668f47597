# SPDX-License-Identifier: GPL-2.0-or-later
"""Signing: every scheme made and verified, which scheme fits a key and the peer, and what is refused."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.crypto import schemes, signing
from fynx_scapy.crypto.signatures import verify
from fynx_scapy.crypto.signing import SCHEMES, choose, describe, fitting, read_schemes, sign, verified
from fynx_scapy.errors import AuthenticationError, ConfigError, FynxError, MalformedError
from tests.crypto.keys import key

OCTETS = b"RealMessage1 | NonceRData | MACedIDForI"
ALL = (1, 2, 3, 4, 5)


KEYS = (
    "RSA-2048", "P-256", "P-384", "P-521", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1", "Ed25519", "Ed448",
    "ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "DSA-2048",
)  # fmt: skip
FITTING = [(kind, name) for kind in KEYS for name in SCHEMES if signing.fits(SCHEMES[name], key(kind))]


def other(kind: str) -> Any:
    return key("P-256" if kind != "P-256" else "RSA-2048").public_key()


@pytest.mark.parametrize(("kind", "name"), FITTING)
def test_every_scheme_signs_and_verifies(kind: str, name: str) -> None:
    scheme = SCHEMES[name]
    data, public = sign(scheme, key(kind), OCTETS), key(kind).public_key()
    assert signing.key_kind(public) == kind
    assert verified(scheme.method, data, OCTETS, public) is scheme
    assert verify(scheme.method, data, OCTETS, public) == scheme.title
    with pytest.raises(AuthenticationError, match="does not verify"):
        verify(scheme.method, data, OCTETS + b"!", public)
    with pytest.raises(FynxError):  # the last octet missing
        verify(scheme.method, data[:-1], OCTETS, public)
    with pytest.raises(AuthenticationError, match=r"does not verify|expected an? \S+( \S+)? key, found"):
        verify(scheme.method, data, OCTETS, other(kind))


def test_every_scheme_is_tried() -> None:
    assert {name for _, name in FITTING} == SCHEMES.keys()


def test_what_is_said_of_a_signature_without_its_key() -> None:
    for kind, name in FITTING:
        scheme = SCHEMES[name]
        found = describe(scheme.method, sign(scheme, key(kind), OCTETS))
        expected = ("rsa", "RSASSA-PKCS1-v1_5", None) if scheme.method == 1 else (name, scheme.title, scheme.hash_id)
        assert (found.scheme, found.title, found.hash_id) == expected
        assert found.key in (kind, kind.partition("-")[0], "ECDSA")


@pytest.mark.parametrize("name", ["ecdsa-p256", "ecdsa-sha256", "ed25519"])
def test_signatures_of_elliptic_curves_are_reproducible(name: str) -> None:
    private = key("Ed25519" if name == "ed25519" else "P-256")
    assert sign(SCHEMES[name], private, OCTETS) == sign(SCHEMES[name], private, OCTETS)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            "RSA-2048",
            "rsa-pss-sha256 rsa-pss-sha384 rsa-pss-sha512 rsa-pkcs1-sha256 rsa-pkcs1-sha384 rsa-pkcs1-sha512",
        ),
        ("RSA-1024", "rsa-pss-sha256 rsa-pss-sha384 rsa-pkcs1-sha256 rsa-pkcs1-sha384 rsa-pkcs1-sha512"),
        ("P-256", "ecdsa-sha256 ecdsa-sha384 ecdsa-sha512 ecdsa-p256"),
        ("P-384", "ecdsa-sha384 ecdsa-sha256 ecdsa-sha512 ecdsa-p384"),
        ("P-521", "ecdsa-sha512 ecdsa-sha256 ecdsa-sha384 ecdsa-p521"),
        ("brainpoolP384r1", "ecdsa-sha384 ecdsa-sha256 ecdsa-sha512"),
        ("Ed448", "ed448"),
        ("ML-DSA-87", "mldsa87"),
        ("DSA-2048", ""),
    ],
)
def test_what_a_key_can_be_used_for(kind: str, names: str) -> None:
    assert [scheme.name for scheme in fitting(key(kind))] == names.split()
    assert fitting(key(kind).public_key()) == fitting(key(kind))


def test_keys_that_sign_nothing() -> None:
    assert fitting(x25519.X25519PrivateKey.generate()) == ()
    with pytest.raises(ConfigError, match="expected a private key to sign with, found RSAPublicKey"):
        sign(SCHEMES["rsa-sha1"], key("RSA-2048").public_key(), OCTETS)
    with pytest.raises(ConfigError, match="the P-256 key does not fit the signature scheme ecdsa-p384"):
        sign(SCHEMES["ecdsa-p384"], key("P-256"), OCTETS)


@pytest.mark.parametrize(
    ("kind", "wanted", "announced", "chosen"),
    [
        ("P-256", None, ALL, "ecdsa-sha256"),
        ("P-256", None, (4,), "ecdsa-sha512"),
        ("P-256", None, (), "ecdsa-p256"),  # no announcement: RFC 4754
        ("P-256", ["ecdsa-p256", "ecdsa-sha384"], ALL, "ecdsa-sha384"),  # RFC 7427 section 3: method 14 MUST be used
        ("P-256", ["ecdsa-p256"], ALL, "ecdsa-p256"),  # unless somebody wants to see what happens
        ("RSA-2048", None, (2,), "rsa-pss-sha256"),
        ("RSA-2048", ["rsa-pkcs1-sha512", "rsa-pkcs1-sha256"], ALL, "rsa-pkcs1-sha512"),
        ("RSA-2048", ["rsa-pss-sha512", "rsa-sha1"], (), "rsa-sha1"),
        ("RSA-2048", ["rsa-pkcs1-sha1"], (1,), "rsa-pkcs1-sha1"),
        ("Ed25519", None, (2, 5), "ed25519"),
        ("ML-DSA-65", None, ALL, "mldsa65"),
    ],
)
def test_the_scheme_is_chosen_by_the_key_and_the_announcement(
    kind: str, wanted: list[str] | None, announced: tuple[int, ...], chosen: str
) -> None:
    allowed = None if wanted is None else read_schemes(wanted)
    assert choose(key(kind), allowed, announced).name == chosen


@pytest.mark.parametrize(
    ("kind", "wanted", "announced", "text"),
    [
        (
            "RSA-2048",
            None,
            (),
            "announced no hash algorithms, so the RSA-2048 key needs .*: name rsa-sha1 to allow that",
        ),
        (
            "RSA-2048",
            None,
            (1, 5),
            "needs one of the hashes SHA2_256, SHA2_384, SHA2_512, and the peer announced SHA1, ",
        ),
        ("P-256", None, (5,), "needs one of the hashes SHA2_256, SHA2_384, SHA2_512, and the peer announced Identity"),
        ("Ed25519", None, (2, 3), "needs one of the hashes Identity, and the peer announced SHA2_256, SHA2_384"),
        ("Ed25519", None, (), "announced no hash algorithms, so the Ed25519 key needs a method older than 14$"),
        ("P-384", ["ecdsa-p256"], ALL, "the P-384 key fits none of ecdsa-p256; it fits ecdsa-sha384, "),
        ("DSA-2048", None, ALL, "the DSA-2048 key fits no scheme that we have$"),
        ("RSA-2048", ["rsa-pkcs1-sha224"], ALL, "RSA-2048 key needs a hash that cannot be announced"),
    ],
)
def test_no_scheme_is_left(kind: str, wanted: list[str] | None, announced: tuple[int, ...], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        choose(key(kind), None if wanted is None else read_schemes(wanted), announced)


def test_names_of_schemes() -> None:
    assert read_schemes("ed25519") == (SCHEMES["ed25519"],)
    with pytest.raises(
        ConfigError, match="no signature scheme is called 'rsa-psk-sha256'; did you mean 'rsa-pss-sha256'"
    ):
        read_schemes(["rsa-psk-sha256"])
    with pytest.raises(ConfigError, match="no signature scheme is called 7: it is one of rsa-pss-sha256, "):
        read_schemes([7])  # type: ignore[list-item]


def test_a_scheme_can_be_printed_and_in_a_set() -> None:
    assert repr(SCHEMES["ed448"]).startswith("Scheme(name='ed448', title='Ed448', method=14, hash_id=")
    assert len(set(SCHEMES.values())) == len(SCHEMES)


@given(st.binary(max_size=120))
def test_any_identifier_is_read_or_refused(octets: bytes) -> None:
    with contextlib.suppress(MalformedError, ConfigError):  # and no other
        assert schemes.identified(octets).method == 14
