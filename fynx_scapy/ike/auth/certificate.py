# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication by X.509 certificates: RFC 7296 sections 2.15, 3.6 and 3.7, RFC 4945, RFC 4806.

Nothing is fetched: a peer that sends a hash and a URL, which we never announce that we look up, is understood only if
we have that certificate already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha1
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from fynx_scapy.errors import AuthenticationError, CertificateError, ConfigError
from fynx_scapy.iana import CertEncoding, IdType, name_of
from fynx_scapy.ike.auth.authenticator import authenticates
from fynx_scapy.ike.auth.methods import Covered
from fynx_scapy.ike.auth.signing import SignatureVerifier, Signer
from fynx_scapy.ike.auth.wishes import Wishes
from fynx_scapy.ike.credentials.certificates import Certificate, Certificates, OwnCertificates
from fynx_scapy.ike.credentials.credential import Proof
from fynx_scapy.ike.events import PeerCertificateAccepted, PeerCertificateRefused
from fynx_scapy.ike.message import Message, Outgoing
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.layers.ikev2 import IKEv2_CERT, IKEv2_IDr

if TYPE_CHECKING:
    from cryptography import x509

    from fynx_scapy.crypto.signing import Scheme

_X509 = CertEncoding.X_509_Certificate_Signature
_CRL = CertEncoding.Certificate_Revocation_List_CRL
_HASHED = (CertEncoding.Hash_and_URL_of_X_509_certificate, CertEncoding.Hash_and_URL_of_X_509_bundle)
MOST_CERTS = 100
"""How many CERT payloads of a peer are read. Four certificates are what everybody must be able to send."""
MOST_OCTETS = 1 << 18
"""How many octets of them."""
MOST_CANDIDATES = 8
"""How many of the certificates that we know are tried for a peer that sends none."""


@authenticates(Certificate)
@authenticates(OwnCertificates)
class CertificateSigner(Signer[Any]):
    """Our half: a certificate, and a signature with its key."""

    wanted: Identity | None = None
    """The identity that an initiator asks for, in its IDr."""
    _chosen: Certificate | None = None

    @property
    def certificate(self) -> Certificate:
        """The certificate that we authenticate with.

        RFC 7296 section 3.7: the first that leads to an authority that the peer names; "a suggestion for a certificate
        to select, not a mandated one". Of these, one whose key can make a signature that the peer accepts. It stays the
        same for the whole exchange.
        """
        if self._chosen is None:
            self._chosen = min(self.credential, key=self._rank)
        return self._chosen

    def _rank(self, certificate: Certificate) -> tuple[bool, bool, bool]:
        from fynx_scapy.pki import own

        wishes, trust = self.sa.of(Wishes), self.config.trust
        above = own.authorities(certificate.certificate, certificate.chain, trust.anchors if trust else ())
        unwanted = self.wanted is not None and not certificate.owns(self.wanted)
        stranger = bool(wishes.authorities) and above.isdisjoint(wishes.authorities)
        kept, self._chosen = self._chosen, certificate
        try:
            self.scheme  # noqa: B018 -- whether there is one
        except ConfigError:
            useless = True
        else:
            useless = False
            del self.scheme
        self._chosen = kept
        return unwanted, useless, stranger

    def key(self) -> Any:
        """The private key of the certificate."""
        return self.certificate.key

    def allowed(self) -> tuple[Scheme, ...] | None:
        """Those of the certificate."""
        return self.certificate.schemes

    @property
    def local_id(self) -> Identity:
        """The configured identity, or the one that the peer asks for, if the certificate has it."""
        config, certificate = self.config, self.certificate
        if self.wanted is not None and certificate.owns(self.wanted):
            identity = self.wanted
        elif config.local_id == self.credential.identities[0]:
            return certificate.identities[0]
        else:
            identity = config.local_id
        # RFC 4945 section 3.1.5 compares octets: send the subject as the certificate encodes it.
        return next((each for each in certificate.identities if each.same(identity)), identity)

    def heed(self, request: Message) -> None:
        """Also the IDr of the request."""
        super().heed(request)
        if request.get(IKEv2_IDr) is not None:
            self.wanted = Identity.parse(request.body(IKEv2_IDr))

    def present(self, message: Outgoing) -> None:
        """CERT: our certificate first, then those above it without a root, then what the peer asks for about it."""
        wishes, config = self.sa.of(Wishes), self.config
        sending = config.send_certificates
        if sending == "never" or (sending == "asked" and not wishes.encodings):
            return
        certificate = self.certificate
        payloads: list[tuple[int, bytes]] = []
        if sending == "always" or wishes.asks_for_x509:
            from fynx_scapy.pki import own

            payloads.append((_X509, certificate.octets))
            payloads += [(_X509, own.der(each)) for each in certificate.chain if not own.is_root(each)]
        if certificate.ocsp and CertEncoding.OCSP_Content in wishes.encodings:
            payloads.append((CertEncoding.OCSP_Content, certificate.ocsp))
        if _CRL in wishes.encodings:
            payloads += [(_CRL, octets) for octets in certificate.crls]
        message.payloads += [IKEv2_CERT(cert_encoding=int(kind), cert_data=data) for kind, data in payloads]


@dataclass(slots=True)
class Sent:
    """What is in the CERT payloads of a peer."""

    certificates: list[bytes] = field(default_factory=list)
    """X.509 certificates in DER; AUTH is verified with the key of the first."""
    crls: list[bytes] = field(default_factory=list)
    ocsp: list[bytes] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    """SHA-1 hashes of certificates that are elsewhere."""
    notes: list[str] = field(default_factory=list)
    """What was left out."""

    @classmethod
    def read(cls, message: Message) -> Sent:
        """Sort the CERT payloads of a message, up to a limit. Encodings that we do not know are left out."""
        found, octets = cls(), 0
        for number, payload in enumerate(message.all(IKEv2_CERT)):
            kind, data = int(payload.internal("cert_encoding")), bytes(payload.cert_data)
            octets += len(data)
            if number == MOST_CERTS or octets > MOST_OCTETS:
                found.notes.append(f"CERT payloads from number {number + 1} on: we read {MOST_CERTS} at most")
                break
            if kind == _X509:
                found.certificates.append(data)
            elif kind == CertEncoding.PKCS_7_wrapped_X_509_certificate:
                found._unwrap(data)
            elif kind in (_CRL, CertEncoding.Authority_Revocation_List_ARL):
                found.crls.append(data)
            elif kind == CertEncoding.OCSP_Content:
                found.ocsp.append(data)
            elif kind in _HASHED:
                found.hashes.append(data[:20])
            else:
                found.notes.append(f"a CERT payload of encoding {name_of(CertEncoding, kind)}")
        return found

    def _unwrap(self, data: bytes) -> None:
        """RFC 4945 section 3.3.4: PKCS #7 "SHOULD" be accepted, with whole hierarchies in one payload."""
        from fynx_scapy.pki import own
        from fynx_scapy.pki.loading import unwrapped

        try:
            self.certificates += [own.der(each) for each in unwrapped(data)]
        except ConfigError as error:
            self.notes.append(str(error))


@authenticates(Certificates)
class CertificateVerifier(SignatureVerifier[Certificates]):
    """The peer's half: a signature with the key of a certificate that leads to one that we trust, for its identity.

    In this order: the method and its hash, the identity in the certificate, the signature, the chain. Each is cheaper
    than the next: a signature is one operation with a public key, a chain as many as the peer sends certificates. And
    who is told that its chain is refused has shown that it has the key.
    """

    wants = "certificate"
    _sent: Sent
    """What the CERT payloads of the peer's message hold."""

    def schemes(self) -> tuple[Scheme, ...] | None:
        return self.credential.schemes

    def check(self, method: int, data: bytes, covered: Covered, message: Message) -> None:
        """Also reports a peer that is refused."""
        self._sent = Sent.read(message)
        try:
            super().check(method, data, covered, message)
        except AuthenticationError as error:
            self._report(error)
            raise

    def prove(self, method: int, data: bytes, covered: Covered, message: Message) -> None:
        identity = Identity.parse(covered.identity)
        scheme, leaf = self._signer(method, data, covered, identity)
        self._judge(method, scheme, identity, leaf)

    def _signer(
        self, method: int, data: bytes, covered: Covered, identity: Identity
    ) -> tuple[Scheme, x509.Certificate]:
        """The certificate whose key has signed; AuthenticationError when none has, or when it is of somebody else."""
        failure: AuthenticationError | None = None
        for leaf in self._leaves(identity):
            try:
                self._check_identity(leaf, identity)
                return self.verified(method, data, covered, leaf.public_key()), leaf
            except AuthenticationError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        if self._sent.hashes:
            raise AuthenticationError(
                f"expected a certificate of {identity}, found a hash and a URL: we look nothing up"
            )
        raise AuthenticationError(f"expected a certificate of {identity}, found none in the message, nor among ours")

    def _leaves(self, identity: Identity) -> Iterator[x509.Certificate]:
        """The certificates that may be the peer's: the first that it sent, or of those that we know."""
        from fynx_scapy.pki import own
        from fynx_scapy.pki.parsed import parse

        sent = self._sent
        if sent.certificates:
            yield parse(sent.certificates[0]).certificate
            return
        tried = 0
        for known in (*self.credential.known, *(self.config.trust.anchors if self.config.trust else ())):
            octets = own.der(known)
            meant = sha1(octets, usedforsecurity=False).digest() in sent.hashes
            meant = meant or (not sent.hashes and own.has(known, identity.type, identity.data))
            if meant and tried < MOST_CANDIDATES:
                tried += 1
                yield known

    def _check_identity(self, leaf: x509.Certificate, identity: Identity) -> None:
        from fynx_scapy.pki.identity import matches

        config = self.config
        matches(
            leaf,
            identity.type,
            identity.data,
            wildcards=config.trust is not None and config.trust.wildcards,
            configured=identity == config.remote_id,
        )
        if self.credential.match_address and identity.type in (IdType.ID_IPV4_ADDR, IdType.ID_IPV6_ADDR):
            host = self.sa.remote.host
            if ip_address(host).packed != identity.data:
                raise CertificateError("identity", f"expected the peer to send from {identity}, found {host}")

    def _judge(self, method: int, scheme: Scheme, identity: Identity, leaf: x509.Certificate) -> None:
        from fynx_scapy.pki import own
        from fynx_scapy.pki.judge import judge

        trust, sent = self.config.trust, self._sent
        assert trust is not None  # IkeConfig checks it
        chain = judge(leaf, [*sent.certificates[1:], *self.credential.known], trust, crls=sent.crls, ocsp=sent.ocsp)
        self.sa.peer_proof = Proof(method, f"certificate, {scheme.title}", certificates=chain.certificates)
        self.sa.emit(
            PeerCertificateAccepted(
                *self.sa.stamp,
                identity=str(identity),
                subjects=chain.subjects,
                serial=f"{leaf.serial_number:x}",
                scheme=scheme.name,
                verified_by=chain.verified_by,
                notes=(*chain.notes, *(f"left out: {words}" for words in sent.notes)),
                certificate=own.der(leaf),
            )
        )

    def _report(self, error: AuthenticationError) -> None:
        from fynx_scapy.pki import own

        sent, subject = self._sent, getattr(error, "subject", "")
        if not subject and sent.certificates:
            subject = own.subject_of(sent.certificates[0])
        self.sa.emit(
            PeerCertificateRefused(
                *self.sa.stamp,
                code=error.code,
                reason=str(error),
                subject=subject,
                notes=tuple(f"left out: {words}" for words in sent.notes),
            )
        )
