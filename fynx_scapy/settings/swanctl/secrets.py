# SPDX-License-Identifier: GPL-2.0-or-later
"""The section ``secrets`` of swanctl.conf: which pre-shared key is for whom."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.settings.swanctl.keys import SECRET, LeftOut, Notes
from fynx_scapy.settings.swanctl.sections import Section
from fynx_scapy.settings.swanctl.values import identity, secret
from fynx_scapy.text import LONGEST, printable


@dataclass(frozen=True, slots=True)
class Secret:
    """A pre-shared key and the identities that it belongs to. Without any it is for everybody."""

    key: bytes = field(repr=False)
    owners: tuple[Identity, ...]
    path: Path = Path()
    """The file that has it."""


def read_secrets(section: Section | None, notes: Notes) -> list[Secret]:
    """The pre-shared keys, in order. Secrets of another kind, and those that are wrong, become a line each."""
    found = []
    for name, each in section.sections.items() if section else ():
        owner = f"secrets.{printable(name, LONGEST)}"
        if not name.lower().startswith("ike"):
            notes.lines.append(f"{each.place}: {owner} is left out: only pre-shared keys of IKE are supported")
            continue
        try:
            found.append(_secret(each, owner, notes))
        except LeftOut as reason:
            notes.lines.append(f"{reason}; the secret is left out")
    return found


def _secret(section: Section, owner: str, notes: Notes) -> Secret:
    texts = notes.values(section, SECRET, owner, free=True)
    owners = []
    for name, value in section.values.items():
        place = f"{value.place}: {owner}.{printable(name, LONGEST)}"
        try:
            if re.match("id", name, re.IGNORECASE):
                owners.append(identity(value.text or ""))
            elif name.lower() != "secret":
                raise LeftOut(f"{place}: unknown key; the keys here are secret, and those that begin with id")
        except ConfigError as error:
            raise LeftOut(f"{place}: {error}") from None
    if not texts.get("secret"):
        raise LeftOut(f"{section.place}: {owner}: expected a secret, found none")
    try:
        key = secret(texts["secret"])
    except ConfigError as error:
        raise LeftOut(f"{section.place}: {owner}.secret: {error}") from None
    if not key:
        raise LeftOut(f"{section.place}: {owner}: expected a secret of at least one octet")
    known = [owner for owner in owners if owner is not None]
    return Secret(key, tuple(known) if len(known) == len(owners) else (), section.values["secret"].place.path)


def key_for(secrets: Sequence[Secret], local: Identity, remote: Identity | None) -> bytes | None:
    """The key for these two, as strongSwan chooses it: the best match with the peer first, then with us."""

    def match(secret: Secret, who: Identity | None) -> int:
        return 1 if not secret.owners else 2 if who in secret.owners else 0

    ranked = [((match(each, remote), match(each, local)), each) for each in secrets]
    best = max((rank for rank, _ in ranked if any(rank)), default=None)
    return next((each.key for rank, each in ranked if rank == best), None)


def peers(secrets: Sequence[Secret], local: Identity) -> list[Identity]:
    """The identities of others that a key belongs to, for a connection that any peer may use."""
    return list(dict.fromkeys(owner for each in secrets for owner in each.owners if owner != local))
