# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs for ESP packets (RFC 4303 section 2). The ICV covers what they change, unless they change the ICV."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.esp.parts import EspParts
from fynx_scapy.harness.verbs.mutation import CHECKS, Scene, Sending, datagram_verb, esp_verb
from fynx_scapy.ike.message import Datagram, OutgoingEsp

_FIELDS = [field.name for field in fields(EspParts)]


@esp_verb
def esp(_: Scene, packet: OutgoingEsp, /, **parts: Any) -> None:
    """Set fields: spi, seq, iv, payload, tfc, padding, pad_length, next_header, icv."""
    for name, value in parts.items():
        setattr(packet.parts, name, value)


@esp_verb
def esp_add_to_seq(scene: Scene, packet: OutgoingEsp, number: int) -> None:
    """Use a sequence number that is so much higher, or lower. The SA's own counter goes on."""
    child = scene.session.child
    packet.parts.seq = child.outbound.take_seq() + number


@esp_verb
def esp_same_iv(scene: Scene, packet: OutgoingEsp) -> None:
    """Use the IV of the first packet again."""
    child = scene.session.child
    if child.outbound.implicit_iv:
        raise LocalError("expected a cipher whose IV is sent, found an implicit IV")
    packet.parts.iv = scene.notes.setdefault("iv", bytes(child.outbound.encr.iv_size))


@datagram_verb
def esp_replayed(_: Scene, datagrams: list[Datagram], times: int = 1) -> Sending:
    """Send the packet again, bit for bit, so many times."""
    return [each for each in datagrams for _ in range(times + 1)]


def _check(**parts: Any) -> None:
    for name in parts:
        if name not in _FIELDS:
            raise ConfigError(f"expected fields of an ESP packet ({', '.join(_FIELDS)}), found {name!r}")


CHECKS["esp"] = _check
