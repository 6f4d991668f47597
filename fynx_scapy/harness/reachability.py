# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks that a live peer answers: by one exchange before a run, and by another after a scenario that saw none."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

from fynx_scapy.errors import FynxError
from fynx_scapy.harness.target import Target
from fynx_scapy.ike.events import Event, IkeSaEstablished, MessageReceived
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import IKEv2_VendorID
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session_setup import LIVE

Watcher = Callable[[Hosts, str], Callable[[], object] | None]
"""Called with each new network and its name; may return a function that ends the watching, as `Recorder.watch` does."""


def watching(watch: Watcher | None, network: Hosts, name: str) -> Callable[[], object]:
    """Have a network watched, if anybody wants to watch; returns what ends it."""
    end = watch(network, name) if watch is not None else None
    return end or (lambda: None)


class Unreached(FynxError):  # noqa: N818 -- reads as what happened
    """Nobody answers IKE_SA_INIT at the target. ``causes`` are the likely ones, in words."""

    code = "unreached"

    def __init__(self, target: str, causes: list[str]) -> None:
        super().__init__("; ".join([f"nobody answers IKE_SA_INIT at {target}", *causes]))
        self.target, self.causes = target, causes


@dataclass(slots=True)
class Contact:
    """What a run knows of its live peer: whether it has been heard, and what it says of itself (``facts``)."""

    target: Target
    watch: Watcher | None = None
    heard: bool = False
    facts: dict[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()

    def make(self) -> None:
        """One IKE_SA_INIT with a short schedule; what comes of it is deleted. Unreached when nobody answers in 5 s.

        ConfigError and TransportError as of `Session`.
        """
        network = UdpNetwork(open_socket=self.target.open_socket)
        try:
            session = dataclasses.replace(self.target, retransmission=LIVE).session({}, network)
        except FynxError:
            network.close()
            raise
        end_watch = watching(self.watch, network, "sign of life")
        try:
            with contextlib.suppress(FynxError):  # what counts is whether an answer came, and not which
                session.sa_init()
            answers = [event for _, event in network.events if isinstance(event, MessageReceived) and _response(event)]
            if any(bytes(event.header.resp_SPI) in session.client.sas for event in answers):
                raise Unreached(str(session.config.remote), ["our own messages come back: it is an echo"])
            if not answers:
                raise Unreached(str(session.config.remote), session.silence())
            self.heard = True
        finally:
            self.left = session.leave().left
            end_watch()
        ports = f"{session.client.config.port} and {session.client.config.natt_port}"
        self.facts = {
            "target": str(session.config.remote),
            "our address": f"{session.client.host}, ports {ports}",
            "our identity": str(session.config.local_id),
            **told([event for _, event in network.events]),
        }


def _response(event: MessageReceived) -> bool:
    return bool(int(event.header.flags or 0) & FLAG_RESPONSE)


def told(events: list[Event]) -> dict[str, str]:
    """What a peer says of itself: its identity, and its vendor IDs."""
    identities = [event.remote_id for event in events if isinstance(event, IkeSaEstablished)]
    vendors = [
        bytes(payload.vendorID or b"")
        for event in events
        if isinstance(event, MessageReceived)
        for payload in event.payloads
        if isinstance(payload, IKEv2_VendorID)
    ]
    found = {"the peer's identity": identities[0]} if identities else {}
    if vendors:
        found["the peer's vendor IDs"] = ", ".join(dict.fromkeys(map(_written, vendors)))
    return found


def _written(octets: bytes) -> str:
    text = octets.decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() else octets.hex()
