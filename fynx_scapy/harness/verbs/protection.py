# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs for how a message is protected (RFC 7296 section 3.14): its IV, its keys, and what is not inside SK."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scapy.packet import Packet

from fynx_scapy.crypto.protector import Protector
from fynx_scapy.errors import LocalError
from fynx_scapy.harness.verbs.mutation import Scene, Sending, datagram_verb, payload_verb
from fynx_scapy.iana import PayloadType
from fynx_scapy.ike.message import Datagram, Outgoing
from fynx_scapy.layers.ikeheader import HEADER_SIZE, LENGTH, NEXT_PAYLOAD
from fynx_scapy.layers.ikev2 import build_message, build_payloads, first_type

_GENERIC_SIZE = 4


@payload_verb
def iv(_: Scene, message: Outgoing, octets: bytes) -> None:
    """Use this IV."""
    message.iv = octets


@payload_verb
def in_the_clear(_: Scene, message: Outgoing) -> None:
    """Send the payloads without SK."""
    message.encrypted = False


@datagram_verb
def in_the_wrong_direction(scene: Scene, datagrams: list[Datagram]) -> Sending:
    """Protect the message with the keys of the peer's direction."""
    return [replace(datagrams[0], data=_sealed(scene, scene.message.payloads, scene.sa.envelope._inbound))]


@datagram_verb
def followed_by(scene: Scene, datagrams: list[Datagram], *payloads: Packet) -> Sending:
    """Send another message with the same header right behind it, protected as it should be, with these payloads."""
    return [*datagrams, replace(datagrams[0], data=_sealed(scene, payloads, scene.sa.envelope._outbound))]


def _sealed(scene: Scene, payloads: Sequence[Packet], protector: Protector | None) -> bytes:
    """A message with the header of the one that is changed."""
    if protector is None or not scene.message.encrypted:
        raise LocalError("expected a message inside SK")
    plaintext = protector.pad(build_payloads(list(payloads)))
    size = _GENERIC_SIZE + protector.iv_size + len(plaintext) + protector.icv_size
    head = bytearray(build_message(scene.message.header, []))
    head[NEXT_PAYLOAD], head[LENGTH:HEADER_SIZE] = int(PayloadType.SK), (HEADER_SIZE + size).to_bytes(4)
    head += bytes([first_type(list(payloads)), 0]) + size.to_bytes(2)
    return bytes(head) + protector.seal(bytes(head), plaintext, scene.sa.envelope._iv(protector))
