# SPDX-License-Identifier: GPL-2.0-or-later
"""Lifetimes of swanctl.conf: rekey_time, life_time, over_time, rand_time, and the same for bytes and packets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.terms.lifetime import Lifetime, Limits

_IKE_REKEY = 4 * 3600
_CHILD_REKEY = 3600


def ike_lifetime(values: Mapping[str, Any]) -> tuple[Lifetime, float | None]:
    """When to rekey and to close an IKE SA, and after how many seconds to reauthenticate. Unset values as strongSwan's.

    ConfigError for a lifetime that cannot be.
    """
    reauth: int = values.get("reauth_time", 0)
    rekey: int = values.get("rekey_time", 0 if "reauth_time" in values else _IKE_REKEY)
    over: int = values.get("over_time", max(rekey, reauth) // 10)
    random: int = values.get("rand_time", min(over, (min(rekey, reauth) or max(rekey, reauth)) // 2))
    end = max(rekey, reauth)
    lifetime = Lifetime(
        soft=Limits(seconds=rekey or None),
        hard=Limits(seconds=end + over if end else None),
        jitter=_jitter(random, rekey or reauth),
    )
    return lifetime, reauth or None


def child_lifetime(values: Mapping[str, Any]) -> Lifetime:
    """When to rekey and to close a Child SA. ConfigError for a lifetime that cannot be."""
    soft, hard, jitter = {}, {}, {}
    for unit, name, usual in (("time", "seconds", _CHILD_REKEY), ("bytes", "bytes", 0), ("packets", "packets", 0)):
        rekey = values.get(f"rekey_{unit}", usual)
        life = values.get(f"life_{unit}", rekey * 110 // 100)
        soft[name], hard[name] = rekey or None, life or None
        if rekey:
            jitter[unit] = _jitter(values.get(f"rand_{unit}", max(0, life - rekey)), rekey)
    # Ours is one for all three: time's where there is one.
    return Lifetime(soft=Limits(**soft), hard=Limits(**hard), jitter=next(iter(jitter.values()), 0.0))


def _jitter(random: int, rekey: int) -> float:
    if rekey and random >= rekey:
        raise ConfigError(f"expected a random part of less than the rekey time, {rekey}, found {random}")
    return random / rekey if rekey else 0.0
