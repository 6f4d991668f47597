# SPDX-License-Identifier: GPL-2.0-or-later
"""The check of received packets against the traffic selectors of their Child SA (RFC 4301 section 5.2).

`ChildSa.allows` is the rule. A gate gives the same answer faster: by comparing octets where the selectors are one range
of addresses a side, otherwise by remembering the flows that were allowed.
"""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.terms.flowkeys import PLAIN6, address_key, flow_key
from fynx_scapy.ike.terms.selectors import Flow, Selector

Gate = Callable[[bytes], bool]

FLOWS = 64
"""How many allowed flows a gate remembers."""


def gate(child: ChildSa) -> Gate:
    """A function that says whether an IP packet matches the selectors of a Child SA: what `ChildSa.allows` says.

    The packet is at least as long as its fixed header. MalformedError when its further headers are cut off.
    """
    selectors = (*child.remote_ts, *child.local_ts)
    plain = all(selector.plain for selector in selectors)
    if plain and len(child.remote_ts) == len(child.local_ts) == 1 and len({s.version for s in selectors}) == 1:
        return _by_range(child, *selectors)
    return _by_flow(child, address_key if plain else flow_key)


def _by_range(child: ChildSa, remote: Selector, local: Selector) -> Gate:
    size = 4 if remote.version == 4 else 16
    remote_low, remote_high = remote.start.to_bytes(size), remote.end.to_bytes(size)
    local_low, local_high = local.start.to_bytes(size), local.end.to_bytes(size)

    # Octets of one length are in the order of the numbers that they are.
    def allows4(packet: bytes) -> bool:
        if packet[0] == 0x45:
            return remote_low <= packet[12:16] <= remote_high and local_low <= packet[16:20] <= local_high
        return child.allows(Flow.parse(packet))

    def allows6(packet: bytes) -> bool:
        if packet[0] >> 4 == 6 and PLAIN6[packet[6]]:
            return remote_low <= packet[8:24] <= remote_high and local_low <= packet[24:40] <= local_high
        return child.allows(Flow.parse(packet))

    return allows4 if size == 4 else allows6


def _by_flow(child: ChildSa, key_of: Callable[[bytes], bytes | None]) -> Gate:
    allowed: set[bytes] = set()

    def allows(packet: bytes) -> bool:
        key = key_of(packet)
        if key in allowed:
            return True
        if not child.allows(Flow.parse(packet)):
            return False
        if key is not None:
            if len(allowed) >= FLOWS:
                allowed.clear()
            allowed.add(key)
        return True

    return allows
