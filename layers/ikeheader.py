# SPDX-License-Identifier: GPL-2.0-or-later
"""The IKE header as octets (RFC 7296 section 3.1), for code that reads messages without a layer. It imports no Scapy.

The header as a layer is `fynx_scapy.layers.ikev2.IKEv2`.
"""

from __future__ import annotations

import struct

IKE_HEADER = struct.Struct("!8s8sBBBBII")
"""Both SPIs, type of the first payload, version, exchange type, flags, message ID, length."""

NEXT_PAYLOAD, VERSION, EXCHANGE_TYPE, FLAGS, MESSAGE_ID, LENGTH = 16, 17, 18, 19, 20, 24
"""Where each field begins, in octets."""

FLAG_INITIATOR, FLAG_RESPONSE = 0x08, 0x20
NO_SPI = bytes(8)
"""The responder's SPI in a first request."""
