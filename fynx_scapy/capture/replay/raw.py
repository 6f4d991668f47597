# SPDX-License-Identifier: GPL-2.0-or-later
"""Raw replay: send the datagrams of one side of a conversation, byte for byte, to another address."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fynx_scapy.capture.capture import Capture
from fynx_scapy.capture.reading.packets import IpsecPacket
from fynx_scapy.capture.reading.walk import Walk
from fynx_scapy.capture.replay.recording import chosen
from fynx_scapy.capture.transcript.messages import CapturedMessage
from fynx_scapy.errors import CaptureError, ConfigError
from fynx_scapy.ike.message import NON_ESP_MARKER, Address, Burst, Datagram, DatagramKind, has_marker
from fynx_scapy.net.sockets import OpenSocket, UdpPort
from fynx_scapy.net.udp import resolve, source_for

SIDES = ("initiator", "responder")
_SENT = ("ike", "esp", "keepalive")
PATIENCE = 0.5
"""How many seconds after the last datagram responses are still counted."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One datagram: its packet number, its time in seconds after the first, its ports, and the UDP payload."""

    number: int
    after: float
    sport: int
    dport: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Volley:
    """The result of sending: datagrams, octets, seconds, the number of datagrams received, and what was left out."""

    sent: int
    octets: int
    seconds: float
    answers: int
    left_out: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Shots(list[Shot]):
    """The datagrams of one side. ``losses`` says what in the capture could not be read or was left out.

    ``left_out`` is the number of its packets that are not in UDP: ESP of its own, and TCP.
    """

    losses: tuple[str, ...] = ()
    left_out: int = 0


def shots(
    capture: str | os.PathLike[str],
    side: str = "initiator",
    conversation: int | None = None,
    *,
    ports: Iterable[int] = (),
) -> Shots:
    """The UDP datagrams of one side: IKE, ESP in UDP and keepalives, including retransmissions.

    The SPIs choose them: IKE messages are those of the conversation's IKE SAs, ESP packets those of its Child SAs. If
    no key shows the Child SAs, an ESP flow belongs to the conversation that had its exchanges before it. Keepalives,
    which have no SPI, belong to the conversation of the last message on their path. Only packets between the addresses
    of the first message are taken: on others it is the same datagram behind a NAT, or a peer that has moved. ESP that
    is not in UDP has no ports and is left out. No keys are needed, but keys beside the capture help. ``ports`` are
    treated like 4500. Raises ConfigError for an unknown side or conversation, CaptureError if there is nothing to send.
    """
    if side not in SIDES:
        raise ConfigError(f"expected one of the sides {', '.join(SIDES)}, found {side!r}")
    with Capture(capture, ports=ports) as opened:
        wanted, first = chosen(opened, conversation)
        messages = [each for each in wanted.messages if each.index >= first.index]
        own = {message.number: wanted.left(message) == (side == SIDES[0]) for message in messages}
        owners = opened.transcript.owners
        losses = tuple(problem.text for problem in opened.problems)

    def belongs(packet: IpsecPacket) -> bool:
        number = packet.frame.number
        if _ends(packet) != _ends(first) or number < first.number:
            return False
        if packet.kind == "ike":
            return own.get(number, False)
        by_initiator = packet.sport == first.sport if first.src == first.dst else packet.src == first.src
        if by_initiator != (side == SIDES[0]):
            return False
        if packet.kind == "keepalive":
            return owners.of_path(packet.src, packet.sport, packet.dst, packet.dport, number) is wanted
        return owners.of_flow("esp", int.from_bytes(packet.data[:4]), packet.src, packet.dst) is wanted

    found = [packet for packet in Walk(frozenset(ports)).read(Path(capture)) if _complete(packet) and belongs(packet)]
    sendable = [packet for packet in found if packet.sport and not packet.tcp]
    if not sendable:
        raise CaptureError(f"no UDP datagram of the {side} in conversation {wanted.number}")
    begin = sendable[0].frame.time or 0.0
    made = Shots(_shot(packet, begin) for packet in sendable)
    made.losses = losses
    made.left_out = len(found) - len(sendable)
    return made


def _complete(packet: IpsecPacket) -> bool:
    """Whether all of a packet that one side of a conversation can send was captured."""
    return packet.kind in _SENT and not (packet.error or packet.missing)


def _ends(packet: IpsecPacket | CapturedMessage) -> frozenset[str]:
    return frozenset((packet.src, packet.dst))


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
    """Send datagrams from free local ports, one per recorded port, with the recorded timing divided by ``speed``.

    They go to the recorded destination ports, or all to one port if ``target`` names it (``HOST:PORT``). A ``speed`` of
    0 sends without pauses. Raises ConfigError for an invalid speed or target, TransportError if the kernel refuses to
    send.
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
            # As ESP_IN_UDP, the octets are sent unchanged (without a non-ESP marker), whatever the ports.
            ports[shot.sport].send(Datagram(shot.payload, ports[shot.sport].address, there, DatagramKind.ESP_IN_UDP))
            answers += _waiting(ports)
        seconds = clock() - begin
        sleep(PATIENCE)
        answers += _waiting(ports)
    left_out = recorded.left_out if isinstance(recorded, Shots) else 0
    return Volley(len(recorded), sum(len(shot.payload) for shot in recorded), seconds, answers, left_out)


def _waiting(ports: dict[int, UdpPort]) -> int:
    arrived = [item for port in ports.values() for item in port.receive()]
    return sum(len(item) if isinstance(item, Burst) else 1 for item in arrived)
