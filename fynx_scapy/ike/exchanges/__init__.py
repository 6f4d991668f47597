# SPDX-License-Identifier: GPL-2.0-or-later
"""The exchanges, one file each, with both roles. Importing this package registers all of them."""

from __future__ import annotations

from fynx_scapy.ike.core.exchange import Exchange
from fynx_scapy.ike.core.registry import Registry, exchange, responder_for
from fynx_scapy.ike.exchanges.create_child import CreateChild
from fynx_scapy.ike.exchanges.custom import Custom
from fynx_scapy.ike.exchanges.followup_ke import StateNotFound
from fynx_scapy.ike.exchanges.ike_auth import ChildlessAuth, IkeAuth
from fynx_scapy.ike.exchanges.ike_sa_init import IkeSaInit
from fynx_scapy.ike.exchanges.informational import Informational, Liveness
from fynx_scapy.ike.exchanges.rekey_child import RekeyChild
from fynx_scapy.ike.exchanges.rekey_ike import RekeyIke

__all__ = [
    "ChildlessAuth",
    "CreateChild",
    "Custom",
    "Exchange",
    "IkeAuth",
    "IkeSaInit",
    "Informational",
    "Liveness",
    "Registry",
    "RekeyChild",
    "RekeyIke",
    "StateNotFound",
    "exchange",
    "responder_for",
]
