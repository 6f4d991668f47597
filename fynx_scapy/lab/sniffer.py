# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures every frame on our side of the lab, with a packet socket that the thread of our endpoint serves too."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import socket
import struct
import time

from scapy.data import DLT_EN10MB
from scapy.packet import Raw

from fynx_scapy.files import writing
from fynx_scapy.lab.namespace import Namespace
from fynx_scapy.net.ports import SocketHosts
from fynx_scapy.net.recorder import pcapng

_ETH_P_ALL, _IPV4, _IPV6, _ICMPV6 = 0x0003, 0x0800, 0x86DD, 58
_SIOCETHTOOL, _ETHTOOL_STXCSUM = 0x8946, 0x17
_SO_TIMESTAMPNS = 35
_BUFFER = 1 << 24


class Sniffer:
    """Captures from now on. ``frames`` are (seconds since the epoch, octets), without neighbour discovery."""

    def __init__(self, namespace: Namespace, network: SocketHosts, device: str = "wan") -> None:
        self.frames: list[tuple[float, bytes]] = []
        self._socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((device, 0))
        compute_checksums(namespace, device)
        self._unwatch = network.watch(self._socket, self.read)

    def read(self, _flags: int = 0) -> None:
        """Read the frames that have arrived."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data, ancillary, _, _ = self._socket.recvmsg(65535, 128)
                if _wanted(data):
                    self.frames.append((_stamp(ancillary), data))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the frames as pcapng (mode 600). OSError when the file cannot be written."""
        with writing(path, secret=True) as file:
            writer = pcapng(file, DLT_EN10MB)
            for seconds, data in self.frames:
                packet = Raw(data)
                packet.time = seconds
                writer.write_packet(packet)

    def stop(self) -> None:
        """Stop capturing, because a lab that keeps running would fill the memory."""
        self._unwatch()

    def close(self) -> None:
        """Stop, and close the socket; the frames stay."""
        self.stop()
        self.read()
        self._socket.close()


def compute_checksums(namespace: Namespace, device: str) -> None:
    """Disable checksum offload: on a virtual device, captures would show incomplete checksums."""
    value = array.array("I", [_ETHTOOL_STXCSUM, 0])
    request = array.array("b", struct.pack("16sP16x", device.encode(), value.buffer_info()[0]))
    with contextlib.closing(namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)) as control:
        fcntl.ioctl(control.fileno(), _SIOCETHTOOL, request)


def _wanted(frame: bytes) -> bool:
    kind = int.from_bytes(frame[12:14])
    if kind == _IPV6 and len(frame) > 54:
        # Neighbour and router discovery, and multicast listener reports, some after a hop-by-hop header.
        return frame[20] != 0 and not (frame[20] == _ICMPV6 and frame[54] >= 130)
    return kind == _IPV4


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) >= 16:
            seconds, nanoseconds = struct.unpack_from("=qq", data)
            return float(seconds + nanoseconds / 1e9)
    return time.time()
