# SPDX-License-Identifier: GPL-2.0-or-later
"""Policies that wait for a packet, which sets up what it needs (RFC 7296 section 2.9; RFC 4301 section 4.4.1)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fynx_scapy.ike.terms.selectors import Flow

if TYPE_CHECKING:
    from fynx_scapy.ike.config import ChildConfig, IkeConfig
    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.record import SaRecord
    from fynx_scapy.ike.message import Address
    from fynx_scapy.ike.terms.identity import Identity

# How many packets are held for their Child SA, and for how many seconds at most.
HELD_PACKETS, HELD_SECONDS = 16, 30.0


class Traps:
    """The policies of one endpoint that wait, and the last few packets that await their Child SA."""

    def __init__(self, endpoint: EndpointRecord) -> None:
        self._endpoint = endpoint
        self._configs: dict[tuple[Address | None, Identity | None], IkeConfig] = {}
        self._held: deque[tuple[float, bytes]] = deque(maxlen=HELD_PACKETS)

    def __len__(self) -> int:
        return len(self._configs)

    def set(self, config: IkeConfig) -> None:
        """Wait for packets that fit a Child SA of this configuration, which names its peer's address.

        One configuration a peer: a new one takes the place of the old.
        """
        self._configs[config.remote, config.remote_id] = config

    def clear(self) -> None:
        """Wait for nothing, and let go what is held."""
        self._configs.clear()
        self._held.clear()

    def catch(self, packet: bytes, flow: Flow, now: float) -> bool:
        """Set up what a packet needs, and hold it until then; False when no policy waits for it."""
        for config in self._configs.values():
            for child in config.children:
                if flow.fits(child.local_ts, child.remote_ts):
                    self._held.append((now, packet))
                    self._set_up(config, child, packet, now)
                    return True
        return False

    def _set_up(self, config: IkeConfig, child: ChildConfig, packet: bytes, now: float) -> None:
        sa = self._find(config)
        if sa is None:
            first = tuple(dict.fromkeys([child, *config.children]))
            self._endpoint.connect(config.replace(children=first), now, packet)
        elif sa.established and not self._under_way(sa):
            sa.create_child(child, packet)

    def _find(self, config: IkeConfig) -> SaRecord | None:
        """An IKE SA with that peer that is there or on its way."""
        for sa in self._endpoint.sas.values():
            if sa.established and sa.remote_id == config.remote_id and sa.local_id == config.local_id:
                return sa
            if sa.connecting and sa.initiator and sa.config.remote == config.remote:
                return sa
        return None

    @staticmethod
    def _under_way(sa: SaRecord) -> bool:
        """Whether a Child SA is asked for already: the packets that come meanwhile shall not ask for more of them."""
        begun = [pending.exchange for pending in sa.requests.pending.values()]
        return any(exchange.touches_children for exchange in [*begun, *sa.requests.waiting])

    def release(self) -> None:
        """A Child SA came up: send what is held, as far as it goes there, once the answer that made it is out."""
        if self._held:
            self._endpoint.timers.set(self._endpoint.now, self._send_held)

    def _send_held(self, now: float) -> None:
        held = [(since, packet) for since, packet in self._held if now - since <= HELD_SECONDS]
        self._held.clear()
        self._held.extend(
            (since, packet) for since, packet in held if not self._endpoint.send_now(packet, Flow.parse(packet))
        )
