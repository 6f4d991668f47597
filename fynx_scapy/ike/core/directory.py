# SPDX-License-Identifier: GPL-2.0-or-later
"""The IKE SAs of an endpoint: by our SPI, by the peer's address, and by its identity once it is authenticated.

So that nothing that a peer can cause takes a search of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Generic, NamedTuple, Protocol, TypeVar

from fynx_scapy.iana import IdType
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.terms.identity import Identity


class Entry(Protocol):
    """What a directory knows of an IKE SA."""

    @property
    def own_spi(self) -> bytes:
        """Our SPI."""

    @property
    def remote(self) -> Address:
        """The peer's address."""

    @property
    def remote_id(self) -> Identity | None:
        """The peer's identity, once it is authenticated."""

    @property
    def anonymous(self) -> bool:
        """Whether its peer has proven nothing."""

    @property
    def state(self) -> State:
        """Its state."""


S = TypeVar("S", bound=Entry)


class _Filed(NamedTuple):
    """Where an IKE SA is found. ``identity`` is None until its peer is authenticated, and when it is closed."""

    host: str
    identity: Identity | None


class Directory(Generic[S]):
    """The IKE SAs of an endpoint. Each list is in the order in which they were filed."""

    def __init__(self) -> None:
        self._by_spi: dict[bytes, S] = {}
        self.by_spi: Mapping[bytes, S] = MappingProxyType(self._by_spi)
        self._filed: dict[S, _Filed] = {}
        self._hosts: dict[str, dict[S, None]] = {}
        self._identities: dict[Identity, dict[S, None]] = {}
        self.authenticated = 0
        """How many IKE SAs are authenticated and not closed."""

    def add(self, sa: S) -> None:
        """Add an IKE SA under our SPI."""
        self._by_spi[sa.own_spi] = sa
        self._file(sa, _place(sa))

    def remove(self, sa: S) -> None:
        """Remove an IKE SA, if it is here."""
        if self._by_spi.get(sa.own_spi) is sa:
            del self._by_spi[sa.own_spi]
            self._take_out(sa)

    def refile(self, sa: S) -> None:
        """File an IKE SA anew, if it is here: its peer's address or identity, or its state may have changed."""
        filed = self._filed.get(sa)
        if filed is not None and filed != (place := _place(sa)):
            self._take_out(sa)
            self._file(sa, place)

    def at(self, host: str) -> list[S]:
        """Those whose peer is at an IP address."""
        return list(self._hosts.get(host, ()))

    def of(self, identity: Identity | None) -> list[S]:
        """Those whose peer is authenticated under an identity, without closed ones. None for None."""
        return list(self._identities.get(identity, ())) if identity is not None else []

    def number_of(self, identity: Identity) -> int:
        """How many `of` has."""
        return len(self._identities.get(identity, ()))

    def _file(self, sa: S, place: _Filed) -> None:
        self._filed[sa] = place
        self._hosts.setdefault(place.host, {})[sa] = None
        if place.identity is not None:
            self._identities.setdefault(place.identity, {})[sa] = None
            self.authenticated += 1

    def _take_out(self, sa: S) -> None:
        place = self._filed.pop(sa)
        _discard(self._hosts, place.host, sa)
        if place.identity is not None:
            _discard(self._identities, place.identity, sa)
            self.authenticated -= 1


K = TypeVar("K")

_NOBODY = Identity(IdType.ID_NULL, b"")
"""Where peers are filed that proved nothing: not under the identity that they claim (RFC 7619 section 2.4)."""


def _discard(drawers: dict[K, dict[S, None]], key: K, sa: S) -> None:
    del drawers[key][sa]
    if not drawers[key]:
        del drawers[key]


def _place(sa: Entry) -> _Filed:
    open_ = sa.state not in (State.CONNECTING, State.CLOSED)
    return _Filed(sa.remote.host, None if not open_ else _NOBODY if sa.anonymous else sa.remote_id)
