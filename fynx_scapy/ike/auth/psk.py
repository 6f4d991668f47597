# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication by a pre-shared key (RFC 7296 section 2.15)."""

from __future__ import annotations

from fynx_scapy.iana import AuthMethod
from fynx_scapy.ike.auth.authenticator import Authenticator, authenticates
from fynx_scapy.ike.auth.methods import Covered, Proofs
from fynx_scapy.ike.credentials.secrets import Psk

_METHOD = AuthMethod.Shared_Key_Message_Integrity_Code


@authenticates(Psk)
class PskAuthenticator(Authenticator[Psk]):
    """A peer computes its AUTH payload with a key that the other one knows, too."""

    method = _METHOD
    accepts = frozenset({_METHOD})
    wants = "pre-shared key"

    def value(self, covered: Covered) -> bytes:
        """AUTH = prf(prf(Shared Secret, "Key Pad for IKEv2"), <SignedOctets>)."""
        return covered.shared_key(self.credential.secret)

    def proofs(self) -> Proofs:
        """The pre-shared key."""
        return Proofs(secrets=((self.credential.secret, "the pre-shared key"),))
