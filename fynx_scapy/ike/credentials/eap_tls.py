# SPDX-License-Identifier: GPL-2.0-or-later
"""The ends of TLS inside EAP-TLS and EAP-TTLS (RFC 5216, RFC 5281), from certificates and trust as in IKE."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import TYPE_CHECKING, Any, Self

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import IdType
from fynx_scapy.ike.terms.identity import Identity

if TYPE_CHECKING:
    from fynx_scapy.eap.tunnel import TlsConfig
    from fynx_scapy.files import AnyPath
    from fynx_scapy.ike.credentials.certificates import Certificate
    from fynx_scapy.pki.trust import Trust


def tls_end(
    certificate: Certificate | None, trust: Trust | AnyPath | bytes | None, fields: dict[str, Any]
) -> TlsConfig:
    """One end of TLS. It takes the fields that are TLS's."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from fynx_scapy.eap.tunnel import TlsConfig
    from fynx_scapy.pki.trust import Trust

    of_tls: dict[str, Any] = {name: fields.pop(name) for name in ("minimum", "maximum", "key_log") if name in fields}
    if "server" in fields:
        of_tls["accept"] = NamedServer.of(fields.pop("server"))
    trust = trust if isinstance(trust, Trust) or trust is None else Trust(trust)
    if trust is not None:
        _check_trust(trust)
    anchors: tuple[Any, ...] = trust.anchors if trust is not None else ()
    crls: tuple[Any, ...] = trust.crls if trust is not None else ()
    if certificate is not None:
        _check_certificate(certificate)
    ours = (certificate.certificate, *certificate.chain) if certificate is not None else ()
    return TlsConfig(
        certificates=b"".join(each.public_bytes(Encoding.PEM) for each in ours),
        key=certificate.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) if certificate else b"",
        anchors=b"".join(each.public_bytes(Encoding.PEM) for each in (*anchors, *crls)),
        check_crls=bool(crls),
        **of_tls,
    )


def _check_certificate(value: Any) -> None:
    """ConfigError for what is no certificate with its key, such as the name of its file."""
    from fynx_scapy.ike.credentials.certificates import Certificate

    if not isinstance(value, Certificate):
        raise ConfigError(f"expected a Certificate(cert, key) for TLS inside EAP, found {type(value).__name__}")


def _check_trust(trust: Trust) -> None:
    """ConfigError for what OpenSSL does not heed: it judges certificates of TLS by anchors and CRLs alone."""
    usual = type(trust)(trust.anchors, crls=trust.crls)
    for each in fields_of(trust):
        if getattr(trust, each.name) != getattr(usual, each.name):
            raise ConfigError(
                f"expected a Trust of certificates and CRLs alone for EAP with TLS, found one with {each.name}"
            )


@dataclass(frozen=True, slots=True)
class NamedServer:
    """Takes the certificate of a TLS server if it has an identity (RFC 5216 section 5.3)."""

    identity: Identity

    @classmethod
    def of(cls, name: Identity | str) -> Self:
        """ConfigError for an identity that no certificate has."""
        identity = name if isinstance(name, Identity) else Identity.of(name)
        if identity.type == IdType.ID_KEY_ID:
            raise ConfigError(f"expected server to be a name that a certificate may have, found the key ID {identity}")
        return cls(identity)

    def __call__(self, certificate: bytes) -> None:
        """CertificateError for another one."""
        from fynx_scapy.pki.identity import matches

        matches(certificate, self.identity.type, self.identity.data)
