# SPDX-License-Identifier: GPL-2.0-or-later
"""A Child SA: a pair of ESP SAs, the traffic that they protect, and their history (RFC 7296 section 2.9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from fynx_scapy.errors import Closing
from fynx_scapy.esp.inbound import InboundSa
from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.esp.transport import Addresses
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.terms.options import NO_OPTIONS, ChildOptions
from fynx_scapy.ike.terms.proposals import Suite
from fynx_scapy.ike.terms.selectors import Flow, Selector


class TransportHosts(NamedTuple):
    """The hosts of a transport-mode Child SA, as we see them. ``sent`` are the addresses that the peer uses for them
    in packets to us."""

    local: str
    remote: str
    sent: Addresses


class Usage(Protocol):
    """Counts the packets of a Child SA against its lifetime."""

    ended: bool
    """Whether the lifetime is over."""

    def sent(self) -> None:
        """Count a sent packet."""

    def received(self) -> None:
        """Count a valid received packet."""

    def may_send(self, packets: int, octets: int) -> bool:
        """Whether so much more can be sent without reaching a limit."""

    def may_receive(self, packets: int, octets: int) -> bool:
        """Whether so much more can be received without reaching a limit."""

    def stop(self) -> None:
        """Stop: the Child SA has ended."""


@dataclass(slots=True, eq=False, repr=False)
class ChildSa:
    """A Child SA: a pair of ESP SAs, the traffic that they protect, and their history."""

    config: ChildConfig
    suite: Suite
    inbound: InboundSa = field(repr=False)
    outbound: OutboundSa = field(repr=False)
    local_ts: tuple[Selector, ...]
    remote_ts: tuple[Selector, ...]
    initiator: bool
    """Whether we asked for it."""
    deleting: bool = False
    """Whether we have sent a Delete for it."""
    expired: bool = False
    """Whether its lifetime is over. It is not used any more, and will be deleted."""
    gone: bool = False
    """Whether it is removed, and only receives late packets."""
    replaces: ChildSa | None = None
    """The Child SA that it replaced."""
    ready: bool = True
    """Whether we may send on it. The responder of a rekey sends on the old one for a while (section 2.8)."""
    life: Usage | None = field(default=None, repr=False)
    rekeying: object | None = field(default=None, repr=False)
    """Our rekey of it that is in flight."""
    rekeyed: Rekeyed | None = None
    """The result of our rekey of it."""
    peer_rekeyed: Rekeyed | None = None
    """The result of the peer's rekey of it."""
    hosts: TransportHosts | None = None
    """The hosts in transport mode, None in tunnel mode."""
    options: ChildOptions = NO_OPTIONS
    ends: tuple[str, str] = ("", "")
    """Our outer address and the peer's, when it was installed."""
    installed_at: float = 0.0
    """When it was installed, on the clock of its endpoint."""
    watcher: Callable[[ChildSa], object] | None = field(default=None, repr=False)
    """Called after every change of an attribute: what an endpoint remembers of its Child SAs may be out of date."""

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        watcher = getattr(self, "watcher", None)  # it is the last one that __init__ sets
        if watcher is not None:
            watcher(self)

    def __repr__(self) -> str:
        ends = f"{self.ends[0]} > {self.ends[1]}, " if any(self.ends) else ""
        traffic = f"{', '.join(map(str, self.local_ts))} === {', '.join(map(str, self.remote_ts))}"
        spis = f"in {self.inbound.spi:08x}, out {self.outbound.spi:08x}"
        state = ", deleted" if self.gone else ", being deleted" if self.deleting else ""
        return f"<ChildSa {self.name!r} {ends}{self.inbound.mode} {traffic}, {spis}, {self.suite}{state}>"

    @property
    def name(self) -> str:
        """The name of its configuration."""
        return self.config.name

    @property
    def fate(self) -> Closing | None:
        """Why it is to end, whoever deletes it; None where that is for whoever deletes it to say."""
        if self.rekeyed is not None or self.peer_rekeyed is not None:
            return Closing.REPLACED
        return Closing.LIFETIME if self.life is not None and self.life.ended else None

    def rest(self) -> None:
        """Let go of what packets alone need, the ciphers first of all; the next one makes it anew."""
        self.inbound.rest()
        self.outbound.rest()
        if self.watcher is not None:
            self.watcher(self)

    def takes(self, flow: Flow) -> bool:
        """Whether an outbound packet matches the traffic selectors."""
        return flow.fits(self.local_ts, self.remote_ts, fragments=self.options.fragments)

    def allows(self, flow: Flow) -> bool:
        """Whether a received packet matches the traffic selectors (RFC 4301 section 5.2)."""
        return flow.fits(self.remote_ts, self.local_ts, fragments=self.options.fragments)


class Rekeyed(NamedTuple):
    """The result of a rekey: the new Child SA, and the nonces of the exchange that created it."""

    child: ChildSa
    nonces: tuple[bytes, bytes]
