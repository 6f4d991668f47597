# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration of a Child SA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypedDict

from fynx_scapy.checks import Checked, as_tuple, flag, kind, one_of, setting, settings_of, several, text, whole
from fynx_scapy.errors import ConfigError
from fynx_scapy.esp.replay import MAX_SIZE
from fynx_scapy.iana import ProtocolId
from fynx_scapy.ike.terms.lifetime import CHILD_LIFETIME, Lifetime
from fynx_scapy.ike.terms.proposals import Proposal
from fynx_scapy.ike.terms.selectors import Selector

if TYPE_CHECKING:
    from typing import Unpack

    from fynx_scapy.ike.terms.cp_config import ConfigReply, ConfigRequest

Proposals: TypeAlias = "str | Proposal | Sequence[str | Proposal]"
Selectors: TypeAlias = "str | Selector | Sequence[str | Selector]"


class ChildFields(TypedDict, total=False):
    """The arguments of `ChildConfig`. The constructor converts them to the types of the fields."""

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
    """Parse proposals in strongSwan's notation; ConfigError for a syntax error or a proposal of another protocol."""
    proposals = Proposal.parse_all(value if isinstance(value, str) else as_tuple(value, str, Proposal), protocol)
    for proposal in proposals:
        if proposal.protocol != protocol:
            raise ConfigError(f"expected proposals for {protocol.name}, found {proposal} for {proposal.protocol.name}")
    return proposals


class FilledIn(tuple[Selector, ...]):
    """Selectors that nobody gave, as `roaming` fills them in: they follow the other settings."""

    __slots__ = ()


def read_selectors(value: Any) -> tuple[Selector, ...]:
    """Parse traffic selectors as text; ConfigError for a syntax error."""
    if isinstance(value, FilledIn):
        return value
    return tuple(Selector.of(selector) for selector in as_tuple(value, str, Selector))


_MOST = 255
"""Selectors of a Child SA on each side: their number is one octet (RFC 7296 section 3.13)."""
_SELECTORS = several(kind(Selector), 1, _MOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildConfig(Checked):
    """How to set up a Child SA: the traffic that it protects, and its transforms."""

    name: str = setting("net", text())
    """The name of the Child SA in events. It distinguishes the Child SAs of one IKE SA."""
    mode: str = setting("tunnel", one_of("tunnel", "transport"))
    """``tunnel`` or ``transport``. Transport mode protects traffic between the two hosts themselves. Its traffic
    selectors only limit that traffic, and must contain both hosts' addresses (``0.0.0.0/0[tcp]`` does)."""
    tunnel_fallback: bool = setting(True, flag())
    """Whether to accept tunnel mode when the peer declines transport mode (RFC 7296 section 1.3.1). If not, there is no
    Child SA then."""
    proposals: tuple[Proposal, ...] = setting(
        "default",
        several(kind(Proposal), 1, 255),
        read=partial(read_proposals, ProtocolId.ESP),
    )
    """The proposals to offer or accept, best first, in strongSwan's notation (``aes128gcm16-esn``). ``default`` and
    ``legacy`` are words for several, as in IkeConfig."""
    local_ts: tuple[Selector, ...] = setting(("10.1.0.0/24",), _SELECTORS, read=read_selectors)
    """Our traffic selectors, in any form that `Selector.of` reads. A client that asks for an inner address proposes
    everything instead of the default, here and in ``remote_ts``; a gateway's default ``remote_ts`` is then its pool."""
    remote_ts: tuple[Selector, ...] = setting(("10.2.0.0/24",), _SELECTORS, read=read_selectors)
    """The peer's traffic selectors."""
    replay_window: int = setting(64, whole(1, MAX_SIZE, "packets"))
    """The size of the anti-replay window in packets (RFC 4303 section 3.4.3)."""
    tfc_length: int = setting(0, whole(0, 65535, "octets"))
    """Pad inner packets to this many octets with TFC padding (RFC 4303 section 2.7); 0 for none."""
    accept_tfc: bool = setting(True, flag())
    """Whether the peer may use TFC padding."""
    fragments: bool = setting(False, flag())
    """Whether to let later fragments through, which have no ports (RFC 7296 section 1.3.1)."""
    single_pair: bool = setting(False, flag())
    """Whether each pair of addresses gets a separate Child SA (RFC 7296 section 2.9)."""
    lifetime: Lifetime = setting(CHILD_LIFETIME, kind(Lifetime))
    """When to rekey the Child SA, and when to close it."""

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[ChildFields]) -> None: ...
        def replace(self, **changes: Unpack[ChildFields]) -> Self: ...

    @classmethod
    def legacy(cls, **fields: Unpack[ChildFields]) -> Self:
        """A Child SA that an old peer can have: with SHA-1 and 3DES, which no default offers or accepts."""
        fields.setdefault("proposals", "default,legacy")
        return cls(**fields)


def roaming(
    children: tuple[ChildConfig, ...], request: ConfigRequest | None, reply: ConfigReply | None
) -> tuple[ChildConfig, ...]:
    """The Child SAs of a client that asks for an inner address, or of a gateway that assigns them.

    A client knows neither its address nor, often, the networks behind the gateway. Selectors that nobody gave are
    everything then, as in the example of RFC 7296 section 2.19. Behind the clients of a gateway is its pool; the usual
    selector stays if it holds an address of that.
    """
    everything = everything_for(request) if request is not None else ()
    pool = reply.pool if reply is not None and len(reply.pool) <= _MOST else ()
    usual: dict[str, Any] = {each.name: each.ready for each in settings_of(ChildConfig)}
    made = []
    for child in children:
        left: Any = {}
        for name, behind in (("local_ts", ()), ("remote_ts", pool)):
            given = getattr(child, name)
            if given is not usual[name] and not isinstance(given, FilledIn):
                continue
            wanted = everything or (behind if behind and not _overlap(usual[name], behind) else ())
            wanted = FilledIn(wanted) if wanted and child.mode == "tunnel" else usual[name]
            if wanted != given:
                left[name] = wanted
        made.append(child.replace(**left) if left else child)
    return tuple(made)


def _overlap(one: Sequence[Selector], other: Sequence[Selector]) -> bool:
    return any(a.intersect(b) is not None for a in one for b in other)


def everything_for(request: ConfigRequest) -> tuple[Selector, ...]:
    """Everything of the IP versions of the addresses that are asked for; empty if none is."""
    versions = dict.fromkeys(":" in each for each in request.addresses)
    return tuple(Selector.of("::/0" if version else "0.0.0.0/0") for version in versions)
