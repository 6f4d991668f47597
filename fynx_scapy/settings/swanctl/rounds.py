# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections with several sections ``local`` or ``remote``: rounds of authentication (RFC 4739)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.credentials.rounds import Rounds
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.settings.swanctl.authentication import End
from fynx_scapy.settings.swanctl.eap import claimed, eap_client, eap_users
from fynx_scapy.settings.swanctl.secrets import Secrets, key_for


def in_order(ends: Sequence[End]) -> list[End]:
    """The rounds of one end: by their ``round``, 0 where there is none, and else as they stand."""
    return sorted(ends, key=lambda end: end.values.get("round", 0))


def round_fields(
    mine: Sequence[End],
    theirs: Sequence[End],
    secrets: Secrets,
    ocsp: bool | None,
    address: Callable[[], Identity | None],
) -> dict[str, Any]:
    """The fields of `IkeConfig` about credentials and identities. LeftOut for what cannot be had.

    ``address`` is our identity where none is configured.
    """
    ours_by_eap, theirs_by_eap = ([end for end in ends if end.method.eap] for ends in (mine, theirs))
    if ours_by_eap and theirs_by_eap:
        raise theirs_by_eap[0].fault("auth", "expected pubkey or psk: EAP of both ends (RFC 5998) knows no rounds")
    proven = [_proven(end, _beside(theirs, number), secrets, address) for number, end in enumerate(mine)]
    wanted: list[tuple[Any, Identity | None]] = []
    trusts: list[Any] = []
    for number, end in enumerate(theirs):
        if end.method.eap:
            wanted.append((eap_users(_beside(mine, number), end, secrets.eap), claimed(end)))
        elif end.method.psk:
            credential, local = _beside(proven, number)
            if local is None and isinstance(credential, list):
                local = credential[0].identities[0]
            wanted.append((_key(end, secrets, local, end.id), end.id))
        else:
            found = end.theirs(ocsp)
            wanted.append((found["remote_auth"], end.id))
            trust = found.get("trust")
            if trust is not None and trusts and trust != trusts[0]:
                raise end.fault("auth", "expected the same authorities, lists and sizes of keys as in the round before")
            trusts += [trust] if trust is not None else []
    fields: dict[str, Any] = {"trust": trusts[0]} if trusts else {}
    for name, who, ends, rounds in (("auth", "local_id", mine, proven), ("remote_auth", "remote_id", theirs, wanted)):
        fields[name], fields[who] = rounds[0]
        if len(rounds) > 1:
            try:
                fields[name] = Rounds(*(each if each[1] is not None else each[0] for each in rounds))
            except ConfigError as error:
                raise ends[-1].fault("auth", str(error)) from None
    return fields


def _beside(rounds: Sequence[Any], number: int) -> Any:
    """What the other end has had in a round: its last one where it has fewer."""
    return rounds[min(number, len(rounds) - 1)]


def _proven(
    end: End, other: End, secrets: Secrets, address: Callable[[], Identity | None]
) -> tuple[Any, Identity | None]:
    """What we prove in a round, and as whom; None for whom the credential says."""
    if end.method.eap:
        return eap_client(end, other, secrets.eap), end.id
    if end.method.psk:
        local = end.id or address()
        return _key(end, secrets, local, other.id), local
    credential, identity = end.own()
    return credential, identity if identity is not None or isinstance(credential, list) else address()


def _key(end: End, secrets: Secrets, local: Identity | None, remote: Identity | None) -> bytes:
    key = key_for(secrets.ike, local, remote) if local is not None else None
    if key is None:
        raise end.fault("auth", f"no secret ike is for {local or 'us'} and {remote or 'any peer'}")
    return key
