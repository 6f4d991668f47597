# SPDX-License-Identifier: GPL-2.0-or-later
"""Verification of signatures in AUTH: RFC 7296 section 3.8 (RSA), RFC 4754 (ECDSA), RFC 7427 (any), RFC 8420 (EdDSA).

The signed octets come from :func:`fynx_scapy.crypto.keymat.signed_octets`, the public key from a CERT payload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from fynx_scapy.errors import AuthenticationError, ConfigError, MalformedError
from fynx_scapy.iana import AuthMethod

X509_SIGNATURE, RAW_RSA_KEY, RAW_PUBLIC_KEY = 4, 11, 15  # certificate encodings (section 3.6, RFC 7670)

SEQUENCE, INTEGER, OBJECT = 0x30, 0x02, 0x06
Verify = Callable[[PublicKeyTypes, bytes, bytes], None]


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature algorithm: its name for reports, and ``verify(key, signature, octets)``."""

    name: str
    verify: Verify


def public_key(encoding: int, data: bytes) -> PublicKeyTypes:
    """The public key in the data of a CERT payload (without its encoding octet).

    Raises ConfigError for an encoding that contains no key, MalformedError for data that cannot be parsed.
    """
    from cryptography import x509  # slow to import, and few peers and captures have a certificate

    try:
        if encoding == X509_SIGNATURE:
            return x509.load_der_x509_certificate(data).public_key()
        if encoding in (RAW_PUBLIC_KEY, RAW_RSA_KEY):
            return serialization.load_der_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise MalformedError(f"cannot read the public key of the certificate: {error}") from None
    raise ConfigError(f"expected a certificate of encoding 4, 11 or 15, found {encoding}")


def verify(method: int, data: bytes, octets: bytes, key: PublicKeyTypes) -> str:
    """Verify the data of an AUTH payload. Returns the name of the signature algorithm.

    Raises AuthenticationError if the signature does not verify or needs another type of key, MalformedError for data
    that is not a signature, ConfigError for a method that is not a signature or not supported.
    """
    if method == AuthMethod.Digital_Signature:
        signature, value = _identified(data)
    elif method in METHODS:
        signature, value = METHODS[method], data
    else:
        raise ConfigError(f"authentication method {method} is not a supported signature method")
    try:
        signature.verify(key, value, octets)
    except InvalidSignature:
        raise AuthenticationError(f"the signature ({signature.name}) does not verify") from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AuthenticationError(f"the signature ({signature.name}) does not verify: {error}") from None
    return signature.name


def _wrong_key(wanted: str, key: object) -> AuthenticationError:
    return AuthenticationError(f"expected {wanted} key, found {type(key).__name__.removeprefix('_')}")


def _pkcs1(algorithm: hashes.HashAlgorithm) -> Verify:
    def verify_(key: PublicKeyTypes, signature: bytes, octets: bytes) -> None:
        if not isinstance(key, rsa.RSAPublicKey):
            raise _wrong_key("an RSA", key)
        key.verify(signature, octets, padding.PKCS1v15(), algorithm)

    return verify_


def _pss(algorithm: hashes.HashAlgorithm, mask: hashes.HashAlgorithm, salt: int) -> Verify:
    def verify_(key: PublicKeyTypes, signature: bytes, octets: bytes) -> None:
        if not isinstance(key, rsa.RSAPublicKey):
            raise _wrong_key("an RSA", key)
        key.verify(signature, octets, padding.PSS(padding.MGF1(mask), salt), algorithm)

    return verify_


def _ecdsa(algorithm: hashes.HashAlgorithm, curve: type[ec.EllipticCurve] | None = None) -> Verify:
    """A DER-encoded signature, or with a ``curve`` r | s of the curve's size (RFC 4754 section 7)."""

    def verify_(key: PublicKeyTypes, signature: bytes, octets: bytes) -> None:
        if not isinstance(key, ec.EllipticCurvePublicKey) or (curve and not isinstance(key.curve, curve)):
            raise _wrong_key(f"an ECDSA ({curve.name if curve else 'any curve'})", key)
        if curve is not None:
            half = (key.curve.key_size + 7) // 8
            if len(signature) != 2 * half:
                raise MalformedError(f"expected a signature of {2 * half} octets, found {len(signature)}")
            signature = encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
        key.verify(signature, octets, ec.ECDSA(algorithm))

    return verify_


def _dsa(algorithm: hashes.HashAlgorithm) -> Verify:
    def verify_(key: PublicKeyTypes, signature: bytes, octets: bytes) -> None:
        if not isinstance(key, dsa.DSAPublicKey):
            raise _wrong_key("a DSA", key)
        key.verify(signature, octets, algorithm)

    return verify_


def _eddsa(kind: type[ed25519.Ed25519PublicKey] | type[ed448.Ed448PublicKey], name: str) -> Verify:
    def verify_(key: PublicKeyTypes, signature: bytes, octets: bytes) -> None:
        if not isinstance(key, kind):
            raise _wrong_key(f"an {name}", key)
        key.verify(signature, octets)

    return verify_


def _rsa_any(key: PublicKeyTypes, signature: bytes, octets: bytes) -> None:
    """Section 3.8: SHA-1 is the default. A signer may use another hash, which the padding names."""
    for algorithm in (hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        try:
            return _pkcs1(algorithm)(key, signature, octets)
        except InvalidSignature:
            continue
    raise InvalidSignature


METHODS: dict[int, Signature] = {
    AuthMethod.RSA_Digital_Signature: Signature("RSASSA-PKCS1-v1_5", _rsa_any),
    AuthMethod.ECDSA_with_SHA_256_on_the_P_256_curve: Signature(
        "ECDSA P-256 SHA-256", _ecdsa(hashes.SHA256(), ec.SECP256R1)
    ),
    AuthMethod.ECDSA_with_SHA_384_on_the_P_384_curve: Signature(
        "ECDSA P-384 SHA-384", _ecdsa(hashes.SHA384(), ec.SECP384R1)
    ),
    AuthMethod.ECDSA_with_SHA_512_on_the_P_521_curve: Signature(
        "ECDSA P-521 SHA-512", _ecdsa(hashes.SHA512(), ec.SECP521R1)
    ),
}
HASHES: dict[str, hashes.HashAlgorithm] = {
    "1.3.14.3.2.26": hashes.SHA1(),
    "2.16.840.1.101.3.4.2.4": hashes.SHA224(),
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
_RSA, _ECDSA = "1.2.840.113549.1.1", "1.2.840.10045.4"
PSS = f"{_RSA}.10"
_SALT_OCTETS = 3
"""The largest accepted size of the salt length, in octets. No key needs a larger one."""
_IDENTIFIED: dict[str, Signature] = {  # RFC 7427 appendix A, RFC 8420 appendix A
    f"{_RSA}.5": Signature("RSASSA-PKCS1-v1_5 SHA-1", _pkcs1(hashes.SHA1())),
    f"{_RSA}.14": Signature("RSASSA-PKCS1-v1_5 SHA-224", _pkcs1(hashes.SHA224())),
    f"{_RSA}.11": Signature("RSASSA-PKCS1-v1_5 SHA-256", _pkcs1(hashes.SHA256())),
    f"{_RSA}.12": Signature("RSASSA-PKCS1-v1_5 SHA-384", _pkcs1(hashes.SHA384())),
    f"{_RSA}.13": Signature("RSASSA-PKCS1-v1_5 SHA-512", _pkcs1(hashes.SHA512())),
    f"{_ECDSA}.1": Signature("ECDSA SHA-1", _ecdsa(hashes.SHA1())),
    f"{_ECDSA}.3.1": Signature("ECDSA SHA-224", _ecdsa(hashes.SHA224())),
    f"{_ECDSA}.3.2": Signature("ECDSA SHA-256", _ecdsa(hashes.SHA256())),
    f"{_ECDSA}.3.3": Signature("ECDSA SHA-384", _ecdsa(hashes.SHA384())),
    f"{_ECDSA}.3.4": Signature("ECDSA SHA-512", _ecdsa(hashes.SHA512())),
    "1.2.840.10040.4.3": Signature("DSA SHA-1", _dsa(hashes.SHA1())),
    "2.16.840.1.101.3.4.3.2": Signature("DSA SHA-256", _dsa(hashes.SHA256())),
    "1.3.101.112": Signature("Ed25519", _eddsa(ed25519.Ed25519PublicKey, "Ed25519")),
    "1.3.101.113": Signature("Ed448", _eddsa(ed448.Ed448PublicKey, "Ed448")),
}


def _identified(data: bytes) -> tuple[Signature, bytes]:
    """Split the data of method 14: length | AlgorithmIdentifier | signature (RFC 7427 section 3)."""
    if not data or len(data) < 1 + data[0]:
        raise MalformedError(f"expected an AlgorithmIdentifier of {data[0] if data else 'some'} octets, found fewer")
    identifier, signature = data[1 : 1 + data[0]], data[1 + data[0] :]
    elements = list(_elements(_one(identifier, SEQUENCE)))
    if not elements or elements[0][0] != OBJECT:
        raise MalformedError("expected an object identifier at the start of the AlgorithmIdentifier, found none")
    name = _object(elements[0][1])
    if name == PSS:
        parameters = elements[1][1] if len(elements) > 1 and elements[1][0] == SEQUENCE else b""
        return _pss_signature(parameters), signature
    if name not in _IDENTIFIED:
        raise ConfigError(f"the signature algorithm {name} is not supported")
    return _IDENTIFIED[name], signature


def _pss_signature(parameters: bytes) -> Signature:
    """RSASSA-PSS-params (RFC 4055 section 3.1). The defaults are SHA-1, MGF1 with SHA-1, and a salt of 20 octets."""
    given = dict(_elements(parameters))
    algorithm = mask = _hash(None)
    salt = 20
    if 0xA0 in given:
        algorithm = _hash(_one(given[0xA0], SEQUENCE))
    if 0xA1 in given:  # mgf1, whose parameter is the hash
        inner = list(_elements(_one(given[0xA1], SEQUENCE)))
        mask = _hash(inner[1][1] if len(inner) > 1 else None)
    if 0xA2 in given:
        octets = _one(given[0xA2], INTEGER)
        if len(octets) > _SALT_OCTETS:
            raise MalformedError(f"expected a salt length of up to {_SALT_OCTETS} octets, found {len(octets)}")
        salt = int.from_bytes(octets)
    return Signature(f"RSASSA-PSS {algorithm.name.upper()}", _pss(algorithm, mask, salt))


def _hash(identifier: bytes | None) -> hashes.HashAlgorithm:
    if identifier is None:
        return hashes.SHA1()
    elements = list(_elements(identifier))
    name = _object(elements[0][1]) if elements else "nothing"
    if name not in HASHES:
        raise ConfigError(f"the hash algorithm {name} is not supported")
    return HASHES[name]


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element of a DER-encoded sequence. Raises MalformedError."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise MalformedError(f"the DER element at offset {at} has no length")
        tag, length, start = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, start = int.from_bytes(data[start : start + count]), start + count
        if start + length > len(data):
            raise MalformedError(
                f"expected {length} octets in the DER element at offset {at}, found {len(data) - start}"
            )
        yield tag, data[start : start + length]
        at = start + length


def _one(data: bytes, tag: int) -> bytes:
    element = next(_elements(data), None)
    if element is None or element[0] != tag:
        raise MalformedError(f"expected a DER element with the tag {tag:#04x}, found {data[:1].hex() or 'nothing'}")
    return element[1]


_ARC_BITS = 128
"""The longest numbers in use are UUIDs (ITU-T X.667). Python refuses to print numbers of 4,300 digits."""


def _object(content: bytes) -> str:
    """An object identifier in dotted notation (X.690 section 8.19)."""
    arcs, value = [], 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if value >> _ARC_BITS:
            raise MalformedError(
                f"expected an object identifier with numbers of at most {_ARC_BITS} bits, found a longer one"
            )
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    if not arcs:
        raise MalformedError("expected an object identifier, found an empty one")
    top = min(arcs[0] // 40, 2)
    return ".".join(map(str, (top, arcs[0] - 40 * top, *arcs[1:])))
