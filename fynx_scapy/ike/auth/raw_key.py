# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication by raw public keys: encoding 15 of CERT (RFC 7670).

A key that we know is the identity of its owner; the ID payload proves nothing, and only chooses the configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fynx_scapy.crypto.signatures import RAW_PUBLIC_KEY, public_key
from fynx_scapy.errors import AuthenticationError
from fynx_scapy.iana import CertEncoding
from fynx_scapy.ike.auth.authenticator import authenticates
from fynx_scapy.ike.auth.methods import Covered
from fynx_scapy.ike.auth.signing import SignatureVerifier, Signer
from fynx_scapy.ike.auth.wishes import Wishes
from fynx_scapy.ike.credentials.certificates import RawKey, RawKeys
from fynx_scapy.ike.credentials.credential import Proof
from fynx_scapy.ike.message import Message, Outgoing
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.layers.ikev2 import IKEv2_CERT

if TYPE_CHECKING:
    from fynx_scapy.crypto.signing import Scheme

MOST_KEYS = 16
"""How many keys are tried for a peer that does not send its own."""


@authenticates(RawKey)
class RawKeySigner(Signer[RawKey]):
    """Our half: a signature with a key that the peer knows."""

    def key(self) -> Any:
        """The private key."""
        return self.credential.key

    def allowed(self) -> tuple[Scheme, ...] | None:
        """Those of the credential."""
        return self.credential.schemes

    def present(self, message: Outgoing) -> None:
        """CERT with our public key, if the peer asks for one."""
        sending, asked = self.config.send_certificates, self.sa.of(Wishes).encodings
        if sending == "always" or (sending == "asked" and CertEncoding.Raw_Public_Key in asked):
            data = self.credential.public
            message.payloads.append(IKEv2_CERT(cert_encoding=int(CertEncoding.Raw_Public_Key), cert_data=data))


@authenticates(RawKeys)
class RawKeyVerifier(SignatureVerifier[RawKeys]):
    """The peer's half: a signature with one of the keys that we know."""

    wants = "raw public key"

    def schemes(self) -> tuple[Scheme, ...] | None:
        return self.credential.schemes

    def prove(self, method: int, data: bytes, covered: Covered, message: Message) -> None:
        """The key that the peer sends has to be one that we know. Without one, each that we know is tried."""
        sent = [
            bytes(payload.cert_data)
            for payload in message.all(IKEv2_CERT)
            if payload.internal("cert_encoding") == CertEncoding.Raw_Public_Key
        ]
        if sent and sent[0] not in self.credential.keys:
            raise AuthenticationError(f"expected a public key that we know of {Identity.parse(covered.identity)}")
        failure: AuthenticationError | None = None
        for octets in sent[:1] or self.credential.keys[:MOST_KEYS]:
            try:
                scheme = self.verified(method, data, covered, public_key(RAW_PUBLIC_KEY, octets))
            except AuthenticationError as error:
                failure = failure or error
            else:
                self.sa.peer_proof = Proof(method, f"raw public key, {scheme.title}", key=octets)
                return
        assert failure is not None  # there is at least one key
        raise failure
