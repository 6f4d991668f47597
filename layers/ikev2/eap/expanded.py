# SPDX-License-Identifier: GPL-2.0-or-later
"""Expanded EAP types (RFC 3748 section 5.7), and EAP-5G, which is one of them (3GPP TS 24.502 section 9.3.2)."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from fynx_scapy.layers.ikev2.eap.methods import EAP_Method, header
from fynx_scapy.layers.ikev2.fields import Int, Octets, Reserved

TYPE = 254
VENDOR_3GPP, TYPE_5G = 10415, 3


class EAP_Expanded(EAP_Method):
    """A packet of an expanded type: ``vendor`` (SMI number), ``vendor_type``, and ``data`` as that method has it.

    With ``vendor`` 0 it is a method of IETF's; with type 3 of these it is an expanded Nak (section 5.3.2).
    """

    name = "EAP expanded"
    fields_desc = [*header(TYPE), Reserved("vendor"), Int("vendor_type", 0), Octets("data")]

    @property
    def message_5g(self) -> int | None:
        """The message identifier of an EAP-5G packet (1 start, 2 NAS, 3 notification, 4 stop); None for others."""
        data = bytes(self.get_field("data").i2m(self, self.internal("data")))
        is_5g = (self.internal("vendor"), self.internal("vendor_type")) == (VENDOR_3GPP, TYPE_5G)
        return data[0] if is_5g and data else None


__all__ = ["EAP_Expanded"]
