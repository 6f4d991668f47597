# SPDX-License-Identifier: GPL-2.0-or-later
"""Shared helpers of the layer tests: sample messages, cleared caches, the packets of captures."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Iterator

from scapy.layers.inet import UDP
from scapy.layers.ipsec import NON_ESP
from scapy.packet import Packet
from scapy.utils import PcapReader

from fynx_scapy.layers.ikev2 import (
    IKEv2,
    IKEv2_KE,
    IKEv2_Malformed,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
)
from tests.shared import shared


def clear_cache(packet: Packet) -> Packet:
    """Forget the octets that Scapy keeps of what it dissected, in every layer and every field that holds packets."""
    for layer in packet.iterpayloads():
        layer.raw_packet_cache = None
        for field in layer.packetfields:
            value = layer.getfieldval(field.name)
            for element in value if isinstance(value, list) else [value]:
                if isinstance(element, Packet):
                    clear_cache(element)
    return packet


def sa_init() -> Packet:
    """An IKE_SA_INIT request as a person writes it."""
    return (
        IKEv2(init_SPI="0102030405060708", exch_type="IKE_SA_INIT", flags="Initiator")
        / IKEv2_SA(
            prop=IKEv2_Proposal(
                trans=[
                    IKEv2_Transform(transform_type="ENCR", transform_id="ENCR_AES_GCM_16", key_length=256),
                    IKEv2_Transform(transform_type="PRF", transform_id="PRF_HMAC_SHA2_256"),
                    IKEv2_Transform(transform_type="KE", transform_id="CURVE25519"),
                ]
            )
        )
        / IKEv2_KE(group="CURVE25519", ke=bytes(range(32)))
        / IKEv2_Nonce(nonce=b"n" * 32)
        / IKEv2_Notify(type="IKEV2_FRAGMENTATION_SUPPORTED")
    )


@functools.cache
def _read(path: pathlib.Path) -> list[tuple[Packet, bytes]]:
    found = []
    with PcapReader(str(path)) as reader:
        for packet in reader:
            layer = packet.getlayer(IKEv2) or packet.getlayer(IKEv2_Malformed)
            if layer is None or UDP not in packet:
                continue
            udp = packet[UDP]
            octets = bytes(udp.original)[8 : udp.len]
            found.append((layer, octets[4:] if isinstance(udp.payload, NON_ESP) else octets))
    return found


def messages(folder: str) -> Iterator[tuple[str, Packet, bytes]]:
    """Every IKEv2 message of the captures in a folder of the shared data: where it is, its layer, its octets."""
    for path in sorted(shared(f"captures/{folder}").glob("*.pcap*")):
        for number, (layer, octets) in enumerate(_read(path)):
            yield f"{path.name}:{number}", layer, octets
