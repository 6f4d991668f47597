# SPDX-License-Identifier: GPL-2.0-or-later
"""The section ``secrets`` of swanctl.conf: keys that both ends share and for whom they are, passphrases of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import IdType
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.settings.swanctl.keys import PASSPHRASE, SECRET, Keys, LeftOut, Notes
from fynx_scapy.settings.swanctl.sections import Place, Section, Value
from fynx_scapy.settings.swanctl.values import identity, secret
from fynx_scapy.text import LONGEST, printable

LEFT_OUT: Mapping[str, str] = {
    "ntlm": "EAP wants the password, and not its hash: write it as secrets.eap",
    "token": "keys are read from files, not from tokens",
}
"""The kinds of secrets that we do not have, and why."""
FILES = ("private", "rsa", "ecdsa", "pkcs8", "pkcs12")
"""The kinds that are passphrases of files in the folders of these names."""
_SHARED = {"ike": "ike", "ppk": "ppk", "eap": "eap", "xauth": "eap"}
"""The kinds that are shared, and what they are: xauth "is just an alias for eap" (swanctl.conf(5))."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A key that is shared and the identities that it belongs to. Without any it is for everybody."""

    key: bytes = field(repr=False)
    owners: tuple[Identity, ...]
    path: Path = Path()
    """The file that has it."""


ANYBODY = Identity(IdType.ID_NULL, b"")
"""An identity that no secret belongs to."""


@dataclass(frozen=True, slots=True)
class Passphrase:
    """What opens a file of a folder."""

    secrets: tuple[str, ...] = field(repr=False)
    """One of these."""
    place: Place
    owner: str
    """The name of its section."""
    file: str
    """The name of the file, as it is written."""


@dataclass(slots=True)
class Secrets:
    """All secrets of a file, in order."""

    ike: list[Secret] = field(default_factory=list)
    ppk: list[Secret] = field(default_factory=list)
    eap: list[Secret] = field(default_factory=list)
    passphrases: dict[tuple[str, str], Passphrase] = field(default_factory=dict)
    """By the folder and the name of the file in small letters."""
    paths: list[Path] = field(default_factory=list)
    """The files that have secrets."""


def read_secrets(section: Section | None, notes: Notes) -> Secrets:
    """The secrets. Those of another kind, and those that are wrong, become a line each."""
    found = Secrets()
    for name, each in section.sections.items() if section else ():
        owner = f"secrets.{printable(name, LONGEST)}"
        kind = next((kind for kind in (*_SHARED, *FILES, *LEFT_OUT) if name.lower().startswith(kind)), "")
        if not kind or kind in LEFT_OUT:
            why = LEFT_OUT.get(kind, f"expected a section that begins with {', '.join((*_SHARED, *FILES))}")
            notes.lines.append(f"{each.place}: {owner} is left out: {why}")
            continue
        try:
            if kind in FILES:
                passphrase = _passphrase(each, owner, notes)
                found.passphrases[kind, passphrase.file.lower()] = passphrase
            else:
                shared: list[Secret] = getattr(found, _SHARED[kind])
                shared.append(_secret(each, owner, notes))
        except LeftOut as reason:
            notes.lines.append(f"{reason}; the secret is left out")
            continue
        found.paths += [value.place.path for key, value in each.values.items() if key.lower().startswith("secret")]
    return found


def _free(section: Section, keys: Keys, prefix: str, owner: str, notes: Notes) -> list[Value]:
    """The values of the keys that begin with a prefix. LeftOut for a key that is neither one nor among ``keys``."""
    notes.values(section, keys, owner, free=True)
    found = []
    for name, value in section.values.items():
        if name.lower().startswith(prefix):
            found.append(value)
        elif name.lower() not in keys:
            known = " and ".join(
                (*(key for key in keys if not key.startswith(prefix)), f"those that begin with {prefix}")
            )
            place = f"{value.place}: {owner}.{printable(name, LONGEST)}"
            raise LeftOut(f"{place}: unknown key; the keys here are {known}")
    return found


def _secret(section: Section, owner: str, notes: Notes) -> Secret:
    owners = []
    for each in _free(section, SECRET, "id", owner, notes):
        try:
            owners.append(identity(each.text or ""))
        except ConfigError as error:
            raise LeftOut(f"{each.place}: {owner}.id: {error}") from None
    value = next((value for name, value in section.values.items() if name.lower() == "secret"), None)
    if value is None or not value.text:
        raise LeftOut(f"{section.place}: {owner}: expected a secret, found none")
    try:
        key = secret(value.text)
    except ConfigError as error:
        raise LeftOut(f"{value.place}: {owner}.secret: {error}") from None
    if not key:
        raise LeftOut(f"{value.place}: {owner}: expected a secret of at least one octet")
    known = [owner for owner in owners if owner is not None]
    return Secret(key, tuple(known) if len(known) == len(owners) else (), value.place.path)


def _passphrase(section: Section, owner: str, notes: Notes) -> Passphrase:
    words = [value.text or "" for value in _free(section, PASSPHRASE, "secret", owner, notes)]
    file = next((value.text for name, value in section.values.items() if name.lower() == "file"), None)
    if not file or not words:
        missing = "the file that it opens" if words else "a secret"
        raise LeftOut(f"{section.place}: {owner}: expected {missing}, found none")
    return Passphrase(tuple(words), section.place, owner, file)


def key_for(secrets: Sequence[Secret], local: Identity, remote: Identity | None) -> bytes | None:
    """The key for these two, as strongSwan chooses it: the best match with the peer first, then with us."""

    def match(secret: Secret, who: Identity | None) -> int:
        return 1 if not secret.owners else 2 if who in secret.owners else 0

    ranked = [((match(each, remote), match(each, local)), each) for each in secrets]
    best = max((rank for rank, _ in ranked if any(rank)), default=None)
    return next((each.key for rank, each in ranked if rank == best), None)


def password_for(secrets: Sequence[Secret], user: Identity, server: Identity | None, *, ours: bool) -> str | None:
    """The password of a user, ours or the peer's, as text; None if there is none. ConfigError for one that is none."""
    key = key_for(secrets, user, server) if ours else key_for(secrets, server or ANYBODY, user)
    try:
        return None if key is None else key.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"expected the password of {user} as text in UTF-8, found other octets") from None


def peers(secrets: Sequence[Secret], local: Identity) -> list[Identity]:
    """The identities of others that a key belongs to, for a connection that any peer may use."""
    return list(dict.fromkeys(owner for each in secrets for owner in each.owners if owner != local))
