# SPDX-License-Identifier: GPL-2.0-or-later
"""A flood of IKE_SA_INIT requests from spoofed sources, and one legitimate peer that connects in the middle of it.

>>> print(run(100_000))
"""

from __future__ import annotations

import gc
import struct
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from scapy.packet import Packet

from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.randomness import SeededRandomness
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address, Datagram
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, HEADER_SIZE, IKE_HEADER, NEXT_PAYLOAD, VERSION_2
from fynx_scapy.layers.ikev2.structure import Structure
from tests.ike.pair import ALICE, BOB, alice, bob

RATE = 1000.0
"""Requests per second of virtual time."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a flood. Memory in bytes; ``layers`` counts Scapy layers built for requests without a cookie."""

    requests: int
    challenges: int
    admitted: int
    refused: int
    layers: int
    layers_admitted: int
    most_half_open: int
    memory: int
    kept_at_half: int
    kept: int
    connected: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.requests} spoofed requests in {self.seconds:.1f} s: {self.admitted} admitted before the threshold, "
            f"{self.challenges} asked for a cookie, {self.refused} dropped; at most {self.most_half_open} half-open; "
            f"memory {self.memory / 1024:.0f} KiB at its peak, {self.kept_at_half / 1024:.0f} KiB kept at half time, "
            f"{self.kept / 1024:.0f} KiB at the end; {self.layers} Scapy layers built before a valid cookie "
            f"({self.layers_admitted} below the threshold); {self.connected} legitimate peers connected"
        )


class _Counted:
    """The number of Scapy layers constructed while it is active."""

    def __init__(self) -> None:
        self.count = 0


@contextmanager
def constructions() -> Iterator[_Counted]:
    """Count every construction of a Scapy packet: ours are filled by ``_fresh``, Scapy's own by ``__init__``."""
    counted, ours, theirs = _Counted(), Structure._fresh, Packet.__init__

    def fresh(self: Structure) -> dict[str, Any]:
        counted.count += 1
        return ours(self)

    def init(self: Packet, *args: Any, **fields: Any) -> None:
        counted.count += 1
        theirs(self, *args, **fields)

    with patch.object(Structure, "_fresh", fresh), patch.object(Packet, "__init__", init):
        yield counted


def request(seed: str = "template") -> bytes:
    """A valid IKE_SA_INIT request."""
    sender = Endpoint(ALICE, randomness=SeededRandomness(seed))
    sender.connect(alice(), 0.0)
    return sender.datagrams()[0].data


def spoofed(count: int) -> Iterator[Datagram]:
    """Requests that differ in source, SPI and nonce."""
    template = bytearray(request())
    kind, at = template[NEXT_PAYLOAD], HEADER_SIZE
    while kind != 40:
        kind, at = template[at], at + int.from_bytes(template[at + 2 : at + 4])
    here = Address(BOB, 500)
    for number in range(1, count + 1):
        struct.pack_into("!Q", template, 0, number)
        struct.pack_into("!Q", template, at + 4, number)
        source = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        yield Datagram(bytes(template), here, Address(source, 500))


def transform(kind: int, number: int, attributes: bytes = b"") -> bytes:
    """A transform substructure; `proposal` marks the last one (RFC 7296 section 3.3.2)."""
    return struct.pack("!BBHBBH", 3, 0, 8 + len(attributes), kind, 0, number) + attributes


def proposal(number: int, transforms: Sequence[bytes], *, last: bool = True) -> bytes:
    """A proposal substructure for IKE (section 3.3.1)."""
    body = b"".join([*transforms[:-1], *(b"\0" + item[1:] for item in transforms[-1:])])
    return struct.pack("!BBHBBBB", 0 if last else 2, 0, 8 + len(body), number & 255, 1, 0, len(transforms) & 255) + body


def initial(
    sa: bytes,
    seed: int,
    *,
    group: int = 31,
    ke: bool = True,
    nonce: bytes = b"",
    cookie: bytes = b"",
    before: Sequence[tuple[int, bytes]] = (),
    only: Sequence[tuple[int, bytes]] = (),
    exchange: int = 34,
    spi_r: bytes = bytes(8),
) -> bytes:
    """A request by struct: (type, body) of each payload, those of IKE_SA_INIT unless there are ``only`` others."""
    random = SeededRandomness(f"initial {seed}")
    spi_i, drawn, public = random.octets(8), random.octets(32), random.octets(32)
    first = [(41, struct.pack("!BBH", 0, 0, NotifyType.COOKIE) + cookie)] if cookie else []
    keys = [(34, struct.pack("!HH", group, 0) + public)] if ke else []
    payloads = list(only) or [*first, *before, (33, sa), *keys, (40, nonce or drawn)]
    kinds = [kind for kind, _ in payloads] + [0]
    body = b"".join(
        struct.pack("!BBH", following, 0, 4 + len(data)) + data
        for following, (_, data) in zip(kinds[1:], payloads, strict=True)
    )
    fields = (spi_i, spi_r, kinds[0], VERSION_2, exchange, FLAG_INITIATOR, 0, HEADER_SIZE + len(body))
    return IKE_HEADER.pack(*fields) + body


_UNKNOWN = [transform(1, 65000), transform(2, 65000), transform(4, 65000)]


def refused_offer(seed: int, *, cookie: bytes = b"") -> bytes:
    """A well-formed IKE_SA_INIT request that proposes only unknown algorithms."""
    return initial(proposal(1, _UNKNOWN), seed, cookie=cookie)


def big_offer(seed: int) -> bytes:
    """The same with 64 KB: 2,000 proposals."""
    return initial(b"".join(proposal(n, _UNKNOWN, last=n == 2000) for n in range(1, 2001)), seed)


def meet(client: Endpoint, server: Endpoint, now: float) -> bool:
    """Connect a legitimate peer without any time passing. Returns whether both endpoints are established."""
    sa = client.connect(alice(), now)
    for _ in range(4):
        for datagram in client.datagrams():
            server.receive(datagram.turned(), now)
        for datagram in server.datagrams():
            if datagram.remote.host == client.host:
                client.receive(datagram.turned(), now)
    return sa.established and any(other.established and other.spi_i == sa.spi_i for other in server.sas.values())


def run(count: int = 100_000, config: EndpointConfig | None = None) -> Report:
    """Send that many requests to one endpoint, and connect ten legitimate peers in between."""
    server = Endpoint(BOB, [bob()], config=config, randomness=SeededRandomness("flood"))
    client = Endpoint(ALICE, randomness=SeededRandomness("good peer"))
    # One-time imports and setup do not count as part of the flood.
    meet(Endpoint(ALICE, randomness=SeededRandomness("first")), Endpoint(BOB, [bob()]), 0.0)
    flood = spoofed(count)
    challenges = admitted = refused = layers = layers_admitted = most = connected = at_half = 0
    began = time.perf_counter()
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    gc.collect()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    with constructions() as built:
        for number, datagram in enumerate(flood):
            now = number / RATE
            server.handle_timer(now)
            half_open, was = server.half_open, built.count
            server.receive(datagram, now)
            new = server.half_open > half_open
            cost = built.count - was
            admitted, layers_admitted = admitted + new, layers_admitted + cost * new
            layers += cost * (not new)
            most = max(most, server.half_open)
            answers = server.datagrams()
            cookies = sum(NotifyType.COOKIE.to_bytes(2) == answer.data[34:36] for answer in answers if not new)
            challenges += cookies
            refused += not (answers or new)
            server.events()
            if number % (count // 10 or 1) == count // 20:
                connected += meet(client, server, now)
                server.events(), client.events()
            if number == count // 2:
                gc.collect()
                at_half = tracemalloc.get_traced_memory()[0] - before
    peak = tracemalloc.get_traced_memory()[1] - before
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0] - before
    if not tracing:
        tracemalloc.stop()
    return Report(
        requests=count,
        challenges=challenges,
        admitted=admitted,
        refused=refused,
        layers=layers,
        layers_admitted=layers_admitted,
        most_half_open=most,
        memory=peak,
        kept_at_half=at_half,
        kept=kept,
        connected=connected,
        seconds=time.perf_counter() - began,
    )
