# SPDX-License-Identifier: GPL-2.0-or-later
"""What a file of keys or certificates has in it, as plain values: printable, and without a secret.

RFC 5280 section 4 (certificates) and section 5 (CRLs), RFC 6960 section 4.2 (OCSP responses).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from fynx_scapy.crypto.signing import key_kind
from fynx_scapy.errors import CertificateError, ConfigError
from fynx_scapy.pki import loading
from fynx_scapy.pki.authorities import authority_hash
from fynx_scapy.pki.making.changes import PURPOSES, USAGES
from fynx_scapy.pki.names import shown
from fynx_scapy.pki.parsed import UNREADABLE, said
from fynx_scapy.text import counted, printable

Facts = dict[str, Any]
MOST_NAMES = 100
"""So many names, extensions or revoked certificates are listed; the rest is counted."""

_PURPOSES = {oid: name for name, oid in PURPOSES.items()}
_KINDS: dict[type[x509.GeneralName], str] = {
    x509.DNSName: "dns",
    x509.RFC822Name: "email",
    x509.IPAddress: "ip",
    x509.DirectoryName: "dn",
    x509.UniformResourceIdentifier: "uri",
    x509.RegisteredID: "rid",
    x509.OtherName: "other",
}
_SHOWN_ALONE = (
    x509.SubjectAlternativeName,
    x509.BasicConstraints,
    x509.KeyUsage,
    x509.ExtendedKeyUsage,
    x509.NameConstraints,
)


def facts_of(path: Path, passphrase: str | bytes | None = None) -> list[Facts]:
    """Whatever is in a file, in the order certificates, CRLs, OCSP response, keys. ConfigError if that is nothing.

    Each has a ``kind``: certificate, crl, ocsp, private key, public key.
    """
    found: list[Facts] = []
    for load, describe in _READERS:
        with suppress(ConfigError):
            loaded = load(path)
            found += map(describe, loaded if isinstance(loaded, list) else [loaded])
    if any(each["kind"] == "certificate" for each in found):  # a public key is part of each
        found = [each for each in found if each["kind"] != "public key"]
    try:
        found.append(private_key(loading.load_key(path, passphrase)))
    except ConfigError as error:
        return found or _packed(path, passphrase, error)
    return found


def _packed(path: Path, passphrase: str | bytes | None, reason: ConfigError) -> list[Facts]:
    try:
        own, key, others = loading.load_pkcs12(path, passphrase)
    except ConfigError as error:
        # What it is decides whose reason is of use
        raise (error if "expected PKCS #12" not in str(error) else reason) from None
    return [certificate(own), private_key(key), *map(certificate, others)]


def certificate(found: x509.Certificate) -> Facts:
    """A certificate. What cannot be read of it is in ``faults``."""
    facts: Facts = {"kind": "certificate"}
    faults: list[str] = []
    octets = found.public_bytes(Encoding.DER)
    readers: dict[str, Callable[[], Any]] = {
        "subject": lambda: said(found.subject),
        "issuer": lambda: said(found.issuer),
        "serial": lambda: f"{found.serial_number:x}",
        "version": lambda: found.version.value + 1,
        "not_before": lambda: _time(found.not_valid_before_utc),
        "not_after": lambda: _time(found.not_valid_after_utc),
        "key": lambda: key_kind(found.public_key()),
        "signature": lambda: _signature(found),
    }
    for name, read in readers.items():
        facts[name] = _read(read, name, faults)
    facts |= _read(lambda: _extensions(found.extensions), "the extensions", faults) or {}
    facts |= {"octets": len(octets), "sha256": found.fingerprint(hashes.SHA256()).hex()}
    facts |= {"sha1": found.fingerprint(hashes.SHA1()).hex()}
    facts["authority"] = _read(lambda: authority_hash(found).hex(), "the key", faults)
    return facts | ({"faults": faults} if faults else {})


def crl(found: x509.CertificateRevocationList) -> Facts:
    """A CRL, likewise."""
    return {"kind": "crl"} | _all({
        "issuer": lambda: said(found.issuer),
        "this_update": lambda: _time(found.last_update_utc),
        "next_update": lambda: _time(found.next_update_utc),
        "signature": lambda: _signature(found),
        "extensions": lambda: _others(found.extensions),
        "revoked": lambda: _revoked(found),
        "number_revoked": lambda: len(found),
    })  # fmt: skip


def response(found: ocsp.OCSPResponse) -> Facts:
    """An OCSP response, likewise."""
    facts: Facts = {"kind": "ocsp", "response": found.response_status.name.lower()}
    if found.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return facts
    return facts | _all({
        "serial": lambda: f"{found.serial_number:x}",
        "status": lambda: found.certificate_status.name.lower(),
        "revoked_at": lambda: _time(found.revocation_time_utc),
        "reason": lambda: found.revocation_reason.value if found.revocation_reason else None,
        "this_update": lambda: _time(found.this_update_utc),
        "next_update": lambda: _time(found.next_update_utc),
        "responder": lambda: _responder(found),
        "delegates": lambda: [said(each.subject) for each in found.certificates],
    })  # fmt: skip


def _responder(found: ocsp.OCSPResponse) -> str:
    by = found.responder_name
    return said(by) if by is not None else (found.responder_key_hash or b"").hex()


def _all(readers: dict[str, Callable[[], Any]]) -> Facts:
    """What each reads. What cannot be read is in ``faults``."""
    faults: list[str] = []
    facts: Facts = {name: _read(read, name.replace("_", " "), faults) for name, read in readers.items()}
    return facts | ({"faults": faults} if faults else {})


def private_key(key: Any) -> Facts:
    """A private key: what its public half says, and no more."""
    return public_key(key.public_key()) | {"kind": "private key"}


def public_key(key: Any) -> Facts:
    """A public key: its kind, and the SHA-1 by which CERTREQ names it (RFC 7296 section 3.7)."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digests = {
        name: hashes.Hash(algorithm) for name, algorithm in (("sha256", hashes.SHA256()), ("authority", hashes.SHA1()))
    }
    for each in digests.values():
        each.update(spki)
    return {"kind": "public key", "key": key_kind(key)} | {
        name: each.finalize().hex() for name, each in digests.items()
    }


_READERS: tuple[tuple[Callable[[Any], Any], Callable[[Any], Facts]], ...] = (
    (loading.load_certificates, certificate),
    (loading.load_crls, crl),
    (loading.load_ocsp, response),
    (loading.load_public_key, public_key),
)


def _read(read: Callable[[], Any], what: str, faults: list[str]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except (*UNREADABLE, CertificateError) as error:
        faults.append(f"cannot read {what}: {printable(str(error), 200)}")
        return None


def _signature(found: x509.Certificate | x509.CertificateRevocationList) -> str:
    name = getattr(found.signature_algorithm_oid, "_name", "") or ""
    known = name if name and name != "Unknown OID" else found.signature_algorithm_oid.dotted_string
    algorithm = found.signature_hash_algorithm
    return f"{known} ({algorithm.name})" if algorithm is not None and algorithm.name not in known.lower() else known


def _extensions(found: x509.Extensions) -> Facts:
    """The extensions that matter, each by its own name, and the others as text."""
    facts: Facts = {}
    for each in found:
        value = each.value
        if isinstance(value, x509.SubjectAlternativeName):
            facts["names"] = _names(value)
        elif isinstance(value, x509.BasicConstraints):
            facts |= {"ca": value.ca, "path_length": value.path_length}
        elif isinstance(value, x509.KeyUsage):
            facts["key_usage"] = list(_usages(value))
        elif isinstance(value, x509.ExtendedKeyUsage):
            facts["extended_key_usage"] = [_PURPOSES.get(one.dotted_string, one.dotted_string) for one in value]
        elif isinstance(value, x509.NameConstraints):
            facts |= {
                "permitted": _names(value.permitted_subtrees or ()),
                "excluded": _names(value.excluded_subtrees or ()),
            }
    facts["extensions"] = _others(found)
    return facts


def _others(found: x509.Extensions) -> list[str]:
    """The extensions that no other field has."""
    texts = []
    for each in found:
        if not isinstance(each.value, _SHOWN_ALONE):
            unknown = isinstance(each.value, x509.UnrecognizedExtension)
            name = each.oid.dotted_string if unknown else type(each.value).__name__
            texts.append(f"{name} (critical)" if each.critical else name)
    return _cut(texts, "extension")


def _names(names: Any) -> list[str]:
    return _cut([f"{_KINDS.get(type(each), 'other')}:{shown(each)}" for each in names], "name")


def _usages(value: x509.KeyUsage) -> Iterator[str]:
    fields = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
              "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
    for field, name in zip(fields, USAGES, strict=True):
        if not (field.endswith("_only") and not value.key_agreement) and getattr(value, field):
            yield name


def _revoked(found: x509.CertificateRevocationList) -> list[str]:
    listed: list[str] = []
    for each in found:
        if len(listed) == MOST_NAMES:
            break
        reason = next(
            (f" {one.value.reason.value}" for one in each.extensions if isinstance(one.value, x509.CRLReason)), ""
        )
        listed.append(f"{each.serial_number:x} since {_time(each.revocation_date_utc)}{reason}")
    return listed + _more(len(found) - len(listed), "certificate")


def _cut(texts: list[str], noun: str) -> list[str]:
    return texts[:MOST_NAMES] + _more(len(texts) - MOST_NAMES, noun)


def _more(left: int, noun: str) -> list[str]:
    return [f"and {counted(left, f'more {noun}')}"] if left > 0 else []


def _time(when: datetime | None) -> str | None:
    return None if when is None else f"{when:%Y-%m-%dT%H:%M:%SZ}"
