# SPDX-License-Identifier: GPL-2.0-or-later
"""Bursts of ESP packets on real sockets, on loopback: cut and joined by the kernel, or one by one where it cannot."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.errors import TransportError
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address, Burst, Datagram, DatagramKind
from fynx_scapy.lab.namespace import Namespace
from fynx_scapy.net import offload
from fynx_scapy.net.echo import udp_packet
from fynx_scapy.net.sockets import OpenSocket, UdpPort
from fynx_scapy.net.udp import UdpNetwork, free_ports

ANY = "0.0.0.0/0"
HOSTS = ["127.0.0.1", "::1"]
MARKER, KEEPALIVE = bytes(4), b"\xff"


class OldKernel(socket.socket):
    """A socket of a kernel that has neither UDP_SEGMENT nor UDP_GRO."""

    def setsockopt(self, level: int, option: int, *value: Any) -> None:
        if level == socket.IPPROTO_UDP:
            raise OSError(errno.ENOPROTOOPT, os.strerror(errno.ENOPROTOOPT))
        super().setsockopt(level, option, *value)


@contextmanager
def pair(host: str, sender: OpenSocket = socket.socket, receiver: OpenSocket = socket.socket) -> Iterator[Any]:
    with (
        closing(UdpPort(host, 0, sender, marker_always=True)) as one,
        closing(UdpPort(host, 0, receiver, marker_always=True)) as other,
    ):
        yield one, other


def esp(number: int, size: int = 100) -> bytes:
    return (number + 0x1000_0000).to_bytes(4).ljust(size, b"\xee")


def received(port: UdpPort, count: int) -> list[Datagram | Burst]:
    found: list[Datagram | Burst] = []
    while sum(len(item) if isinstance(item, Burst) else 1 for item in found) < count:
        assert select.select([port], [], [], 2)[0], f"{found} and no more"
        found += port.receive()
    assert not list(port.receive())
    return found


def octets(items: list[Datagram | Burst]) -> list[bytes]:
    return [octets for item in items for octets in (item.packets if isinstance(item, Burst) else [item.wire])]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("kernels", [(socket.socket, socket.socket), (OldKernel, socket.socket),
                                     (socket.socket, OldKernel), (OldKernel, OldKernel)],
                         ids=["new to new", "old to new", "new to old", "old to old"])  # fmt: skip
def test_a_burst_arrives_whole_and_in_order(host: str, kernels: tuple[OpenSocket, OpenSocket]) -> None:
    with pair(host, *kernels) as (one, other):
        assert (one.segments, one.joins) == (kernels[0] is socket.socket,) * 2
        sizes = [1400] * 70 + [600] + [1400] * 3 + [40, 41, 42]
        packets = [esp(number, size) for number, size in enumerate(sizes)]
        assert one.send_burst(Burst(packets, one.address, other.address, tos=0xB8)) == len(packets)
        found = received(other, len(packets))
        assert octets(found) == packets
        assert {(item.local, item.remote, item.kind, item.tos) for item in found} == {
            (other.address, one.address, DatagramKind.ESP_IN_UDP, 0xB8)
        }
        assert len(found) < len(packets) / 10


def test_without_offload_the_kernel_is_not_asked() -> None:
    with closing(UdpPort("127.0.0.1", 0, offload=False)) as port:
        assert (port.segments, port.joins) == (False, False)


@pytest.mark.parametrize("host", HOSTS)
def test_a_joined_buffer_is_sorted(host: str) -> None:
    """What the kernel joins are datagrams of one size, whatever is in them."""
    ike = MARKER + b"ike message".ljust(96, b".")
    # ESP, ESP, IKE, ESP, an SPI that begins with an octet of zeros, IKE, keepalive
    datagrams = [esp(1), esp(2), ike, esp(3), b"\0\0\1\0".ljust(100, b"\xee"), ike, KEEPALIVE]
    with pair(host) as (one, other):
        one._submit(datagrams, [offload.segmented(100)], other.address)
        found = received(other, len(datagrams))
        assert octets(found) == datagrams
        assert [item.kind.name for item in found] == ["ESP_IN_UDP", "IKE", "ESP_IN_UDP", "IKE", "KEEPALIVE"]
        assert [len(item.packets) for item in found if isinstance(item, Burst)] == [2, 2]


def test_senders_and_traffic_classes_are_not_mixed() -> None:
    with pair("127.0.0.1") as (one, other), closing(UdpPort("127.0.0.1", 0, marker_always=True)) as third:
        for port, tos, packets in ((one, 0, [esp(1), esp(2)]), (third, 0, [esp(3)]), (one, 0, [esp(4)]),
                                   (one, 8, [esp(5), esp(6)])):  # fmt: skip
            assert port.send_burst(Burst(packets, port.address, other.address, tos=tos)) == len(packets)
        found = received(other, 6)
        assert octets(found) == [esp(number) for number in range(1, 7)]
        expected = [(one.address, 0), (third.address, 0), (one.address, 0), (one.address, 8)]
        assert [(item.remote, item.tos) for item in found] == expected


def test_a_port_without_esp_takes_everything_for_ike() -> None:
    with pair("127.0.0.1") as (one, other):
        other.marker_always = False
        one.send_burst(Burst([esp(1), esp(2)], one.address, other.address))
        assert [(item.kind, item.data) for item in received(other, 2)] == [(DatagramKind.IKE, esp(n)) for n in (1, 2)]


# What the kernel refuses


class Refusing:
    """A port whose kernel refuses what ``refuse`` says, by a number of errno, and notes what it takes."""

    def __init__(self, refuse: Callable[[list[bytes]], int]) -> None:
        self.taken: list[list[bytes]] = []
        self.calls = 0
        self.port = UdpPort("127.0.0.1", 0, marker_always=True)
        real, outer = self.port.socket, self

        class Kernel:
            def sendmsg(self, parts: list[bytes], *_: object) -> None:
                outer.calls += 1
                if number := refuse(parts):
                    raise OSError(number, os.strerror(number))
                outer.taken.append(parts)

            def close(self) -> None:
                real.close()

        self.port.socket = Kernel()  # type: ignore[assignment]

    def send(self, *packets: bytes) -> int:
        return self.port.send_burst(Burst(list(packets), self.port.address, Address("192.0.2.1", 4500)))

    def close(self) -> None:
        self.port.close()


@pytest.mark.parametrize("number", [errno.EIO, errno.EINVAL, errno.EMSGSIZE], ids=errno.errorcode.get)
def test_what_cannot_go_at_once_goes_one_by_one(number: int) -> None:
    """EIO: the device adds no checksums, now or later. The others: the path's MTU is smaller, which may change."""
    with closing(Refusing(lambda parts: number if len(parts) > 1 else 0)) as kernel:
        assert kernel.send(esp(1), esp(2), esp(3)) == 3
        assert kernel.taken == [[esp(1)], [esp(2)], [esp(3)]]
        assert kernel.calls == 4
        kernel.send(esp(4), esp(5))
        assert kernel.taken[3:] == [[esp(4)], [esp(5)]]
        assert kernel.calls == (6 if number == errno.EIO else 7)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a network namespace")
@pytest.mark.parametrize("host", HOSTS)
def test_packets_that_are_larger_than_the_path_go_in_fragments(host: str) -> None:
    """What the kernel says itself: it cuts no buffer into datagrams that need IP fragments."""
    with closing(Namespace()) as namespace:
        namespace.ip("link set lo mtu 1280")
        with pair(host, namespace.socket, namespace.socket) as (one, other):
            packets = [esp(number, size) for number, size in enumerate([1400] * 20 + [1000] * 20)]
            assert one.send_burst(Burst(packets, one.address, other.address)) == 40
            assert octets(received(other, 40)) == packets
            assert one.segments


def test_a_full_buffer_takes_what_it_can() -> None:
    room = [1, 1, 0]
    with closing(Refusing(lambda parts: 0 if room.pop(0) else errno.EAGAIN)) as kernel:
        packets = [esp(number) for number in range(150)]
        assert kernel.send(*packets) == 2 * offload.SEGMENTS
        room += [0, 1]
        assert kernel.send(*packets[128:]) == 0
        assert kernel.send(*packets[128:]) == 22
        assert [packet for run in kernel.taken for packet in run] == packets


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.EHOSTUNREACH], ids=errno.errorcode.get)
def test_an_icmp_error_costs_no_packet(number: int) -> None:
    pending = [number, 0, number, 0]
    with closing(Refusing(lambda _: pending.pop(0))) as kernel:
        assert kernel.send(esp(1), esp(2)) == 2
        assert kernel.send(esp(3)) == 1
        assert kernel.taken == [[esp(1), esp(2)], [esp(3)]]


def test_a_packet_that_is_refused_does_not_keep_the_others() -> None:
    with closing(Refusing(lambda parts: errno.EPERM if esp(2) in parts else 0)) as kernel:
        assert kernel.send(esp(1), esp(2), esp(3)) == 1
        with pytest.raises(TransportError, match=r"cannot send to 192\.0\.2\.1:4500: .*packet filter"):
            kernel.send(esp(2), esp(3))
        assert kernel.send(esp(3)) == 1


def test_a_port_that_python_refuses() -> None:
    with pair("127.0.0.1") as (one, _), pytest.raises(TransportError, match="cannot send to"):
        one.send_burst(Burst([esp(1), esp(2)], one.address, Address("192.0.2.1", 99999)))


# A network of two


@pytest.mark.parametrize("offload", [True, False])
@pytest.mark.parametrize("host", HOSTS)
def test_many_packets_at_once(host: str, offload: bool) -> None:
    psk = IkeConfig(auth="secret", force_encapsulation=True, children=(ChildConfig(local_ts=ANY, remote_ts=ANY),))
    with UdpNetwork(offload=offload, history=0) as network:
        ends = []
        for name in ("alice", "bob"):
            port, natt_port = free_ports(host)
            settings = EndpointConfig(port=port, natt_port=natt_port, marker_always=True)
            ends.append(Endpoint(host, [psk], config=settings))
            network.add(ends[-1], name)
        alice, bob = ends
        there = Address(host, bob.config.port)
        sa = alice.connect(psk.replace(remote=there, remote_natt_port=bob.config.natt_port), network.now)
        assert network.run(lambda: sa.established, limit=5)
        packets = [udp_packet("10.1.0.1", "10.2.0.1", 7, number, bytes(900)) for number in range(200)]
        seen: list[str] = []
        # ESP in UDP  -->  two hundred times
        assert alice.send_many(packets[:100], network.now) == 100
        assert network.run(lambda: len(network.host("bob").inbox) == 100, limit=5)
        with network.observe(lambda _, datagram, fate: seen.append(f"{datagram.kind.value} {fate}")):
            assert alice.send_many(packets[100:], network.now) == 100
            assert network.run(lambda: len(network.host("bob").inbox) == 200, limit=5)
        assert network.host("bob").inbox.drain() == packets
        assert seen.count("esp in udp sent") == seen.count("esp in udp delivered") == 100
        assert not alice.counts.drops + bob.counts.drops


# Runs: what one call may send


@given(st.lists(st.one_of(st.integers(0, 3), st.sampled_from([1400, 9000, 65507])), max_size=150))
def test_runs(sizes: list[int]) -> None:
    first, packets = 0, [bytes(size) for size in sizes]
    while first < len(packets):
        end = offload.run_end(packets, first)
        run = packets[first:end]
        assert len(run) == 1 or (len(run) <= offload.SEGMENTS and sum(map(len, run)) <= offload.OCTETS)
        assert all(len(packet) == len(run[0]) for packet in run[:-1])
        assert len(run) == 1 or 0 < len(run[-1]) <= len(run[0])
        if len(run) > 1:
            assert offload.split(b"".join(run), len(run[0])) == run
        if end < len(packets) and len(run) < offload.SEGMENTS and len(run[-1]) == len(run[0]):
            # Another one would not have fitted.
            assert (
                len(packets[end]) > len(run[0])
                or sum(map(len, packets[first : end + 1])) > offload.OCTETS
                or not (packets[end])
            )
        first = end


@pytest.mark.parametrize("size", range(6))
def test_control_messages_of_any_length(size: int) -> None:
    found = offload.segment_size(104, b"\x64\0\0\0\0"[:size])
    assert found == (100 if size > 1 else 0)


@pytest.mark.parametrize(("size", "parts"), [(0, 1), (-1, 1), (1, 5), (2, 3), (5, 1), (1 << 30, 1)])
def test_segment_sizes_that_the_kernel_may_say(size: int, parts: int) -> None:
    assert len(offload.split(b"abcde", size)) == parts
