# SPDX-License-Identifier: GPL-2.0-or-later
"""TUN devices: their settings, what the kernel and ip(8) say, and real ones in network namespaces."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fynx_scapy.errors import CommandFailed, ConfigError, DeviceInUse, LabError, NoDevice, NoPrivilege
from fynx_scapy.lab.namespace import Namespace
from fynx_scapy.net import iproute, tun, udp_packet
from fynx_scapy.net.tun import Tun, TunDevice
from fynx_scapy.net.tun_config import TunConfig
from tests.net.test_coalesce import segment, stream
from tests.privileges import without_capabilities

CAP_NET_ADMIN = 12


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """A network namespace in which this test runs, and that ends with it."""
    try:
        made = Namespace()
    except LabError as error:
        pytest.skip(str(error))
    with made.entered():
        yield made
    made.close()


def tuned(**changes: Any) -> TunConfig:
    return TunConfig(**{"addresses": "10.1.0.1/24", "routes": "10.2.0.0/24"} | changes)


# Settings


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"name": "a b"}, "at most 15 letters"),
        ({"name": "x" * 16}, "at most 15 letters"),
        ({"name": "x" * 14 + "%d"}, "at most 15 letters"),
        ({"name": ".."}, "at most 15 letters"),
        ({"name": "%d%d"}, "at most 15 letters"),
        ({"mtu": 67}, "from 68 to 65535"),
        ({"mtu": 1279, "routes": "fd02::/64"}, "at least 1280 for IPv6"),
        ({"addresses": "10.1.0.0.1"}, "an address such as 10.1.0.1/24, found '10.1.0.0.1'"),
        ({"routes": "10.2.0.1/24"}, "a network such as 10.2.0.0/24, found '10.2.0.1/24'"),
        ({"around": ["10.9.0.1", "moon"]}, "an address such as 192.0.2.1, found 'moon'"),
        ({"routes": [5]}, "found 5"),
        ({"routes": 5}, "a sequence, found 5"),
    ],
)
def test_wrong_settings(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        tuned(**wrong)


def test_settings_are_as_ip_writes_them() -> None:
    config = tuned(addresses=["10.1.0.1", "FD01:0::1/64"], routes=("fd02:0::/64",))
    assert (config.addresses, config.routes) == (("10.1.0.1/32", "fd01::1/64"), ("fd02::/64",))
    assert iproute.halves("0.0.0.0/0") == ["0.0.0.0/1", "128.0.0.0/1"]
    assert iproute.halves("::/0") == ["::/1", "8000::/1"]


# What is missing


def test_there_is_no_tun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tun, "DEVICE", str(tmp_path / "tun"))
    with pytest.raises(NoDevice, match="No such file or directory; a TUN device needs /dev/net/tun"):
        Tun()


def test_there_is_no_ip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(CommandFailed, match="the command ip is missing; install it: apt-get install iproute2"):
        iproute.run("cannot set up a device", ["link"])


def test_no_privilege(namespace: Namespace) -> None:
    with without_capabilities(CAP_NET_ADMIN), pytest.raises(NoPrivilege, match="it needs CAP_NET_ADMIN: run as root"):
        Tun()
    assert "fynx" not in namespace.run("ip", "link")


def test_no_privilege_for_ip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "ip"
    script.write_text("#!/bin/sh\necho 'RTNETLINK answers: Operation not permitted\nCommand failed -:2' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoPrivilege, match=r"do it: ip second: RTNETLINK .* permitted; it needs CAP_NET_ADMIN"):
        iproute.run("cannot do it", ["first", "second", "third"])


# A device. Its other end is the kernel of the namespace.


def test_a_name_that_is_taken(namespace: Namespace) -> None:
    with Tun() as first, Tun() as second:
        assert (first.name, second.name) == ("fynx0", "fynx1")
        for name in ("fynx0", "lo"):
            with pytest.raises(DeviceInUse, match=f"cannot make the TUN device {name}: there is a network device"):
                Tun(TunConfig(name=name))
    assert "fynx" not in namespace.run("ip", "link")


def test_what_ip_refuses(namespace: Namespace) -> None:
    """The device does not stay half set up."""
    with Tun(tuned()):
        with pytest.raises(CommandFailed, match=r"device fynx1: ip route add 10.2.0.0/24 dev fynx1: .*File exists$"):
            Tun(tuned(addresses="10.1.0.2/24"))
        assert "fynx1" not in namespace.run("ip", "link")


@pytest.mark.parametrize("offload", [True, False])
def test_packets_both_ways(namespace: Namespace, offload: bool) -> None:
    with Tun(tuned(mtu=1300, offload=offload)) as device, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
        assert device.read() == []
        host.bind(("10.1.0.1", 7))
        host.sendto(b"to you", ("10.2.0.9", 9))
        (packet,) = device.read()
        assert (packet[12:20], packet[28:]) == (bytes([10, 1, 0, 1, 10, 2, 0, 9]), b"to you")
        answers = [udp_packet("10.2.0.9", "10.1.0.1", 9, 7, data) for data in (b"to me", b"and more")]
        assert device.write(answers) == 2
        assert [host.recv(99, socket.MSG_DONTWAIT) for _ in answers] == [b"to me", b"and more"]
        assert (device.counts.packets_written, device.counts.bytes_written) == (2, sum(map(len, answers)))
        assert "mtu 1300" in namespace.run("ip", "link", "show", device.name)


def test_the_kernel_refuses_a_packet(namespace: Namespace) -> None:
    with Tun(tuned()) as device:
        namespace.ip(f"link set {device.name} down")
        assert device.write([b"", b"\x10" * 60, *stream(4, [100] * 3)]) == 0
        assert device.counts.refused == 5


def test_the_device_is_removed(namespace: Namespace) -> None:
    with Tun(tuned()) as device:
        namespace.ip(f"link del {device.name}")
        with pytest.raises(NoDevice, match="the TUN device fynx0 was removed"):
            device.read()
        with pytest.raises(NoDevice, match="the TUN device fynx0 was removed"):
            device.write(stream(4, [100] * 3))


def test_a_kernel_that_takes_no_joined_segments(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not asked again."""
    writev = os.writev

    def old(descriptor: int, buffers: list[bytes]) -> int:
        if len(buffers) > 2:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return writev(descriptor, buffers)

    monkeypatch.setattr(os, "writev", old)
    with Tun(tuned()) as device:
        assert device.write(stream(4, [100] * 3)) == 3
        assert (device.joins, device.counts.writes) == (False, 3)


def test_routes_around_the_tunnel(namespace: Namespace) -> None:
    """The peer is reached as before although everything goes into the tunnel."""
    far = Namespace()
    namespace.ip(
        f"link add wan type veth peer name wan netns {far.path}",
        "addr add 192.0.2.1/24 dev wan",
        "link set wan up",
        "route add default via 192.0.2.254",
    )
    before = namespace.run("ip", "route")
    with Tun(tuned(routes="0.0.0.0/0", around=("198.51.100.7", "192.0.2.2", "fd09::1"))):
        ways = [namespace.run("ip", "route", "get", to) for to in ("198.51.100.7", "192.0.2.2", "198.51.100.8")]
        assert ["via 192.0.2.254 dev wan" in ways[0], "dev wan" in ways[1], "dev fynx0" in ways[2]] == [True] * 3
    assert namespace.run("ip", "route") == before
    far.close()


@pytest.mark.parametrize("version", [4, 6])
def test_the_kernel_gets_what_was_joined(namespace: Namespace, version: int) -> None:
    """A TCP segment for a connection that there is none of: the kernel answers with RST, if it likes the checksum."""
    addresses = ("10.1.0.1/24",) if version == 4 else ("fd01::1/64",)
    routes = "10.2.0.0/24" if version == 4 else "fd02::/64"
    turned = {"src": "10.2.0.1", "dst": "10.1.0.1"} if version == 4 else {"src": "fd02::1", "dst": "fd01::1"}
    with Tun(tuned(addresses=addresses, routes=routes)) as device:
        packets = [segment(version, b"x" * 100, 1000 + 100 * number, ip=turned) for number in range(3)]
        assert device.write(packets) == 3
        assert device.counts.writes == 1
        (reset,) = device.read()
        at = 20 if version == 4 else 40
        seq, flags = struct.unpack_from("!I5xB", reset, at + 4)
        assert (seq, flags & 0x04) == (77, 0x04)
        # Damaged, they go one by one, and the kernel answers those that are not.
        assert device.write([packets[0], packets[1][:-1] + b"y", packets[2]]) == 3
        assert len(device.read()) == 2


def test_a_device_of_another_program() -> None:
    """It has a descriptor, and nothing of it is set up here."""
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with kernel, TunDevice(ours.detach(), "handed over", vnet=True) as device:
        assert device.write(stream(4, [100] * 3)) == 3
        assert kernel.recv(65535)[:10] == struct.pack("=BBHHHH", 1, 1, 52, 100, 20, 16)
        kernel.send(bytes(10) + b"packet")
        assert device.read() == [b"packet"]
    assert device.fileno() == -1
