# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures of AUTH payloads: every method and algorithm, valid and damaged."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.crypto.signatures import public_key, verify
from fynx_scapy.errors import AuthenticationError, ConfigError, FynxError, MalformedError
from fynx_scapy.iana import AuthMethod
from tests.crypto.keys import key

OCTETS = b"RealMessage1 | NonceRData | MACedIDForI"

# AlgorithmIdentifiers out of RFC 7427 appendix A and RFC 8420 appendix A
SHA1_RSA = "300d06092a864886f70d0101050500"
SHA256_RSA = "300d06092a864886f70d01010b0500"
SHA384_RSA = "300d06092a864886f70d01010c0500"
SHA512_RSA = "300d06092a864886f70d01010d0500"
SHA1_ECDSA = "300906072a8648ce3d0401"
SHA256_ECDSA = "300a06082a8648ce3d040302"
SHA384_ECDSA = "300a06082a8648ce3d040303"
SHA512_ECDSA = "300a06082a8648ce3d040304"
SHA1_DSA = "300906072a8648ce380403"
SHA256_DSA = "300b0609608648016503040302"
PSS_DEFAULT = "300d06092a864886f70d01010a3000"
PSS_SHA256 = (
    "304106092a864886f70d01010a3034a00f300d06096086480165030402010500"
    "a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120"
)
ED25519, ED448 = "300506032b6570", "300506032b6571"


def pkcs1(algorithm: hashes.HashAlgorithm) -> Callable[[Any], bytes]:
    return lambda k: k.sign(OCTETS, padding.PKCS1v15(), algorithm)


def pss(algorithm: hashes.HashAlgorithm, salt: int) -> Callable[[Any], bytes]:
    return lambda k: k.sign(OCTETS, padding.PSS(padding.MGF1(algorithm), salt), algorithm)


def ecdsa(algorithm: hashes.HashAlgorithm) -> Callable[[Any], bytes]:
    return lambda k: k.sign(OCTETS, ec.ECDSA(algorithm))


def raw_ecdsa(algorithm: hashes.HashAlgorithm, half: int) -> Callable[[Any], bytes]:
    def sign(k: Any) -> bytes:
        r, s = decode_dss_signature(k.sign(OCTETS, ec.ECDSA(algorithm)))
        return r.to_bytes(half) + s.to_bytes(half)

    return sign


DIGITAL: list[tuple[str, str, Callable[[Any], bytes], str]] = [
    (SHA1_RSA, "RSA-2048", pkcs1(hashes.SHA1()), "RSASSA-PKCS1-v1_5 SHA-1"),
    (SHA256_RSA, "RSA-2048", pkcs1(hashes.SHA256()), "RSASSA-PKCS1-v1_5 SHA-256"),
    (SHA384_RSA, "RSA-2048", pkcs1(hashes.SHA384()), "RSASSA-PKCS1-v1_5 SHA-384"),
    (SHA512_RSA, "RSA-2048", pkcs1(hashes.SHA512()), "RSASSA-PKCS1-v1_5 SHA-512"),
    (PSS_DEFAULT, "RSA-2048", pss(hashes.SHA1(), 20), "RSASSA-PSS SHA-1"),
    (PSS_SHA256, "RSA-2048", pss(hashes.SHA256(), 32), "RSASSA-PSS SHA-256"),
    (SHA1_ECDSA, "P-256", ecdsa(hashes.SHA1()), "ECDSA SHA-1"),
    (SHA256_ECDSA, "P-256", ecdsa(hashes.SHA256()), "ECDSA SHA-256"),
    (SHA384_ECDSA, "P-384", ecdsa(hashes.SHA384()), "ECDSA SHA-384"),
    (SHA512_ECDSA, "P-521", ecdsa(hashes.SHA512()), "ECDSA SHA-512"),
    (SHA1_DSA, "DSA-2048", lambda k: k.sign(OCTETS, hashes.SHA1()), "DSA SHA-1"),
    (SHA256_DSA, "DSA-2048", lambda k: k.sign(OCTETS, hashes.SHA256()), "DSA SHA-256"),
    (ED25519, "Ed25519", lambda k: k.sign(OCTETS), "Ed25519"),
    (ED448, "Ed448", lambda k: k.sign(OCTETS), "Ed448"),
]
PLAIN: list[tuple[int, str, Callable[[Any], bytes]]] = [
    (AuthMethod.RSA_Digital_Signature, "RSA-2048", pkcs1(hashes.SHA1())),
    (AuthMethod.RSA_Digital_Signature, "RSA-2048", pkcs1(hashes.SHA256())),
    (AuthMethod.RSA_Digital_Signature, "RSA-2048", pkcs1(hashes.SHA512())),
    (AuthMethod.ECDSA_with_SHA_256_on_the_P_256_curve, "P-256", raw_ecdsa(hashes.SHA256(), 32)),
    (AuthMethod.ECDSA_with_SHA_384_on_the_P_384_curve, "P-384", raw_ecdsa(hashes.SHA384(), 48)),
    (AuthMethod.ECDSA_with_SHA_512_on_the_P_521_curve, "P-521", raw_ecdsa(hashes.SHA512(), 66)),
]


def identified(identifier: str, signature: bytes) -> bytes:
    octets = bytes.fromhex(identifier)
    return bytes((len(octets),)) + octets + signature


@pytest.mark.parametrize(("identifier", "kind", "sign", "name"), DIGITAL)
def test_digital_signatures(identifier: str, kind: str, sign: Callable[[Any], bytes], name: str) -> None:
    public, signature = key(kind).public_key(), sign(key(kind))
    method = AuthMethod.Digital_Signature
    assert verify(method, identified(identifier, signature), OCTETS, public) == name
    with pytest.raises(AuthenticationError, match="does not verify"):
        verify(method, identified(identifier, signature), OCTETS + b"!", public)
    damaged = signature[:-1] + bytes((signature[-1] ^ 1,))
    with pytest.raises(AuthenticationError, match="does not verify"):
        verify(method, identified(identifier, damaged), OCTETS, public)
    other = key("P-256" if kind in ("RSA-2048", "DSA-2048", "Ed25519", "Ed448") else "RSA-2048").public_key()
    with pytest.raises(AuthenticationError, match=r"expected an? .* key, found"):
        verify(method, identified(identifier, signature), OCTETS, other)


@pytest.mark.parametrize(("method", "kind", "sign"), PLAIN)
def test_methods_of_their_own(method: int, kind: str, sign: Callable[[Any], bytes]) -> None:
    public, signature = key(kind).public_key(), sign(key(kind))
    assert verify(method, signature, OCTETS, public)
    with pytest.raises(AuthenticationError, match="does not verify"):
        verify(method, signature, OCTETS + b"!", public)


def test_another_curve_is_another_key() -> None:
    signature = raw_ecdsa(hashes.SHA256(), 48)(key("P-384"))
    with pytest.raises(AuthenticationError, match="expected an ECDSA P-256 key, found a P-384 key"):
        verify(AuthMethod.ECDSA_with_SHA_256_on_the_P_256_curve, signature, OCTETS, key("P-384").public_key())
    with pytest.raises(MalformedError, match="expected a signature of 64 octets, found 5"):
        verify(AuthMethod.ECDSA_with_SHA_256_on_the_P_256_curve, b"short", OCTETS, key("P-256").public_key())


@pytest.mark.requirements("7427-3-i03", negative=True)
@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (b"", MalformedError, "expected an AlgorithmIdentifier"),
        (b"\x20abc", MalformedError, "expected an AlgorithmIdentifier of 32 octets"),
        (b"\x02\x30\x00", MalformedError, "expected an AlgorithmIdentifier in DER"),
        (b"\x04\x30\x02\x06\x00", MalformedError, "found 4 octets that are none"),
        (b"\x05\x30\x03\x06\x01\x2a", ConfigError, "the signature algorithm 1.2 is not supported"),
        (
            b"\xff\x30\x81\xfc\x06\x81\xf9\x2a" + b"\xff" * 248,
            MalformedError,
            "found 255 octets that are none",
        ),
    ],
)
def test_what_is_no_signature(data: bytes, error: type[FynxError], text: str) -> None:
    with pytest.raises(error, match=text):
        verify(AuthMethod.Digital_Signature, data, OCTETS, key("P-256").public_key())


def test_a_salt_that_no_key_has_room_for() -> None:
    """Such a number is more than the library takes: OverflowError."""
    salt = b"\xa2\x0a\x02\x08\x7f" + b"\xff" * 7
    parameters = b"\x30" + bytes([len(salt)]) + salt
    oid = bytes.fromhex("06092a864886f70d01010a")
    body = oid + parameters
    data = identified((b"\x30" + bytes([len(body)]) + body).hex(), b"x" * 256)
    with pytest.raises(MalformedError, match="salt length"):
        verify(AuthMethod.Digital_Signature, data, OCTETS, key("RSA-2048").public_key())


def made_certificate() -> bytearray:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "moon")])
    day = datetime.datetime(2026, 1, 1)
    builder = x509.CertificateBuilder(name, name, key("P-256").public_key(), 1, day, day + datetime.timedelta(9))
    return bytearray(builder.sign(key("P-256"), hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def test_a_certificate_that_the_library_warns_about() -> None:
    der = made_certificate()
    serial = der.index(bytes.fromhex("a003020102020101")) + 7
    der[serial] = 0
    assert public_key(4, bytes(der)) == key("P-256").public_key()


@pytest.mark.parametrize("version", [3, 7, 255])
def test_a_certificate_of_an_unknown_version(version: int) -> None:
    der = made_certificate()
    der[der.index(bytes.fromhex("a003020102")) + 4] = version
    with pytest.raises(MalformedError, match="cannot read the public key of the certificate"):
        public_key(4, bytes(der))


def test_methods_that_are_no_signature() -> None:
    with pytest.raises(ConfigError, match="authentication method 2 is not a supported signature"):
        verify(2, b"", OCTETS, key("P-256").public_key())


@given(data=st.binary(max_size=80))
def test_any_data_is_refused_with_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(FynxError):
        verify(AuthMethod.Digital_Signature, data, OCTETS, key("P-256").public_key())


def test_keys_out_of_cert_payloads() -> None:
    public = key("Ed25519").public_key()
    octets = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    found = public_key(15, octets)  # RFC 7670
    verify(AuthMethod.Digital_Signature, identified(ED25519, key("Ed25519").sign(OCTETS)), OCTETS, found)
    with pytest.raises(MalformedError, match="cannot read the public key of the certificate"):
        public_key(4, b"nonsense")
    with pytest.raises(ConfigError, match="expected a certificate of encoding 4, 11 or 15, found 12"):
        public_key(12, b"")
