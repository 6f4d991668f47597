# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks that a live peer answers: before a run, and after a scenario in which it did not answer our last Delete."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from fynx_scapy.errors import FynxError
from fynx_scapy.harness.target import Target
from fynx_scapy.ike.events import Event, IkeSaEstablished, MessageReceived
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import IKEv2_VendorID
from fynx_scapy.layers.ikev2.vendor import vendor_name
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session_setup import LIVE

Watcher = Callable[[Hosts, str], Callable[[], object] | None]
"""Called with each new network and its name; may return a function that stops watching, as `Recorder.watch` does."""

VENDOR_IDS = "the peer's vendor IDs"
"""The fact that has the names of a peer's vendor IDs."""


def watching(watch: Watcher | None, network: Hosts, name: str) -> Callable[[], object]:
    """Call ``watch`` for a network, if there is one; returns a function that stops watching."""
    stop = watch(network, name) if watch is not None else None
    return stop or (lambda: None)


class Unreached(FynxError):  # noqa: N818 -- the name says what happened
    """The target does not answer IKE_SA_INIT. ``causes`` are the likely causes, in words."""

    code = "unreached"
    retryable = True
    advice = "The text names the likely causes."

    def __init__(self, target: str, causes: list[str]) -> None:
        super().__init__("; ".join([f"no answer to IKE_SA_INIT from {target}", *causes]))
        self.target, self.causes = target, causes


@dataclass(slots=True)
class Contact:
    """Whether a live peer answers, and what it says about itself."""

    target: Target
    watch: Watcher | None = None
    heard: bool = False
    """Whether the peer has answered."""
    facts: dict[str, str] = field(default_factory=dict)
    """Our address and identity, and the peer's identity and vendor IDs, for reports."""
    left: tuple[str, ...] = ()
    """What may be left at the peer, in words."""

    def make(self) -> None:
        """Run one IKE_SA_INIT with a short schedule, and delete the IKE SA. Unreached when no answer comes in 5 s.

        ConfigError and TransportError as in `Session`.
        """
        network = UdpNetwork(open_socket=self.target.open_socket)
        try:
            config = self.target.config({}).replace(retransmission=LIVE)
            session = self.target.session(config, network)
        except FynxError:
            network.close()
            raise
        stop_watching = watching(self.watch, network, "sign of life")
        try:
            with contextlib.suppress(FynxError):  # any answer will do, an error too
                session.sa_init()
            answers = [event for _, event in network.events if isinstance(event, MessageReceived) and _response(event)]
            if any(bytes(event.header.resp_SPI) in session.client.sas for event in answers):
                raise Unreached(str(session.config.remote), ["it echoes our own messages"])
            if not answers:
                raise Unreached(str(session.config.remote), session.silence())
            self.heard = True
        finally:
            self.left = session.leave().left
            stop_watching()
        ports = f"{session.client.config.port} and {session.client.config.natt_port}"
        self.facts = {
            "target": str(session.config.remote),
            "our address": f"{session.client.host}, ports {ports}",
            "our identity": str(session.config.local_id),
            **peer_facts([event for _, event in network.events]),
        }


def _response(event: MessageReceived) -> bool:
    return bool(int(event.header.flags or 0) & FLAG_RESPONSE)


def peer_facts(events: list[Event]) -> dict[str, str]:
    """What a peer says about itself: its identity and its vendor IDs."""
    identities = [event.remote_id for event in events if isinstance(event, IkeSaEstablished)]
    vendors = [
        bytes(payload.vendorID or b"")
        for event in events
        if isinstance(event, MessageReceived)
        for payload in event.payloads
        if isinstance(payload, IKEv2_VendorID)
    ]
    facts = {"the peer's identity": identities[0]} if identities else {}
    if vendors:
        names = (vendor_name(octets) or octets.hex() for octets in vendors)
        facts[VENDOR_IDS] = ", ".join(dict.fromkeys(names))
    return facts
