# SPDX-License-Identifier: GPL-2.0-or-later
"""Two endpoints on a network in memory: what most tests of the engine begin with."""

from __future__ import annotations

from typing import Any

from fynx_scapy.ike.basics.randomness import SeededRandomness
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig, Psk
from fynx_scapy.ike.core.registry import Registry
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import Event
from fynx_scapy.ike.message import Address, Datagram
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.net.memory import Network

ALICE, BOB = "192.0.2.1", "192.0.2.2"


def alice(**changes: Any) -> IkeConfig:
    """The initiator's configuration."""
    fields: dict[str, Any] = {
        "local_id": "alice",
        "remote_id": "bob",
        "auth": Psk("secret"),
        "remote": Address(BOB, 500),
    }
    return IkeConfig(**(fields | changes))


def bob(**changes: Any) -> IkeConfig:
    """The responder's configuration."""
    child = ChildConfig(local_ts=("10.2.0.0/24",), remote_ts=("10.1.0.0/24",))
    fields: dict[str, Any] = {"local_id": "bob", "remote_id": "alice", "auth": Psk("secret"), "children": (child,)}
    return IkeConfig(**(fields | changes))


def kept(held: list[Datagram], datagram: Datagram) -> tuple[()]:
    """What an interceptor gives in the place of a datagram that it keeps: nothing."""
    held.append(datagram)
    return ()


class Pair:
    """Alice, who connects, and Bob, who answers, with everything that happened to either."""

    def __init__(
        self,
        *configs: IkeConfig,
        seed: int = 1,
        endpoint: EndpointConfig | None = None,
        network: Network | None = None,
        registry: Registry | None = None,
    ):
        self.network = network or Network(seed=seed)
        self.alice = Endpoint(ALICE, randomness=SeededRandomness(f"{seed} alice"), registry=registry)
        random = SeededRandomness(f"{seed} bob")
        self.bob = Endpoint(BOB, configs or [bob()], config=endpoint, randomness=random, registry=registry)
        self.network.add(self.alice, "alice")
        self.network.add(self.bob, "bob", echo=True)

    def connect(self, config: IkeConfig | None = None) -> IkeSa:
        """Connect, and let time pass until all is quiet."""
        sa = self.alice.connect(config or alice(), self.network.now)
        self.network.run()
        return sa

    @property
    def bobs(self) -> IkeSa:
        """Bob's only IKE SA."""
        (sa,) = self.bob.sas.values()
        return sa

    def of(self, who: str, kind: type[Event]) -> list[Any]:
        """The events of one kind at one end."""
        return [event for name, event in self.network.events if name == who and isinstance(event, kind)]
