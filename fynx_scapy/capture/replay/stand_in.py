# SPDX-License-Identifier: GPL-2.0-or-later
"""An embedded peer in the place of one that signed: it has a throw-away certificate, and pins ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fynx_scapy.errors import CaptureError, ConfigError
from fynx_scapy.iana import IdType
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.credentials.certificates import Certificate, Certificates
from fynx_scapy.ike.terms.identity import Identity

if TYPE_CHECKING:
    from fynx_scapy.pki.trust import Trust

NAMED = (IdType.ID_FQDN, IdType.ID_RFC822_ADDR, IdType.ID_IPV4_ADDR, IdType.ID_IPV6_ADDR)
"""The identities that subjectAltName has as text."""


class StandIn(NamedTuple):
    """What an embedded peer proves who it is with, and what we trust for it."""

    certificate: Certificate
    trust: Trust

    @classmethod
    def made(cls, identity: Identity | None) -> StandIn:
        """A throw-away authority, and a certificate of it for this identity. CaptureError for one it cannot have."""
        from fynx_scapy.pki.making import Authority
        from fynx_scapy.pki.trust import Trust

        if identity is None or identity.type not in NAMED:
            raise CaptureError(
                f"expected a responder named by host name, mail address or IP address, found {identity}: no embedded "
                "peer stands in for it; name a live one with --target"
            )
        root = Authority.root(key="ecdsa-p256")
        try:
            issued = root.issue("CN=stand-in", names=[str(identity)], key="ecdsa-p256")
        except ConfigError as error:
            raise CaptureError(f"no certificate can have the recorded responder's identity: {error}") from None
        return cls(Certificate(issued.cert, issued.key), Trust(root.cert))


def answering(ours: IkeConfig, stand_in: StandIn | None) -> dict[str, Any]:
    """How the embedded peer proves who it is, and judges us, whatever the recorded one trusted."""
    from fynx_scapy.pki.trust import Trust

    fields: dict[str, Any] = {"trust": None}
    if stand_in is not None:
        fields["auth"] = stand_in.certificate
    elif ours.remote_auth is not None:
        fields["auth"] = ours.remote_auth
    if isinstance(ours.auth, Certificate):
        pinned = Trust(ours.auth.certificate, revocation="off", extended_key_usage="off", allow_sha1=True)
        fields |= {"remote_auth": Certificates(), "trust": pinned}
    elif stand_in is not None:
        fields["remote_auth"] = ours.auth
    return fields if len(fields) > 1 else {}
