# SPDX-License-Identifier: GPL-2.0-or-later
"""NULL authentication: a peer that proves nothing about itself (RFC 7619)."""

from __future__ import annotations

from fynx_scapy.iana import AuthMethod
from fynx_scapy.ike.auth.authenticator import Authenticator, authenticates
from fynx_scapy.ike.auth.methods import Covered, Proofs
from fynx_scapy.ike.credentials.secrets import Null

_METHOD = AuthMethod.NULL_Authentication


@authenticates(Null)
class NullAuthenticator(Authenticator[Null]):
    """AUTH is made as with a pre-shared key, which is the signer's SK_p: both ends know it, whoever they are."""

    method = _METHOD
    accepts = frozenset({_METHOD})
    wants = "NULL authentication"
    anonymous = True

    def value(self, covered: Covered) -> bytes:
        """The shared secret is SK_pi of the initiator or SK_pr of the responder (section 2.1)."""
        return covered.shared_key(covered.sk_p)

    def proofs(self) -> Proofs:
        """Nothing: SK_p is in what AUTH covers."""
        return Proofs()
