# SPDX-License-Identifier: GPL-2.0-or-later
"""The IKE header as octets (RFC 7296 section 3.1), for code that reads messages without a layer. It imports no Scapy.

The header as a layer is `fynx_scapy.layers.ikev2.IKEv2`.
"""

from __future__ import annotations

import struct

IKE_HEADER = struct.Struct("!8s8sBBBBII")
"""Both SPIs, type of the first payload, version, exchange type, flags, message ID, length."""

HEADER_SIZE = IKE_HEADER.size
"""Octets of the IKE header."""

NEXT_PAYLOAD, VERSION, EXCHANGE_TYPE, FLAGS, MESSAGE_ID, LENGTH = 16, 17, 18, 19, 20, 24
"""The offset of each field, in octets."""

FLAG_INITIATOR, FLAG_RESPONSE = 0x08, 0x20
"""Bits of the flags field."""

VERSION_2 = 0x20
"""The version field of IKE 2.0: major version in the high four bits, minor version in the low four."""

NO_SPI = bytes(8)
"""The responder's SPI in the first request of an IKE SA."""
