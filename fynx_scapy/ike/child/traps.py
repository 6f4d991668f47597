# SPDX-License-Identifier: GPL-2.0-or-later
"""Trap policies: a matching packet sets up its Child SA (RFC 7296 section 2.9; RFC 4301 section 4.4.1)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.terms.selectors import Flow

if TYPE_CHECKING:
    from fynx_scapy.ike.config import ChildConfig, IkeConfig
    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.record import SaRecord
    from fynx_scapy.ike.message import Address
    from fynx_scapy.ike.terms.identity import Identity

# How many packets are held until their Child SA is set up, and for how many seconds.
HELD_PACKETS, HELD_SECONDS = 16, 30.0


class Traps:
    """The trap policies of an endpoint, and the last few packets that wait for their Child SA."""

    def __init__(self, endpoint: EndpointRecord) -> None:
        self._endpoint = endpoint
        self._configs: dict[tuple[Address | None, Identity | None], IkeConfig] = {}
        self._held: deque[tuple[float, bytes]] = deque(maxlen=HELD_PACKETS)

    def __len__(self) -> int:
        return len(self._configs)

    def set(self, config: IkeConfig) -> None:
        """Install a trap for the Child SAs of this configuration, whose ``remote`` must be set.

        There is one configuration per peer. A new one replaces the old one.
        """
        self._configs[config.remote, config.remote_id] = config

    def clear(self) -> None:
        """Remove all traps, and drop the held packets."""
        self._configs.clear()
        self._drop(len(self._held))
        self._held.clear()

    def catch(self, packet: bytes, flow: Flow, now: float) -> bool:
        """Set up the Child SA that a packet needs, and hold the packet until then; False when no trap matches."""
        for config in self._configs.values():
            for child in config.children:
                if flow.fits(child.local_ts, child.remote_ts):
                    if len(self._held) == HELD_PACKETS:
                        self._drop(1)
                    self._held.append((now, packet))
                    self._set_up(config, child, packet, now)
                    return True
        return False

    def _drop(self, number: int) -> None:
        if number:
            self._endpoint.counts.drop(DropReason.HELD, number)

    def _set_up(self, config: IkeConfig, child: ChildConfig, packet: bytes, now: float) -> None:
        sa = self._find(config)
        if sa is None:
            first = tuple(dict.fromkeys([child, *config.children]))
            self._endpoint.connect(config.replace(children=first), now, packet)
        elif sa.established and not self._under_way(sa):
            sa.create_child(child, packet)

    def _find(self, config: IkeConfig) -> SaRecord | None:
        """An IKE SA with that peer that is established, or that we are setting up."""
        directory = self._endpoint.directory
        known: list[SaRecord] = directory.of(config.remote_id)
        begun: list[SaRecord] = directory.at(config.remote.host) if config.remote is not None else []
        fitting = (
            *(sa for sa in known if sa.established and sa.local_id == config.local_id),
            *(sa for sa in begun if sa.connecting and sa.initiator and sa.config.remote == config.remote),
        )
        return fitting[0] if fitting else None

    @staticmethod
    def _under_way(sa: SaRecord) -> bool:
        """Whether a Child SA is requested already. Packets that arrive meanwhile must not request more."""
        begun = [pending.exchange for pending in sa.requests.pending.values()]
        return any(exchange.touches_children for exchange in [*begun, *sa.requests.waiting])

    def release(self) -> None:
        """Send the held packets that fit a new Child SA, after the answer that created it was sent."""
        if self._held:
            self._endpoint.timers.set(self._endpoint.now, self._send_held)

    def _send_held(self, now: float) -> None:
        held = [(since, packet) for since, packet in self._held if now - since <= HELD_SECONDS]
        self._drop(len(self._held) - len(held))
        self._held.clear()
        self._held.extend(
            (since, packet) for since, packet in held if not self._endpoint.send_now(packet, Flow.parse(packet))
        )
