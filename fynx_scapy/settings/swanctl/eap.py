# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections whose client authenticates by EAP: ``auth = eap-METHOD`` of the end that is the client."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import IdType
from fynx_scapy.ike.credentials.eap import Eap
from fynx_scapy.ike.credentials.eap_users import EapUsers
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.settings.swanctl.auth_words import ANY_EAP
from fynx_scapy.settings.swanctl.authentication import End
from fynx_scapy.settings.swanctl.folders import Held
from fynx_scapy.settings.swanctl.secrets import Secret, Secrets, key_for, password_for

_INSIDE = ("md5", "mschapv2")
"""What strongSwan asks for inside EAP-TTLS: MD5, unless strongswan.conf says another one."""
_TEXT = (IdType.ID_FQDN, IdType.ID_RFC822_ADDR, IdType.ID_KEY_ID)


def is_client(mine: End, theirs: End, *, initiates: bool) -> bool:
    """Whether we are the client. Where both ends say EAP (RFC 5998), eap_id tells, or who connects."""
    if not (mine.method.eap and theirs.method.eap):
        return bool(mine.method.eap)
    return "eap_id" not in theirs.values and ("eap_id" in mine.values or initiates)


def client_fields(mine: End, theirs: End, secrets: Secrets, ocsp: bool | None) -> dict[str, Any]:
    """The fields of `IkeConfig` about credentials and identities, of a client. LeftOut for what cannot be had."""
    fields: dict[str, Any] = {
        "auth": eap_client(mine, theirs, secrets.eap),
        "local_id": mine.id,
        "remote_id": theirs.id,
    }
    if theirs.method.psk:
        key = key_for(secrets.ike, mine.id, theirs.id) if mine.id is not None else None
        if key is None:
            raise theirs.fault("auth", f"no secret ike is for {mine.id or 'us'} and {theirs.id or 'any peer'}")
        fields["remote_auth"] = key
    elif not theirs.method.eap:
        fields |= theirs.theirs(ocsp)
    return fields


def eap_client(mine: End, theirs: End, secrets: Sequence[Secret]) -> Eap:
    """What a client proves to this end. LeftOut for what cannot be had."""
    if mine.id is None:
        mine.note("id", "it is not set: IDi says the identity of EAP, and not our address")
    method, only = mine.method.eap, bool(theirs.method.eap)
    user = mine.values.get("eap_id") or mine.id
    server = mine.values.get("aaa_id") or theirs.id
    try:
        name = "" if user is None else _name(user)
        tls: dict[str, Any] = {"only": only, "identity": name} | ({"server": server} if server is not None else {})
        if method == "tls":
            return Eap.tls(_certificate(mine), _trust(mine, mine.folders.roots), **tls)
        if user is None:
            raise mine.fault("eap_id", "expected eap_id or id, which say who the user is; found neither")
        password = password_for(secrets, user, server, ours=True)
        if password is None:
            raise mine.fault("auth", f"no secret eap is for {user}")
        if method == "ttls":
            inner = [f"eap-{each}" for each in _INSIDE]
            return Eap.ttls(name, password, _trust(mine, mine.folders.roots), inner=inner, **tls)
        if only and method != ANY_EAP:
            raise theirs.fault("auth", f"expected pubkey or psk: eap-{method} proves nothing of the gateway")
        plain = {"mschapv2": Eap.mschapv2, "md5": Eap.md5}
        found = [make(name, password, identity=name) for each, make in plain.items() if method in (each, ANY_EAP)]
        if method != ANY_EAP:
            return found[0]
        return functools.reduce(Eap.__or__, _any(mine, name, password, tls) + ([] if only else found))
    except ConfigError as error:
        raise mine.fault("auth", str(error)) from None


def _any(mine: End, name: str, password: str, tls: dict[str, Any]) -> list[Eap]:
    """The methods with TLS that a client has: by a certificate of its own, and by its password."""
    if not mine.folders.roots:
        if tls["only"]:
            raise ConfigError("expected an authority in x509ca: by EAP alone, the server proves who it is in TLS")
        return []
    trust = _trust(mine, mine.folders.roots)
    found = [Eap.ttls(name, password, trust, inner=[f"eap-{each}" for each in _INSIDE], **tls)]
    return ([Eap.tls(_certificate(mine), trust, **tls)] if "certs" in mine.values else []) + found


def gateway_fields(mine: End, theirs: End, secrets: Secrets, address: Callable[[], Identity | None]) -> dict[str, Any]:
    """The fields of `IkeConfig` about credentials and identities, of a gateway. LeftOut for what cannot be had.

    ``address`` is our identity where none is configured.
    """
    fields: dict[str, Any] = {}
    if mine.method.psk:
        local = mine.id or address()
        key = key_for(secrets.ike, local, theirs.id) if local is not None else None
        if key is None:
            raise mine.fault("auth", f"no secret ike is for {local} and {theirs.id or 'any peer'}")
        fields |= {"auth": key, "local_id": local}
    else:
        fields["auth"], fields["local_id"] = mine.own()
    return fields | {"remote_auth": eap_users(mine, theirs, secrets.eap), "remote_id": claimed(theirs)}


def eap_users(mine: End, theirs: End, secrets: Sequence[Secret]) -> EapUsers:
    """Whom a gateway knows. LeftOut for what cannot be had."""
    method = theirs.method.eap
    how: dict[str, Any] = {"ask": "eap_id" in theirs.values}
    if method in ("tls", "ttls"):
        how["only"] = bool(mine.method.eap)
    elif mine.method.eap:
        raise mine.fault("auth", f"expected pubkey or psk: eap-{theirs.method.eap} proves nothing of the gateway")
    if method == ANY_EAP:
        raise theirs.fault("auth", "expected the method that users are asked for, such as eap-mschapv2; found eap")
    try:
        if method == "tls":
            return EapUsers.tls(_certificate(mine), _trust(theirs, theirs.anchors()), **how)
        users = _passwords(mine, theirs, secrets)
        if method == "ttls":
            return EapUsers.ttls(_certificate(mine), users, _INSIDE, plain=False, **how)
        return EapUsers.passwords(users, [method], **how)
    except ConfigError as error:
        raise theirs.fault("auth", str(error)) from None


def _passwords(mine: End, theirs: End, secrets: Sequence[Secret]) -> dict[str, str]:
    """The users by name: those of all secrets, or the one of ``eap_id``."""
    wanted = theirs.values.get("eap_id")
    owners = [wanted] if wanted is not None else dict.fromkeys(one for each in secrets for one in each.owners)
    found = {_name(one): password_for(secrets, one, mine.id, ours=False) for one in owners if one != mine.id}
    if wanted is None and any(not each.owners for each in secrets):
        theirs.note("auth", "a secret eap without an id is for users that have one with their id only")
    users = {name: password for name, password in found.items() if password is not None}
    if not users:
        raise theirs.fault("auth", f"no secret eap is for {wanted if wanted is not None else 'a user'}")
    return users


def claimed(theirs: End) -> Identity | None:
    """The identity that a client has to have. What EAP proves counts, so that IDi has to say the same or anything."""
    if "eap_id" not in theirs.values:
        return theirs.id
    wanted: Identity | None = theirs.values["eap_id"]
    if theirs.method.eap == "tls" and wanted is not None:
        # Which certificates may come is a question of remote_id alone; with passwords there is one user only.
        if theirs.id not in (None, wanted):
            raise theirs.fault("id", f"expected the same as eap_id with eap-tls, or none, found {theirs.id}")
        return wanted
    if theirs.id in (None, wanted):
        return theirs.id
    theirs.note("id", "IDi may say anything beside eap_id: who the client is, EAP proves")
    return None


def _certificate(mine: End) -> Any:
    """Our certificate for TLS: the first."""
    credential, _ = mine.own()
    if not isinstance(credential, list):
        raise mine.fault("pubkeys", "expected certs for TLS, found raw keys")
    return credential[0]


def _trust(end: End, anchors: Sequence[Held]) -> Any:
    """Whom we trust in TLS."""
    from fynx_scapy.pki.trust import Trust

    if not anchors:
        raise end.fault("auth", "expected an authority in x509ca or authorities, for the other end of TLS; found none")
    if end.folders.crls:
        end.note("auth", "the lists in x509crl are for certificates of IKE, and not for those of TLS")
    return Trust([each.certificate for each in anchors])


def _name(identity: Identity) -> str:
    """An identity as the name of a user. ConfigError for octets that are no text."""
    if identity.type not in _TEXT:
        return str(identity)
    try:
        return identity.data.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"expected a user as text in UTF-8, found {identity}") from None
