# SPDX-License-Identifier: GPL-2.0-or-later
"""What we ask of the peer's proof: CERTREQ payloads (RFC 7296 section 3.7, RFC 4806, RFC 7670)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fynx_scapy.iana import CertEncoding
from fynx_scapy.ike.credentials.certificates import Certificates, RawKeys
from fynx_scapy.ike.credentials.rounds import rounds_of
from fynx_scapy.layers.ikev2 import IKEv2_CERTREQ

if TYPE_CHECKING:
    from fynx_scapy.ike.config import IkeConfig

MOST_NAMED = 50
"""With more authorities than this, none is named: that stands for any (RFC 4945 section 3.2.7.2)."""


def certificate_requests(configs: Iterable[IkeConfig]) -> list[IKEv2_CERTREQ]:
    """The CERTREQ payloads for a peer that one of these configurations may be for. Each encoding comes once.

    An OCSP response is asked for without naming responders: those that the authorities appoint are accepted (RFC 4806
    section 3.1). CRLs are not asked for (RFC 4945 section 3.2.3).
    """
    wanted: dict[int, dict[bytes, None]] = {}
    for config, credential in ((one, each) for one in configs for each in rounds_of(one.peer_auth)):
        trust = config.trust
        if not config.certificate_requests:
            continue
        if isinstance(credential, Certificates) and trust is not None:
            from fynx_scapy.pki import own

            wanted.setdefault(CertEncoding.X_509_Certificate_Signature, {}).update(
                dict.fromkeys(own.authority_hashes(trust.anchors))
            )
            if trust.revocation == "required" if credential.ocsp is None else credential.ocsp:
                wanted.setdefault(CertEncoding.OCSP_Content, {})
        elif isinstance(credential, RawKeys):
            wanted.setdefault(CertEncoding.Raw_Public_Key, {})
    return [
        IKEv2_CERTREQ(cert_encoding=int(kind), cert_authority=b"".join(names) if len(names) <= MOST_NAMED else b"")
        for kind, names in wanted.items()
    ]
