# SPDX-License-Identifier: GPL-2.0-or-later
"""The octets of an IP packet by which traffic selectors tell packets apart, as a key of a cache.

Packets with equal keys have equal `Flow`s, as far as the selectors in question look at them. A key is a few slices of
the packet; no object is built and nothing is decoded. For a packet that needs a closer look, with IP options, extension
headers or as a fragment, the key is None, and `Flow.parse` has the last word. The same goes for what is no IP packet.
"""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy.ike.terms.selectors import EXTENSIONS, FRAGMENT, ICMP, ICMPV6, WITH_PORTS

FlowKey = Callable[[bytes], bytes | None]


def _ends(header: int) -> list[int]:
    """Where the octets end that a selector looks at, by protocol: after the ports, or after ICMP's type and code."""
    ends = [header] * 256
    for protocol in WITH_PORTS:
        ends[protocol] = header + 4
    for protocol in (ICMP, ICMPV6):
        ends[protocol] = header + 2
    return ends


_ENDS4 = _ends(20)
PLAIN6 = [protocol not in (*EXTENSIONS, FRAGMENT) for protocol in range(256)]
"""Whether the ports come right after the fixed header of IPv6, by its Next Header."""
_ENDS6 = [end if plain else 0 for end, plain in zip(_ends(40), PLAIN6, strict=True)]


def flow_key(packet: bytes) -> bytes | None:
    """The protocol, the addresses and the ports, or ICMP's type and code.

    A packet that is too short for its ports has a key that is too short, too, so it has it for itself.
    """
    if len(packet) < 20:
        return None
    if packet[0] == 0x45:
        # A first fragment shows its ports, a later one does not.
        if packet[6] & 0x1F or packet[7]:
            return None
        return packet[9:10] + packet[12 : _ENDS4[packet[9]]]
    if packet[0] >> 4 == 6 and len(packet) >= 40 and (end := _ENDS6[packet[6]]):
        return packet[6:7] + packet[8:end]
    return None


def address_key(packet: bytes) -> bytes | None:
    """The addresses alone: enough where no selector has a protocol or ports."""
    if len(packet) < 20:
        return None
    if packet[0] == 0x45:
        return packet[12:20]
    if len(packet) >= 40 and packet[0] >> 4 == 6 and PLAIN6[packet[6]]:
        return packet[8:40]
    return None
