# SPDX-License-Identifier: GPL-2.0-or-later
"""What one end is willing to have a Child SA do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypedDict

from fynx_scapy.checks import Checked, as_tuple, flag, kind, one_of, setting, several, text, whole
from fynx_scapy.errors import ConfigError
from fynx_scapy.esp.replay import MAX_SIZE
from fynx_scapy.iana import ProtocolId
from fynx_scapy.ike.terms.lifetime import CHILD_LIFETIME, Lifetime
from fynx_scapy.ike.terms.proposals import Proposal
from fynx_scapy.ike.terms.selectors import Selector

if TYPE_CHECKING:
    from typing import Unpack

Proposals: TypeAlias = "str | Proposal | Sequence[str | Proposal]"
Selectors: TypeAlias = "str | Selector | Sequence[str | Selector]"


class ChildFields(TypedDict, total=False):
    """What a `ChildConfig` is made from: wider than its fields, into whose types the constructor turns it."""

    name: str
    mode: str
    tunnel_fallback: bool
    proposals: Proposals
    local_ts: Selectors
    remote_ts: Selectors
    replay_window: int
    tfc_length: int
    accept_tfc: bool
    fragments: bool
    single_pair: bool
    lifetime: Lifetime


def read_proposals(protocol: ProtocolId, value: Any) -> tuple[Proposal, ...]:
    """Proposals as a person writes them; ConfigError, also for one of another protocol."""
    found = Proposal.parse_all(value if isinstance(value, str) else as_tuple(value, str, Proposal), protocol)
    for proposal in found:
        if proposal.protocol != protocol:
            raise ConfigError(f"expected proposals for {protocol.name}, found {proposal} for {proposal.protocol.name}")
    return found


def read_selectors(value: Any) -> tuple[Selector, ...]:
    """Traffic selectors as a person writes them; ConfigError."""
    return tuple(Selector.of(one) for one in as_tuple(value, str, Selector))


_SELECTORS = several(kind(Selector), 1, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildConfig(Checked):
    """A Child SA that may be set up: what it protects, and with which transforms."""

    name: str = setting("net", text())
    """What it is called in events, and by which Child SAs of one IKE SA are told apart."""
    mode: str = setting("tunnel", one_of("tunnel", "transport"))
    """``tunnel`` or ``transport``. Transport mode protects what the two hosts themselves say to each other: selectors
    only limit that, and need to hold their addresses (``0.0.0.0/0[tcp]`` does)."""
    tunnel_fallback: bool = setting(True, flag())
    """Whether tunnel mode will do when the peer does not want transport mode (RFC 7296 section 1.3.1); without, there
    is no Child SA then."""
    proposals: tuple[Proposal, ...] = setting(
        ("aes128gcm16", "chacha20poly1305", "aes128-sha256"),
        several(kind(Proposal), 1, 255),
        read=partial(read_proposals, ProtocolId.ESP),
    )
    """What is offered or accepted, best first, written as strongSwan writes it (``aes128gcm16-esn``)."""
    local_ts: tuple[Selector, ...] = setting(("10.1.0.0/24",), _SELECTORS, read=read_selectors)
    """Our traffic selectors, as `Selector.of` reads them."""
    remote_ts: tuple[Selector, ...] = setting(("10.2.0.0/24",), _SELECTORS, read=read_selectors)
    """The peer's traffic selectors."""
    replay_window: int = setting(64, whole(1, MAX_SIZE, "packets"))
    """How far back in packets the anti-replay window reaches (RFC 4303 section 3.4.3)."""
    tfc_length: int = setting(0, whole(0, 65535, "octets"))
    """The size in octets to which inner packets are padded (RFC 4303 section 2.7), 0 for none."""
    accept_tfc: bool = setting(True, flag())
    """Whether the peer may pad its own."""
    fragments: bool = setting(False, flag())
    """Whether packets without ports go through because they are later fragments (RFC 7296 section 1.3.1)."""
    single_pair: bool = setting(False, flag())
    """Whether each pair of addresses needs its own Child SA (RFC 7296 section 2.9)."""
    lifetime: Lifetime = setting(CHILD_LIFETIME, kind(Lifetime))
    """When it is rekeyed, and when it is closed."""

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[ChildFields]) -> None: ...
        def replace(self, **changes: Unpack[ChildFields]) -> Self: ...
