# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab: two sites, with a peer at one and our endpoint, with its event loop, at the other.

with Lab(PeerConfig(ike="aes256gcm16-prfsha384-ecp384")) as lab:
    s = lab.session()
    s.connect()
    s.ping(lab.theirs.inner)

Several labs may run at the same time, in one process or in several. A lab ends with the process that made it. The peer
also ends with the thread that made it, because the kernel ties a child to its parent thread. So make a lab in a thread
that keeps running.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self, Unpack

from fynx_scapy.checks import check_values, flag, kind, optional, whole
from fynx_scapy.errors import LabError
from fynx_scapy.harness.role import Role
from fynx_scapy.ike.config import EndpointConfig, IkeConfig, Retransmission
from fynx_scapy.ike.message import Address
from fynx_scapy.lab.async_session import AsyncSession
from fynx_scapy.lab.guest import Guest, GuestInnerHost
from fynx_scapy.lab.inner_host import InnerHost
from fynx_scapy.lab.loop_network import LoopNetwork
from fynx_scapy.lab.peer import Machine, Peer, PeerConfig
from fynx_scapy.lab.rooted import Rooted
from fynx_scapy.lab.roots import place, used
from fynx_scapy.lab.sniffer import Sniffer
from fynx_scapy.lab.strongswan import StrongSwan
from fynx_scapy.lab.topology import BehindNat, Topology
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session import Session
from fynx_scapy.session_setup import INITIATOR, SessionFields

PREFIX = "fynx-lab-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
RETRANSMISSION = Retransmission(timeout=0.5, base=1.5, tries=3)
"""A short schedule, because the network of a lab loses nothing."""
PATIENT = Retransmission(timeout=1.0, base=1.5, tries=5)
"""The same for a guest: without KVM its processor is emulated, and a signature takes a second."""
SLOWNESS = 3.0
"""How many times as long as usual a guest may take, whose processor may be emulated."""

_ARGUMENTS = {
    "config": optional(kind(PeerConfig)),
    "nat": kind(BehindNat),
    "role": kind(Role),
    "ipv6": flag(),
    "mtu": optional(whole(68, 65535, "octets (RFC 791)")),
}


class Lab:
    """A peer of the kind ``peer``, configured by ``config``, and our endpoint.

    ``nat`` puts a NAT in front of one site, ``ipv6`` uses IPv6 between the two, ``mtu`` is that of the network between
    them in octets. ``guest`` is a running guest, for peers that need one. ``role`` says whether our end is
    a `Session`, an `IpsecClient` or an `IpsecServer`. LabError when something is missing or the peer does not start;
    then everything is removed again.
    """

    def __init__(
        self,
        config: PeerConfig | None = None,
        *,
        peer: type[Peer] = StrongSwan,
        nat: BehindNat = BehindNat.NONE,
        ipv6: bool = False,
        mtu: int | None = None,
        guest: Guest | None = None,
        role: Role = Role.INITIATOR,
    ) -> None:
        check_values("Lab", _ARGUMENTS, config=config, nat=nat, ipv6=ipv6, mtu=mtu, role=role)
        sweep()
        self.ipv6, self.role = ipv6, role
        with contextlib.ExitStack() as undo:
            if peer.guest and guest is None:
                guest = undo.enter_context(booted(*peer.packages, roots=[peer.root] if peer.root else []))
            self.guest = guest if peer.guest else None
            if self.guest is None:
                self.folder = undo.enter_context(_scratch())
                self.topology = Topology(nat=nat, mtu=mtu)
                undo.callback(self.topology.close)
            elif nat is not BehindNat.NONE or mtu is not None:
                raise LabError("a peer in a guest supports neither nat nor mtu")
            else:
                self.folder = Path(tempfile.mkdtemp(dir=self.guest.folder))
                undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
                self.topology = self.guest.topology
                undo.callback(self.guest.reset)
            self.ours, self.theirs = self.topology.ours, self.topology.theirs
            made = LoopNetwork if role.asynchronous else UdpNetwork
            self.network: UdpNetwork | LoopNetwork = made(open_socket=self.ours.namespace.socket)
            undo.callback(self.network.close)
            self.sniffer = Sniffer(self.ours.namespace, self.network)
            undo.callback(self.sniffer.close)
            self.inside: InnerHost | GuestInnerHost = (
                InnerHost(self.theirs, self.network) if self.guest is None else GuestInnerHost(self.guest, self.network)
            )
            undo.callback(self.inside.close)
            self.config = self._addressed(config or PeerConfig())
            machine: Machine = self.guest or self.theirs.namespace
            if peer.root is not None:
                root = undo.enter_context(used(*peer.root))
                machine = Rooted(machine, self.guest.root(root.name) if self.guest else root, self.folder)
                undo.callback(machine.close)
            self.peer = peer(machine, self.folder, self.config)
            undo.callback(self.peer.kill)
            self.peer.start()
            self._undo = undo.pop_all()

    def _addressed(self, config: PeerConfig) -> PeerConfig:
        """The configuration with this lab's addresses; ``%any`` stays."""
        ours = self.ours.outer6 if self.ipv6 else self.ours.seen_as
        remote = config.remote if config.remote == "%any" else ours
        also = tuple(map(self._addressed, config.also))
        return config.changed(local=self.theirs.address(ipv6=self.ipv6), remote=remote, also=also)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the peer, its network and its files."""
        self._undo.close()

    def configure(self, config: PeerConfig) -> None:
        """Start the peer again with another configuration; nothing when it has this one. LabError as for the first."""
        wanted = self._addressed(config)
        if wanted != self.config:
            self.config = wanted
            self.peer.configure(wanted)

    @property
    def retransmission(self) -> Retransmission:
        """When we retransmit to the peer."""
        return RETRANSMISSION if self.guest is None else PATIENT

    @property
    def slowness(self) -> float:
        """How many times as long as usual its peer may take for anything."""
        return 1.0 if self.guest is None else SLOWNESS

    @property
    def target(self) -> Address:
        """The peer's address, as we see it."""
        return Address(self.theirs.outer6 if self.ipv6 else self.theirs.seen_as, self.config.port)

    def session(self, config: IkeConfig | None = None, /, **more: Unpack[SessionFields]) -> Session:
        """A session with the peer, by default with a matching configuration. ``more`` are arguments of `Session`."""
        config = config or self.config.mirrored(retransmission=self.retransmission)
        given = SessionFields(local=self.ours.address(ipv6=self.ipv6), network=self.network)
        given.update(more)
        given["config"] = config
        if isinstance(self.network, LoopNetwork):
            return self._async_session(self.network, config.replace(remote=self.target), given)
        return Session(self.target, **given)

    def _async_session(self, network: LoopNetwork, config: IkeConfig, given: SessionFields) -> AsyncSession:
        settings = given.get("endpoint") or EndpointConfig()
        settings = settings.replace(
            port=given.get("port") or settings.port, natt_port=given.get("natt_port") or settings.natt_port
        )
        local = given.get("local") or self.ours.address(ipv6=self.ipv6)
        return AsyncSession(network, config, self.role, local, settings, given.get("name", INITIATOR))

    def run(self, met: Callable[[], object], *, limit: float = 10.0) -> bool:
        """Let time pass until ``met()`` is true, for at most ``limit`` seconds. Returns whether it is."""
        return self.network.run(lambda: bool(met()), limit=limit)


@contextlib.contextmanager
def booted(*packages: str, roots: Sequence[tuple[str, str]] = ()) -> Iterator[Guest]:
    """A guest with these packages and roots, for one lab after another. LabError when it does not boot."""
    with contextlib.ExitStack() as undo:
        folders = [undo.enter_context(used(*root)) for root in roots]
        folder = undo.enter_context(_scratch())
        topology = Topology(guest=True)
        undo.callback(topology.close)
        guest = Guest(topology, folder, packages, roots=folders)
        undo.callback(guest.close)
        yield guest


@contextlib.contextmanager
def guest_for(kinds: Iterable[type[Peer]]) -> Iterator[Guest | None]:
    """One guest for all of these peers that run in one, or None. It lacks roots that were not fetched.

    LabError when it does not boot.
    """
    made = [kind for kind in kinds if kind.guest]
    packages = {package for kind in made for package in kind.packages}
    roots = {kind.root for kind in made if kind.root and place(*kind.root).is_dir()}
    if not made:
        yield None
        return
    with booted(*sorted(packages), roots=sorted(roots)) as guest:
        yield guest


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for this lab. Its lock shows to other labs that it is in use, and ends with this process."""
    folder, descriptor = _locked()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _locked() -> tuple[Path, int]:
    """A new folder and the descriptor that locks it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        # Until it is locked, a sweep by another lab may remove it as left over. Then make another.
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, _FOLDER)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists():
                return folder, descriptor
            os.close(descriptor)


def sweep() -> list[Path]:
    """Remove the folders of labs that were killed, except those of other users; returns the folders."""
    swept = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, _FOLDER)
            try:
                if os.fstat(descriptor).st_uid != os.geteuid():
                    continue
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
                swept.append(folder)
            finally:
                os.close(descriptor)
    return swept
