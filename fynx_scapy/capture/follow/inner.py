# SPDX-License-Identifier: GPL-2.0-or-later
"""The ESP packets of a capture, decrypted in order, and the flows inside them.

RFC 4303 section 2. A packet of a flow that was decrypted before is cut out of its block and passed to its SA directly.
`Walk` handles every other packet.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fynx_scapy.capture.follow.decrypt import OK, UNCHECKED
from fynx_scapy.capture.reading.blocks import batches
from fynx_scapy.capture.reading.frames import frame_of
from fynx_scapy.capture.reading.losses import Loss, several, some
from fynx_scapy.capture.reading.ordinary import LINKS, fast_key
from fynx_scapy.capture.reading.packets import AH, ESP, IKE_PORTS, IPSEC_PROTOCOLS, NATT_PORT, UDP, WESP, IpsecPacket
from fynx_scapy.capture.reading.twins import Sighting, Sightings
from fynx_scapy.capture.reading.walk import Walk
from fynx_scapy.errors import IntegrityError, MalformedError

MOST_INNER_FLOWS = 200_000
DUMMY = 59  # "no next header": RFC 4303 section 2.6
IPV4, IPV6 = 4, 41
PORTS = frozenset((6, 17, 33, 132, 136))  # TCP, UDP, DCCP, SCTP, UDP-Lite: both ports come first


class Inner(NamedTuple):
    """One ESP packet and its content. ``payload`` is None if it was not decrypted; ``next_header`` is its type.

    ``sequence`` is the 32 bits on the wire. ``icv`` is ok, bad or unchecked. ``twice``: the capture held this
    packet before.
    """

    number: int
    time: float | None
    src: str
    dst: str
    spi: int
    sequence: int
    octets: int
    next_header: int | None
    payload: bytes | None
    icv: str = OK
    error: str | None = None
    keyed: bool = True
    twice: bool = False

    @property
    def is_ip(self) -> bool:
        """Whether the payload is a whole IP packet (tunnel mode)."""
        return self.next_header in (IPV4, IPV6)


def esp_packets(
    source: Path | BinaryIO,
    opener: Any,
    *,
    name: str | None = None,
    ports: frozenset[int] = frozenset(),
    progress: Callable[[int], None] | None = None,
) -> Iterator[Inner]:
    """Every ESP packet of a capture, decrypted if ``opener`` (``esp``, ``esp_sa``) has its keys; in bounded memory."""
    walk = Walk(ports)
    fast: dict[bytes, tuple[str, str, int, Any, int]] = {}
    links, slots = LINKS, struct.Struct("!II").unpack_from
    for batch in batches(source, name):
        data, number = batch.data, batch.first - 1
        for time, at, size, _, link in batch.entries:
            number += 1
            known = links.get(link)
            if known is not None:
                ip = at + known[0]
                head = data[ip : ip + 60]
                key = fast_key(head)
                found = fast.get(key) if key else None
                if found is not None:
                    src, dst, start, sa, plus = found
                    end = ip + int.from_bytes(head[2:4]) if not plus else ip + plus + int.from_bytes(head[4:6])
                    if end <= at + size and end - ip > start + 8:
                        packet = data[ip + start : end]
                        spi, sequence = slots(packet)
                        try:
                            payload, following = sa.open(packet)
                            verdict = OK if sa.icv_size else UNCHECKED
                            yield Inner(
                                number, time, src, dst, spi, sequence, end - ip - start, following, payload, verdict
                            )
                            continue
                        except (IntegrityError, MalformedError):
                            pass  # the slow path below reports the error, or finds another key
            frame = frame_of(batch, number - batch.first)
            for packet_ in walk.frame(frame):
                if packet_.kind == "esp" and not packet_.error and len(packet_.data) >= 8:
                    inner = _opened(packet_, opener)
                    yield inner
                    if inner.payload is not None and known is not None and not packet_.tcp:
                        head = data[at + known[0] : at + known[0] + 60]
                        _learn(fast, head, packet_, opener)
        if progress:
            progress(batch.base + len(data))
    for packet_ in walk.rest():
        if packet_.kind == "esp" and not packet_.error and len(packet_.data) >= 8:
            yield _opened(packet_, opener)


def marked(packets: Iterator[Inner], spis: Set[int]) -> Iterator[Inner]:
    """The packets, those that the capture held before marked as such. ``spis``: where to look for them."""
    sightings = Sightings()
    for packet in packets:
        if packet.spi in spis:
            octets = (packet.spi, packet.sequence, packet.octets, hash(packet.payload))
            if sightings.add(octets, Sighting(packet.time, ONE_ID))[1]:
                packet = packet._replace(twice=True)
        yield packet


ONE_ID = 1
"""The index compared the IP identification. Here, sequence number and content do."""


def _opened(packet: IpsecPacket, opener: Any) -> Inner:
    frame, data = packet.frame, packet.data
    spi, sequence = struct.unpack_from("!II", data)
    where = (frame.number, frame.time, packet.src, packet.dst, spi, sequence, len(data) + packet.missing)
    if packet.missing:
        return Inner(*where, None, None, UNCHECKED, packet.fault, False)
    opened = opener.esp(data, packet.src, packet.dst)
    return Inner(*where, opened.next_header, opened.plaintext, opened.icv, opened.error, opened.keyed)


def _learn(fast: dict[bytes, tuple[str, str, int, Any, int]], head: bytes, packet: IpsecPacket, opener: Any) -> None:
    key = fast_key(head)
    if not key or key[-4:] != packet.data[:4]:
        return
    sa = opener.esp_sa(int.from_bytes(packet.data[:4]), packet.dst)
    if sa is None:
        return
    version6 = head[0] >> 4 == 6
    upper = 40 if version6 else 20
    protocol = head[6] if version6 else head[9]
    fast[key] = (packet.src, packet.dst, upper + (8 if protocol == UDP else 0), sa, 40 if version6 else 0)


@dataclass(slots=True)
class InnerFlow:
    """The packets between two inner addresses with one protocol and, if the protocol has ports, one pair of them."""

    src: str
    dst: str
    protocol: int
    sport: int | None
    dport: int | None
    packets: int = 0
    octets: int = 0
    first: float | None = None
    last: float | None = None
    spis: set[int] = field(default_factory=set)

    def as_dict(self) -> dict[str, Any]:
        """The flow as plain values."""
        names = ("src", "sport", "dst", "dport", "protocol", "packets", "octets", "first", "last")
        return {name: getattr(self, name) for name in names} | {"spis": sorted(f"{spi:08x}" for spi in self.spis)}


class FiveTuple(NamedTuple):
    """Addresses, protocol and ports of an inner packet."""

    src: str
    dst: str
    protocol: int
    sport: int | None
    dport: int | None


def five_tuple(inner: Inner) -> FiveTuple | None:
    """The 5-tuple of a decrypted packet, with the outer addresses in transport mode. None for dummy or odd packets."""
    raw = _raw_tuple(inner)
    return None if raw is None else _named(inner, raw)


def _raw_tuple(inner: Inner) -> bytes | None:
    """The octets that identify an inner flow: family, addresses, protocol, ports."""
    data, following = inner.payload, inner.next_header
    if data is None or following is None or following == DUMMY:
        return None
    if following == IPV4:
        if len(data) < 20:
            return None
        protocol, at = data[9], (data[0] & 15) * 4
        head = b"4" + data[12:20]
        if data[6] & 0x1F or data[7]:
            at = len(data)  # a fragment has no ports
    elif following == IPV6:
        if len(data) < 40:
            return None
        protocol, at = data[6], 40
        head = b"6" + data[8:40]
    else:
        protocol, at = following, 0
        head = b"-" + f"{inner.src} {inner.dst}".encode() + b" "
    ports = data[at : at + 4] if protocol in PORTS and len(data) >= at + 4 else b""
    return head + bytes((protocol,)) + ports


def _named(inner: Inner, raw: bytes) -> FiveTuple:
    family, size = raw[:1], {b"4": 4, b"6": 16}.get(raw[:1])
    if size:
        kind = socket.AF_INET if family == b"4" else socket.AF_INET6
        src, dst = socket.inet_ntop(kind, raw[1 : 1 + size]), socket.inet_ntop(kind, raw[1 + size : 1 + 2 * size])
        rest = raw[1 + 2 * size :]
    else:
        src, dst = inner.src, inner.dst
        rest = raw[len(f"-{src} {dst} ".encode()) :]
    sport, dport = struct.unpack("!HH", rest[1:5]) if len(rest) >= 5 else (None, None)
    return FiveTuple(src, dst, rest[0], sport, dport)


@dataclass(slots=True)
class InnerFlows:
    """The inner flows of a capture, at most 200,000. ``overflow`` counts packets of further flows."""

    overflow: int = 0
    _flows: dict[bytes, InnerFlow] = field(default_factory=dict)

    def count(self, inner: Inner) -> None:
        """Count one decrypted packet."""
        raw = _raw_tuple(inner)
        if raw is None:
            return
        flow = self._flows.get(raw)
        if flow is None:
            if len(self._flows) >= MOST_INNER_FLOWS:
                self.overflow += 1
                return
            flow = self._flows[raw] = InnerFlow(*_named(inner, raw), first=inner.time)
        flow.packets += 1
        flow.octets += len(inner.payload or b"")
        flow.last = inner.time
        flow.spis.add(inner.spi)

    def losses(self) -> list[Loss]:
        """What was left out: packets of flows beyond the limit, and IPsec inside ESP, which is not decrypted."""
        nested = Counter[str]()
        for flow in self.flows:
            if flow.protocol in (ESP, AH, WESP):
                nested[IPSEC_PROTOCOLS[flow.protocol].upper()] += flow.packets
            elif flow.protocol == UDP and {flow.sport, flow.dport} & {*IKE_PORTS, NATT_PORT}:
                nested["IKE and ESP in UDP"] += flow.packets
        more = f"{several(self.overflow, 'decrypted packet')} of inner flows beyond the limit of {MOST_INNER_FLOWS}"
        inside = [
            Loss("nested", count, f"{several(count, 'packet')} of {name} inside ESP not dissected")
            for name, count in nested.items()
        ]
        return some([*inside, Loss("inner flows", self.overflow, more)])

    @property
    def flows(self) -> list[InnerFlow]:
        """The flows, in order of appearance."""
        return list(self._flows.values())


def ip_around(inner: Inner) -> bytes:
    """An IP packet with the outer addresses for what ESP carried in transport mode (RFC 4303 section 3.1.1)."""
    payload, following = inner.payload or b"", inner.next_header or 0
    if ":" in inner.src:
        ends = socket.inet_pton(socket.AF_INET6, inner.src) + socket.inet_pton(socket.AF_INET6, inner.dst)
        return struct.pack("!IHBB", 6 << 28, len(payload), following, 64) + ends + payload
    ends = socket.inet_pton(socket.AF_INET, inner.src) + socket.inet_pton(socket.AF_INET, inner.dst)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, following, 0)
    return ipv4_checked(head + ends) + payload


def ipv4_checked(header: bytes) -> bytes:
    """An IPv4 header of 20 octets with its checksum filled in (RFC 1071)."""
    total = sum(struct.unpack("!10H", header)) - int.from_bytes(header[10:12])
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    checksum: bytes = (total ^ 0xFFFF).to_bytes(2)
    return header[:10] + checksum + header[12:]
