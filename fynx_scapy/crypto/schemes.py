# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of signature schemes: what an AUTH payload may be signed with, by name and by AlgorithmIdentifier.

RFC 7296 section 3.8 (method 1), RFC 4754 (methods 9 to 11), RFC 7427 appendix A, RFC 8420 appendix A and
draft-ietf-ipsecme-ikev2-pqc-auth appendix B (method 14).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from fynx_scapy.crypto.families import CurveEcdsa, Dsa, Ecdsa, Family, Pkcs1, Pss, Pure
from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.iana import AuthMethod, HashAlgorithm

RSA, ECDSA_256, ECDSA_384, ECDSA_521, DIGITAL = (
    int(method)
    for method in (
        AuthMethod.RSA_Digital_Signature,
        AuthMethod.ECDSA_with_SHA_256_on_the_P_256_curve,
        AuthMethod.ECDSA_with_SHA_384_on_the_P_384_curve,
        AuthMethod.ECDSA_with_SHA_512_on_the_P_521_curve,
        AuthMethod.Digital_Signature,
    )
)
UNREGISTERED = 0
"""The hash number of a hash that IANA has no number for, SHA-224: it cannot be announced."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """A signature scheme of AUTH: the authentication method, and with method 14 the algorithm and its hash."""

    name: str
    """Our name: ``rsa-pss-sha256``."""
    title: str
    """The name for reports: ``RSASSA-PSS SHA-256``."""
    method: int
    """The authentication method (RFC 7296 section 3.8)."""
    hash_id: int | None
    """The hash that the peer has to announce (RFC 7427 section 4; 5 is Identity), or None for methods 1 and 9 to 11."""
    family: Family = field(repr=False, compare=False)
    """How it signs and verifies."""
    identifier: bytes = field(default=b"", repr=False)
    """The AlgorithmIdentifier that method 14 sends, in DER."""
    weak: bool = False
    """Whether it is used only when it is named: SHA-1 (RFC 8247 section 3), SHA-224, and methods 1 and DSA."""


@dataclass(frozen=True, slots=True)
class _Hash:
    name: str
    title: str
    number: int
    algorithm: hashes.HashAlgorithm
    dotted: str
    object: str
    """Its object identifier in DER."""
    rsa: int
    """The last number of the object identifier of RSASSA-PKCS1-v1_5 with this hash (RFC 4055 section 5)."""
    ecdsa: str
    """The object identifier of ECDSA with this hash, in DER."""

    @property
    def weak(self) -> bool:
        return self.number in (HashAlgorithm.SHA1, UNREGISTERED)


_NIST, _NIST_DER = "2.16.840.1.101.3.4", "0609608648016503040"
_SHA2, _SIGNATURE = f"{_NIST_DER}2", f"{_NIST_DER}3"
_ECDSA = "2a8648ce3d04"  # 1.2.840.10045.4
_HASHES = (
    _Hash(
        "sha256", "SHA-256", HashAlgorithm.SHA2_256, hashes.SHA256(), f"{_NIST}.2.1", f"{_SHA2}01", 11,
        f"0608{_ECDSA}0302",
    ),
    _Hash(
        "sha384", "SHA-384", HashAlgorithm.SHA2_384, hashes.SHA384(), f"{_NIST}.2.2", f"{_SHA2}02", 12,
        f"0608{_ECDSA}0303",
    ),
    _Hash(
        "sha512", "SHA-512", HashAlgorithm.SHA2_512, hashes.SHA512(), f"{_NIST}.2.3", f"{_SHA2}03", 13,
        f"0608{_ECDSA}0304",
    ),
    _Hash("sha1", "SHA-1", HashAlgorithm.SHA1, hashes.SHA1(), "1.3.14.3.2.26", "06052b0e03021a", 5, f"0607{_ECDSA}01"),
    _Hash(
        "sha224", "SHA-224", UNREGISTERED, hashes.SHA224(), f"{_NIST}.2.4", f"{_SHA2}04", 14, f"0608{_ECDSA}0301",
    ),
)  # fmt: skip

_PKCS_1, _NULL = "06092a864886f70d0101", "0500"
_PSS, _MGF1 = bytes.fromhex(f"{_PKCS_1}0a"), bytes.fromhex(f"{_PKCS_1}08")
_PSS_NAME = "1.2.840.113549.1.1.10"


def _der(tag: int, *parts: bytes) -> bytes:
    """An element of less than 128 octets, as all are here."""
    content = b"".join(parts)
    return bytes((tag, len(content))) + content


def _sequence(text: str) -> bytes:
    return _der(0x30, bytes.fromhex(text))


def _pss_identifier(row: _Hash, salt: int) -> bytes:
    """RFC 4055 section 3.1: signers leave out what is the default, so also the trailer field (RFC 7427 has it too).

    >>> len(_pss_identifier(_HASHES[0], 32))
    67
    """
    if row.algorithm.name == "sha1":
        return _der(0x30, _PSS, _der(0x30))
    hashed = _sequence(row.object + _NULL)
    mask = _der(0x30, _MGF1, hashed)
    return _der(0x30, _PSS, _der(0x30, _der(0xA0, hashed), _der(0xA1, mask), _der(0xA2, _der(0x02, bytes((salt,))))))


def _rows() -> list[Scheme]:
    """Every scheme, the best of each kind of key first (RFC 8247 section 3)."""
    found = []
    for row in _HASHES:
        salt = row.algorithm.digest_size  # RFC 4055 section 3.1 recommends it; RFC 7427 appendix A.4.3 has it
        found.append(
            Scheme(
                f"rsa-pss-{row.name}", f"RSASSA-PSS {row.title}", DIGITAL, row.number,
                Pss(row.algorithm, row.algorithm, salt), _pss_identifier(row, salt), row.weak,
            )
        )  # fmt: skip
    for row in _HASHES:
        identifier = _sequence(f"{_PKCS_1}{row.rsa:02x}{_NULL}")
        title = f"RSASSA-PKCS1-v1_5 {row.title}"
        family = Pkcs1(row.algorithm)
        found.append(Scheme(f"rsa-pkcs1-{row.name}", title, DIGITAL, row.number, family, identifier, row.weak))
    for row in _HASHES:
        name, title, family_ = f"ecdsa-{row.name}", f"ECDSA {row.title}", Ecdsa(row.algorithm)
        found.append(Scheme(name, title, DIGITAL, row.number, family_, _sequence(row.ecdsa), row.weak))
    for name, object_ in (
        ("Ed25519", "06032b6570"),
        ("Ed448", "06032b6571"),
        ("ML-DSA-44", f"{_SIGNATURE}11"),
        ("ML-DSA-65", f"{_SIGNATURE}12"),
        ("ML-DSA-87", f"{_SIGNATURE}13"),
    ):
        short = name.lower().replace("-", "")
        found.append(Scheme(short, name, DIGITAL, HashAlgorithm.Identity, Pure(name), _sequence(object_)))
    for row, object_ in ((_HASHES[0], f"{_SIGNATURE}02"), (_HASHES[3], "06072a8648ce380403")):
        name, title = f"dsa-{row.name}", f"DSA {row.title}"
        found.append(Scheme(name, title, DIGITAL, row.number, Dsa(row.algorithm), _sequence(object_), True))
    curves = (
        (ECDSA_256, "p256", "P-256", ec.SECP256R1(), _HASHES[0]),
        (ECDSA_384, "p384", "P-384", ec.SECP384R1(), _HASHES[1]),
        (ECDSA_521, "p521", "P-521", ec.SECP521R1(), _HASHES[2]),
    )
    for method, short, curve_name, curve, row in curves:
        family__ = CurveEcdsa(row.algorithm, curve)
        found.append(Scheme(f"ecdsa-{short}", f"ECDSA {curve_name} {row.title}", method, None, family__))
    # Section 3.8: SHA-1 is the default of method 1. A signer may use another hash, which the padding names.
    for row in (_HASHES[3], *_HASHES[:3]):
        title = f"RSASSA-PKCS1-v1_5 {row.title}"
        found.append(Scheme(f"rsa-{row.name}", title, RSA, None, Pkcs1(row.algorithm), weak=True))
    return found


SCHEMES: dict[str, Scheme] = {scheme.name: scheme for scheme in _rows()}
"""Every scheme by its name."""
METHODS: dict[int, tuple[Scheme, ...]] = {
    method: tuple(scheme for scheme in SCHEMES.values() if scheme.method == method)
    for method in (RSA, ECDSA_256, ECDSA_384, ECDSA_521)
}
"""The schemes of each method that is older than method 14. Method 1 has one for each hash; its padding says which."""


def _received() -> dict[bytes, Scheme]:
    """What is accepted: what we send, and RSASSA-PKCS1-v1_5 without its NULL (RFC 4055 section 5)."""
    known = {scheme.identifier: scheme for scheme in SCHEMES.values() if scheme.identifier}
    known |= {_der(0x30, octets[2:-2]): scheme for octets, scheme in known.items() if isinstance(scheme.family, Pkcs1)}
    return known


_IDENTIFIERS = _received()


def identified(identifier: bytes) -> Scheme:
    """The scheme of an AlgorithmIdentifier (RFC 7427 section 3, RFC 9593 section 3.2.3).

    Raises MalformedError for what is none in DER, ConfigError for an algorithm that is not supported.
    """
    scheme = _IDENTIFIERS.get(identifier)
    if scheme is not None:
        return scheme
    from fynx_scapy.crypto import identifiers  # the library's DER, which few messages need

    name, parameters = identifiers.read(identifier)
    if name == _PSS_NAME:
        pss = identifiers.read_pss(parameters)
        if pss.mask != identifiers.MGF1:
            raise ConfigError(f"the mask generation function {pss.mask} is not supported")
        return _pss_scheme(_hash(pss.hash), _hash(pss.mask_hash), pss.salt)
    for known in _IDENTIFIERS.values():
        if identifiers.read(known.identifier)[0] == name:
            raise MalformedError(f"the parameters of {known.title} are not those of RFC 7427 appendix A")
    raise ConfigError(f"the signature algorithm {name} is not supported")


def _hash(name: str) -> _Hash:
    row = next((row for row in _HASHES if row.dotted == name), None)
    if row is None:
        raise ConfigError(f"the hash algorithm {name} is not supported")
    return row


def _pss_scheme(row: _Hash, mask: _Hash, salt: int) -> Scheme:
    """A scheme of parameters that are not ours: where they only say the same in another way, ours."""
    usual = SCHEMES[f"rsa-pss-{row.name}"]
    family = Pss(row.algorithm, mask.algorithm, salt)
    if mask is row and salt == row.algorithm.digest_size:
        return usual
    more = f"MGF1 {mask.title}, salt {salt}"
    return Scheme(usual.name, f"{usual.title} ({more})", DIGITAL, row.number, family, weak=row.weak or mask.weak)
