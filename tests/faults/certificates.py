# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in authentication by signatures and certificates.

They were chosen from RFC 7296 sections 2.15, 3.6 to 3.8 and 4, RFC 7427, RFC 4945, RFC 5280 section 6, and from what
implementations are known to have got wrong, before the cases that find them were written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes

from fynx_scapy.crypto import signatures
from fynx_scapy.crypto.families import Pkcs1
from fynx_scapy.crypto.schemes import DIGITAL
from fynx_scapy.errors import AuthenticationError, CertificateError
from fynx_scapy.iana import AuthMethod, CertEncoding, HashAlgorithm
from fynx_scapy.ike.auth import signing
from fynx_scapy.ike.auth.authenticator import Authenticator
from fynx_scapy.ike.auth.certificate import CertificateVerifier, Sent
from fynx_scapy.ike.auth.methods import Proofs, verify
from fynx_scapy.ike.auth.raw_key import RawKeyVerifier
from fynx_scapy.ike.auth.signing import SignatureVerifier, Signer
from fynx_scapy.ike.credentials.certificates import RawKeys
from fynx_scapy.ike.credentials.credential import Proof
from fynx_scapy.ike.credentials.secrets import Psk
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_CERT
from fynx_scapy.pki import judge, verifier, walk
from fynx_scapy.pki.parsed import parse
from fynx_scapy.pki.revocation import Known
from tests.faults.fault import Faulty, fault

_SIGNED, _FAILS, _FIRST = "7296-1.2-02", "7296-2.21.2-01", "7296-1.2-01"
_PREFIX = 19
"""The octets of DigestInfo before a digest of SHA-2 (RFC 8017 section 9.2)."""


def _overlook(bad: Faulty, check: str, overlooked: Callable[[CertificateError], bool]) -> None:
    """Have a check of the walk overlook some errors. The library's verifier would find them, so it is not asked."""

    def forgiving(original, *args, **named):
        try:
            return original(*args, **named)
        except CertificateError as error:
            if not overlooked(error):
                raise

    bad.swap(verifier, "knows", lambda original, path: False)
    bad.swap(walk, check, forgiving)


def _code(name: str) -> Callable[[CertificateError], bool]:
    return lambda error: error.code == f"certificate.{name}"


@fault("auth", _SIGNED)
def takes_any_signature(bad: Faulty) -> None:
    """Takes a signature that does not verify."""

    def lenient(original, auth, method, data, covered, key):
        try:
            return original(auth, method, data, covered, key)
        except AuthenticationError:
            return signatures._schemes(method, data)[0][0]

    bad.swap(SignatureVerifier, "verified", lenient)


@fault("auth", _FAILS)
def skips_the_chain(bad: Faulty) -> None:
    """Takes a certificate of any authority, or of none."""

    def judged(original, leaf, *args, **named):
        parsed = parse(leaf)
        return judge.Chain((parsed.certificate,), (parsed.text,), "walk")

    bad.swap(judge, "judge", judged)


@fault("auth", _FAILS)
def ignores_expiry(bad: Faulty) -> None:
    """Takes a certificate after the end of its validity."""
    _overlook(bad, "check_validity", _code("expired"))


@fault("auth", _FAILS)
def ignores_the_beginning_of_validity(bad: Faulty) -> None:
    """Takes a certificate before its validity begins."""
    _overlook(bad, "check_validity", _code("not-yet-valid"))


@fault("auth", _SIGNED)
def ignores_the_announced_hashes(bad: Faulty) -> None:
    """Signs with a hash that the peer did not announce (RFC 7427 section 4)."""
    every = tuple(HashAlgorithm)

    def suggested(original, key, allowed, hashes, methods):
        return original(key, allowed, every if hashes else hashes, methods)

    bad.swap(signing, "_suggested", suggested)


@fault("auth", _SIGNED)
def takes_a_hash_that_it_did_not_announce(bad: Faulty) -> None:
    """Takes a signature with a hash that it did not announce."""

    def object_to_method(original, auth, method, data):
        if method != DIGITAL:
            original(auth, method, data)

    bad.swap(SignatureVerifier, "object_to_method", object_to_method)


@fault("auth", _FAILS)
def takes_any_certified_identity(bad: Faulty) -> None:
    """Takes an identity that the certificate does not have (RFC 4945 section 3.1)."""
    bad.swap(CertificateVerifier, "_check_identity", lambda original, *args: None)


@fault("auth", _FAILS)
def ignores_revocation(bad: Faulty) -> None:
    """Takes a certificate that a CRL or an OCSP answer revokes."""
    bad.swap(Known, "check", lambda original, *args: [])


@fault("auth", _FAILS)
def takes_any_certificate_for_an_authority(bad: Faulty) -> None:
    """Takes an issuer without basicConstraints, or with cA FALSE."""
    _overlook(bad, "_check_issuer", lambda error: _code("not-a-ca")(error) and "keyCertSign" not in str(error))


@fault("auth", _FAILS)
def ignores_name_constraints(bad: Faulty) -> None:
    """Takes a certificate that breaks the name constraints of its issuer."""
    _overlook(bad, "check_constraints", lambda error: True)


@fault("auth", _FAILS)
def ignores_the_path_length(bad: Faulty) -> None:
    """Takes a chain that is longer than an issuer permits."""
    _overlook(bad, "_check_issuer", _code("path-length"))


@fault("auth", _FAILS)
def ignores_key_usage_of_an_authority(bad: Faulty) -> None:
    """Takes an issuer whose key usage has no keyCertSign."""
    _overlook(bad, "_check_issuer", lambda error: "keyCertSign" in str(error))


@fault("auth", _FAILS)
def ignores_unknown_critical_extensions(bad: Faulty) -> None:
    """Takes a certificate with an unknown critical extension."""
    _overlook(bad, "check_extensions", lambda error: True)


@fault("auth", _SIGNED)
def takes_garbage_in_digest_info(bad: Faulty) -> None:
    """Takes an RSA signature with garbage behind its DigestInfo (CVE-2018-16151)."""

    def lenient(original, family, key, signature, octets):
        numbers = key.public_numbers()
        encoded = pow(int.from_bytes(signature), numbers.e, numbers.n).to_bytes(key.key_size // 8)
        padding, _, rest = encoded[2:].partition(b"\0")
        digest = hashes.Hash(family.algorithm)
        digest.update(octets)
        right = rest[_PREFIX:].startswith(digest.finalize())
        if not (right and encoded.startswith(b"\0\1") and not padding.strip(b"\xff")):
            original(family, key, signature, octets)

    bad.swap(Pkcs1, "verify", lenient)


@fault("auth", _FIRST, "7296-3.6-03")
def verifies_with_any_certificate(bad: Faulty) -> None:
    """Verifies AUTH with the key of any CERT payload, not of the first one."""

    def leaves(original, auth, identity):
        if not auth._sent.certificates:
            yield from original(auth, identity)
        for octets in auth._sent.certificates:
            yield parse(octets).certificate

    bad.swap(CertificateVerifier, "_leaves", leaves)


def _also(bad: Faulty, method: AuthMethod, proofs: Callable[[Authenticator[Any]], Proofs | None]) -> None:
    """Let the peer prove itself by another method where a signature is required."""

    def lenient(original, auth, message):
        found = message.get(IKEv2_AUTH)
        secrets = proofs(auth)
        if not isinstance(auth, SignatureVerifier) or found is None or found.auth_type != method or secrets is None:
            original(auth, message)
            return
        auth.remember(message, ours=False)
        verify(method, bytes(found.load), auth.covered(ours=False), secrets)
        auth.sa.peer_proof = Proof(method, "what a faulty endpoint takes")

    bad.swap(Authenticator, "verify", lenient)


@fault("auth", _SIGNED, _FAILS)
def takes_a_pre_shared_key_for_a_certificate(bad: Faulty) -> None:
    """Takes AUTH by a pre-shared key where a certificate is required."""

    def proofs(auth):
        ours = auth.sa.config.auth
        return Proofs(secrets=((ours.secret, "PSK"),)) if isinstance(ours, Psk) else None

    _also(bad, AuthMethod.Shared_Key_Message_Integrity_Code, proofs)


@fault("auth", _SIGNED, _FAILS)
def takes_null_for_a_certificate(bad: Faulty) -> None:
    """Takes NULL authentication where a certificate is required (RFC 7619)."""
    _also(bad, AuthMethod.NULL_Authentication, lambda auth: Proofs())


def _cover(bad: Faulty, change: Callable[[Any], Any]) -> None:
    """Sign, and verify, other octets."""
    bad.swap(Signer, "value", lambda original, auth, covered: original(auth, change(covered)))
    bad.swap(
        SignatureVerifier, "verified",
        lambda original, auth, method, data, covered, key: original(auth, method, data, change(covered), key),
    )  # fmt: skip


@fault("auth", _SIGNED)
def signs_without_the_nonce(bad: Faulty) -> None:
    """Signs, and verifies, octets that lack the peer's nonce."""
    _cover(bad, lambda covered: dataclasses.replace(covered, nonce=b""))


@fault("auth", _SIGNED, "7296-2.15-i01")
def signs_without_the_identity(bad: Faulty) -> None:
    """Signs, and verifies, octets that lack the signer's identity."""
    _cover(bad, lambda covered: dataclasses.replace(covered, identity=covered.identity[:4]))


@fault("auth", _SIGNED)
def takes_sha_1(bad: Faulty) -> None:
    """Takes a signature with SHA-1 although it is not configured to."""
    bad.swap(SignatureVerifier, "object_to_scheme", lambda original, *args: None)


@fault("auth", _FAILS)
def takes_any_raw_key(bad: Faulty) -> None:
    """Takes a raw public key that is not configured."""

    def prove(original, auth, method, data, covered, message):
        sent = [bytes(payload.cert_data) for payload in message.all(IKEv2_CERT)]
        configured = auth.credential
        if sent:
            auth.credential = RawKeys(sent[0], schemes=configured.schemes)
        try:
            original(auth, method, data, covered, message)
        finally:
            auth.credential = configured

    bad.swap(RawKeyVerifier, "prove", prove)


@fault("auth", "7296-4-02")
def ends_with_an_unknown_certificate_encoding(bad: Faulty) -> None:
    """Fails for a CERT payload whose encoding it does not know."""

    def read(original, cls, message):
        kinds = {int(payload.internal("cert_encoding")) for payload in message.all(IKEv2_CERT)}
        if kinds - set(CertEncoding):
            raise AuthenticationError("an encoding that a faulty endpoint does not know")
        return original(cls, message)

    bad.swap(Sent, "read", read)


@fault("auth", "7296-2.15-01")
def wants_its_certificate_request_obeyed(bad: Faulty) -> None:
    """Refuses a peer that sends no certificate, though it has that one."""

    def leaves(original, auth, identity):
        return original(auth, identity) if auth._sent.certificates else iter(())

    bad.swap(CertificateVerifier, "_leaves", leaves)
