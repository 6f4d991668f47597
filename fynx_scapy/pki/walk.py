# SPDX-License-Identifier: GPL-2.0-or-later
"""Path validation by RFC 5280 section 6.1, for every algorithm, and the checks of RFC 4945 section 5.1.3.

Of certificate policies there is as much as needed: every policy is accepted, so the tree matters only where an issuer
requires an explicit policy, and such a certificate is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x448, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from fynx_scapy.errors import CertificateError
from fynx_scapy.pki.names import check_constraints
from fynx_scapy.pki.parsed import Parsed
from fynx_scapy.pki.trust import Trust
from fynx_scapy.text import printable

PROCESSED = frozenset(
    {
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    }
)
"""The extensions that may be critical."""

_IKE = {ExtendedKeyUsageOID.IPSEC_IKE, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
_USUAL = {
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.CLIENT_AUTH,
    *map(
        x509.ObjectIdentifier,
        (
            "1.3.6.1.5.5.8.2.2",  # ikeIntermediate
            "1.3.6.1.5.5.7.3.5",  # ipsecEndSystem
            "1.3.6.1.5.5.7.3.6",  # ipsecTunnel
            "1.3.6.1.5.5.7.3.7",  # ipsecUser
        ),
    ),
}


def check_path(path: Sequence[Parsed], trust: Trust, at: datetime) -> list[str]:
    """Check a path from the leaf to its anchor whose signatures have been verified. Returns what is worth a note.

    Raises CertificateError for the first thing that is wrong, seen from the anchor.
    """
    followers = 0
    for place in range(len(path) - 1, -1, -1):
        each = path[place]
        check_validity(each, at)
        check_strength(each, trust)
        check_extensions(each)
        if place:
            followers = sum(not below.self_issued for below in path[1:place])
            _check_issuer(each, followers, anchor=place == len(path) - 1)
    check_constraints(path)
    return _check_leaf(path[0], trust)


def check_validity(each: Parsed, at: datetime) -> None:
    """Check the period of validity, both ends included. CertificateError."""
    if at > each.not_after:
        raise CertificateError(
            "expired",
            f"{each.text} was valid until {each.not_after:%Y-%m-%d %H:%M}, it is {at:%Y-%m-%d %H:%M}",
            each.text,
        )
    if at < each.not_before:
        raise CertificateError(
            "not-yet-valid",
            f"{each.text} is valid from {each.not_before:%Y-%m-%d %H:%M}, it is {at:%Y-%m-%d %H:%M}",
            each.text,
        )


def check_strength(each: Parsed, trust: Trust) -> None:
    """Check the length of a key. CertificateError."""
    key = each.key
    if isinstance(key, rsa.RSAPublicKey):
        wanted, bits = trust.minimum_rsa_bits, key.key_size
    elif isinstance(key, ec.EllipticCurvePublicKey):
        wanted, bits = trust.minimum_ec_bits, key.key_size
    elif isinstance(key, dsa.DSAPublicKey | x25519.X25519PublicKey | x448.X448PublicKey):
        raise CertificateError("weak-key", f"{each.text} has a key that no method of IKEv2 signs with", each.text)
    else:
        wanted = bits = 0
    if bits < wanted:
        raise CertificateError(
            "weak-key", f"expected a key of at least {wanted} bits in {each.text}, found {bits}", each.text
        )


def check_extensions(each: Parsed, also: Collection[x509.ObjectIdentifier] = ()) -> None:
    """Check that we process each critical extension; ``also`` are more that the caller does. CertificateError."""
    for extension in each.extensions.values():
        if extension.critical and extension.oid not in PROCESSED and extension.oid not in also:
            name = printable(extension.oid.dotted_string)
            text = f"{each.text} has the critical extension {name}, which is not understood"
            raise CertificateError("critical-extension", text, each.text)
    policies = each.get(x509.PolicyConstraints)
    if policies is not None and policies.require_explicit_policy is not None:
        text = f"{each.text} requires an explicit policy, which is not supported"
        raise CertificateError("critical-extension", text, each.text)


def _check_issuer(issuer: Parsed, followers: int, *, anchor: bool) -> None:
    """RFC 5280 section 6.1.4 (k) to (n)."""
    constraints = issuer.get(x509.BasicConstraints)
    if constraints is None and anchor and issuer.certificate.version is x509.Version.v1 and issuer.self_issued:
        return  # it has no extensions; RFC 4945 section 5.1.1 allows that of trust anchors
    if constraints is None or not constraints.ca:
        lacks = "has no basicConstraints" if constraints is None else "says that it is no authority"
        raise CertificateError("not-a-ca", f"{issuer.text} issued a certificate, but {lacks}", issuer.text)
    usage = issuer.get(x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise CertificateError("not-a-ca", f"{issuer.text} issued a certificate without keyCertSign", issuer.text)
    if constraints.path_length is not None and followers > constraints.path_length:
        text = f"expected at most {constraints.path_length} intermediates below {issuer.text}, found {followers}"
        raise CertificateError("path-length", text, issuer.text)


def _check_leaf(leaf: Parsed, trust: Trust) -> list[str]:
    notes = []
    usage = leaf.get(x509.KeyUsage)
    if usage is not None and trust.key_usage and not (usage.digital_signature or usage.content_commitment):
        text = f"expected digitalSignature or nonRepudiation in the keyUsage of {leaf.text}, found neither"
        raise CertificateError("key-usage", text, leaf.text)
    purposes = leaf.get(x509.ExtendedKeyUsage)
    if purposes is not None and trust.extended_key_usage != "off" and not _IKE & set(purposes):
        if trust.extended_key_usage == "rfc4945" or not _USUAL & set(purposes):
            text = f"expected ipsecIKE or anyExtendedKeyUsage in the extendedKeyUsage of {leaf.text}, found neither"
            raise CertificateError("key-usage", text, leaf.text)
        notes.append(f"the extendedKeyUsage of {leaf.text} has no ipsecIKE, which RFC 4945 section 5.1.3.12 expects")
    constraints = leaf.get(x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        notes.append(f"{leaf.text} is the certificate of an authority")
    return notes
