# SPDX-License-Identifier: GPL-2.0-or-later
"""The ESP packets of a capture, decrypted in order, and the flows inside them.

RFC 4303 section 2. A packet of a flow that was decrypted before is cut out of its block and passed to its SA directly.
`Walk` handles every other packet.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fynx_scapy.capture.follow.decrypt import OK, UNCHECKED, open_packet
from fynx_scapy.capture.headers.ipsec import ah_content, contradiction
from fynx_scapy.capture.headers.kinds import UDP
from fynx_scapy.capture.headers.ordinary import LINKS, fast_key
from fynx_scapy.capture.reading.blocks import batches, reported
from fynx_scapy.capture.reading.flows import EspFlow
from fynx_scapy.capture.reading.frames import frame_of
from fynx_scapy.capture.reading.losses import Loss, several, some
from fynx_scapy.capture.reading.nested import Nested
from fynx_scapy.capture.reading.packets import IpsecPacket
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
    packet before. ``protocol`` is esp, or ah: then what AH carries in the clear. ``within`` names the headers around
    it, and ``outer`` says that its content was opened further: those packets come next.
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
    protocol: str = "esp"
    within: tuple[str, ...] = ()
    outer: bool = False

    @property
    def is_ip(self) -> bool:
        """Whether the payload is a whole IP packet (tunnel mode)."""
        return self.next_header in (IPV4, IPV6)


def esp_packets(
    source: Path | BinaryIO,
    opener: Any,
    nested: Nested,
    *,
    name: str | None = None,
    ports: frozenset[int] = frozenset(),
    progress: Callable[[int | None], None] | None = None,
) -> Iterator[Inner]:
    """Every ESP and AH packet of a capture, decrypted if ``opener`` (``esp``, ``esp_sa``) has its keys.

    Takes bounded memory. ``nested`` finds the packets inside them, and keeps what could not be read there.
    """
    walk = Walk(ports)
    fast: dict[bytes, tuple[str, str, int, Any, int, int]] = {}
    links, slots, quiet = LINKS, struct.Struct("!II").unpack_from, nested.quiet
    for batch in reported(batches(source, name), progress):
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
                    src, dst, start, sa, plus, udp = found
                    end = ip + int.from_bytes(head[2:4]) if not plus else ip + plus + int.from_bytes(head[4:6])
                    agreed = not udp or int.from_bytes(head[udp + 4 : udp + 6]) == end - ip - udp
                    if end <= at + size and end - ip > start + 8 and agreed:
                        packet = data[ip + start : end]
                        try:
                            payload, following = sa.open(packet)
                            spi, sequence = slots(packet)
                            verdict = OK if sa.icv_size else UNCHECKED
                            inner = Inner(
                                number, time, src, dst, spi, sequence, end - ip - start, following, payload, verdict
                            )
                            if quiet(following, payload):
                                yield inner
                            else:
                                frame = frame_of(batch, number - batch.first)
                                yield from _deeper(inner, IpsecPacket(frame, "esp", src, dst, packet), opener, nested)
                            continue
                        except (IntegrityError, MalformedError):
                            pass  # the slow path below reports the error, or finds another key
            frame = frame_of(batch, number - batch.first)
            for packet_, opened in _opened(walk.frame(frame), opener, nested):
                yield from opened
                learns = known is not None and not packet_.tcp and not packet_.within
                if known is not None and learns and opened[0].payload is not None and packet_.kind == "esp":
                    _learn(fast, data[at + known[0] : at + known[0] + 60], packet_, opener)
    for _, opened in _opened(walk.rest(), opener, nested):
        yield from opened


def rewind(flows: Iterable[EspFlow], opener: Any) -> None:
    """Reset 64-bit sequence numbers to the start of the capture: a pass leaves each SA at its last packet."""
    for flow in flows:
        sa = opener.esp_sa(flow.spi, flow.dst) if flow.protocol == "esp" else None
        if sa is not None and sa.esn:
            high = sa.highest - (flow.highest & 0xFFFFFFFF) >> 32
            crossed = flow.highest >> 32
            start = max(0, high - crossed) << 32 | flow.lowest
            sa.window = type(sa.window)(sa.window.size, esn=True, highest=start)


def marked(packets: Iterator[Inner], flows: Iterable[EspFlow]) -> Iterator[Inner]:
    """The packets, those that the capture held before marked as such. Only the flows that have some are looked at."""
    spis = {flow.spi for flow in flows if flow.captured_twice}
    return _marked(packets, spis) if spis else packets


def _marked(packets: Iterator[Inner], spis: Set[int]) -> Iterator[Inner]:
    sightings = Sightings()
    for packet in packets:
        if packet.spi in spis:
            octets = (packet.spi, packet.sequence, packet.octets, hash(packet.payload))
            if sightings.add(octets, Sighting(packet.time, ONE_ID))[1]:
                packet = packet._replace(twice=True)
        yield packet


ONE_ID = 1
"""The index compared the IP identification. Here, sequence number and content do."""


def _opened(packets: Iterable[IpsecPacket], opener: Any, nested: Nested) -> Iterator[tuple[IpsecPacket, list[Inner]]]:
    """Each ESP or AH packet that a reader found, opened, and with it the packets inside ESP."""
    found = list(packets)
    for packet, after in zip_longest(found, found[1:]):
        one = None if packet.error else _one(packet, opener)
        if one is None:
            continue
        if one.protocol == "ah":  # the reader itself goes on with what AH carries
            yield packet, [one._replace(outer=after is not None and len(after.within) > len(packet.within))]
        else:
            yield packet, _deeper(one, packet, opener, nested)


def _deeper(one: Inner, packet: IpsecPacket, opener: Any, nested: Nested) -> list[Inner]:
    """An ESP packet, and the packets inside it."""
    if one.payload is None or one.next_header is None or one.error:
        return [one]
    if odd := contradiction(one.next_header, one.payload):
        return [one._replace(error=odd)]
    inside = _opened(nested.packets(packet, one.next_header, one.payload), opener, nested)
    deeper = [each for _, found in inside for each in found]
    return [one._replace(outer=any(each.payload is not None for each in deeper)), *deeper]


def _one(packet: IpsecPacket, opener: Any) -> Inner | None:
    """A packet with its content, None if its header is cut off or it is neither ESP nor AH."""
    frame, data = packet.frame, packet.data
    if packet.fault and (packet.kind == "ah" or packet.error):
        return None
    if packet.kind not in ("esp", "ah") or len(data) < 8:
        return None
    spi, sequence = struct.unpack_from("!II", data, 4 if packet.kind == "ah" else 0)
    one = Inner(
        frame.number, frame.time, packet.src, packet.dst, spi, sequence, len(data) + packet.missing, None, None,
        UNCHECKED, protocol=packet.kind, within=packet.within,
    )  # fmt: skip
    if packet.missing:
        return one._replace(error=packet.fault, keyed=False)
    if packet.kind == "ah":
        following, content = ah_content(data)
        return one._replace(next_header=following, payload=content)
    opened = open_packet(packet, opener)
    return one._replace(
        next_header=opened.next_header, payload=opened.plaintext, icv=opened.icv, error=opened.error, keyed=opened.keyed
    )


def _learn(
    fast: dict[bytes, tuple[str, str, int, Any, int, int]], head: bytes, packet: IpsecPacket, opener: Any
) -> None:
    key = fast_key(head)
    if not key or key[-4:] != packet.data[:4]:
        return
    sa = opener.esp_sa(int.from_bytes(packet.data[:4]), packet.dst)
    if sa is None:
        return
    version6 = head[0] >> 4 == 6
    upper = 40 if version6 else 20
    protocol = head[6] if version6 else head[9]
    udp = upper if protocol == UDP else 0  # where the UDP header is: its length must be that of IP
    fast[key] = (packet.src, packet.dst, upper + (8 if udp else 0), sa, 40 if version6 else 0, udp)


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
        """What was left out: packets of flows beyond the limit."""
        more = f"{several(self.overflow, 'decrypted packet')} of inner flows beyond the limit of {MOST_INNER_FLOWS}"
        return some([Loss("inner flows", self.overflow, more)])

    @property
    def flows(self) -> list[InnerFlow]:
        """The flows, in order of appearance."""
        return list(self._flows.values())
