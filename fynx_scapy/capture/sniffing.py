# SPDX-License-Identifier: GPL-2.0-or-later
"""Decryption for Scapy users: ``sniff(session=IPsecSession(keys))`` and ``rdpcap(path, keys)``.

>>> packets = sniff(offline="run.pcapng", session=IPsecSession("run.keys"))
>>> rdpcap("run.pcapng", "run.keys")[5][ICMP]

A packet keeps its link and outer IP header, followed by what ESP carried or by the IKE message without SK. Keys are in
the session, never in a layer.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from scapy.config import conf
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet, Raw
from scapy.plist import PacketList
from scapy.sessions import DefaultSession

from fynx_scapy.capture.follow.decrypt import open_packet
from fynx_scapy.capture.follow.follower import Follower
from fynx_scapy.capture.follow.inner import DUMMY, IPV4, IPV6
from fynx_scapy.capture.reading.frames import Frame, frames
from fynx_scapy.capture.reading.nested import Nested
from fynx_scapy.capture.reading.packets import IpsecPacket
from fynx_scapy.capture.reading.walk import Walk
from fynx_scapy.errors import CaptureError
from fynx_scapy.keylog import KeyLog
from fynx_scapy.layers.esp import inner_packet
from fynx_scapy.layers.ikev2 import IKEv2


class IPsecSession(DefaultSession):  # type: ignore[misc]
    """A session for Scapy's ``sniff()``, live or offline. It follows the conversation and decrypts IKE and ESP.

    ``keys`` is a KeyLog, a key file or folder. Packets are returned unchanged if they are not IPsec, cannot be
    decrypted, are fragments that complete no message, or are dummy packets. ``follower`` has the SAs; ``problems`` the
    latest thousand problems with packets.
    """

    def __init__(
        self,
        keys: KeyLog | str | os.PathLike[str] | None = None,
        supersession: Any = None,
        *,
        ports: Iterable[int] = (),
    ) -> None:
        super().__init__(supersession)
        log = keys if isinstance(keys, KeyLog) else KeyLog.load(keys) if keys is not None else KeyLog()
        self.follower = Follower(log)
        self.problems: list[str] = []
        self._walk = Walk(frozenset(ports))
        self._nested = Nested(frozenset(ports))
        self._number = 0

    def process(self, pkt: Packet) -> Packet | None:
        """The packet that `sniff` passes on for ``pkt``."""
        found = super().process(pkt)
        if found is None:
            return None
        self._number += 1
        outer = found.getlayer(IP) or found.getlayer(IPv6)
        if outer is None:
            return found
        # Dissect the octets again: a session may be given packets that were built, with layers of any kind.
        frame = Frame(self._number, float(found.time), 101, bytes(outer.original or bytes(outer)))
        return self.plain(found, outer, frame)

    def plain(self, packet: Packet, outer: Packet, frame: Frame) -> Packet:
        """A copy of the packet with its decrypted payload, or the packet itself."""
        result = packet
        waiting = deque(self._walk.frame(frame))
        while waiting:
            inside = waiting.popleft()
            if inside.error:
                self._problem(f"packet {frame.number}: {inside.error}")
                continue
            payload = self._payload(inside, IKEv2 in packet, waiting)
            if payload is not None:
                result = _replaced(packet, outer, payload, inside)
        return result

    def _payload(self, inside: IpsecPacket, seen: bool, waiting: deque[IpsecPacket]) -> Packet | None:
        """What to show of an IPsec packet. The packets inside it are added to ``waiting``."""
        if inside.kind == "esp" and not inside.missing:
            opened = open_packet(inside, self.follower)
            if opened.error:
                self._problem(f"packet {inside.frame.number}: {opened.error}")
            if opened.plaintext is None or opened.next_header in (None, DUMMY):
                return None
            deeper = list(self._nested.packets(inside, opened.next_header, opened.plaintext))
            waiting.extendleft(reversed(deeper))
            return inner_packet(opened.next_header, opened.plaintext)
        if inside.kind == "ike":
            found = self.follower.ike(
                inside.data,
                inside.frame.number,
                inside.frame.time,
                inside.src,
                inside.sport,
                inside.dst,
                inside.dport,
                missing=inside.missing,
            )
            for text in found.errors:
                self._problem(f"packet {inside.frame.number}: {text}")
            if found.opened is None:  # unencrypted; on a custom port, Scapy does not recognise it
                return None if seen or found.header is None else IKEv2(inside.data)
            octets = found.plain
            return None if octets is None else IKEv2(octets)
        return None

    def finish(self) -> None:
        """At the end of a capture, record what was never completed and what was left out."""
        for left in self._walk.rest():
            late = f"packet {left.frame.number}: it became complete at the end of the capture only, and was not shown"
            self._problem(left.fault or late)
        for left in self._nested.rest():
            self._problem(left.fault)
        for loss in [*self.follower.losses, *self._nested.losses()]:
            self._problem(loss.text)

    def _problem(self, text: str) -> None:
        self.problems.append(text)
        del self.problems[:-1000]


def _replaced(packet: Packet, outer: Packet, payload: Packet, inside: IpsecPacket) -> Packet:
    """A copy of the packet with ``payload`` instead of ESP or the IKE message."""
    copy = packet.copy()
    place = copy.getlayer(type(outer))
    assert place is not None
    if inside.kind == "ike" and isinstance(place.payload, UDP):
        place = place[UDP]
        place.len = place.chksum = None
    else:
        name = "nh" if isinstance(place, IPv6) else "proto"
        place.setfieldval(name, _protocol(payload, outer))
    for name in ("len", "plen", "chksum"):
        over = copy.getlayer(type(outer))
        if over is not None and name in over.fields:
            over.setfieldval(name, None)
    place.remove_payload()
    place.add_payload(payload)
    copy.time, copy.comments = packet.time, getattr(packet, "comments", None)
    return copy


def _protocol(payload: Packet, outer: Packet) -> int:
    if isinstance(payload, IP):
        return IPV4
    if isinstance(payload, IPv6):
        return IPV6
    over = payload.overload_fields.get(type(outer), {}) if not isinstance(payload, Raw) else {}
    return int(over.get("proto", over.get("nh", DUMMY)))


class _Carrier(Packet):  # type: ignore[misc]
    """A carrier for a layer. Scapy turns a layer that it cannot dissect into Raw only if it is a payload."""

    __slots__ = ("kind",)
    fields_desc: ClassVar[list[Any]] = []

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        return self.kind  # type: ignore[no-any-return]


def _dissected(kind: type[Packet], octets: bytes) -> Packet:
    """The octets as a layer of ``kind``, or as Raw."""
    if not octets:
        return kind()
    carrier = _Carrier()
    carrier.kind = kind
    carrier.do_dissect_payload(octets)
    packet: Packet = carrier.payload
    packet.remove_underlayer(carrier)
    return packet


def rdpcap(path: str | os.PathLike[str], keys: KeyLog | str | os.PathLike[str] | None = None) -> PacketList:
    """Every packet of a capture as Scapy's ``rdpcap`` returns it, with ESP and SK decrypted.

    Without ``keys``, the keys beside the capture are used. Raises CaptureError if the capture cannot be read. If it is
    damaged, returns the packets before the damage; ``problems`` of the list says what is wrong.
    """
    place = Path(path)
    session = IPsecSession(KeyLog.beside(place) if keys is None else keys)
    found, problems = [], []
    try:
        for frame in frames(place):
            kind = conf.l2types.num2layer.get(frame.linktype, conf.raw_layer)
            packet = _dissected(kind, frame.data)
            packet.time = frame.time or 0.0
            packet.comments = [frame.comment.encode()] if frame.comment else None
            found.append(session.process(packet) or packet)
    except CaptureError as error:
        if not found:
            raise
        problems.append(str(error))
    session.finish()
    result = PacketList(found, name=place.name)
    result.problems = [*session.problems, *problems]
    return result
