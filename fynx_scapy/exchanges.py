# SPDX-License-Identifier: GPL-2.0-or-later
"""The built-in exchanges, and what you need to write a new one.

A new exchange is one class (CONTRIBUTING.md): an ``Exchange``, registered by ``exchange``, with a ``Round`` of rules
for each request and answer. Its steps are ``Steps``; each step receives a ``Message``.
"""

from __future__ import annotations

from fynx_scapy.ike.child.setup import selectors
from fynx_scapy.ike.core.exchange import Steps, link
from fynx_scapy.ike.core.registry import responders
from fynx_scapy.ike.exchanges import Exchange, exchange
from fynx_scapy.ike.exchanges.create_child import CreateChild
from fynx_scapy.ike.exchanges.custom import Custom
from fynx_scapy.ike.exchanges.ike_auth import IkeAuth
from fynx_scapy.ike.exchanges.ike_sa_init import IkeSaInit
from fynx_scapy.ike.exchanges.informational import Informational, Liveness
from fynx_scapy.ike.exchanges.rekey_child import RekeyChild
from fynx_scapy.ike.exchanges.rekey_ike import RekeyIke
from fynx_scapy.ike.extensions.quick_crash import token as crash_token
from fynx_scapy.ike.message import Message, Next, notify
from fynx_scapy.ike.wire.rules import ANYTHING, MANY, MAYBE, NONE, ONE, P, Phase, Round, Rule

__all__ = [
    "ANYTHING",
    "MANY",
    "MAYBE",
    "NONE",
    "ONE",
    "CreateChild",
    "Custom",
    "Exchange",
    "IkeAuth",
    "IkeSaInit",
    "Informational",
    "Liveness",
    "Message",
    "Next",
    "P",
    "Phase",
    "RekeyChild",
    "RekeyIke",
    "Round",
    "Rule",
    "Steps",
    "crash_token",
    "exchange",
    "link",
    "notify",
    "responders",
    "selectors",
]
