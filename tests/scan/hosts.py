# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts to scan, in a network in memory: our own endpoint, and hosts that do whatever a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fynx_scapy.ike.config import EndpointConfig, IkeConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address, Datagram, Header
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import IKEv2, build_message
from fynx_scapy.net.memory import Network
from fynx_scapy.scan import Line, Scan, ScanLimits

US, THEM = "192.0.2.1", Address("192.0.2.2", 500)
Answers = Callable[[bytes], Iterable[bytes]]


class Odd(Endpoint):
    """A host that answers each message with what a function returns."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(THEM.host)
        self.answers, self.received = answers, 0

    def receive(self, datagram: Datagram, now: float) -> None:
        self.now = now
        self.received += 1
        for wire in self.answers(datagram.data):
            self.transmit(None, [Datagram(wire, datagram.local, datagram.remote)])


def scan_of(host: Endpoint, **given: Any) -> Scan:
    """A scan of a host in a network of its own. ``given`` are arguments of `Scan`, or fields of its limits."""
    network = Network(history=0)
    network.add(host, "host")
    own = {"profile", "resume", "wrong_requests", "authenticate", "listen", "told"}
    limits = {name: value for name, value in given.items() if name not in own}
    return Scan(
        Line(network, THEM, US),
        limits=ScanLimits(**({"rate": 1000.0} | limits)),
        **{name: value for name, value in given.items() if name in own},
    )


def responder(proposals: str, **config: Any) -> Endpoint:
    """Our endpoint with these proposals; ``config`` are fields of its `EndpointConfig`."""
    return Endpoint(THEM.host, [IkeConfig(auth="key", proposals=proposals)], config=EndpointConfig(**config))


def answer(request: bytes, *payloads: Any, **fields: Any) -> bytes:
    """A response to a request, with these payloads."""
    header = Header(*Header.parse(request))
    given: dict[str, Any] = {
        "init_SPI": header.spi_i,
        "resp_SPI": bytes(8),
        "exch_type": header.exchange,
        "flags": FLAG_RESPONSE,
    }
    built: bytes = build_message(IKEv2(**(given | fields)), list(payloads))
    return built
