# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults planted in the embedded peer: a crash on a nested condition, memory that grows, a peer that falls silent."""

from __future__ import annotations

import pytest

from fynx_scapy.esp import inbound
from fynx_scapy.esp.padding import unpadded
from fynx_scapy.ike.message import Message
from fynx_scapy.ike.wire import rules
from fynx_scapy.layers.ikev2 import IKEv2_Notify, IKEv2_SA
from fynx_scapy.net import guard

PEER = "192.0.2.2"
ODD = 40_000


class PlantedError(Exception):
    """What the planted crash raises."""


def crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer raises when a transform of a request has an attribute that is no Key Length."""
    check = rules.check

    def checked(message: Message, rule: rules.Rule | None) -> None:
        check(message, rule)
        for payload in message.payloads if of_peer(message) else ():
            for proposal in payload.prop if isinstance(payload, IKEv2_SA) else ():
                for transform in proposal.trans:
                    if any(attribute.type != 14 for attribute in transform.attributes):
                        raise PlantedError

    monkeypatch.setattr(rules, "check", checked)
    monkeypatch.setattr(guard, "fatal", False)


def crash_by_a_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    """An end raises when the next header of an ESP packet is one of the upper half, behind a right ICV."""

    def checked(plaintext: bytes, check_padding: bool) -> tuple[bytes, int]:
        payload, next_header = unpadded(plaintext, check_padding)
        if next_header > 127:
            raise PlantedError
        return payload, next_header

    monkeypatch.setattr(inbound, "unpadded", checked)
    monkeypatch.setattr(guard, "fatal", False)


def growth(monkeypatch: pytest.MonkeyPatch, kept: list[bytes]) -> None:
    """The peer keeps something of each Notify of a type above 40,000."""
    check = rules.check

    def checked(message: Message, rule: rules.Rule | None) -> None:
        check(message, rule)
        if of_peer(message):
            notifies = (payload for payload in message.payloads if isinstance(payload, IKEv2_Notify))
            kept.extend(bytes(64) for notify in notifies if notify.type > ODD)

    monkeypatch.setattr(rules, "check", checked)


def of_peer(message: Message) -> bool:
    """Whether the embedded peer has received this request."""
    return message.local.host == PEER and not message.header_fields.response
