# SPDX-License-Identifier: GPL-2.0-or-later
"""The network of a lab: our site and the peer's, joined by a wire or through a NAT, and the hosts behind the peer.

    ours    10.1.0.0/24 and fd01::/64 behind 10.9.0.1 and fd09::1
    theirs  10.2.0.0/24 and fd02::/64 behind 10.9.0.2 and fd09::2

Behind our endpoint there is nobody: it answers what its selectors cover. Behind the peer's gateway is the kernel of its
namespace, whose sockets `InnerHost` opens. With a NAT the site behind it is 192.168.N.2, its router 10.9.0.N outside.
"""

from __future__ import annotations

import contextlib
import enum
import subprocess
from dataclasses import dataclass, field

from fynx_scapy.errors import LabError
from fynx_scapy.lab.namespace import Namespace, tool

WAN, LAB = "wan", "lab"
KEEPER, GUEST = "10.8.0.1", "10.8.0.2"
"""The addresses on a guest's second wire, on which it is managed."""


class Nat(enum.Enum):
    """Which of the two sites is behind a router that masquerades."""

    NONE = "none"
    OURS = "ours"
    THEIRS = "theirs"


@dataclass(slots=True)
class Site:
    """One end: ``outer`` and ``outer6`` are its gateway's own addresses, ``seen_as`` what the other end sees of it."""

    number: int
    namespace: Namespace
    outer: str
    seen_as: str
    outer6: str
    inner: str = field(init=False)
    inner6: str = field(init=False)

    def __post_init__(self) -> None:
        self.inner, self.inner6 = f"10.{self.number}.0.1", f"fd0{self.number}::1"

    @property
    def network(self) -> str:
        """The IPv4 network behind it."""
        return f"10.{self.number}.0.0/24"

    def address(self, *, ipv6: bool = False) -> str:
        """The outer address of either IP version."""
        return self.outer6 if ipv6 else self.outer


class Router:
    """The router before one site: it masquerades, from a range of ports that can be made to change."""

    FIRST, SPAN = 20000, 100

    def __init__(self, site: Site, other: Site, mtu: int | None = None) -> None:
        self.namespace = Namespace()
        n = site.number
        self.inside, self.outside = f"192.168.{n}.1", site.seen_as
        self._ports = 0
        _join(self.namespace, "in", f"{self.inside}/24", site.namespace, "wan", f"{site.outer}/24")
        _join(self.namespace, "out", f"{self.outside}/24", other.namespace, "wan", f"{other.outer}/24", mtu=mtu)
        site.namespace.ip(f"route add default via {self.inside}")
        self.namespace.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        self._masquerade()

    def _masquerade(self) -> None:
        first = self.FIRST + self._ports * self.SPAN
        rules = (
            "flush ruleset",
            "add table ip nat",
            "add chain ip nat post { type nat hook postrouting priority 100 ; }",
            f'add rule ip nat post oifname "out" meta l4proto udp masquerade to :{first}-{first + self.SPAN - 1}',
        )
        self.namespace.run("nft", "-f", "-", text="\n".join(rules) + "\n")

    def move(self) -> None:
        """Forget all mappings and take other ports from now on, as a router does that was switched off and on."""
        self._ports += 1
        self._masquerade()
        with self.namespace.entered():
            # It ends with 1 when there was nothing to delete.
            subprocess.run([tool("conntrack"), "-D", "-p", "udp"], capture_output=True, check=False)


class Topology:
    """Both sites and what is between them. ``mtu`` is that of the wire in bytes, or of the NAT's outer one.

    With ``guest`` the peer's site is a machine of its own: a tap in our namespace is where its wire ends, and a second
    one, ``lab``, is how it is managed. A NAT between is then a LabError.
    """

    def __init__(self, *, nat: Nat = Nat.NONE, mtu: int | None = None, guest: bool = False) -> None:
        if guest and nat is not Nat.NONE:
            raise LabError("expected no NAT before a guest, whose wire ends at our site")
        with contextlib.ExitStack() as undo:
            self.ours = self._site(1, behind=nat is Nat.OURS, undo=undo)
            self.router: Router | None = None
            if guest:
                self.theirs = Site(2, self.ours.namespace, "10.9.0.2", "10.9.0.2", "fd09::2")
                _add_taps(self.ours, mtu)
                self._undo = undo.pop_all()
                return
            self.theirs = self._site(2, behind=nat is Nat.THEIRS, undo=undo)
            if nat is Nat.NONE:
                _join(self.ours.namespace, "wan", "10.9.0.1/24", self.theirs.namespace, "wan", "10.9.0.2/24", mtu=mtu)
                for site in (self.ours, self.theirs):
                    site.namespace.ip(f"addr add {site.outer6}/64 dev wan nodad")
            else:
                hidden, open_ = (self.ours, self.theirs) if nat is Nat.OURS else (self.theirs, self.ours)
                self.router = Router(hidden, open_, mtu)
                undo.callback(self.router.namespace.close)
            self.theirs.namespace.ip(
                f"addr add {self.theirs.inner}/24 dev lo", f"addr add {self.theirs.inner6}/64 dev lo nodad"
            )
            self._undo = undo.pop_all()

    @staticmethod
    def _site(number: int, *, behind: bool, undo: contextlib.ExitStack) -> Site:
        namespace = Namespace()
        undo.callback(namespace.close)
        seen_as = f"10.9.0.{number}"
        return Site(number, namespace, f"192.168.{number}.2" if behind else seen_as, seen_as, f"fd09::{number}")

    def close(self) -> None:
        """Take it down."""
        self._undo.close()


def _add_taps(ours: Site, mtu: int | None) -> None:
    """The ends of a guest's two wires."""
    ours.namespace.ip(
        f"tuntap add dev {WAN} mode tap",
        f"link set {WAN} mtu {mtu or 1500} up",
        f"addr add {ours.outer}/24 dev {WAN}",
        f"addr add {ours.outer6}/64 dev {WAN} nodad",
        f"tuntap add dev {LAB} mode tap",
        f"addr add {KEEPER}/24 dev {LAB}",
        f"link set {LAB} up",
    )


def _join(
    one: Namespace, link: str, address: str, other: Namespace, far: str, far_address: str, mtu: int | None = None
) -> None:
    """A pair of virtual Ethernet devices, up and with addresses."""
    size = f" mtu {mtu}" if mtu else ""
    one.ip(
        f"link add {link}{size} type veth peer name {far}{size} netns {other.path}",
        f"addr add {address} dev {link}",
        f"link set {link} up",
    )
    other.ip(f"addr add {far_address} dev {far}", f"link set {far} up")
