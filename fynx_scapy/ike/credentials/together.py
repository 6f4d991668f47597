# SPDX-License-Identifier: GPL-2.0-or-later
"""How the credentials of a configuration go together: what a user writes, what it stands for, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

from fynx_scapy.checks import Check
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import IdType
from fynx_scapy.ike.credentials.certificates import (
    Certificate,
    Certificates,
    OwnCertificates,
    RawKey,
    RawKeys,
    own_credential,
)
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.credentials.eap import Eap
from fynx_scapy.ike.credentials.ppk import Ppk
from fynx_scapy.ike.credentials.rounds import Rounds, rounds_of
from fynx_scapy.ike.credentials.secrets import Null, Psk
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.pki.trust import Trust

Auth: TypeAlias = Credential | str | bytes | Sequence[Certificate]
"""What proves who we are, as a user writes it."""

CREDENTIAL = Check(
    "a pre-shared key (a Psk, or text or bytes), or another credential that proves who we are",
    lambda value: isinstance(value, Credential) and value.proves,
    hidden=True,
    of=Credential,
)
VERIFIER = Check(
    "a credential that verifies who the peer is, such as a Psk",
    lambda value: isinstance(value, Credential) and value.verifies,
    hidden=True,
    of=Credential,
)


def read_auth(value: Any) -> Any:
    """A credential from what a user writes: text or bytes are a pre-shared key."""
    return Psk(value) if isinstance(value, str | bytes) else own_credential(value)


def read_trust(value: Any) -> Any:
    """A `Trust` from what a user writes: what its first argument may be."""
    return value if value is None or isinstance(value, Trust) else Trust(value)


@cache
def any_certificate() -> Certificates:
    """What verifies peers where there is a `Trust` and nothing else is said."""
    return Certificates()


def own_identity(auth: Credential, ppk: Sequence[Ppk]) -> Identity:
    """The identity of a user who names none. A PPK authenticates where nothing else does (RFC 8784 section 5.2.3)."""
    if isinstance(auth, Rounds):
        return auth.identities[0] or own_identity(auth.credentials[0], ppk)
    if isinstance(auth, Certificate | OwnCertificates):
        return auth.identities[0]
    if isinstance(auth, Eap):
        return auth.own_identity
    return Identity(IdType.ID_NULL, b"") if isinstance(auth, Null) and not ppk else Identity.of("fynx")


def first_identity(credential: Credential | None) -> Identity | None:
    """The identity of the first round of several, where one is given."""
    return credential.identities[0] if isinstance(credential, Rounds) else None


def check_identities(auth: Credential, remote_auth: Credential | None, ours: Identity, theirs: Identity | None) -> None:
    """ConfigError where the first round says another identity than the configuration."""
    for credential, name, found in ((auth, "local_id", ours), (remote_auth, "remote_id", theirs)):
        wanted = first_identity(credential)
        if wanted is not None and found is not None and not wanted.same(found):
            raise ConfigError(f"expected IkeConfig.{name} to be {wanted}, as the first round says, found {found}")


def owns(auth: Credential, identity: Identity) -> bool:
    """Whether our certificate has an identity, beside the configured one."""
    first = rounds_of(auth)[0]
    return isinstance(first, Certificate | OwnCertificates) and first.owns(identity)


def verifier(auth: Credential, remote_auth: Credential | None, trust: Trust | None) -> Credential | None:
    """What `IkeConfig.remote_auth` stands for; None for the same as ``auth``. ConfigError when something is missing."""
    if remote_auth is None and trust is not None:
        return any_certificate()
    wants = rounds_of(remote_auth or auth)
    if any(isinstance(each, Certificates) for each in wants) and trust is None:
        raise ConfigError("expected IkeConfig.trust beside Certificates: it says whose certificates are accepted")
    if remote_auth is None and not auth.verifies:
        certified = isinstance(rounds_of(auth)[0], Certificate | OwnCertificates | Eap)
        beside = "trust" if certified else "remote_auth"
        name = type(auth).__name__
        article = "an" if name[0] in "AEIOU" else "a"
        raise ConfigError(
            f"expected IkeConfig.{beside} beside {article} {name}, which cannot verify the peer, found none"
        )
    return remote_auth


def check_use(auth: Credential, identity: Identity, trust: Trust | None) -> None:
    """ConfigError for certificates of ours that every peer must refuse now, or at the time of ``trust``."""
    for number, each in enumerate(rounds_of(auth)):
        if isinstance(each, Certificate | OwnCertificates):
            each.check_use(identity if number == 0 else later_identity(auth, number, identity), trust)


def later_identity(auth: Credential, number: int, usual: Identity) -> Identity:
    """Our identity in a later round of authentication, from 1: what was given, what its credential says, or usual."""
    given = auth.identities[number] if isinstance(auth, Rounds) else None
    credential = rounds_of(auth)[number]
    if given is None and isinstance(credential, Certificate | OwnCertificates | Eap):
        return own_identity(credential, ())
    return given or usual


def mirrored(auth: Credential, remote_auth: Credential | None, trust: Trust | None) -> dict[str, Any]:
    """``auth``, ``remote_auth`` and ``trust`` of the peer of a configuration that has these.

    We have no private key of a peer. Where it needs one it has ours: both ends are alike, as with a pre-shared key.
    """
    if remote_auth is None:
        return {"auth": auth, "remote_auth": None, "trust": trust}
    verifies: Credential = auth
    if isinstance(auth, Certificate | OwnCertificates):
        verifies = remote_auth if isinstance(remote_auth, Certificates) else any_certificate()
        # A trust of ours is about the peer. Without one, the peer trusts the top of each chain of ours.
        trust = trust or Trust([each.chain[-1] if each.chain else each.certificate for each in auth])
    elif isinstance(auth, RawKey):
        verifies = RawKeys(auth.public)
    proves = remote_auth if remote_auth.proves else auth
    return {"auth": proves, "remote_auth": verifies, "trust": trust}
