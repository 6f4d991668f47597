# SPDX-License-Identifier: GPL-2.0-or-later
"""A Child SA: a pair of ESP SAs, what they protect, and how they came to be (RFC 7296 section 2.9)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from fynx_scapy.esp.sa import InboundSa, OutboundSa
from fynx_scapy.esp.transport import Addresses
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.terms.options import NO_OPTIONS, ChildOptions
from fynx_scapy.ike.terms.proposals import Suite
from fynx_scapy.ike.terms.selectors import Flow, Selector


class TransportHosts(NamedTuple):
    """The hosts of a transport-mode Child SA: as we see them, and ``sent``, the ends of what the peer sends to us."""

    local: str
    remote: str
    sent: Addresses


class Usage(Protocol):
    """What counts the packets of a Child SA against its lifetime."""

    ended: bool
    """Whether it is over."""

    def sent(self) -> None:
        """A packet left."""

    def received(self) -> None:
        """A packet came in and was good."""

    def stop(self) -> None:
        """The Child SA ended."""


@dataclass(slots=True, eq=False)
class ChildSa:
    """A pair of ESP SAs, what they protect, and how they came to be."""

    config: ChildConfig
    suite: Suite
    inbound: InboundSa = field(repr=False)
    outbound: OutboundSa = field(repr=False)
    local_ts: tuple[Selector, ...]
    remote_ts: tuple[Selector, ...]
    initiator: bool
    """Whether we asked for it."""
    deleting: bool = False
    """Whether our Delete for it is under way."""
    gone: bool = False
    """Whether it only takes in what is still on its way."""
    replaces: ChildSa | None = None
    """The Child SA that it rekeys."""
    ready: bool = True
    """Whether we may send on it: a rekey's responder sends on the old one for a while (section 2.8)."""
    life: Usage | None = field(default=None, repr=False)
    rekeying: object | None = field(default=None, repr=False)
    """Our rekey of it that is in flight."""
    rekeyed: Rekeyed | None = None
    """What came of our rekey of it."""
    peer_rekeyed: Rekeyed | None = None
    """What came of the peer's."""
    hosts: TransportHosts | None = None
    """Those of transport mode."""
    options: ChildOptions = NO_OPTIONS

    @property
    def name(self) -> str:
        """The name of its configuration."""
        return self.config.name

    def takes(self, flow: Flow) -> bool:
        """Whether policy sends this packet through here."""
        return flow.fits(self.local_ts, self.remote_ts, fragments=self.options.fragments)

    def allows(self, flow: Flow) -> bool:
        """Whether a packet that came out of it belongs there (RFC 4301 section 5.2)."""
        return flow.fits(self.remote_ts, self.local_ts, fragments=self.options.fragments)


class Rekeyed(NamedTuple):
    """What a rekey came to: the new SA, and the nonces of the exchange that made it."""

    child: ChildSa
    nonces: tuple[bytes, bytes]
