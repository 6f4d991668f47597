# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration of a lab's peer that stands for that of an embedded one, where a case gives both ends theirs.

A case says how the embedded peer authenticates by objects of ours; the lab's peer gets the same keys as files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fynx_scapy.checks import kind, required
from fynx_scapy.harness.target import NOT_OURS, names_of
from fynx_scapy.harness.worlds.credentials import CREDENTIALS, EAP, Credentials, EndAuth, Held, Material
from fynx_scapy.harness.worlds.peers import PeerConfig
from fynx_scapy.harness.worlds.world import Unsupported
from fynx_scapy.ike.config import IkeConfig, Psk
from fynx_scapy.ike.credentials.certificates import Certificate, Certificates, RawKey, RawKeys
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.credentials.secrets import Null
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.pki.trust import Trust
from fynx_scapy.session_setup import mirror_image

_PROOFS = ("auth", "remote_auth", "trust")
_PPK = ("ppk", "ppk_required")
_NAMED = {"proposals": "ike", "esp_proposals": "esp"}
_BY = {
    Certificate: "certificate", Certificates: "certificate", RawKey: "public-key", RawKeys: "public-key", Psk: "psk",
    Null: "null",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenCredentials(Credentials):
    """Credentials whose keys and certificates are there already."""

    material: Material = required(kind(Material), repr=False)

    def made(self, theirs: str, ours: str) -> Material:
        """What was given, whatever the identities."""
        return self.material


def ends(base: PeerConfig, given: Mapping[str, Any], ours: IkeConfig) -> tuple[PeerConfig, IkeConfig]:
    """The peer's configuration and ours for a session with these arguments, of which ``peer`` configures the peer.

    ``base`` is the configuration that the peer has, and ``ours`` its mirror image with the other arguments. Unsupported
    for what the peer of a lab cannot be asked for.
    """
    asked = given.get("peer")
    if not asked:
        return base, ours
    if not isinstance(asked, Mapping) or asked.keys() - {*_PROOFS, *_PPK, *_NAMED, CREDENTIALS}:
        raise Unsupported(NOT_OURS["peer"].format(names_of(asked)))
    if CREDENTIALS in asked:
        return _told(base, asked, given.get("config"), ours)
    changes: dict[str, Any] = {theirs: _text(asked[name], name) for name, theirs in _NAMED.items() if name in asked}
    if asked.keys() & {*_PROOFS, *_PPK}:
        whole = given.get("config") or ours
        theirs = mirror_image(whole, {name: asked[name] for name in (*_PROOFS, *_PPK) if name in asked})[0]
        changes |= _ppk(theirs)
        if asked.keys() & set(_PROOFS):
            changes |= _proofs(theirs)
            ours = ours.replace(
                auth=whole.auth, remote_auth=whole.remote_auth, trust=whole.trust, local_id=whole.local_id,
                remote_id=whole.remote_id,
            )  # fmt: skip
    return base.changed(**changes), ours


def _told(
    base: PeerConfig, asked: Mapping[str, Any], made: IkeConfig | None, ours: IkeConfig
) -> tuple[PeerConfig, IkeConfig]:
    """The same where the case says how both ends authenticate, and perhaps has changed our configuration since."""
    if asked.keys() - {CREDENTIALS}:
        raise Unsupported(NOT_OURS["peer"].format(names_of(asked)))
    peer = base.changed(auth=asked[CREDENTIALS])
    whole = made or peer.mirrored()
    return peer, ours.replace(
        auth=whole.auth, remote_auth=whole.remote_auth, trust=whole.trust, auth_rounds=whole.auth_rounds,
        local_id=whole.local_id, remote_id=whole.remote_id,
    )  # fmt: skip


def needed(config: PeerConfig) -> frozenset[str]:
    """The capabilities that a peer needs for this configuration, beside those that each one has."""
    found = {"ppk"} if config.ppk else set()
    if config.auth is not None:
        both = {config.auth.ours.by, config.auth.theirs.by}
        words = {"certificate": "certificates", "public-key": "raw_keys", "null": "null"}
        found |= {words[by] for by in both if by in words}
        found |= _for_eap(config.auth) if both & {*EAP, "eap"} else {"mixed"} if len(both) > 1 else set()
        found |= {"ocsp"} if config.auth.ours.evidence == "ocsp-sent" else set()
        found |= {"ocsp_sent"} if config.auth.theirs.evidence == "ocsp-sent" else set()
    return frozenset(found)


def _for_eap(auth: Credentials) -> set[str]:
    """The capabilities for a client that authenticates by EAP."""
    (client,) = (each for each in (auth.ours, auth.theirs) if each.by in EAP)
    return {
        "certificates",
        "eap",
        *(("eap_only",) if "eap" in (auth.ours.by, auth.theirs.by) else ()),
        *(("eap_aka",) if client.by in ("eap-aka", "eap-aka-prime") else ()),
        *(("eap_tls13",) if client.by in ("eap-tls", "eap-ttls") and client.tls == "1.3" else ()),
        *(("eap_ttls_plain",) if client.by == "eap-ttls" and not client.inner.startswith("eap-") else ()),
    }


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Unsupported(f"the case gives the peer {name} that are not text, which its configuration cannot say")
    return value


def _ppk(theirs: IkeConfig) -> dict[str, Any]:
    try:
        for ppk in theirs.ppk:
            ppk.id.decode("ascii")
    except UnicodeDecodeError:
        raise Unsupported("the case gives the peer a PPK_ID that is not text") from None
    return {"ppk": theirs.ppk, "ppk_required": theirs.ppk_required}


def _proofs(theirs: IkeConfig) -> dict[str, Any]:
    """How the peer authenticates, as changes to its configuration."""
    auth, verifies, trust = theirs.auth, theirs.peer_auth, theirs.trust
    credentials = GivenCredentials(
        theirs=EndAuth(
            by=_by(auth), scheme=_scheme(auth),
            evidence="ocsp-sent" if isinstance(auth, Certificate) and auth.ocsp else "none",
        ),
        ours=EndAuth(
            by=_by(verifies), scheme=_scheme(verifies), checked=trust.revocation if trust is not None else "off",
            evidence="ocsp-sent" if isinstance(verifies, Certificates) and verifies.ocsp else "none",
        ),
        material=_material(auth, verifies, trust),
    )  # fmt: skip
    secrets = {each.secret for each in (auth, verifies) if isinstance(each, Psk)}
    if len(secrets) > 1:
        raise Unsupported("the case has a pre-shared key for each direction, and the peer has one for both")
    named = {"local_id": _name(theirs.local_id), "remote_id": _name(theirs.remote_id)}
    psk = {"psk": secrets.pop()} if secrets else {}
    plain = credentials.theirs.by == credentials.ours.by == "psk"
    return {"auth": None if plain else credentials, **psk, **named}


def _by(credential: Credential) -> str:
    by = _BY.get(type(credential))
    if by is None:
        raise Unsupported(f"the case gives the peer {type(credential).__name__}, which a lab's peer does not get")
    return by


def _scheme(credential: Any) -> str:
    """The signature scheme that a credential is bound to; empty for none."""
    schemes = getattr(credential, "schemes", None) or ()
    if len(schemes) > 1:
        raise Unsupported("the case gives the peer several signature schemes")
    return schemes[0].name if schemes else ""


def _name(identity: Identity | None) -> str:
    """An identity as a lab's peer is told it, which is text."""
    name = "%any" if identity is None else str(identity)
    if identity is not None and Identity.of(name) != identity:
        raise Unsupported(f"the case has an identity that a lab's peer cannot be told: {name}")
    return name


def _material(auth: Credential, verifies: Credential, trust: Trust | None) -> Material:
    from cryptography.hazmat.primitives.serialization import Encoding

    from fynx_scapy.pki.making.issued import pem  # slow to import

    if trust is not None and (trust.at is not None or trust.ocsp or trust.wildcards or trust.allow_sha1):
        raise Unsupported("the case has the peer trust at another time, by OCSP answers from files, or more loosely")
    anchors = tuple(each.public_bytes(Encoding.DER) for each in trust.anchors) if trust is not None else ()
    lists = tuple(each.public_bytes(Encoding.DER) for each in trust.crls) if trust is not None else ()
    known = verifies.known if isinstance(verifies, Certificates) else ()
    keys = verifies.keys if isinstance(verifies, RawKeys) else ()
    return Material(
        theirs=_held(auth), ours=(), anchors=anchors, trusted=(), known_to_us=(),
        known_to_them=tuple(each.public_bytes(Encoding.DER) for each in known), lists=lists,
        our_public_keys=tuple(pem("PUBLIC KEY", each) for each in keys),
    )  # fmt: skip


def _held(auth: Credential) -> tuple[Held, ...]:
    """The key by which the peer proves itself, if it has one of its own."""
    if not isinstance(auth, Certificate | RawKey):
        return ()
    from cryptography.hazmat.primitives.serialization import Encoding

    from fynx_scapy.pki.making.issued import Issued

    end, key = EndAuth(by=_by(auth)), auth.key
    certificate = auth if isinstance(auth, Certificate) else None
    chain = tuple(each.public_bytes(Encoding.DER) for each in certificate.chain) if certificate is not None else ()
    issued = Issued(der=certificate.octets if certificate is not None else b"", key=key, issuers=chain)  # type: ignore[arg-type]
    crls, ocsp = (certificate.crls, certificate.ocsp or None) if certificate is not None else ((), None)
    return (Held(end, issued, chain, b"", crls, ocsp),)
