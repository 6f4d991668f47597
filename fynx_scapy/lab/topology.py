# SPDX-License-Identifier: GPL-2.0-or-later
"""The network of a lab: our site and the peer's, connected directly or through a NAT, and the hosts behind the peer.

    ours    10.1.0.0/24 and fd01::/64 behind 10.9.0.1 and fd09::1
    theirs  10.2.0.0/24 and fd02::/64 behind 10.9.0.2 and fd09::2

There is no host behind our endpoint; it answers for all addresses in its selectors. Behind the peer's gateway is the
kernel of its namespace, in which `InnerHost` opens sockets. A site behind a NAT is 192.168.N.2; the outside address of
its router is 10.9.0.N.
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
"""The addresses on a guest's management network."""


class BehindNat(enum.Enum):
    """Which of the two sites is behind a NAT."""

    NONE = "none"
    OURS = "ours"
    THEIRS = "theirs"


@dataclass(slots=True)
class Site:
    """One site. ``outer`` and ``outer6`` are its gateway's addresses; the other site sees it as ``seen_as``."""

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


class NatRouter:
    """The NAT router of one site. It allocates ports from a range that `move` changes."""

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
        """Drop all mappings and use other ports from now on, like a router after a restart."""
        self._ports += 1
        self._masquerade()
        with self.namespace.entered():
            # Its status is 1 when there was nothing to delete.
            subprocess.run([tool("conntrack"), "-D", "-p", "udp"], capture_output=True, check=False)


class Topology:
    """Both sites and the network between them. ``mtu`` is that of the link between them (with a NAT, of its outside).

    With ``guest`` the peer's site is a virtual machine, connected to a tap device in our namespace; a second one,
    ``lab``, is for management. LabError for a ``guest`` with a NAT.
    """

    def __init__(self, *, nat: BehindNat = BehindNat.NONE, mtu: int | None = None, guest: bool = False) -> None:
        if guest and nat is not BehindNat.NONE:
            raise LabError("a guest cannot be behind a NAT, because it is connected directly to our site")
        with contextlib.ExitStack() as undo:
            self.ours = self._site(1, behind=nat is BehindNat.OURS, undo=undo)
            self.router: NatRouter | None = None
            if guest:
                self.theirs = Site(2, self.ours.namespace, "10.9.0.2", "10.9.0.2", "fd09::2")
                _add_taps(self.ours, mtu)
                self._undo = undo.pop_all()
                return
            self.theirs = self._site(2, behind=nat is BehindNat.THEIRS, undo=undo)
            if nat is BehindNat.NONE:
                _join(self.ours.namespace, "wan", "10.9.0.1/24", self.theirs.namespace, "wan", "10.9.0.2/24", mtu=mtu)
                for site in (self.ours, self.theirs):
                    site.namespace.ip(f"addr add {site.outer6}/64 dev wan nodad")
            else:
                hidden, open_ = (self.ours, self.theirs) if nat is BehindNat.OURS else (self.theirs, self.ours)
                self.router = NatRouter(hidden, open_, mtu)
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
        """Remove the namespaces."""
        self._undo.close()


def _add_taps(ours: Site, mtu: int | None) -> None:
    """Add the tap devices for a guest's two networks."""
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
    """Connect two namespaces by a pair of virtual Ethernet devices, up and with addresses."""
    size = f" mtu {mtu}" if mtu else ""
    one.ip(
        f"link add {link}{size} type veth peer name {far}{size} netns {other.path}",
        f"addr add {address} dev {link}",
        f"link set {link} up",
    )
    other.ip(f"addr add {far_address} dev {far}", f"link set {far} up")
