# SPDX-License-Identifier: GPL-2.0-or-later
"""Which worker gets a packet: the rule by SPI, in Python and as classic BPF programs for the kernel.

Workers share their ports, and each hands out the SPIs of its `Share`. An ESP packet goes by its SPI. An IKE message
goes by the SPI that is ours; an IKE_SA_INIT request, which has none yet, by the initiator's. So retransmissions, and
requests with a cookie or a solved puzzle, reach the same worker.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from fynx_scapy.ike.message import DatagramKind
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR

# From linux/bpf_common.h and linux/filter.h
_LD_WORD, _LD_WORD_X, _LD_HALF, _LD_HALF_X, _LD_BYTE_X = 0x20, 0x40, 0x28, 0x48, 0x50
_LDX, _LDX_HEADER_LENGTH = 0x01, 0xB1
_MODULO, _IF_EQUAL, _IF_ANY, _GO, _RETURN, _RETURN_A = 0x94, 0x15, 0x45, 0x05, 0x06, 0x16
_NETWORK_HEADER = 0xFFF00000
"""Offsets from here on count from the IP header, others from the payload of UDP."""
_INSTRUCTION = struct.Struct("=HBBI")

_SO_ATTACH_FILTER, _SO_ATTACH_REUSEPORT_CBPF = 26, 51
_WHOLE_PACKET = 0xFFFFFFFF
_SPI_R, _FLAGS, _LOW = 8, 19, 4
"""Offsets in the IKE header: the responder's SPI and the flags; and in an SPI: the octets that decide (`Share`)."""


def owner(data: bytes, kind: DatagramKind, workers: int) -> int:
    """The number of the worker that a packet belongs to; 0 if it is too short. ``data`` has no non-ESP marker."""
    if kind is not DatagramKind.IKE:
        spi = data[:4] if len(data) >= 4 else b""
    elif len(data) <= _FLAGS:
        spi = b""
    elif data[_FLAGS] & FLAG_INITIATOR and any(data[_SPI_R : _SPI_R + 8]):
        spi = data[_SPI_R + _LOW : _SPI_R + 8]
    else:
        spi = data[_LOW:_SPI_R]
    return int.from_bytes(spi) % workers


class Step(NamedTuple):
    """One instruction. ``then`` and ``otherwise`` are labels to go to; without one, the next instruction follows."""

    code: int
    k: int = 0
    then: str = ""
    otherwise: str = ""
    label: str = ""


def assembled(steps: Sequence[Step]) -> bytes:
    """A program as the kernel reads it."""
    places = {step.label: place for place, step in enumerate(steps) if step.label}
    made = []
    for place, step in enumerate(steps):
        then, otherwise = (places[label] - place - 1 if label else 0 for label in (step.then, step.otherwise))
        jump = step.code == _GO
        made.append(_INSTRUCTION.pack(step.code, 0 if jump else then, otherwise, then if jump else step.k))
    return b"".join(made)


def udp_program(workers: int, port: int, *, v6: bool, marker_always: bool) -> bytes:
    """The program that returns the number of the worker for a datagram to this UDP port of ours."""
    if marker_always or port == 4500:
        first = []
    elif port == 500:
        first = [Step(_GO, then="unmarked")]
    else:  # the peer's port decides (`has_marker`); it comes first in the UDP header
        load = [Step(_LD_HALF, _NETWORK_HEADER + 40)]
        if not v6:
            load = [Step(_LDX_HEADER_LENGTH, _NETWORK_HEADER), Step(_LD_HALF_X, _NETWORK_HEADER)]
        first = [*load, Step(_IF_EQUAL, 4500, "marked", "unmarked")]
    spi_i, spi_r = Step(_LD_WORD_X, _LOW), Step(_LD_WORD_X, _SPI_R + _LOW)
    return assembled([
        *first,
        Step(_LD_WORD, 0, label="marked"),
        Step(_IF_EQUAL, 0, otherwise="decide"),  # not the marker: ESP, whose SPI decides
        Step(_LDX, 4),
        Step(_GO, then="ike"),
        Step(_LDX, 0, label="unmarked"),
        Step(_LD_BYTE_X, _FLAGS, label="ike"),
        Step(_IF_ANY, FLAG_INITIATOR, otherwise="by initiator's"),
        Step(_LD_WORD_X, _SPI_R),
        Step(_IF_EQUAL, 0, otherwise="by responder's"),
        spi_r,
        Step(_IF_EQUAL, 0, "by initiator's", "decide"),
        spi_r._replace(label="by responder's"),
        Step(_GO, then="decide"),
        spi_i._replace(label="by initiator's"),
        Step(_MODULO, workers, label="decide"),
        Step(_RETURN_A),
    ])  # fmt: skip


def esp_filter(number: int, workers: int, *, v6: bool) -> bytes:
    """The filter of a worker's socket for IP protocol 50: it takes the packets of its own SPIs only."""
    load = [Step(_LD_WORD)] if v6 else [Step(_LDX_HEADER_LENGTH), Step(_LD_WORD_X)]
    return assembled([
        *load,
        Step(_MODULO, workers),
        Step(_IF_EQUAL, number, otherwise="other"),
        Step(_RETURN, _WHOLE_PACKET),
        Step(_RETURN, label="other"),
    ])  # fmt: skip


def steer(sock: socket.socket, program: bytes) -> None:
    """Have the program choose among the sockets that share the port of this one. Raises OSError."""
    _attach(sock, _SO_ATTACH_REUSEPORT_CBPF, program)


def keep_only(sock: socket.socket, program: bytes) -> None:
    """Have the program choose what a socket receives. Raises OSError."""
    _attach(sock, _SO_ATTACH_FILTER, program)


def _attach(sock: socket.socket, option: int, program: bytes) -> None:
    octets = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _INSTRUCTION.size
    sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("HP", count, ctypes.addressof(octets)))
