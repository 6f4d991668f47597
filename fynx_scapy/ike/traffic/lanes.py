# SPDX-License-Identifier: GPL-2.0-or-later
"""What flows of inner packets are sent on, as far as it is known already (RFC 4301 section 5.1)."""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy.ike.child.policy import Candidate
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.path import nat
from fynx_scapy.ike.terms.selectors import Flow

DUMMY = 59
IPV4, IPV6 = 4, 41


class OutLane:
    """A Child SA as the packets of one IP version see it that are sent on it, looked up once.

    It is valid until anything about the Child SA or its IKE SA changes. Then it is closed, and looked up anew.
    """

    __slots__ = ("child", "life", "next_header", "outbound", "plain", "route", "sa", "valid")

    def __init__(self, sa: SaRecord, child: ChildSa, version: int) -> None:
        self.sa, self.child = sa, child
        self.next_header = IPV4 if version == 4 else IPV6
        self.outbound, self.life = child.outbound, child.life
        self.route = nat.esp_route(sa)
        self.plain = child.hosts is None and not (child.options.tfc and child.config.tfc_length)
        self.valid = True

    def close(self) -> None:
        """Make it invalid. It keeps no key alive for the flows that still refer to it."""
        self.valid = False
        del self.sa, self.child, self.outbound, self.life


class Selection:
    """A way to select Child SAs: among all of an endpoint, or among some of them.

    ``pick`` returns the Child SA for a flow, with its IKE SA, or None. The choice is remembered for the flow, ``most``
    of them at a time, until a Child SA that may take the flow is added, goes, or changes in what `policy.pick` looks
    at. ``left`` is called with a packet that no Child SA takes, and returns whether something else has taken it.
    ``packets`` and ``octets`` count the inner packets that were sent.
    """

    __slots__ = ("flows", "left", "most", "octets", "packets", "pick")

    def __init__(
        self, pick: Callable[[Flow], Candidate | None], left: Callable[[bytes, Flow], bool], *, most: int = 32_768
    ) -> None:
        self.pick, self.left, self.most = pick, left, most
        self.flows: dict[bytes | None, OutLane] = {}
        self.packets = self.octets = 0

    def remember(self, key: bytes | None, lane: OutLane) -> None:
        """Remember a choice. A packet without a key has nothing in common with others."""
        if key is not None:
            if len(self.flows) >= self.most:
                self.flows.clear()
            self.flows[key] = lane

    def forget(self) -> None:
        """Forget all choices."""
        self.flows.clear()
