# SPDX-License-Identifier: GPL-2.0-or-later
"""The extensions of a made certificate (RFC 5280 section 4.2; RFC 4945 section 5.1.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ObjectIdentifier

from fynx_scapy.pki.making.changes import USAGES, Changes
from fynx_scapy.pki.making.names import constraint

UNKNOWN = ObjectIdentifier("1.3.6.1.4.1.32473.1")
"""An extension that nobody knows, of the enterprise number for documentation (RFC 5612)."""
BULK = ObjectIdentifier("1.3.6.1.4.1.32473.2")
"""The extension that makes a certificate big."""
_AUTHORITY, _LEAF = ("keyCertSign", "cRLSign"), ("digitalSignature",)

Extension = tuple[x509.ExtensionType, bool]
"""An extension, and whether it is critical."""


def added(
    builder: x509.CertificateBuilder,
    changes: Changes,
    *,
    names: Sequence[x509.GeneralName],
    authority: bool,
    own: Any,
    above: Any,
) -> x509.CertificateBuilder:
    """The builder with every extension of a certificate: ``own`` is its key, ``above`` the one that signs."""
    for extension, critical in _identifiers(changes, own, above):
        builder = builder.add_extension(extension, critical)
    for extension, critical in _roles(changes, authority):
        builder = builder.add_extension(extension, critical)
    if names and not changes.without_san:
        # Section 4.2.1.6: critical if it is all there is to name the subject.
        critical = changes.san_critical or not list(builder._subject_name or ())
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical)
    for extension, critical in _others(changes):
        builder = builder.add_extension(extension, critical)
    return builder


def _identifiers(changes: Changes, own: Any, above: Any) -> Iterator[Extension]:
    if changes.no_key_identifiers:
        return
    yield x509.SubjectKeyIdentifier.from_public_key(own), False
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(above)
    if changes.wrong_key_identifier:
        identifier = x509.AuthorityKeyIdentifier(bytes(20), None, None)
    yield identifier, False


def _roles(changes: Changes, authority: bool) -> Iterator[Extension]:
    ca = authority if changes.ca is None else changes.ca
    if not changes.no_basic_constraints and (ca or changes.ca is not None or changes.path_length is not None):
        yield x509.BasicConstraints(ca, changes.path_length), True
    usages = changes.key_usage if changes.key_usage is not None else _AUTHORITY if authority else _LEAF
    if usages:
        yield x509.KeyUsage(*(name in usages for name in USAGES)), True
    if changes.eku:
        yield x509.ExtendedKeyUsage(map(ObjectIdentifier, changes.eku)), changes.eku_critical
    if changes.permitted or changes.excluded:
        subtrees = [[constraint(each) for each in some] or None for some in (changes.permitted, changes.excluded)]
        yield x509.NameConstraints(*subtrees), True


def _others(changes: Changes) -> Iterator[Extension]:
    if changes.policies:
        policies = (x509.PolicyInformation(ObjectIdentifier(each), None) for each in changes.policies)
        yield x509.CertificatePolicies(policies), False
    if changes.crl_url:
        place = [x509.UniformResourceIdentifier(changes.crl_url)]
        yield x509.CRLDistributionPoints([x509.DistributionPoint(place, None, None, None)]), False
    if changes.ocsp_url:
        where = x509.UniformResourceIdentifier(changes.ocsp_url)
        yield (
            x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, where)]),
            False,
        )
    if changes.no_check:
        yield x509.OCSPNoCheck(), False
    if changes.big:
        yield x509.UnrecognizedExtension(BULK, bytes(changes.big)), False
    if changes.unknown_critical:
        yield x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), True
