# SPDX-License-Identifier: GPL-2.0-or-later
"""The EAP payload, and the EAP methods that Scapy's ``EAP`` has no class for, which it reads from then on."""

from __future__ import annotations

from fynx_scapy.layers.ikev2.eap import aka
from fynx_scapy.layers.ikev2.eap.aka import *  # noqa: F403 -- a class for each attribute
from fynx_scapy.layers.ikev2.eap.expanded import EAP_Expanded
from fynx_scapy.layers.ikev2.eap.methods import EAP_Malformed, EAP_Method
from fynx_scapy.layers.ikev2.eap.mschapv2 import EAP_MSCHAPv2
from fynx_scapy.layers.ikev2.eap.payload import IKEv2_EAP, IKEv2_GSPM

__all__ = [
    "EAP_Expanded",
    "EAP_MSCHAPv2",
    "EAP_Malformed",
    "EAP_Method",
    "IKEv2_EAP",
    "IKEv2_GSPM",
]
__all__ += aka.__all__
