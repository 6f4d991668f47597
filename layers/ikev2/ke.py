# SPDX-License-Identifier: GPL-2.0-or-later
"""The Key Exchange payload (RFC 7296 section 3.4)."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from fynx_scapy.iana import KeMethod, PayloadType
from fynx_scapy.layers.ikev2.fields import Octets, Short, ShortEnum
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload


class IKEv2_KE(IKEv2_Payload):
    """The Key Exchange payload: the method's number, two reserved octets, and the public value or ciphertext."""

    name = "IKEv2 Key Exchange"
    payload_type = PayloadType.KE
    fields_desc = [*GENERIC, ShortEnum("group", 0, KeMethod), Short("res2", 0), Octets("ke")]


__all__ = ["IKEv2_KE"]
