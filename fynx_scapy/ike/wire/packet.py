# SPDX-License-Identifier: GPL-2.0-or-later
"""Convert a received message to a Scapy packet."""

from __future__ import annotations

from fynx_scapy.ike.message import Message
from fynx_scapy.ike.terms.proposals import Suite
from fynx_scapy.layers.ikev2 import IKEv2, chain, opened


def as_packet(message: Message, suite: Suite | None) -> IKEv2:
    """A received message as one Scapy packet with a decrypted SK. ``suite`` is that of the IKE SA."""
    if message.plaintext is None or suite is None:
        return chain(message.header, message.payloads)
    encr, integ = suite.encryption(), suite.integrity()
    return opened(message.wire, message.plaintext, encr.iv_size, encr.icv_size or (integ.icv_size if integ else 0))
