# SPDX-License-Identifier: GPL-2.0-or-later
"""A packet-crafting toolkit on Scapy for IPsec: IKEv2 (RFC 7296) and ESP (RFC 4303).

The public names below are imported on first use, so ``import fynx_scapy`` is fast and does not import Scapy. Scapy
finds :func:`scapy_ext` through ``conf.exts.load("fynx-scapy")``.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fynx_scapy.client import IpsecClient
    from fynx_scapy.eap.aka.usim import Subscriber
    from fynx_scapy.eap.passthrough import Passed
    from fynx_scapy.ike.basics.counts import DropReason
    from fynx_scapy.ike.basics.randomness import SeededRandomness
    from fynx_scapy.ike.config import IkeConfig, IkeFields
    from fynx_scapy.ike.core.child import ChildSa
    from fynx_scapy.ike.credentials.certificates import Certificate, Certificates, RawKey, RawKeys
    from fynx_scapy.ike.credentials.eap import Eap
    from fynx_scapy.ike.credentials.eap_users import EapUsers
    from fynx_scapy.ike.credentials.ppk import Ppk
    from fynx_scapy.ike.credentials.rounds import Rounds
    from fynx_scapy.ike.credentials.secrets import Null, Psk
    from fynx_scapy.ike.endpoint import Endpoint
    from fynx_scapy.ike.message import Address
    from fynx_scapy.ike.sa import IkeSa
    from fynx_scapy.ike.terms.child_config import ChildConfig, ChildFields
    from fynx_scapy.ike.terms.cp_config import ConfigReply, ConfigRequest
    from fynx_scapy.ike.terms.endpoint_config import EndpointConfig, EndpointFields
    from fynx_scapy.ike.terms.identity import Identity
    from fynx_scapy.ike.terms.lifetime import NEVER, Lifetime, Limits
    from fynx_scapy.ike.terms.proposals import Proposal
    from fynx_scapy.ike.terms.selectors import Selector
    from fynx_scapy.ike.terms.timeouts import DeadPeerDetection, Reconnect, Retransmission
    from fynx_scapy.ipsec_session import IpsecSession, SessionCounters
    from fynx_scapy.pki.trust import Trust
    from fynx_scapy.server import IpsecServer
    from fynx_scapy.session import Session
    from fynx_scapy.session_setup import PeerFields, SessionFields
    from fynx_scapy.settings.settings import Settings
    from fynx_scapy.tun_pump import TunPump

__version__ = "0.1.0"

__all__ = [
    "NEVER",
    "Address",
    "Certificate",
    "Certificates",
    "ChildConfig",
    "ChildFields",
    "ChildSa",
    "ConfigReply",
    "ConfigRequest",
    "DeadPeerDetection",
    "DropReason",
    "Eap",
    "EapUsers",
    "Endpoint",
    "EndpointConfig",
    "EndpointFields",
    "Identity",
    "IkeConfig",
    "IkeFields",
    "IkeSa",
    "IpsecClient",
    "IpsecServer",
    "IpsecSession",
    "Lifetime",
    "Limits",
    "Null",
    "Passed",
    "PeerFields",
    "Ppk",
    "Proposal",
    "Psk",
    "RawKey",
    "RawKeys",
    "Reconnect",
    "Retransmission",
    "Rounds",
    "SeededRandomness",
    "Selector",
    "Session",
    "SessionCounters",
    "SessionFields",
    "Settings",
    "Subscriber",
    "Trust",
    "TunPump",
]

# Public name -> its module.
_HOME = {
    "NEVER": "fynx_scapy.ike.terms.lifetime",
    "Address": "fynx_scapy.ike.message",
    "Certificate": "fynx_scapy.ike.credentials.certificates",
    "Certificates": "fynx_scapy.ike.credentials.certificates",
    "ChildConfig": "fynx_scapy.ike.terms.child_config",
    "ChildFields": "fynx_scapy.ike.terms.child_config",
    "ChildSa": "fynx_scapy.ike.core.child",
    "ConfigReply": "fynx_scapy.ike.terms.cp_config",
    "ConfigRequest": "fynx_scapy.ike.terms.cp_config",
    "DeadPeerDetection": "fynx_scapy.ike.terms.timeouts",
    "DropReason": "fynx_scapy.ike.basics.counts",
    "Eap": "fynx_scapy.ike.credentials.eap",
    "EapUsers": "fynx_scapy.ike.credentials.eap_users",
    "Endpoint": "fynx_scapy.ike.endpoint",
    "EndpointConfig": "fynx_scapy.ike.terms.endpoint_config",
    "EndpointFields": "fynx_scapy.ike.terms.endpoint_config",
    "Identity": "fynx_scapy.ike.terms.identity",
    "IkeConfig": "fynx_scapy.ike.config",
    "IkeFields": "fynx_scapy.ike.config",
    "IkeSa": "fynx_scapy.ike.sa",
    "IpsecClient": "fynx_scapy.client",
    "IpsecServer": "fynx_scapy.server",
    "IpsecSession": "fynx_scapy.ipsec_session",
    "Lifetime": "fynx_scapy.ike.terms.lifetime",
    "Limits": "fynx_scapy.ike.terms.lifetime",
    "Null": "fynx_scapy.ike.credentials.secrets",
    "Passed": "fynx_scapy.eap.passthrough",
    "PeerFields": "fynx_scapy.session_setup",
    "Ppk": "fynx_scapy.ike.credentials.ppk",
    "Proposal": "fynx_scapy.ike.terms.proposals",
    "Psk": "fynx_scapy.ike.credentials.secrets",
    "RawKey": "fynx_scapy.ike.credentials.certificates",
    "RawKeys": "fynx_scapy.ike.credentials.certificates",
    "Reconnect": "fynx_scapy.ike.terms.timeouts",
    "Retransmission": "fynx_scapy.ike.terms.timeouts",
    "Rounds": "fynx_scapy.ike.credentials.rounds",
    "SeededRandomness": "fynx_scapy.ike.basics.randomness",
    "Selector": "fynx_scapy.ike.terms.selectors",
    "Session": "fynx_scapy.session",
    "SessionCounters": "fynx_scapy.ipsec_session",
    "SessionFields": "fynx_scapy.session_setup",
    "Settings": "fynx_scapy.settings.settings",
    "Subscriber": "fynx_scapy.eap.aka.usim",
    "Trust": "fynx_scapy.pki.trust",
    "TunPump": "fynx_scapy.tun_pump",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def scapy_ext(ext: Any) -> None:
    """Register our layers with Scapy's extension loader: ``load_layer("fynx_ikev2")``, ``load_layer("fynx_esp")``.

    It registers one-line shims. Scapy would run the layer files a second time if they were registered themselves, which
    makes a second set of classes. Registering them under a stock name would replace the stock module.
    """
    ext.config(name="fynx-scapy", version=__version__)
    for shim in sorted(Path(__file__).with_name("shims").glob("fynx_*.py")):
        ext.register(name=shim.stem, mode=ext.MODE.LAYERS, path=shim, default=False)
