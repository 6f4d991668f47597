# SPDX-License-Identifier: GPL-2.0-or-later
"""Raw replay: the datagrams of one side of a conversation, byte for byte, to another address."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fynx_scapy.ike.message import NON_ESP_MARKER, Address, Datagram, DatagramKind, has_marker

from ...errors import CaptureError, ConfigError
from ...net.sockets import OpenSocket, UdpPort
from ...net.udp import resolve, source_for
from ..reading.packets import IpsecPacket
from .recording import packets

SIDES = ("initiator", "responder")
_IN_UDP = ("ike", "esp", "keepalive")
PATIENCE = 0.5
"""For how many seconds answers are counted after the last datagram."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One datagram: its packet's number, when it left in seconds after the first, its ports, and the UDP payload."""

    number: int
    after: float
    sport: int
    dport: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Volley:
    """What was sent, of how many octets, in how many seconds, and how many datagrams came back."""

    sent: int
    octets: int
    seconds: float
    answers: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"sent": self.sent, "octets": self.octets, "seconds": self.seconds, "answers": self.answers}


def shots(capture: str | os.PathLike[str], side: str = "initiator", conversation: int = 1) -> list[Shot]:
    """The UDP datagrams of one side: IKE, ESP in UDP and keepalives, retransmissions included. No key is needed.

    A conversation is what passes between two addresses from an IKE_SA_INIT request on. Native ESP has no ports and
    is left out. ConfigError for an unknown side or conversation, CaptureError where there is nothing to send.
    """
    if side not in SIDES:
        raise ConfigError(f"expected one of the sides {', '.join(SIDES)}, found {side!r}")
    found = [packet for packet in packets(capture) if packet.kind in _IN_UDP and packet.sport and not packet.tcp]
    starts: dict[bytes, tuple[int, IpsecPacket]] = {}
    for place, packet in enumerate(found):
        if packet.kind == "ike" and len(packet.data) >= 28 and packet.data[8:16] == bytes(8) and packet.data[18] == 34:
            starts.setdefault(packet.data[:8], (place, packet))
    if not 0 < conversation <= len(starts):
        raise ConfigError(f"expected a conversation from 1 to {len(starts)}, found {conversation}")
    place, first = list(starts.values())[conversation - 1]
    later = [p for p, other in list(starts.values())[conversation:] if _ends(other) == _ends(first)]
    chosen = [packet for packet in found[place : min(later, default=None)] if _ends(packet) == _ends(first)]
    by_initiator = [packet for packet in chosen if _sent_by(packet, first) == (side == SIDES[0])]
    if not by_initiator:
        raise CaptureError(f"no UDP datagram of the {side} in conversation {conversation}")
    begin = by_initiator[0].frame.time or 0.0
    return [_shot(packet, begin) for packet in by_initiator]


def _ends(packet: IpsecPacket) -> frozenset[str]:
    return frozenset((packet.src, packet.dst))


def _sent_by(packet: IpsecPacket, first: IpsecPacket) -> bool:
    return packet.sport == first.sport if first.src == first.dst else packet.src == first.src


def _shot(packet: IpsecPacket, begin: float) -> Shot:
    marked = packet.kind == "ike" and has_marker(packet.sport or 0, packet.dport or 0)
    payload = (NON_ESP_MARKER if marked else b"") + packet.data
    return Shot(
        packet.frame.number, max(0.0, (packet.frame.time or 0.0) - begin), packet.sport or 0, packet.dport or 0, payload
    )


def send(
    recorded: Sequence[Shot],
    target: str = "127.0.0.1",
    *,
    speed: float = 1.0,
    open_socket: OpenSocket = socket.socket,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Volley:
    """Send them from free ports of ours, one for each recorded port, with the recorded timing divided by ``speed``.

    They go to the recorded destination ports; all to one port where ``target`` names it (``HOST:PORT``). A ``speed``
    of 0 leaves no time between them. ConfigError for a speed or target that cannot be, TransportError for what the
    kernel refuses.
    """
    if speed < 0 or speed != speed:
        raise ConfigError(f"expected a speed of 0 or more, found {speed:g}")
    named = target.count(":") == 1 or "]:" in target
    remote = resolve(target, recorded[0].dport)
    local = source_for(remote, open_socket)
    with contextlib.ExitStack() as stack:
        ports: dict[int, UdpPort] = {}
        for shot in recorded:
            if shot.sport not in ports:
                ports[shot.sport] = stack.enter_context(contextlib.closing(UdpPort(local, 0, open_socket)))
        begin, answers = clock(), 0
        for shot in recorded:
            wait = begin + shot.after / speed - clock() if speed else 0.0
            if wait > 0:
                sleep(wait)
            there = remote if named else Address(remote.host, shot.dport)
            # Of this kind the octets are the payload as it is, whatever the ports.
            ports[shot.sport].send(Datagram(shot.payload, ports[shot.sport].address, there, DatagramKind.ESP_IN_UDP))
            answers += _waiting(ports)
        seconds = clock() - begin
        sleep(PATIENCE)
        answers += _waiting(ports)
    return Volley(len(recorded), sum(len(shot.payload) for shot in recorded), seconds, answers)


def _waiting(ports: dict[int, UdpPort]) -> int:
    return sum(len(list(port.receive())) for port in ports.values())
