# SPDX-License-Identifier: GPL-2.0-or-later
"""Is there a NAT between us?

The hashes of NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP (RFC 7296 section 2.23).
"""

from __future__ import annotations

import hashlib
import ipaddress

from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.message import Address, Message, Outgoing, notify

NATT_PORT = 4500


def detection_hash(spi_i: bytes, spi_r: bytes, address: Address) -> bytes:
    """SHA-1 over the SPIs in the order of the header, the IP address and the port: 20 octets."""
    packed = ipaddress.ip_address(address.host).packed
    return hashlib.sha1(spi_i + spi_r + packed + address.port.to_bytes(2), usedforsecurity=False).digest()


def add_detection(message: Outgoing, local: Address, remote: Address) -> None:
    """Append both notifies; their hashes are computed from the header's SPIs once the payloads tap has run."""
    for kind, where in ((NotifyType.NAT_DETECTION_SOURCE_IP, local), (NotifyType.NAT_DETECTION_DESTINATION_IP, remote)):
        payload = notify(kind)
        message.payloads.append(payload)

        def value(outgoing: Outgoing, where: Address = where) -> bytes:
            return detection_hash(outgoing.header.init_SPI, outgoing.header.resp_SPI, where)

        message.compute(payload, "notify", value)


def detect(message: Message) -> tuple[bool, bool] | None:
    """Whether a NAT stands before (us, the peer), or None when the peer sent no hashes."""
    sources = [bytes(n.notify) for n in message.notifies(NotifyType.NAT_DETECTION_SOURCE_IP)]
    destinations = [bytes(n.notify) for n in message.notifies(NotifyType.NAT_DETECTION_DESTINATION_IP)]
    if not sources or not destinations:
        return None
    spis = message.header.spi_i, message.header.spi_r
    before_us = detection_hash(*spis, message.local) not in destinations
    before_peer = detection_hash(*spis, message.remote) not in sources
    return before_us, before_peer
