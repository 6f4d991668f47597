# SPDX-License-Identifier: GPL-2.0-or-later
"""Payloads as a user gives them: layers, or octets."""

from __future__ import annotations

from collections.abc import Sequence

from scapy.packet import Packet, Raw

from fynx_scapy.checks import shown
from fynx_scapy.errors import LocalError
from fynx_scapy.layers.ikev2 import IKEv2_Malformed, IKEv2_Payload

PRIVATE_USE = 128
"""The payload type of octets: the first for private use. A peer ignores it (RFC 7296 section 2.5)."""


def read_payloads(given: Sequence[object]) -> list[Packet]:
    """The payloads to send. Octets become the body of a payload of private-use type 128.

    LocalError for anything else than octets and payloads.
    """
    return [_payload(item) for item in given]


def _payload(given: object) -> Packet:
    if isinstance(given, IKEv2_Payload | IKEv2_Malformed):
        return given
    if isinstance(given, bytes | bytearray | memoryview):
        return IKEv2_Payload(payload_type=PRIVATE_USE, load=bytes(given))
    if isinstance(given, Raw) and not given.payload:
        return IKEv2_Payload(payload_type=PRIVATE_USE, load=given.load)
    if isinstance(given, type) and issubclass(given, Packet):
        found = f"the class {given.__name__}: write {given.__name__}()"
    elif isinstance(given, Packet):
        found = f"the layer {type(given).__name__}"
    else:
        found = shown(given)
    raise LocalError(f"expected a payload such as IKEv2_Notify(), or octets, found {found}")
