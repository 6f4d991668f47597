# SPDX-License-Identifier: GPL-2.0-or-later
"""The Nonce payload (RFC 7296 section 3.9)."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from fynx_scapy.iana import PayloadType
from fynx_scapy.layers.ikev2.fields import Octets
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload


class IKEv2_Nonce(IKEv2_Payload):
    """The Nonce payload: 16 to 256 octets, which is for the receiver to check."""

    name = "IKEv2 Nonce"
    payload_type = PayloadType.Nonce
    fields_desc = [*GENERIC, Octets("nonce")]


__all__ = ["IKEv2_Nonce"]
