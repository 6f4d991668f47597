# SPDX-License-Identifier: GPL-2.0-or-later
"""Throw-away authorities for cases about certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fynx_scapy.pki.making import Authority


def authority(seed: str, **changes: Any) -> Authority:
    """A root authority called ``root``, the same for the same seed. ConfigError for an unknown change."""
    from fynx_scapy.pki.making import Authority  # slow to import

    return Authority.root("C=CH, CN=root", "ecdsa-p256", seed=seed, **changes)
