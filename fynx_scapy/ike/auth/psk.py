# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication of both peers by a pre-shared key (RFC 7296 section 2.15)."""

from __future__ import annotations

from fynx_scapy.iana import AuthMethod
from fynx_scapy.ike.auth.authenticator import Authenticator, authenticates
from fynx_scapy.ike.auth.methods import Covered, Proofs
from fynx_scapy.ike.config import Psk

_METHOD = AuthMethod.Shared_Key_Message_Integrity_Code


@authenticates(Psk)
class PskAuthenticator(Authenticator[Psk]):
    """Both peers compute their AUTH payloads with the same pre-shared key."""

    method = _METHOD
    accepts = frozenset({_METHOD})
    wants = "pre-shared key"

    def value(self, covered: Covered) -> bytes:
        """AUTH = prf(prf(Shared Secret, "Key Pad for IKEv2"), <SignedOctets>)."""
        return covered.shared_key(self.credential.secret)

    def proofs(self) -> Proofs:
        """The same pre-shared key."""
        return Proofs(secrets=((self.credential.secret, "the pre-shared key"),))
