# SPDX-License-Identifier: GPL-2.0-or-later
"""What a peer that a scenario configures is configured with, and what it reports: the same for every kind of peer.

Proposals are written as in strongSwan, and as in our own configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, Unpack

from fynx_scapy.checks import (
    SECRET,
    Check,
    Checked,
    as_tuple,
    flag,
    kind,
    one_of,
    optional,
    seconds,
    setting,
    several,
    text,
    udp_port,
    whole,
)
from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.worlds.authentication import our_auth
from fynx_scapy.harness.worlds.credentials import Credentials, Material
from fynx_scapy.ike.config import ChildConfig, IkeChanges, IkeConfig
from fynx_scapy.ike.credentials.ppk import Ppk, read_ppks

DYNAMIC = "dynamic"


def _texts(value: Any) -> tuple[Any, ...]:
    return as_tuple(value, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerChild(Checked):
    """A Child SA of the peer's configuration, from the peer's side.

    A traffic selector may be ``dynamic``: the address that one side assigns to the other.
    """

    name: str = setting("net", text())
    """Its name at the peer."""
    local_ts: tuple[str, ...] = setting(("10.2.0.0/24",), several(text(), 1, 255), read=_texts)
    """The traffic selectors behind the peer."""
    remote_ts: tuple[str, ...] = setting(("10.1.0.0/24",), several(text(), 1, 255), read=_texts)
    """The traffic selectors behind us."""
    esp: str = setting("aes128gcm16", text())
    """Its proposals, written as in strongSwan."""
    mode: str = setting("tunnel", one_of("tunnel", "transport"))
    """``tunnel`` or ``transport``."""
    tfc: int = setting(0, whole(0, 65535, "octets"))
    """The size in octets to which it pads its packets (RFC 4303 section 2.7); 0 for no padding."""

    if TYPE_CHECKING:

        def replace(
            self,
            *,
            name: str = ...,
            local_ts: tuple[str, ...] = ...,
            remote_ts: tuple[str, ...] = ...,
            esp: str = ...,
            mode: str = ...,
            tfc: int = ...,
        ) -> Self: ...


def _children(value: Any) -> tuple[Any, ...]:
    return as_tuple(value, PeerChild)


def _further(value: Any) -> tuple[Any, ...]:
    return as_tuple(value, PeerConfig)


_FURTHER = several(Check("a PeerConfig", lambda value: isinstance(value, PeerConfig)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig(Checked):
    """A peer's configuration, from the peer's side. None keeps the peer's default."""

    ike: str = setting("aes128gcm16-prfsha256-x25519", text())
    """Its proposals for the IKE SA, written as in strongSwan."""
    psk: str | bytes = setting("lab psk for testing", SECRET, repr=False)
    """The pre-shared key, as `Psk` reads it."""
    auth: Credentials | None = setting(None, optional(kind(Credentials)))
    """How both ends authenticate; None for the pre-shared key."""
    local_id: str = setting("bob", text())
    """The peer's identity."""
    remote_id: str = setting("alice", text())
    """The identity that we must prove."""
    local: str = setting("10.9.0.2", text())
    """Its address."""
    remote: str = setting("10.9.0.1", text())
    """The address that it serves and connects to; ``%any`` serves all."""
    port: int = setting(500, udp_port())
    """Its UDP port."""
    natt_port: int = setting(4500, udp_port())
    """Its UDP port for NAT traversal."""
    remote_port: int = setting(500, udp_port())
    """Our UDP port."""
    children: tuple[PeerChild, ...] = setting((PeerChild(),), several(kind(PeerChild)), read=_children)
    """Its Child SAs."""
    dpd_delay: int = setting(0, whole(0, 1 << 31, "seconds"))
    """The seconds of silence after which it checks that we are alive; 0 for never."""
    reauth: int = setting(0, whole(0, 1 << 31, "seconds"))
    """The seconds for which an authentication counts (RFC 4478): as responder it says so, and as initiator it
    authenticates again before they end. 0 for ever."""
    fragmentation: str = setting("yes", one_of("yes", "accept", "force", "no"))
    """Whether it sends and accepts fragments: ``yes``, ``accept``, ``force`` or ``no``."""
    fragment_size: int | None = setting(None, optional(whole(1, 65535, "octets")))
    """The size in octets of an IP packet with a fragment."""
    cookie_threshold: int | None = setting(None, optional(whole(0, 1 << 31)))
    """The number of half-open IKE SAs from which it requires cookies."""
    half_open_limits: bool = setting(True, flag())
    """Whether it defends itself against many half-open IKE SAs of one address, as strongSwan does from the third on."""
    childless: str = setting("allow", one_of("allow", "prefer", "force", "never"))
    """Whether it sets up IKE SAs without a Child SA: ``allow``, ``prefer``, ``force`` or ``never``."""
    pool: str | None = setting(None, optional(text()))
    """The pool from which it assigns addresses."""
    virtual_ip: bool = setting(False, flag())
    """Whether it requests an address."""
    keepalive: float | None = setting(None, optional(seconds(zero=True)))
    """Seconds between two NAT keepalives."""
    ppk: tuple[Ppk, ...] = setting((), several(kind(Ppk, hidden=True), 0, 16), read=read_ppks)
    """Its post-quantum pre-shared keys (RFC 8784). As initiator it uses the first one."""
    ppk_required: bool = setting(False, flag())
    """Whether it sets up no IKE SA without a PPK."""
    also: tuple[PeerConfig, ...] = setting((), _FURTHER, read=_further)
    """More connections, each with its own identity and Child SAs."""

    if TYPE_CHECKING:

        def replace(self, **changes: Any) -> Self: ...

    @property
    def credentials(self) -> Material:
        """The keys and certificates of both ends. ConfigError when they authenticate by the pre-shared key alone."""
        if self.auth is None:
            raise ConfigError("expected PeerConfig.auth to say how both ends authenticate, found None")
        return self.auth.made(self.local_id, self.remote_id)

    def connections(self) -> list[tuple[str, PeerConfig]]:
        """Every connection with its name: ``lab``, ``lab1``, ``lab2``, …"""
        return [("lab", self), *((f"lab{number}", other) for number, other in enumerate(self.also, 1))]

    def changed(self, **changes: Any) -> PeerConfig:
        """A changed copy; ``esp``, ``mode``, ``tfc``, ``local_ts`` and ``remote_ts`` change every Child SA."""
        names = ("esp", "mode", "local_ts", "remote_ts", "tfc")
        child_changes = {name: changes.pop(name) for name in names if name in changes}
        if child_changes and "children" not in changes:
            changes["children"] = tuple(child.replace(**child_changes) for child in self.children)
        return self.replace(**changes)

    def mirrored(self, **changes: Unpack[IkeChanges]) -> IkeConfig:
        """Our matching configuration; ``changes`` are fields of `IkeConfig`."""
        children = tuple(
            ChildConfig(
                name=child.name,
                proposals=child.esp,
                local_ts=[_fixed(ts) for ts in child.remote_ts],
                remote_ts=[_fixed(ts) for ts in child.local_ts],
                mode=child.mode,
            )
            for child in self.children
        )
        ours = IkeConfig(
            auth=self.psk, local_id=self.remote_id, remote_id=self.local_id, proposals=self.ike, children=children
        )
        if self.ppk:
            ours = ours.replace(ppk=self.ppk, ppk_required=self.ppk_required)
        if self.auth is not None:
            ours = ours.replace(**our_auth(self.auth, self.psk, self.credentials))
        return ours.replace(**changes)


def _fixed(selector: str) -> str:
    """A traffic selector of the peer's configuration as one of ours; ``dynamic`` becomes any address."""
    return "0.0.0.0/0" if selector == DYNAMIC else selector


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerChildSa:
    """A Child SA that the peer reports. Its SPIs and counters are inbound and outbound as the peer sees them."""

    name: str
    state: str
    mode: str
    encap: bool
    spi_in: int
    spi_out: int
    esp: str
    esn: bool = False
    bytes_in: int | None = None
    bytes_out: int | None = None
    packets_in: int | None = None
    packets_out: int | None = None
    local_ts: tuple[str, ...]
    remote_ts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerIkeSa:
    """An IKE SA that the peer reports. ``established``: both sides are authenticated, and it was not replaced."""

    name: str
    spi_i: bytes
    spi_r: bytes
    initiator: bool
    established: bool
    state: str
    ike: str
    local: str
    remote: str
    remote_id: str
    children: tuple[PeerChildSa, ...]


NOTHING = PeerIkeSa(
    name="", spi_i=b"", spi_r=b"", initiator=False, established=False, state="none", ike="", local="", remote="",
    remote_id="", children=(),
)  # fmt: skip
"""An IKE SA that the peer does not have."""
