# SPDX-License-Identifier: GPL-2.0-or-later
"""How our configuration, and that of an embedded peer, authenticate by what a `PeerConfig` says."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from fynx_scapy.harness.worlds.credentials import EAP, Credentials, EndAuth, Held, Material
from fynx_scapy.ike.config import IkeChanges, Psk
from fynx_scapy.ike.credentials.secrets import Null

_NETWORK = "WLAN"
"""The network of EAP-AKA'."""


def our_auth(auth: Credentials, psk: str | bytes, made: Material) -> IkeChanges:
    """How we authenticate, as fields of `IkeConfig`."""
    return _fields(_End(auth.ours, made.ours, ()), _End(auth.theirs, made.theirs, made.known_to_us), made, psk)


def their_auth(auth: Credentials, psk: str | bytes, made: Material) -> IkeChanges:
    """How an embedded peer authenticates, as fields of `IkeConfig`."""
    return _fields(_End(auth.theirs, made.theirs, ()), _End(auth.ours, made.ours, made.known_to_them), made, psk)


class _End(NamedTuple):
    auth: EndAuth
    held: tuple[Held, ...]
    known: tuple[bytes, ...]
    """Certificates of its chain that the other end has."""

    @property
    def further(self) -> list[_End]:
        """What it proves itself with in further rounds."""
        return [_End(each, (), ()) for each in self.auth.then]


def _together(rounds: list[Any]) -> Any:
    from fynx_scapy.ike.credentials.rounds import Rounds

    return Rounds(*rounds) if len(rounds) > 1 else rounds[0]


def _fields(mine: _End, other: _End, made: Material, psk: str | bytes) -> IkeChanges:
    """The fields of one end: ``mine`` is what it has, ``other`` what the other one has."""
    if mine.auth.by in EAP and other.auth.by == "eap":
        return IkeChanges(auth=_client(mine, made, only=True), remote_auth=None, trust=None)
    proves = [_credential(mine, made, psk), *(_credential(each, made, psk) for each in mine.further)]
    wants = [_accepted(mine, other, made, psk), *(_accepted(mine, each, made, psk) for each in other.further)]
    fields = IkeChanges(auth=_together(proves), remote_auth=_together(wants))
    if other.auth.by in EAP:
        fields["remote_id"] = None  # EAP says who it is; IDi is another name
    if mine.auth.old_method or other.auth.old_method:
        fields["signature_hashes"] = ()  # RFC 7427 section 4: then neither signs by method 14
    if other.auth.by == "certificate":
        from fynx_scapy.pki.trust import Trust

        crls = [octets for held in other.held for octets in held.crls]
        answers = [held.ocsp for held in other.held if held.ocsp and held.end.evidence == "ocsp"]
        fields["trust"] = Trust(made.anchors, crls=crls, ocsp=answers, revocation=other.auth.checked)
    return fields


def _credential(end: _End, made: Material, psk: str | bytes) -> Any:
    from fynx_scapy.ike.credentials.certificates import RawKey

    if end.auth.by in EAP:
        return _client(end, made, only=False)
    if end.auth.by in ("certificate", "eap"):
        return [_certificate(each) for each in end.held]
    if end.auth.by == "public-key":
        return RawKey(end.held[0].issued.key, schemes=_schemes(end.auth))
    return Null() if end.auth.by == "null" else Psk(psk)


def _certificate(held: Held) -> Any:
    from fynx_scapy.ike.credentials.certificates import Certificate

    ocsp = (held.ocsp or b"") if held.end.evidence == "ocsp-sent" else b""
    return Certificate(held.issued.der, held.issued.key, held.chain, schemes=_schemes(held.end), check=False, ocsp=ocsp)


def _client(end: _End, made: Material, *, only: bool) -> Any:
    """What a client has for EAP."""
    from fynx_scapy.ike.credentials.eap import Eap
    from fynx_scapy.pki.trust import Trust

    auth = end.auth
    if auth.by == "eap-tls":
        trust = Trust(made.anchors)
        return Eap.tls(_certificate(end.held[0]), trust, identity=auth.user, only=only, maximum=auth.tls)
    if auth.by == "eap-ttls":
        return Eap.ttls(auth.user, auth.password, Trust(made.anchors), inner=auth.inner, only=only, maximum=auth.tls)
    if auth.by == "eap-aka":
        return Eap.aka(auth.user, **_usim(auth), sqn=auth.sqn, only=only)
    if auth.by == "eap-aka-prime":
        return Eap.aka_prime(auth.user, **_usim(auth), sqn=auth.sqn, network=_NETWORK, only=only)
    if auth.by == "eap-md5":
        return Eap.md5(auth.user, auth.password)
    return Eap.mschapv2(auth.user, auth.password)


def _users(mine: _End, other: _End, made: Material) -> Any:
    """What a gateway has for the EAP of a client."""
    from fynx_scapy.ike.credentials.eap_users import EapUsers
    from fynx_scapy.pki.trust import Trust

    auth = other.auth
    if auth.by == "eap-tls":
        only = mine.auth.by == "eap"
        return EapUsers.tls(_certificate(mine.held[0]), Trust(made.anchors), only=only, maximum=auth.tls)
    if auth.by == "eap-ttls":
        users = {auth.user: auth.password}
        return EapUsers.ttls(_certificate(mine.held[0]), users, only=mine.auth.by == "eap", maximum=auth.tls)
    if auth.by in ("eap-aka", "eap-aka-prime"):
        from fynx_scapy.eap.aka.usim import Subscriber

        known, only = {auth.user: Subscriber(**_usim(auth))}, mine.auth.by == "eap"
        if auth.by == "eap-aka":
            return EapUsers.aka(known, only=only)
        return EapUsers.aka_prime(known, only=only, network=_NETWORK, indications=True)
    return EapUsers.passwords({auth.user: auth.password}, [auth.by.removeprefix("eap-")])


def _usim(auth: EndAuth) -> dict[str, Any]:
    """K and OPc, which only these two ends have."""
    made = hashlib.sha256(auth.password.encode()).digest()
    return {"k": made[:16], "opc": made[16:]}


def _accepted(mine: _End, end: _End, made: Material, psk: str | bytes) -> Any:
    from fynx_scapy.ike.credentials.certificates import Certificates, RawKeys

    if end.auth.by in EAP:
        return _users(mine, end, made)
    if end.auth.by == "certificate":
        return Certificates(
            schemes=_schemes(end.auth), known=end.known, ocsp=end.auth.evidence == "ocsp-sent" or None,
            match_address=end.auth.address_checked,
        )  # fmt: skip
    if end.auth.by == "public-key":
        return RawKeys(*(each.public_key for each in end.held), schemes=_schemes(end.auth))
    return Null() if end.auth.by == "null" else Psk(psk)


def _schemes(end: EndAuth) -> tuple[str, ...] | None:
    return (end.scheme,) if end.scheme else None
