# SPDX-License-Identifier: GPL-2.0-or-later
"""TUN devices: network devices whose packets a program reads and writes. For Linux.

The kernel hands us what it routes into the device, and takes what we write as if it had come over a wire. It cuts the
segments of TCP and computes their checksums before we read them: measured, that takes less time than to read 64 KiB at
once and to do the same in Python (1.1 against 2.5 µs a packet). In the other direction we join segments, which takes
2 µs less a packet than to write each of them (`coalesce`).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final, Self

from fynx_scapy.errors import DeviceInUse, NoDevice, NoPrivilege, TransportError
from fynx_scapy.net import iproute
from fynx_scapy.net.coalesce import PLAIN, Write, coalesced, plain
from fynx_scapy.net.tun_config import TunConfig

DEVICE: Final = "/dev/net/tun"

# From linux/if_tun.h.
_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_IFF_TUN, _IFF_NO_PI, _IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
_IFREQ: Final = struct.Struct("16sH22x")

_LARGEST: Final = len(PLAIN) + 65535
_GONE: Final = frozenset({errno.EBADFD, errno.EBADF})
"""How the kernel says that the device was removed."""
_IPV6 = Path("/proc/sys/net/ipv6")


@dataclass(slots=True)
class TunCounts:
    """What passed a TUN device. Octets are those of inner packets."""

    packets_read: int = 0
    bytes_read: int = 0
    packets_written: int = 0
    bytes_written: int = 0
    writes: int = 0
    """How many calls wrote them."""
    refused: int = 0
    """How many packets the kernel did not take."""


class TunDevice:
    """A TUN device by its descriptor, which may come from anywhere, and belongs to this object from now on.

    ``vnet`` says whether packets have a virtio-net header there (IFF_VNET_HDR); then segments are joined. Nothing here
    blocks.
    """

    def __init__(self, descriptor: int, name: str, *, vnet: bool) -> None:
        self.name = name
        self.counts = TunCounts()
        self._descriptor = descriptor
        self._header = len(PLAIN) if vnet else 0
        self.joins = vnet
        """Whether segments are joined. False also after the kernel has refused one."""
        os.set_blocking(descriptor, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """The file descriptor, for selectors and event loops; -1 once it is closed."""
        return self._descriptor

    def read(self, most: int = 64) -> list[bytes]:
        """The inner packets that wait here, in order, ``most`` at most. TransportError when the device was removed."""
        packets: list[bytes] = []
        descriptor, header = self._descriptor, self._header
        try:
            for _ in range(most):
                packets.append(os.read(descriptor, _LARGEST)[header:])
        except BlockingIOError:
            pass
        except OSError as error:
            raise self._failed(error) from None
        self.counts.packets_read += len(packets)
        self.counts.bytes_read += sum(map(len, packets))
        return packets

    def write(self, packets: Sequence[bytes]) -> int:
        """Hand over inner packets. Returns how many of them the kernel took; it does so at once or not at all.

        TransportError when the device was removed.
        """
        taken = self._write(coalesced(packets) if self.joins else plain(packets))
        self.counts.refused += len(packets) - taken
        return taken

    def _write(self, writes: Iterable[Write]) -> int:
        taken, counts = 0, self.counts
        for buffers, packets in writes:
            try:
                size = os.writev(self._descriptor, buffers if self._header else packets)
            except OSError as error:
                if error.errno in _GONE:
                    raise self._failed(error) from None
                if len(packets) > 1:
                    self.joins = False
                    taken += self._write(plain(packets))
                continue
            taken += len(packets)
            counts.writes += 1
            counts.packets_written += len(packets)
            counts.bytes_written += size - self._header
        return taken

    def _failed(self, error: OSError) -> TransportError:
        if error.errno in _GONE:
            return NoDevice(f"the TUN device {self.name} was removed")
        return TransportError(f"cannot read from the TUN device {self.name}: {error.strerror}")

    def close(self) -> None:
        """Close it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Tun(TunDevice):
    """A TUN device of this machine, or of the network namespace that this thread is in.

    >>> with Tun(TunConfig(addresses="10.1.0.1/24", routes="10.2.0.0/24")) as tun:
    ...     print(tun.name, tun.read())

    It ends with its addresses and routes when it is closed, and with this process. To make one takes some milliseconds,
    CAP_NET_ADMIN and ip(8): `NoDevice`, `NoPrivilege`, `DeviceInUse` or `CommandFailed` says what is missing.
    """

    def __init__(self, config: TunConfig | None = None) -> None:
        self.config = config = config or TunConfig()
        name, descriptor = _opened(config)
        super().__init__(descriptor, name, vnet=config.offload)
        self._around: list[str] = []
        try:
            self._set_up()
        except TransportError:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<Tun {self.name}{'' if self.fileno() >= 0 else ', closed'}>"

    def _set_up(self) -> None:
        config, name = self.config, self.name
        what = f"cannot set up the TUN device {name}"
        link = f"link set dev {name} mtu {config.mtu} txqueuelen {config.queue}"
        if _IPV6.exists():
            link += " addrgenmode none"  # otherwise the kernel would ask for routers through the tunnel
        commands = [link, f"link set dev {name} up"]
        for address in config.addresses:
            # Duplicates would be at the far end of the tunnel, and it need not answer.
            commands.append(f"address add {address} dev {name}" + (" nodad" if ":" in address else ""))
        iproute.run(what, commands)
        for host in config.around:
            self._route_around(what, host)
        routes = [half for route in config.routes for half in iproute.halves(route)]
        if routes:
            iproute.run(what, [f"route add {route} dev {name}" for route in routes])

    def _route_around(self, what: str, host: str) -> None:
        """Keep the way to a host that the device would take over."""
        if not any(ip_address(host) in ip_network(route) for route in self.config.routes):
            return
        for way in iproute.asked(what, "route", "get", host):
            if way.get("type", "unicast") == "unicast" and "dev" in way:
                via = f" via {way['gateway']}" if "gateway" in way else ""
                route = f"route add {host}{via} dev {way['dev']}"
                if not iproute.asked(what, *(["-6"] if ":" in host else []), "route", "show", "exact", host):
                    iproute.run(what, [route])
                    self._around.append(route.replace("route add", "route del", 1))

    def close(self) -> None:
        """Remove the device, with its addresses and routes."""
        if self._around and self.fileno() >= 0:
            with contextlib.suppress(TransportError):  # the link that they went through may be gone
                iproute.run(f"cannot remove the routes around {self.name}", self._around)
            self._around.clear()
        super().close()


def _opened(config: TunConfig) -> tuple[str, int]:
    """The name and the descriptor of a new device."""
    try:
        descriptor = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NoDevice(f"cannot open {DEVICE}: {error.strerror}; {NoDevice.hint}") from None
    try:
        if _exists(config.name):
            raise DeviceInUse(f"cannot make the TUN device {config.name}: there is a network device with this name")
        flags = _IFF_TUN | _IFF_NO_PI | (_IFF_VNET_HDR if config.offload else 0)
        made = fcntl.ioctl(descriptor, _TUNSETIFF, _IFREQ.pack(config.name.encode(), flags))
        if config.offload:
            fcntl.ioctl(descriptor, _TUNSETOFFLOAD, 0)  # we read whole packets with their checksums
    except OSError as error:
        os.close(descriptor)
        raise _refused(config.name, error) from None
    except TransportError:
        os.close(descriptor)
        raise
    return _IFREQ.unpack(made)[0].rstrip(b"\0").decode(), descriptor


def _exists(name: str) -> bool:
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def _refused(name: str, error: OSError) -> TransportError:
    text = f"cannot make the TUN device {name}: {error.strerror}"
    if error.errno == errno.EPERM:
        return NoPrivilege(f"{text}; it needs CAP_NET_ADMIN: run as root, or in a namespace: unshare -Urn")
    if error.errno in (errno.EBUSY, errno.EEXIST):
        return DeviceInUse(text)
    return TransportError(text)
