# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever the kernel says about a socket is an event, and ends nothing: errors, ICMP, odd control messages."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from fynx_scapy.errors import TransportError
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import IcmpReceived, MessageDropped, ReceiveFailed, SendFailed
from fynx_scapy.ike.message import Address, Burst, Datagram, DatagramKind
from fynx_scapy.net.sockets import EspPort, IpSocket, UdpPort
from fynx_scapy.net.udp import UdpNetwork

HERE, PORT = "192.0.2.1", 20500
THERE = ("198.51.100.7", 500)
ICMP_ERRORS = [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENOPROTOOPT, errno.ECONNREFUSED, errno.EMSGSIZE,
               errno.EOPNOTSUPP, errno.EHOSTDOWN, errno.ENONET, errno.EPROTO, errno.EACCES]  # fmt: skip
OTHER_ERRORS = [errno.ENOBUFS, errno.ENOMEM, errno.ENETDOWN, errno.EPERM, errno.EINVAL, errno.EIO]


class Scripted:
    """A socket whose calls give what the test says: an error number, or what a call returns."""

    def __init__(self, *_: int) -> None:
        self.arrives: list[Any] = []
        self.told: list[Any] = []
        self.refuses: list[Any] = []
        self.sent: list[bytes] = []
        self._real = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.setblocking = self.setsockopt = lambda *_: None
        self.fileno, self.close = self._real.fileno, self._real.close

    def bind(self, address: tuple[str, int]) -> None:
        self.getsockname = lambda: address

    def recvmsg(self, size: int, ancillary: int, flags: int = 0) -> Any:
        queue = self.told if flags & socket.MSG_ERRQUEUE else self.arrives
        if not queue:
            raise BlockingIOError(errno.EAGAIN, "nothing there")
        found = queue.pop(0)
        if isinstance(found, int):
            raise OSError(found, os.strerror(found))
        return found

    def sendmsg(self, parts: list[bytes], *_: object) -> None:
        if self.refuses:
            found = self.refuses.pop(0)
            if found is not None:
                raise OSError(found, os.strerror(found)) if isinstance(found, int) else found
        self.sent.append(b"".join(parts))


def data(octets: bytes, ancillary: tuple[Any, ...] = (), flags: int = 0) -> tuple[Any, ...]:
    return octets, list(ancillary), flags, THERE


@pytest.fixture
def end() -> Iterator[tuple[UdpNetwork, Endpoint, Scripted]]:
    sockets: list[Scripted] = []

    def open_socket(*kind: int) -> socket.socket:
        sockets.append(Scripted(*kind))
        return sockets[-1]  # type: ignore[return-value]

    bob = Endpoint(HERE, config=EndpointConfig(port=PORT, natt_port=24500))
    with UdpNetwork(open_socket=open_socket) as network:
        network.add(bob, "bob", native=False)
        yield network, bob, sockets[0]


def read(network: UdpNetwork) -> None:
    """What epoll would have done."""
    network._read(
        network.hosts["bob"], network._ports["bob"].udp[Address(HERE, PORT)], select.EPOLLIN | select.EPOLLERR
    )
    network._collect()


def of(network: UdpNetwork, kind: type) -> list[Any]:
    return [event for _, event in network.events if isinstance(event, kind)]


@pytest.mark.parametrize("number", ICMP_ERRORS, ids=errno.errorcode.get)
def test_what_icmp_leads_to_between_two_datagrams_ends_nothing(
    end: tuple[UdpNetwork, Endpoint, Scripted], number: int
) -> None:
    """Linux tells of an ICMP error at the next call, whatever that is: codes 5, 7 and 8 have numbers of their own."""
    network, _, wire = end
    wire.arrives += [data(b"one"), number, data(b"two"), number, number, data(b"three")]
    read(network)
    assert [event.data for event in of(network, MessageDropped)] == [b"one", b"two", b"three"]
    assert not of(network, ReceiveFailed)


@pytest.mark.parametrize("number", OTHER_ERRORS, ids=errno.errorcode.get)
def test_any_other_error_is_told_and_reading_goes_on(end: tuple[UdpNetwork, Endpoint, Scripted], number: int) -> None:
    network, _, wire = end
    wire.arrives += [number, data(b"behind it")]
    read(network)
    (event,) = of(network, ReceiveFailed)
    assert os.strerror(number) in event.reason
    assert event.local == Address(HERE, PORT)
    assert network.run(lambda: not network._resting, limit=1)
    read(network)
    assert [event.data for event in of(network, MessageDropped)] == [b"behind it"]
    assert len(of(network, ReceiveFailed)) == 1


@pytest.mark.parametrize("number", ICMP_ERRORS, ids=errno.errorcode.get)
def test_a_datagram_leaves_though_icmp_is_told_first(end: tuple[UdpNetwork, Endpoint, Scripted], number: int) -> None:
    network, _, wire = end
    wire.refuses += [number] * 3
    network.inject(Datagram(bytes(28), Address(HERE, PORT), Address(*THERE)))
    assert wire.sent == [bytes(28)]
    assert not of(network, SendFailed)


@pytest.mark.parametrize(
    "refusal",
    [
        *OTHER_ERRORS,
        OverflowError("port must be 0-65535"),
        UnicodeError("no host"),
        ValueError("no host"),
    ],
    ids=str,
)
def test_what_does_not_leave_is_told(end: tuple[UdpNetwork, Endpoint, Scripted], refusal: object) -> None:
    network, _, wire = end
    wire.refuses.append(refusal)
    network.inject(Datagram(bytes(28), Address(HERE, PORT), Address(*THERE)))
    (event,) = of(network, SendFailed)
    assert str(Address(*THERE)) in event.reason
    assert not wire.sent


def test_a_datagram_waits_for_room(end: tuple[UdpNetwork, Endpoint, Scripted]) -> None:
    network, _, wire = end
    datagram = Datagram(bytes(28), Address(HERE, PORT), Address(*THERE))
    wire.refuses.append(errno.EAGAIN)
    network.inject(datagram)
    assert wire.sent == [bytes(28)]
    wire.refuses += [errno.EAGAIN] * 2  # it says that it has room, but not for this
    network.inject(datagram)
    (event,) = of(network, SendFailed)
    assert (event.code, len(wire.sent)) == ("queue-full", 1)


def test_a_burst_waits_for_room_and_leaves_out_what_is_refused(end: tuple[UdpNetwork, Endpoint, Scripted]) -> None:
    network, bob, wire = end
    one, two, three = (bytes([number]) * 40 for number in (1, 2, 3))
    burst = Burst([one, two, three], Address(HERE, PORT), Address(*THERE))
    # All three: no room; all three: no; one: taken; two: no; two and three: no; two: no; three: taken.
    wire.refuses += [errno.EAGAIN, errno.EINVAL, None, errno.EPERM, errno.EPERM, errno.EPERM, None]
    network._carry_burst(burst)
    assert b"".join(wire.sent) == one + three
    (event,) = of(network, SendFailed)
    assert "packet filter" in event.reason
    # Nothing leaves at all.
    wire.refuses += [errno.EAGAIN] * 2
    network._carry_burst(burst)
    assert "send buffer of 192.0.2.1:20500 is full" in of(network, SendFailed)[1].reason
    assert bob.counts.drops == {DropReason.SEND_FAILED: 4}


@pytest.mark.parametrize("octets", [b"", b"\0", b"\xff", bytes(3), bytes(4), bytes(27)], ids=len)
def test_short_datagrams(end: tuple[UdpNetwork, Endpoint, Scripted], octets: bytes) -> None:
    network, _, wire = end
    wire.arrives.append(data(octets))
    read(network)
    assert [event.data for event in of(network, MessageDropped)] == [octets]


def test_a_part_of_a_datagram_is_not_read(end: tuple[UdpNetwork, Endpoint, Scripted]) -> None:
    network, _, wire = end
    wire.arrives += [data(bytes(28), flags=socket.MSG_TRUNC), (bytes(28), [], 0, None), data(b"whole")]
    read(network)
    assert len(of(network, ReceiveFailed)) == 2
    assert [event.data for event in of(network, MessageDropped)] == [b"whole"]


@pytest.mark.parametrize("size", range(9))
def test_control_messages_of_any_length(end: tuple[UdpNetwork, Endpoint, Scripted], size: int) -> None:
    network, bob, wire = end
    seen: list[int] = []
    bob.receive = lambda datagram, now: seen.append(datagram.tos)  # type: ignore[method-assign]
    wire.arrives.append(data(b"x", ((socket.IPPROTO_IP, 1, (b"\xb8" + bytes(8))[:size]),)))
    read(network)
    assert seen == [0xB8 if size else 0]


def extended(number: int, icmp: tuple[int, int], mtu: int = 0, offender: bytes = b"") -> tuple[Any, ...]:
    """What lies in the error queue (linux/errqueue.h): the error, then a sockaddr of who reports it."""
    octets = struct.pack("=IBBBBII", number, 2, *icmp, 0, mtu, 0) + offender
    return data(b"", ((socket.IPPROTO_IP, 11, octets),))


@pytest.mark.parametrize("code", [0, 1, 2, 3, 5, 6, 7, 8, 9, 13])
def test_every_icmp_error_is_an_event_and_a_forged_one_is_not_believed(
    end: tuple[UdpNetwork, Endpoint, Scripted], code: int
) -> None:
    network, _, wire = end
    offender = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton("203.0.113.9"))
    wire.told += [extended(errno.EHOSTDOWN, (3, code), offender=offender), extended(errno.EMSGSIZE, (3, 4), 600)]
    read(network)
    first, second = of(network, IcmpReceived)
    assert (first.icmp_type, first.code, first.reporter, first.remote) == (3, code, "203.0.113.9", Address(*THERE))
    assert (second.mtu, second.reporter) == (600, "")
    assert not first.believed
    assert not second.believed
    assert not network.hosts["bob"].endpoint.path_mtu


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 15])
def test_an_error_queue_of_odd_lengths(end: tuple[UdpNetwork, Endpoint, Scripted], size: int) -> None:
    network, _, wire = end
    family = struct.pack("=H", socket.AF_INET) + bytes(13)
    wire.told += [
        data(b"", ((socket.IPPROTO_IP, 11, bytes(size)),)),
        extended(errno.EHOSTDOWN, (3, 1), offender=family[:size]),
        (b"", [(socket.IPPROTO_IP, 11, bytes(16))], 0, None),
        errno.EIO,
    ]
    read(network)
    assert len(of(network, IcmpReceived)) == 1


def test_a_raw_packet_without_its_header() -> None:
    wire = Scripted()
    port = EspPort(HERE, lambda *_: wire)  # type: ignore[arg-type]
    header = b"\x45\x28" + bytes(18)
    wire.arrives += [data(octets) for octets in (b"", b"\x45", header[:19], header, header + b"esp")]
    wire.arrives.append(data(b"\x45\x30" + header[2:] + b"other"))
    there = Address(THERE[0], 0)
    assert list(port.receive()) == [
        Burst([b"", b"esp"], port.address, there, DatagramKind.ESP, 0x28),
        Datagram(b"other", port.address, there, DatagramKind.ESP, 0x30),
    ]
    port.close()


def test_errors_without_number() -> None:
    wire = Scripted()
    port = UdpPort(HERE, PORT, lambda *_: wire)  # type: ignore[arg-type]
    wire.refuses.append(OSError("something"))
    with pytest.raises(TransportError, match=r"cannot send to 198\.51\.100\.7:500: something"):
        port.send(Datagram(b"", Address(HERE, PORT), Address(*THERE), DatagramKind.IKE))
    assert isinstance(port, IpSocket)
    port.close()
