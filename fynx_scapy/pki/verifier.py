# SPDX-License-Identifier: GPL-2.0-or-later
"""cryptography's X.509 verifier, for the paths whose algorithms and extensions it knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509 import verification
from cryptography.x509.oid import ExtensionOID

from fynx_scapy.errors import CertificateError
from fynx_scapy.pki.parsed import LONGEST_SUBJECT, Parsed, reading
from fynx_scapy.pki.signed import long_exponent
from fynx_scapy.text import printable

MINIMUM_RSA_BITS = 2048
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_CRITICAL = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)
_DEPTH = 10


def knows(path: Sequence[Parsed]) -> bool:
    """Whether the verifier can judge a path.

    It does not know EdDSA, Brainpool and short RSA keys, constraints of URIs and directory names, critical extensions
    of policies, and certificates without extensions. It does not except self-issued certificates from path lengths.
    RSA keys with a long exponent are not for it: it would take its time.
    """
    return len(path) > 1 and not any(each.self_issued for each in path[1:-1]) and all(map(_knows, path))


def _knows(each: Parsed) -> bool:
    key = each.key
    if isinstance(key, rsa.RSAPublicKey) and (key.key_size < MINIMUM_RSA_BITS or long_exponent(key)):
        return False
    if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, _CURVES):
        return False
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return False
    try:
        algorithm = each.certificate.signature_hash_algorithm  # None for those that need none: EdDSA and ML-DSA
    except UnsupportedAlgorithm:
        return False
    if each.certificate.version is not x509.Version.v3 or not (algorithm is None or isinstance(algorithm, _HASHES)):
        return False
    if any(extension.critical and extension.oid not in _CRITICAL for extension in each.extensions.values()):
        return False
    constraints = each.get(x509.NameConstraints)
    trees = (
        [] if constraints is None else [*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ())]
    )
    return all(map(_comparable, trees))


def _comparable(name: x509.GeneralName) -> bool:
    if isinstance(name, x509.DNSName):
        return bool(name.value) and not name.value.startswith(".")
    return isinstance(name, x509.IPAddress | x509.RFC822Name)


def refusal(path: Sequence[Parsed], at: datetime) -> CertificateError | None:
    """Let the verifier judge a path that it knows. None if it accepts it, else the error ``refused`` with its reason.

    It gets this path alone: among many certificates its own search has no ceiling but the depth. It asks for
    basicConstraints of authorities. Of the leaf it asks for no usage and no name: an IKE certificate may have neither,
    and the walk has looked at both (RFC 4945 section 5.1.3).
    """
    leaf, *issuers, anchor = (each.certificate for each in path)
    with reading("the chain"):
        everything = verification.ExtensionPolicy.permit_all()
        authority = everything.require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, None)
        judge = (
            verification.PolicyBuilder()
            .store(verification.Store([anchor]))
            .time(at)
            .max_chain_depth(_DEPTH)
            .extension_policies(ca_policy=authority, ee_policy=everything)
            .build_client_verifier()
        )
        try:
            judge.verify(leaf, issuers)
        except verification.VerificationError as error:
            text = f"the verifier refuses {path[0].text}: {printable(str(error), LONGEST_SUBJECT)}"
            return CertificateError("refused", text, path[0].text)
    return None
