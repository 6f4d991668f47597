# SPDX-License-Identifier: GPL-2.0-or-later
"""The sockets that carry IKE and ESP: UDP ports and IP protocol 50. All that is specific to Linux is here.

Nothing blocks. Received octets become datagrams; ICMP errors about what we sent become `IcmpError`.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address

from fynx_scapy.errors import TransportError
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, IcmpError

OpenSocket = Callable[[int, int, int], socket.socket]

# From linux/in.h, linux/in6.h and linux/errqueue.h; Python's socket module names only some of them.
_IP_MTU_DISCOVER, _IP_RECVERR, _IP_RECVTOS, _IP_TOS = 10, 11, 13, 1
_IPV6_MTU_DISCOVER, _IPV6_RECVERR, _IPV6_RECVTCLASS, _IPV6_TCLASS = 23, 25, 66, 67
_PMTUDISC_WANT = 1
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
_ORIGIN_ICMP, _ORIGIN_ICMP6 = 2, 3

_ESP = 50
_BUFFER = 1 << 21
_LARGEST = 65535
_ANCILLARY = 512
_AT_ONCE = 256
_ATTEMPTS = 4
"""How often we try to send a datagram while the kernel reports ICMP errors instead. A forger may send many of them."""


class IpSocket:
    """A socket on one address. TransportError when it cannot be opened."""

    def __init__(self, host: str, kind: int, protocol: int, open_socket: OpenSocket, port: int = 0) -> None:
        self.v6, self._kind = ":" in host, kind
        self._failed: deque[str] = deque(maxlen=_AT_ONCE)
        self._level = socket.IPPROTO_IPV6 if self.v6 else socket.IPPROTO_IP
        what = f"UDP port {port or 'of any number'}" if kind == socket.SOCK_DGRAM else f"IP protocol {protocol}"
        try:
            self.socket = open_socket(socket.AF_INET6 if self.v6 else socket.AF_INET, kind, protocol)
        except OSError as error:
            raise TransportError(f"cannot open {what} on {host}: {_why(error)}") from None
        try:
            self._prepare()
            self.socket.bind((host, port))
        except OSError as error:
            self.socket.close()
            raise TransportError(f"cannot open {what} on {host}: {_why(error)}") from None
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

    def send(self, datagram: Datagram) -> None:
        """Send one datagram. TransportError when the kernel refuses it."""
        option = _IPV6_TCLASS if self.v6 else _IP_TOS
        ancillary = [(self._level, option, struct.pack("=i", datagram.tos))] if datagram.tos else []
        for left in reversed(range(_ATTEMPTS)):
            try:
                self.socket.sendmsg([datagram.wire], ancillary, 0, tuple(datagram.remote))
                return
            except OSError as error:
                # The kernel reports an ICMP error about an earlier datagram at the next call, which then sends nothing.
                if not left or error.errno not in _PENDING:
                    raise TransportError(f"cannot send to {datagram.remote}: {_why(error)}") from None
            except (OverflowError, ValueError) as error:  # an address that Python refuses
                raise TransportError(f"cannot send to {datagram.remote}: {error}") from None

    def _messages(self) -> Iterator[tuple[bytes, int, Address]]:
        """Received (octets, TOS or traffic class, sender), at most `_AT_ONCE` per call."""
        for _ in range(_AT_ONCE):
            try:
                data, ancillary, flags, sender = self.socket.recvmsg(_LARGEST, _ANCILLARY)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _PENDING:
                    continue  # `errors` reports it
                self._failed.append(f"cannot receive on {self.address}: {_why(error)}")
                return
            if flags & socket.MSG_TRUNC or not sender:
                self._failed.append(f"received a truncated datagram, or one without a sender, on {self.address}")
                continue
            yield data, _traffic_class(ancillary), Address(sender[0], sender[1])

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


_PENDING = frozenset({
    # The errors that Linux makes of ICMP types and codes (net/ipv4/icmp.c), then those of ICMPv6 (net/ipv6/icmp.c).
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENOPROTOOPT, errno.ECONNREFUSED, errno.EMSGSIZE, errno.EOPNOTSUPP,
    errno.EHOSTDOWN, errno.ENONET, errno.EPROTO,
    errno.EACCES,
})  # fmt: skip
"""The error numbers by which the kernel reports an ICMP error, at any later call."""


class UdpPort(IpSocket):
    """One UDP port. It carries IKE; the port for NAT traversal also carries ESP in UDP and keepalives (RFC 3948)."""

    def __init__(
        self, host: str, port: int, open_socket: OpenSocket = socket.socket, *, marker_always: bool = False
    ) -> None:
        super().__init__(host, socket.SOCK_DGRAM, socket.IPPROTO_UDP, open_socket, port)
        self.marker_always = marker_always

    def receive(self) -> Iterator[Datagram]:
        """The datagrams that have arrived."""
        for data, tos, sender in self._messages():
            yield Datagram.from_udp(data, self.address, sender, tos, marker_always=self.marker_always)


class EspPort(IpSocket):
    """A raw socket for IP protocol 50. It needs the privilege for raw sockets."""

    def __init__(self, host: str, open_socket: OpenSocket = socket.socket) -> None:
        super().__init__(host, socket.SOCK_RAW, _ESP, open_socket)

    def receive(self) -> Iterator[Datagram]:
        """The ESP packets that have arrived, from the SPI on. (For IPv4 the kernel adds the IP header.)"""
        for data, tos, sender in self._messages():
            if not self.v6:
                if len(data) < 20:
                    continue
                tos, data = data[1], data[(data[0] & 15) * 4 :]
            yield Datagram(data, self.address, Address(sender.host, 0), DatagramKind.ESP, tos)


def _traffic_class(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if (level, kind) in ((socket.IPPROTO_IP, _IP_TOS), (socket.IPPROTO_IPV6, _IPV6_TCLASS)) and data:
            return int.from_bytes(data, sys.byteorder) & 0xFF  # one octet, or an int
    return 0


def _offender(data: bytes) -> str:
    """The address in the sockaddr after an extended error; empty if there is none."""
    family = struct.unpack_from("=H", data)[0] if len(data) >= 2 else 0
    if family == socket.AF_INET and len(data) >= 8:
        return str(IPv4Address(data[4:8]))
    if family == socket.AF_INET6 and len(data) >= 24:
        return str(IPv6Address(data[8:24]))
    return ""


def _why(error: OSError) -> str:
    """The text of a kernel error, with advice."""
    advice = {
        errno.EACCES: "; ports below 1024 and raw sockets need privileges: choose ports above 1023, or run as root",
        errno.EPERM: "; raw sockets need privileges (CAP_NET_RAW); a packet filter may also have refused to send",
        errno.EADDRINUSE: "; another program uses this port: choose another",
        errno.EADDRNOTAVAIL: "; expected an address of this machine",
    }
    return (error.strerror or str(error)) + advice.get(error.errno or 0, "")
