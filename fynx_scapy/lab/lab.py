# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab: two sites, a peer at one of them, and an event loop for our end at the other.

with Lab(PeerConfig(ike="aes256gcm16-prfsha384-ecp384")) as lab:
    s = lab.session()
    s.connect()
    s.ping(lab.theirs.inner)

Several stand side by side, in one process or in several. All of it ends with the process that made it. The peer ends
with the thread that made it too: the kernel knows parents by thread, so make a lab in one that stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self, Unpack

from fynx_scapy.checks import check_values, flag, kind, optional, whole
from fynx_scapy.errors import LabError
from fynx_scapy.ike.config import IkeConfig, Retransmission
from fynx_scapy.ike.message import Address
from fynx_scapy.lab.guest import Guest, GuestInnerHost
from fynx_scapy.lab.inner_host import InnerHost
from fynx_scapy.lab.peer import Peer, PeerConfig
from fynx_scapy.lab.sniffer import Sniffer
from fynx_scapy.lab.strongswan import StrongSwan
from fynx_scapy.lab.topology import Nat, Topology
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session import Session
from fynx_scapy.session_setup import SessionFields

PREFIX = "fynx-lab-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
RETRANSMISSION = Retransmission(timeout=0.5, base=1.5, tries=3)
"""On a wire that loses nothing there is no need to be as patient as on the Internet."""

_ARGUMENTS = {
    "config": optional(kind(PeerConfig)),
    "nat": kind(Nat),
    "ipv6": flag(),
    "mtu": optional(whole(68, 65535, "octets (RFC 791)")),
}


class Lab:
    """A peer with ``config`` on a network with or without a ``nat``, spoken to over IPv4 or, with ``ipv6``, over IPv6.

    ``peer`` is the kind of peer. LabError when something is missing, or
    the peer does not start; then nothing of it is left.
    """

    def __init__(
        self,
        config: PeerConfig | None = None,
        *,
        peer: type[Peer] = StrongSwan,
        nat: Nat = Nat.NONE,
        ipv6: bool = False,
        mtu: int | None = None,
        guest: Guest | None = None,
    ) -> None:
        check_values("Lab", _ARGUMENTS, config=config, nat=nat, ipv6=ipv6, mtu=mtu)
        sweep()
        self.ipv6 = ipv6
        with contextlib.ExitStack() as undo:
            if peer.guest and guest is None:
                guest = undo.enter_context(booted(*peer.packages))
            self.guest = guest if peer.guest else None
            if self.guest is None:
                self.folder = undo.enter_context(_scratch())
                self.topology = Topology(nat=nat, mtu=mtu)
                undo.callback(self.topology.close)
            elif nat is not Nat.NONE or mtu is not None:
                raise LabError("expected a plain wire to a guest, found a NAT or an MTU")
            else:
                self.folder = Path(tempfile.mkdtemp(dir=self.guest.folder))
                undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
                self.topology = self.guest.topology
                undo.callback(self.guest.reset)
            self.ours, self.theirs = self.topology.ours, self.topology.theirs
            self.network = UdpNetwork(open_socket=self.ours.namespace.socket)
            undo.callback(self.network.close)
            self.sniffer = Sniffer(self.ours.namespace, self.network)
            undo.callback(self.sniffer.close)
            self.inside: InnerHost | GuestInnerHost = (
                InnerHost(self.theirs, self.network) if self.guest is None else GuestInnerHost(self.guest, self.network)
            )
            undo.callback(self.inside.close)
            self.config = self._addressed(config or PeerConfig())
            self.peer = peer(self.guest or self.theirs.namespace, self.folder, self.config)
            undo.callback(self.peer.kill)
            self.peer.start()
            self._undo = undo.pop_all()

    def _addressed(self, config: PeerConfig) -> PeerConfig:
        """The same with this lab's addresses; who serves all (``%any``) goes on doing so."""
        ours = self.ours.outer6 if self.ipv6 else self.ours.seen_as
        remote = config.remote if config.remote == "%any" else ours
        also = tuple(map(self._addressed, config.also))
        return config.changed(local=self.theirs.address(ipv6=self.ipv6), remote=remote, also=also)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take it down: the peer, its network and its files."""
        self._undo.close()

    @property
    def target(self) -> Address:
        """Where the peer is, as we see it."""
        return Address(self.theirs.outer6 if self.ipv6 else self.theirs.seen_as, self.config.port)

    def session(self, config: IkeConfig | None = None, /, **more: Unpack[SessionFields]) -> Session:
        """Our end, configured to get along with the peer unless ``config`` says otherwise; ``more`` is `Session`'s."""
        config = config or self.config.mirrored(retransmission=RETRANSMISSION)
        given = SessionFields(local=self.ours.address(ipv6=self.ipv6), network=self.network)
        given.update(more)
        given["config"] = config
        return Session(self.target, **given)

    def run(self, met: Callable[[], object], *, limit: float = 10.0) -> bool:
        """Let time pass until ``met()`` is true; False when it is not within ``limit`` seconds."""
        return self.network.run(lambda: bool(met()), limit=limit)


@contextlib.contextmanager
def booted(*packages: str) -> Iterator[Guest]:
    """A guest that has these packages, for one lab after the other. LabError when it does not come up."""
    with contextlib.ExitStack() as undo:
        folder = undo.enter_context(_scratch())
        topology = Topology(guest=True)
        undo.callback(topology.close)
        guest = Guest(topology, folder, packages)
        undo.callback(guest.close)
        yield guest


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for this lab alone. Its lock shows to others that it is in use, and ends with us."""
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
        # Until it is locked, it looks like a dead lab's to whoever sweeps just now; then we take another.
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, _FOLDER)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists():
                return folder, descriptor
            os.close(descriptor)


def sweep() -> list[Path]:
    """Remove what labs have left that were killed; returns their folders. Those of other users are let alone."""
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
