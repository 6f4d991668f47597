# SPDX-License-Identifier: GPL-2.0-or-later
"""The sockets that carry IKE and ESP: UDP ports and IP protocol 50.

All that is specific to Linux is here, and in `offload` and `steering`. Nothing blocks. Received octets become
datagrams, and ESP packets of one sender bursts; ICMP errors about what we sent become `IcmpError`.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address

from fynx_scapy.errors import TransportError
from fynx_scapy.ike.message import (
    KEEPALIVE,
    NON_ESP_MARKER,
    Address,
    Burst,
    Datagram,
    DatagramKind,
    IcmpError,
    has_marker,
)
from fynx_scapy.net import offload
from fynx_scapy.net.offload import Ancillary

OpenSocket = Callable[[int, int, int], socket.socket]
_Arrival = Datagram | tuple[list[bytes], int, Address]
"""A datagram that is no ESP packet, or ESP packets, their TOS and their sender."""

# From linux/in.h, linux/in6.h and linux/errqueue.h; Python's socket module names only some of them.
_IP_MTU_DISCOVER, _IP_RECVERR, _IP_RECVTOS, _IP_TOS = 10, 11, 13, 1
_IPV6_MTU_DISCOVER, _IPV6_RECVERR, _IPV6_RECVTCLASS, _IPV6_TCLASS = 23, 25, 66, 67
_TOS = frozenset({(int(socket.IPPROTO_IP), _IP_TOS), (int(socket.IPPROTO_IPV6), _IPV6_TCLASS)})
_UDP, _TRUNCATED = int(socket.IPPROTO_UDP), int(socket.MSG_TRUNC)  # enums make each operation slow
_PMTUDISC_WANT = 1
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
_ORIGIN_ICMP, _ORIGIN_ICMP6 = 2, 3

_ESP = 50
_BUFFER = 1 << 21
_LARGEST = 65535
_ANCILLARY = 512
_AT_ONCE = 256
"""How many datagrams and errors we read in a row, at least; then other sockets and timers have their turn."""
_BURST = 64
"""The most ESP packets that are received as one burst."""
_ATTEMPTS = 4
"""How often we try to send a datagram while the kernel reports ICMP errors instead. A forger may send many of them."""


_PENDING = frozenset({
    # The errors that Linux makes of ICMP types and codes (net/ipv4/icmp.c), then those of ICMPv6 (net/ipv6/icmp.c).
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENOPROTOOPT, errno.ECONNREFUSED, errno.EMSGSIZE, errno.EOPNOTSUPP,
    errno.EHOSTDOWN, errno.ENONET, errno.EPROTO,
    errno.EACCES,
})  # fmt: skip
"""The error numbers by which the kernel reports an ICMP error, at any later call."""

_PENDING_OF_RUNS = _PENDING - {errno.EMSGSIZE}
"""The same for several datagrams in one call: then EMSGSIZE says that one of them exceeds the MTU of the path."""

_REFUSALS = (OSError, OverflowError, ValueError)
"""What Python raises when the kernel, or Python itself, does not accept an address or a datagram."""


class IpSocket:
    """A socket on one address. TransportError when it cannot be opened.

    ``segments`` says whether one call sends many datagrams, ``joins`` whether one call receives them.
    """

    def __init__(self, host: str, kind: int, protocol: int, open_socket: OpenSocket, port: int = 0) -> None:
        self.v6, self._kind = ":" in host, kind
        self.segments = self.joins = False
        self.stalled = False
        """Whether the last attempt to receive failed: the kernel may have left there what it did not give."""
        self._failed: deque[str] = deque(maxlen=_AT_ONCE)
        self._level = socket.IPPROTO_IPV6 if self.v6 else socket.IPPROTO_IP
        what = f"UDP port {port or 'of any number'}" if kind == socket.SOCK_DGRAM else f"IP protocol {protocol}"
        try:
            self.socket = open_socket(socket.AF_INET6 if self.v6 else socket.AF_INET, kind, protocol)
        except OSError as error:
            raise TransportError.of(f"cannot open {what} on {host}", error) from None
        try:
            self._prepare()
            self.socket.bind((host, port))
        except OSError as error:
            self.socket.close()
            raise TransportError.of(f"cannot open {what} on {host}", error) from None
        self.address = Address(host, self.socket.getsockname()[1] if kind == socket.SOCK_DGRAM else 0)

    def _prepare(self) -> None:
        self.socket.setblocking(False)
        for name in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self.socket.setsockopt(socket.SOL_SOCKET, name, _BUFFER)
        if self.v6 and self._kind == socket.SOCK_DGRAM:  # a raw socket has one IP version anyway
            self.socket.setsockopt(self._level, socket.IPV6_V6ONLY, 1)
        options = {
            _IPV6_RECVERR if self.v6 else _IP_RECVERR: 1,
            _IPV6_RECVTCLASS if self.v6 else _IP_RECVTOS: 1,
            # Learn the path MTU, and let the kernel fragment larger packets. IKE fragments are smaller.
            _IPV6_MTU_DISCOVER if self.v6 else _IP_MTU_DISCOVER: _PMTUDISC_WANT,
        }
        for option, value in options.items():
            self.socket.setsockopt(self._level, option, value)

    def fileno(self) -> int:
        """The file descriptor, for selectors."""
        return self.socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def send(self, datagram: Datagram) -> bool:
        """Send one datagram; False when the kernel's buffer is full. TransportError when the kernel refuses it."""
        try:
            self._submit([datagram.wire], self._ancillary(datagram.tos), datagram.remote)
            return True
        except BlockingIOError:
            return False
        except _REFUSALS as error:
            raise TransportError.of(f"cannot send to {datagram.remote}", error) from None

    def send_burst(self, burst: Burst) -> int:
        """Send packets in order. Returns how many of them, from the first on, the kernel took.

        If they are not all, its buffer is full, or it refuses the next one. TransportError when it refuses the first.
        """
        packets, ancillary, taken, joined = burst.packets, self._ancillary(burst.tos), 0, self.segments
        while taken < len(packets):
            end = offload.run_end(packets, taken) if joined else taken + 1
            run = packets[taken:end]
            control = [*ancillary, offload.segmented(len(run[0]))] if len(run) > 1 else ancillary
            try:
                self._submit(run, control, burst.remote, _PENDING if len(run) == 1 else _PENDING_OF_RUNS)
            except BlockingIOError:
                break
            except _REFUSALS as error:
                if len(run) > 1:
                    # The kernel may take them one by one: the path needs IP fragments, or its device adds no checksum.
                    joined = False
                    self.segments = self.segments and getattr(error, "errno", None) != errno.EIO
                    continue
                if not taken:
                    raise TransportError.of(f"cannot send to {burst.remote}", error) from None
                break
            taken = end
        return taken

    def _ancillary(self, tos: int) -> list[Ancillary]:
        return [(self._level, _IPV6_TCLASS if self.v6 else _IP_TOS, struct.pack("=i", tos))] if tos else []

    def _submit(
        self,
        parts: Sequence[bytes],
        ancillary: Sequence[Ancillary],
        remote: Address,
        pending: frozenset[int] = _PENDING,
    ) -> None:
        """Hand octets to the kernel; raises what Python raises when it refuses them."""
        for left in reversed(range(_ATTEMPTS)):
            try:
                self.socket.sendmsg(parts, ancillary, 0, tuple(remote))
                return
            except OSError as error:
                # The kernel reports an ICMP error about an earlier datagram at the next call, which then sends nothing.
                if not left or error.errno not in pending:
                    raise

    def _messages(self) -> Iterator[tuple[list[bytes], int, Address]]:
        """Received (datagrams, their TOS or traffic class, their sender), about `_AT_ONCE` datagrams per call."""
        count, sender, known, receive = 0, None, Address("", 0), self.socket.recvmsg
        self.stalled = False
        while count < _AT_ONCE:
            count += 1
            try:
                data, ancillary, flags, source = receive(_LARGEST, _ANCILLARY)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _PENDING:
                    continue  # `errors` reports it
                self._failed.append(str(TransportError.of(f"cannot receive on {self.address}", error)))
                self.stalled = True
                return
            if flags & _TRUNCATED or not source:
                self._failed.append(f"received a truncated datagram, or one without a sender, on {self.address}")
                continue
            if source != sender:
                sender, known = source, Address(source[0], source[1] if self._kind == socket.SOCK_DGRAM else 0)
            tos, size = _control(ancillary)
            datagrams = offload.split(data, size) if size else [data]
            count += len(datagrams) - 1
            yield datagrams, tos, known

    def failed(self) -> list[str]:
        """The reasons why receiving failed since the last call."""
        reasons = list(self._failed)
        self._failed.clear()
        return reasons

    def errors(self) -> Iterator[IcmpError]:
        """The ICMP errors since the last call."""
        for _ in range(_AT_ONCE):
            try:
                _, ancillary, _, target = self.socket.recvmsg(_LARGEST, _ANCILLARY, socket.MSG_ERRQUEUE)
            except OSError:  # nothing there
                return
            for level, _, data in ancillary:
                if target and level == self._level and len(data) >= _EXTENDED_ERROR.size:
                    number, origin, icmp_type, code, _, info, _ = _EXTENDED_ERROR.unpack_from(data)
                    if origin in (_ORIGIN_ICMP, _ORIGIN_ICMP6):
                        reporter = _offender(data[_EXTENDED_ERROR.size :])
                        mtu = info if number == errno.EMSGSIZE else None
                        remote = Address(target[0], target[1])
                        yield IcmpError(self.address, remote, reporter, icmp_type, code, os.strerror(number), mtu)


class UdpPort(IpSocket):
    """One UDP port. It carries IKE; the port for NAT traversal also carries ESP in UDP and keepalives (RFC 3948).

    With ``offload``, one call sends and receives many datagrams where the kernel can.
    """

    def __init__(
        self,
        host: str,
        port: int,
        open_socket: OpenSocket = socket.socket,
        *,
        marker_always: bool = False,
        offload: bool = True,
    ) -> None:
        self.marker_always, self._offload = marker_always, offload
        super().__init__(host, socket.SOCK_DGRAM, socket.IPPROTO_UDP, open_socket, port)

    def _prepare(self) -> None:
        super()._prepare()
        if self._offload:
            self.segments, self.joins = offload.can_segment(self.socket), offload.join_received(self.socket)

    def receive(self) -> Iterator[Datagram | Burst]:
        """What has arrived, in order. Consecutive ESP packets from one sender are a burst."""
        return _gathered(self._classified(), self.address, DatagramKind.ESP_IN_UDP)

    def _classified(self) -> Iterator[_Arrival]:
        for datagrams, tos, sender in self._messages():
            esp = self.marker_always or has_marker(self.address.port, sender.port)
            if esp and not any(map(_is_other, datagrams)):
                yield datagrams, tos, sender
                continue
            for data in datagrams:
                if esp and not _is_other(data):
                    yield [data], tos, sender
                else:
                    yield Datagram.from_udp(data, self.address, sender, tos, marker_always=self.marker_always)


class EspPort(IpSocket):
    """A raw socket for IP protocol 50. It needs the privilege for raw sockets."""

    def __init__(self, host: str, open_socket: OpenSocket = socket.socket) -> None:
        super().__init__(host, socket.SOCK_RAW, _ESP, open_socket)

    def receive(self) -> Iterator[Datagram | Burst]:
        """The ESP packets that have arrived, from the SPI on. (For IPv4 the kernel adds the IP header.)"""
        return _gathered(self._bare(), self.address, DatagramKind.ESP)

    def _bare(self) -> Iterator[_Arrival]:
        for (data,), tos, sender in self._messages():
            if self.v6:
                yield [data], tos, sender
            elif len(data) >= 20:
                yield [data[(data[0] & 15) * 4 :]], data[1], sender


def _is_other(data: bytes) -> bool:
    """Whether a datagram is not ESP in UDP: the marker comes first, or it is a keepalive (RFC 3948 section 2)."""
    return data.startswith(NON_ESP_MARKER) or data == KEEPALIVE


def _gathered(arrivals: Iterable[_Arrival], local: Address, kind: DatagramKind) -> Iterator[Datagram | Burst]:
    """What arrives, in order, with the ESP packets that one sender sent in a row and with one TOS in bursts."""
    run: list[bytes] = []
    tos, remote = 0, local
    for arrival in arrivals:
        if isinstance(arrival, Datagram):
            if run:
                yield _joined(run, local, remote, kind, tos)
                run = []
            yield arrival
            continue
        packets, their_tos, sender = arrival
        if run and sender is remote and their_tos == tos and len(run) + len(packets) <= _BURST:
            run += packets
            continue
        if run:
            yield _joined(run, local, remote, kind, tos)
        run, tos, remote = packets, their_tos, sender
    if run:
        yield _joined(run, local, remote, kind, tos)


def _joined(packets: list[bytes], local: Address, remote: Address, kind: DatagramKind, tos: int) -> Datagram | Burst:
    item = Burst(packets, local, remote, kind, tos)
    return item if len(packets) > 1 else item.datagrams()[0]


def _control(ancillary: Iterable[Ancillary]) -> tuple[int, int]:
    """The TOS or traffic class of what was received, and the size of its datagrams if they are several, or 0."""
    tos = size = 0
    for level, kind, data in ancillary:
        if level == _UDP:
            size = offload.segment_size(kind, data)
        elif (level, kind) in _TOS and data:
            tos = int.from_bytes(data, sys.byteorder) & 0xFF  # one octet, or an int
    return tos, size


def _offender(data: bytes) -> str:
    """The address in the sockaddr after an extended error; empty if there is none."""
    family = struct.unpack_from("=H", data)[0] if len(data) >= 2 else 0
    if family == socket.AF_INET and len(data) >= 8:
        return str(IPv4Address(data[4:8]))
    if family == socket.AF_INET6 and len(data) >= 24:
        return str(IPv6Address(data[8:24]))
    return ""
