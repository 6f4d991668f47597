# SPDX-License-Identifier: GPL-2.0-or-later
"""``ppk_id``, ``ppk_required`` and the secrets ``ppk``: post-quantum pre-shared keys (RFC 8784)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.credentials.ppk import Ppk
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.settings.swanctl.secrets import Secret


def ppk_fields(values: Mapping[str, Any], secrets: Sequence[Secret]) -> tuple[dict[str, Any], str]:
    """The fields of `IkeConfig`, and what is to be said of ``ppk_id``.

    The PPK of ``ppk_id`` comes first, since an initiator uses the first one. A responder takes those of all secrets.
    ConfigError if a PPK is required and there is none.
    """
    wanted: Identity | None = values.get("ppk_id")
    required: bool = values.get("ppk_required", False)
    ppks: dict[bytes, Ppk] = {}
    note = ""
    if wanted is not None:
        owned = [each for each in secrets if wanted in each.owners] or [each for each in secrets if not each.owners]
        if owned:
            ppks[wanted.data] = Ppk(owned[0].key, wanted.data)
        elif required:
            raise ConfigError(f"no secret ppk is for {wanted}")
        else:
            note = f"no secret ppk is for {wanted}: no PPK is used, which ppk_required allows"
    for each in secrets:
        for owner in each.owners:
            ppks.setdefault(owner.data, Ppk(each.key, owner.data))
    if required and not ppks:
        raise ConfigError("expected a section secrets.ppk with an id, because ppk_required is set")
    if note:
        # As initiator strongSwan would use none; ours would take the first.
        return {}, note
    if wanted is None and ppks and values.get("remote_addrs"):
        first = next(iter(ppks.values()))
        note = f"it is not set: as initiator we use the first PPK, {first}"
    return {"ppk": tuple(ppks.values()), "ppk_required": required} if ppks else {}, note
