# SPDX-License-Identifier: GPL-2.0-or-later
"""Describe an answer that sets up no SA: its notifies, EAP, a redirection (RFC 7296 section 2.21)."""

from __future__ import annotations

from scapy.packet import Packet

from fynx_scapy.iana import NotifyType, PayloadType, name_of
from fynx_scapy.ike.message import Message
from fynx_scapy.layers.ikev2 import IKEv2_EAP, IKEv2_Notify

_EAP_CODES = {1: "Request", 2: "Response", 3: "Success", 4: "Failure"}


def describe(answer: Message) -> str:
    """The payloads of an answer, for an error text: ``REDIRECT to 192.0.2.9``, ``IDr, EAP (Request)``, ``nothing``.

    Text from the peer is escaped.
    """
    return ", ".join(_describe(payload) for payload in answer.payloads) or "nothing"


def redirection(answer: Message) -> str | None:
    """The redirection in an answer, as text (RFC 5685 section 6), or None."""
    note = answer.notify(NotifyType.REDIRECT)
    return None if note is None else _describe(note)


def _describe(payload: Packet) -> str:
    if isinstance(payload, IKEv2_EAP):
        code = payload.data[0] if payload.data else 0
        return f"EAP ({_EAP_CODES.get(code, f'code {code}')})"
    if not isinstance(payload, IKEv2_Notify):
        return PayloadType.notation(payload.payload_type)
    name = name_of(NotifyType, payload.type)
    if payload.type != NotifyType.REDIRECT:
        return name
    gateway = getattr(payload.notify, "gw_id", b"")
    return f"{name} to {gateway if isinstance(gateway, str) else repr(gateway)[2:-1]}"
