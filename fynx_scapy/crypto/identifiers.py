# SPDX-License-Identifier: GPL-2.0-or-later
"""AlgorithmIdentifiers read from DER: the object identifier, and parameters of RSASSA-PSS (RFC 4055 section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cryptography.hazmat import asn1
from cryptography.hazmat._oid import ObjectIdentifier  # its public home is cryptography.x509, which is slow to import

from fynx_scapy.errors import MalformedError

LONGEST_SALT = 2048
"""The longest salt that is accepted, in octets: the size of the largest RSA key that the library takes."""


@asn1.sequence
class _Bare:
    algorithm: ObjectIdentifier


@asn1.sequence
class _WithParameters:
    algorithm: ObjectIdentifier
    parameters: asn1.TLV


@asn1.sequence
class _Hash:
    algorithm: ObjectIdentifier
    parameters: asn1.Null | None  # both are to be accepted (section 2.1)


@asn1.sequence
class _Mask:
    algorithm: ObjectIdentifier
    parameters: _Hash


@asn1.sequence
class _Pss:  # signers may also write defaults down, against DER: verifiers accept both
    hash: Annotated[_Hash | None, asn1.Explicit(0)]
    mask: Annotated[_Mask | None, asn1.Explicit(1)]
    salt: Annotated[int | None, asn1.Explicit(2)]
    trailer: Annotated[int | None, asn1.Explicit(3)]


@dataclass(frozen=True, slots=True)
class PssParameters:
    """RSASSA-PSS-params: the hash, the mask generation function and its hash, as dotted numbers; the salt in octets."""

    hash: str
    mask: str
    mask_hash: str
    salt: int


SHA1, MGF1 = "1.3.14.3.2.26", "1.2.840.113549.1.1.8"


def read(identifier: bytes) -> tuple[str, asn1.TLV | None]:
    """The object identifier in dotted notation, and the parameters or None. MalformedError for other octets."""
    try:
        return asn1.decode_der(_Bare, identifier).algorithm.dotted_string, None
    except ValueError:
        pass
    try:
        found = asn1.decode_der(_WithParameters, identifier)
    except ValueError:
        raise MalformedError(
            f"expected an AlgorithmIdentifier in DER, found {len(identifier)} octets that are none"
        ) from None
    return found.algorithm.dotted_string, found.parameters


def read_pss(parameters: asn1.TLV | None) -> PssParameters:
    """Parameters of RSASSA-PSS, the defaults filled in. MalformedError if they are not there, or are something else."""
    if parameters is None:  # allowed for a public key, not for a signature
        raise MalformedError("expected the parameters of RSASSA-PSS, found none")
    try:
        found = parameters.parse(_Pss)
    except ValueError:
        raise MalformedError("expected the parameters of RSASSA-PSS in DER, found something else") from None
    salt = 20 if found.salt is None else found.salt
    if not 0 <= salt <= LONGEST_SALT:
        raise MalformedError(f"expected a salt length of 0 to {LONGEST_SALT} octets, found another")
    if found.trailer not in (None, 1):
        raise MalformedError("expected the trailer field 1 in the parameters of RSASSA-PSS, found another")
    hashed = found.hash.algorithm.dotted_string if found.hash else SHA1
    if found.mask is None:
        return PssParameters(hashed, MGF1, SHA1, salt)
    mask_hash = found.mask.parameters.algorithm.dotted_string
    return PssParameters(hashed, found.mask.algorithm.dotted_string, mask_hash, salt)
