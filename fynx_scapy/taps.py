# SPDX-License-Identifier: GPL-2.0-or-later
"""Taps change outgoing messages. Here are the stages, and the message and datagrams that a tap receives."""

from __future__ import annotations

from fynx_scapy.esp.parts import EspParts
from fynx_scapy.ike.message import NON_ESP_MARKER, Datagram, DatagramKind, Outgoing, OutgoingEsp
from fynx_scapy.ike.wire.envelope import Envelope
from fynx_scapy.ike.wire.taps import STAGES, Delayed, Tap, Taps, When
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE as RESPONSE

__all__ = [
    "NON_ESP_MARKER",
    "RESPONSE",
    "STAGES",
    "Datagram",
    "DatagramKind",
    "Delayed",
    "Envelope",
    "EspParts",
    "Outgoing",
    "OutgoingEsp",
    "Tap",
    "Taps",
    "When",
]
