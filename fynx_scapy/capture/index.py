# SPDX-License-Identifier: GPL-2.0-or-later
"""One pass over a capture: keep every IKE message and count every ESP flow. Memory does not grow with the ESP traffic.

An ordinary ESP packet (IPv4 or IPv6 without options, not a fragment, of a known flow) is counted in place. `Walk`
handles every other packet. A test checks that both count alike.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fynx_scapy.capture.headers.kinds import ESP, UDP
from fynx_scapy.capture.headers.ordinary import IPV4, IPV6, LINKS, OTHERS, fast_key
from fynx_scapy.capture.reading.blocks import Batch, Entry, batches, reported
from fynx_scapy.capture.reading.flows import EspFlow
from fynx_scapy.capture.reading.frames import Frame, frame_of
from fynx_scapy.capture.reading.losses import Loss, several, some
from fynx_scapy.capture.reading.packets import IpsecPacket
from fynx_scapy.capture.reading.store import Messages
from fynx_scapy.capture.reading.twins import Sighting, held_before, ident_before
from fynx_scapy.capture.reading.walk import LOST, LostPiece, Walk

MOST_FLOWS = 200_000
MOST_PROBLEMS = 10_000
MOST_NOTED = 100
"""How many packets that the capture holds twice are listed. All are counted."""


class Problem(NamedTuple):
    """Something that could not be read: packet number (0 if it is not a packet), offset in the file, and reason."""

    number: int
    offset: int
    text: str


@dataclass(slots=True)
class Index:
    """What one pass over a capture finds.

    ``packets`` and ``octets`` count all packets, ``kinds`` the IPsec packets by kind (ike, esp, ah, ikev1, keepalive,
    …), ``foreign`` those that are not IPsec. ``first`` and ``last`` are times. ``failed`` counts what could not be
    read; ``problems`` lists at most 10,000 of these, followed by what was left out (`losses`): packets of flows beyond
    a limit (``overflow``), octets of TCP, headers that are not looked into. ``twice`` are the numbers of the first ESP
    and AH packets that were captured twice; the flows count them. ``cut`` counts the packets that the snap length cut,
    by how many octets of their frames there are. With ``takes``, only IPsec packets for which it is true count.
    """

    ports: frozenset[int] = frozenset()
    takes: Callable[[IpsecPacket], bool] | None = None
    packets: int = 0
    octets: int = 0
    first: float | None = None
    last: float | None = None
    kinds: Counter[str] = field(default_factory=Counter)
    messages: Messages = field(default_factory=Messages)
    problems: list[Problem] = field(default_factory=list)
    failed: int = 0
    overflow: int = 0
    twice: list[int] = field(default_factory=list)
    cut: Counter[int] = field(default_factory=Counter)
    _flows: dict[tuple[str, int, str, str], EspFlow] = field(default_factory=dict)
    _fast: dict[bytes, EspFlow] = field(default_factory=dict)
    _walk: Walk = field(init=False)
    _foreign: int = 0
    _counted: int = 0
    _named: int = 0
    _later: list[Loss] = field(default_factory=list)
    _before: Batch | None = None
    _spis: set[int] = field(default_factory=set)
    _rest: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._walk = Walk(self.ports)

    @property
    def flows(self) -> list[EspFlow]:
        """The ESP and AH flows, in order of appearance."""
        return list(self._flows.values())

    @property
    def pieces(self) -> list[LostPiece]:
        """The IP packets of which fragments are missing, at most 10,000."""
        pieces = self._walk.pieces
        return pieces if self.takes is None else [piece for piece in pieces if piece.number in self._rest]

    @property
    def foreign(self) -> int:
        """How many packets are not IPsec. A filter takes none of them."""
        return 0 if self.takes is not None else self._foreign + self._walk.foreign

    @property
    def losses(self) -> list[Loss]:
        """What was left out, with a count and a text."""
        packets = several(self.overflow, "packet")
        flows = f"{packets} of ESP and AH flows beyond the limit of {MOST_FLOWS}"
        more = max(0, self.failed - self._named - MOST_PROBLEMS)
        problems = f"{several(more, 'problem')} beyond the limit of {MOST_PROBLEMS}"
        own = [Loss("flows", self.overflow, flows), Loss("problems", more, problems)]
        return some([*self._walk.losses, *own, *self._later])

    def left_out(self, losses: Iterable[Loss]) -> None:
        """Record what a later pass left out. Each loss is also a problem of the capture as a whole."""
        found = some(losses)
        self._later += found
        self._name(found)

    def _name(self, losses: Iterable[Loss]) -> None:
        for loss in losses:
            self.failed += 1
            self._named += 1
            self.problems.append(Problem(0, 0, loss.text))

    def problem(self, number: int, offset: int, text: str) -> None:
        """Record something that could not be read."""
        self.failed += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(number, offset, text))

    def scan(
        self, source: Path | BinaryIO, name: str | None = None, progress: Callable[[int | None], None] | None = None
    ) -> Index:
        """Read a capture from start to end. ``progress`` is called as in `reported`.

        Raises CaptureError if the source cannot be opened or is not a capture. Damage inside it becomes a problem.
        """
        for batch in reported(batches(source, name), progress):
            self._batch(batch)
            if batch.end and self._wanted(IpsecPacket(Frame(batch.first, None, 0, b""), "unreadable", "", "", b"")):
                self.problem(batch.first, batch.end_offset, batch.end)
        self._before = None  # what comes now is not in the order of the capture
        for packet in self._walk.rest():
            if packet.kind != LOST and self._wanted(packet):
                self._rest |= set() if self.takes is None else {packet.frame.number}
                self._take(packet, Batch(b"", 0, 0, "<", False, []), 0)
        for flow in self.flows:
            for number, text in flow.impossible():
                self.problem(number, 0, text)
        self._name(self.losses)
        self.kinds["esp"] += self._counted
        self._counted = 0
        if self.takes is not None:
            self.packets = self.kinds.total()
        if not self.kinds["esp"]:
            del self.kinds["esp"]
        return self

    def _batch(self, batch: Batch) -> None:
        entries = batch.entries
        if not entries:
            return
        if self.takes is None:
            if self.first is None:
                self.first = next((entry[0] for entry in entries if entry[0] is not None), None)
            self.last = entries[-1][0] if entries[-1][0] is not None else self.last
        data, find, links = batch.data, self._fast.get, LINKS
        ipv4, ipv6 = IPV4.unpack_from, IPV6.unpack_from
        link, rest = -2, False
        before = at_type = size_type = least = 0
        type4 = type6 = b""
        number, octets, counted, foreign = batch.first - 1, 0, 0, 0
        for time, at, size, wire, link_type in entries:
            number += 1
            octets += wire
            if link_type != link:
                link, known = link_type, links.get(link_type)
                rest = known is None
                before, at_type, size_type, type4, type6 = known or (0, 0, 0, b"", b"")
                least = before + IPV4.size
            if size >= least and not rest:
                ip = at + before
                kind = data[at + at_type : at + at_type + size_type]
                if kind == type4:
                    version, total, fragment, protocol, key, one, spi, two = ipv4(data, ip)
                    if version == 0x45 and not fragment & 0x3FFF:
                        if protocol == ESP:
                            length, sequence = total - 20, one
                        elif protocol == UDP:
                            length, sequence = (one >> 16) - 8, two
                            key += spi
                            if length != total - 28:
                                key = b""
                        elif protocol in OTHERS:
                            foreign += 1
                            continue
                        else:
                            key, length, sequence = b"", 0, 0
                        flow = find(key)
                        if flow is not None and before + total <= size and length >= 8:
                            counted += 1
                            if sequence == flow.expected:
                                flow.expected = sequence + 1
                                flow.packets += 1
                                flow.octets += length
                                flow.last, flow.last_number = time, number
                            elif which := flow.count(sequence, length, time, number):
                                self._twice(flow, which, batch, number - batch.first, ip + total - length, length)
                            continue
                if kind == type6 and size >= before + IPV6.size:
                    version6, total, protocol, key, one, spi, two = ipv6(data, ip)
                    if version6[0] >> 4 == 6:
                        if protocol == ESP:
                            length, sequence = total, one
                        elif protocol == UDP:
                            length, sequence = (one >> 16) - 8, two
                            key += spi
                            if length != total - 8:
                                key = b""
                        else:
                            key, length, sequence = b"", 0, 0
                        flow = find(key)
                        if flow is not None and before + 40 + total <= size and length >= 8:
                            counted += 1
                            if which := flow.count(sequence, length, time, number):
                                self._twice(flow, which, batch, number - batch.first, ip + 40 + total - length, length)
                            continue
            self._slow(batch, number - batch.first, data[at + before : at + before + 60])
        self.packets = number
        self.octets += octets if self.takes is None else 0
        self._counted += counted
        self._foreign += foreign
        self._before = batch

    def _twice(self, flow: EspFlow, which: int, batch: Batch, index: int, at: int, length: int) -> None:
        """Note a packet with a repeated number, if the capture held that packet before."""
        octets, time = batch.data[at : at + length], batch.entries[index][0]
        if held_before(octets, Sighting(time, ident_before(batch.data, at)), self._near(batch, index)):
            flow.again(which)
            self._note(batch.first + index)

    def _near(self, batch: Batch, index: int) -> Iterator[tuple[bytes, Entry]]:
        """The frames before one, newest first."""
        before = self._before
        for other, end in ((batch, index), (before, len(before.entries) if before else 0)):
            if other is not None:
                for at in range(end - 1, -1, -1):
                    yield other.data, other.entries[at]

    def _note(self, number: int) -> None:
        if len(self.twice) < MOST_NOTED:
            self.twice.append(number)

    def _slow(self, batch: Batch, index: int, head: bytes) -> None:
        frame = frame_of(batch, index)
        for packet in self._walk.frame(frame):
            if not self._wanted(packet):
                continue
            flow = self._take(packet, batch, index)
            plain = packet.kind == "esp" and not packet.tcp and not packet.within
            if flow is not None and plain and self.takes is None:
                self._learn(head, flow)

    def _take(self, packet: IpsecPacket, batch: Batch, index: int) -> EspFlow | None:
        """Count a packet. Returns its flow, if it belongs to one."""
        self.kinds[packet.kind] += 1
        flow = None
        if not packet.error:
            if packet.kind in ("esp", "ah"):
                flow = self._flow(packet, batch, index)
            elif packet.kind in ("ike", "ikev1"):
                self.messages.add(packet)
        if packet.missing and not packet.error:
            self.cut[len(packet.frame.data)] += 1
        if packet.fault:
            self.problem(packet.frame.number, packet.frame.offset, packet.fault)
        return flow

    def _wanted(self, packet: IpsecPacket) -> bool:
        """Whether a packet counts. Those that a filter takes have times and octets of their own."""
        if self.takes is None:
            return True
        if not self.takes(packet):
            return False
        time = packet.frame.time
        self.first, self.last = time if self.first is None else self.first, self.last if time is None else time
        self.octets += len(packet.frame.data) + packet.frame.missing
        return True

    def _flow(self, packet: IpsecPacket, batch: Batch, index: int) -> EspFlow | None:
        data, frame = packet.data, packet.frame
        at = 4 if packet.kind == "ah" else 0
        if len(data) < at + 8:
            if not packet.fault:
                self.problem(frame.number, frame.offset, f"expected an ESP header of 8 octets, found {len(data)}")
            return None
        spi, sequence = struct.unpack_from("!II", data, at)
        key = (packet.kind, spi, packet.src, packet.dst)
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) >= MOST_FLOWS:
                self.overflow += 1
                return None
            flow = self._flows[key] = EspFlow(packet.kind, spi, packet.src, packet.dst, frame.number, frame.time)
            flow.mirror = spi in self._spis and self._held(packet, batch, index)
            self._spis.add(spi)
            if flow.mirror:
                self._note(frame.number)
        if packet.sport is not None and packet.dport is not None:
            ports = (packet.sport, packet.dport)
            if ports not in flow.ports and len(flow.ports) < 64:
                flow.ports.append(ports)
        flow.tcp = flow.tcp or packet.tcp
        flow.cut += packet.missing > 0
        which = flow.count(sequence, len(data) + packet.missing, frame.time, frame.number)
        if which and self._held(packet, batch, index):
            flow.again(which)
            self._note(frame.number)
        return flow

    def _held(self, packet: IpsecPacket, batch: Batch, index: int) -> bool:
        """Whether the capture held a packet before."""
        return held_before(packet.data, Sighting(packet.frame.time, packet.ident), self._near(batch, index))

    def _learn(self, head: bytes, flow: EspFlow) -> None:
        """Count packets that look like this one in place from now on."""
        key = fast_key(head)
        # The head of a reassembled packet is its last fragment's, which has data where the SPI would be.
        if key[-4:] == flow.spi.to_bytes(4) and len(self._fast) < 2 * MOST_FLOWS:
            self._fast[key] = flow
