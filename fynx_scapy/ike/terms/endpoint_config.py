# SPDX-License-Identifier: GPL-2.0-or-later
"""What concerns a whole endpoint: its ports, its ceilings, and how it treats strangers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypedDict

from fynx_scapy.checks import (
    Check,
    Checked,
    as_tuple,
    flag,
    number,
    octets,
    optional,
    pair,
    seconds,
    setting,
    several,
    udp_port,
    whole,
)

if TYPE_CHECKING:
    from typing import Unpack

MANY = 1 << 40
"""The highest ceiling: more of anything fits no machine."""


class EndpointFields(TypedDict, total=False):
    """What an `EndpointConfig` is made from."""

    port: int
    natt_port: int
    marker_always: bool
    cookie_threshold: int | None
    source_threshold: int | None
    half_open_limit: int
    source_limit: int
    source_prefix: int
    refused_lifetime: float
    half_open_octets: int
    init_size: int
    init_substructures: int
    answer_rate: float
    event_limit: int
    event_octets: int
    queue_limit: int
    queue_octets: int
    junk_size: int
    puzzle_levels: Sequence[tuple[int, int]]
    puzzle_legacy: float
    puzzle_lifetime: float
    puzzles_in_a_row: int
    puzzle_auth_difficulty: int | None
    sa_limit: int
    peer_limit: int
    children_limit: int
    peer_children_limit: int
    linger_limit: int
    linger: float
    esp_linger: float
    crash_secrets: bytes | Sequence[bytes]
    hint_interval: float
    report_unknown_spi: bool
    report_selectors: bool


# RFC 8019 section 4.4 excludes less than 8: too easy. 0 lets the initiator choose.
_DIFFICULTY = Check("a puzzle difficulty of 8 to 255, or 0", lambda n: whole(0, 255).accepts(n) and (n == 0 or n >= 8))
_PREFIX = Check("a prefix of 8 to 128 bits in steps of 8", lambda n: whole(8, 128).accepts(n) and n % 8 == 0)


def _secrets(value: Any) -> tuple[Any, ...]:
    return as_tuple(value, bytes, hidden=True)


def _levels(value: Any) -> tuple[Any, ...]:
    return tuple(tuple(one) if isinstance(one, list) else one for one in as_tuple(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfig(Checked):
    """What concerns a whole endpoint.

    Half-open is every IKE SA of others that is not authenticated. A request that is refused counts like a half-open
    one, one of several KiB like as many, and for its source a tenth of that; towards the two ceilings it counts only
    behind a good cookie. A source is an IPv4 address, or the first bits of an IPv6 address. Floods: RFC 7296
    section 2.6 and RFC 8019.
    """

    port: int = setting(500, udp_port())
    """Our own UDP port."""
    natt_port: int = setting(4500, udp_port())
    """Our own UDP port for what goes in UDP beside ESP (RFC 7296 section 2.23)."""
    marker_always: bool = setting(False, flag())
    """Whether every IKE message has the non-ESP marker before it, whatever the ports are, and is expected to have it:
    some peers on other ports want that."""

    cookie_threshold: int | None = setting(100, optional(whole(0, MANY)))
    """From how many half-open IKE SAs on strangers are asked for a cookie; None never asks."""
    source_threshold: int | None = setting(10, optional(whole(0, MANY)))
    """The same for those of one source."""
    half_open_limit: int = setting(2000, whole(0, MANY))
    """How many half-open IKE SAs there are at most."""
    source_limit: int = setting(100, whole(0, MANY))
    """How many of them one source may have."""
    source_prefix: int = setting(64, _PREFIX)
    """How many bits of an IPv6 address make a source."""
    refused_lifetime: float = setting(10.0, seconds())
    """Seconds within which a refused request fades from the count."""
    half_open_octets: int = setting(16 << 20, whole(0, MANY, "octets"))
    """How many octets all half-open IKE SAs may hold."""
    init_size: int = setting(16384, whole(28, 65535, "octets"))
    """How many octets a stranger's IKE_SA_INIT request may have; a longer one is dropped unparsed."""
    init_substructures: int = setting(1024, whole(1, MANY))
    """How many proposals, transforms, selectors and attributes may be in it; with more it is dropped unparsed."""
    answer_rate: float = setting(100.0, number(0, 1e9, "answers a second"))
    """How many unprotected errors a second are answered, a tenth of it to one source (RFC 7296 section 2.21.4)."""

    event_limit: int = setting(200_000, whole(1, MANY))
    """How many events that nobody has fetched are kept; then the oldest are let go, and counted."""
    event_octets: int = setting(128 << 20, whole(1, MANY, "octets"))
    """About how many octets they may take."""
    queue_limit: int = setting(100_000, whole(1, MANY))
    """How many datagrams, and how many inner packets, are kept until somebody fetches them."""
    queue_octets: int = setting(64 << 20, whole(1, MANY, "octets"))
    """How many octets either of the two may take."""
    junk_size: int = setting(2048, whole(0, 65535, "octets"))
    """How many octets an event keeps of a datagram that was dropped and belongs to no SA."""

    puzzle_levels: tuple[tuple[int, int], ...] = setting(
        (), several(pair(whole(0, MANY), _DIFFICULTY), 0, 256), read=_levels
    )
    """Pairs: a number of half-open IKE SAs, and the difficulty of the puzzle that is posed from there on (0: the
    initiator chooses). None by default."""
    puzzle_legacy: float = setting(0.1, number(0, 1))
    """The share that is served all the same of those who bring a cookie but no solution."""
    puzzle_lifetime: float = setting(30.0, seconds())
    """Seconds in which a puzzle has to be solved."""
    puzzles_in_a_row: int = setting(3, whole(0, 1000))
    """How many puzzles an initiator solves while the difficulty rises."""
    puzzle_auth_difficulty: int | None = setting(None, optional(whole(8, 255)))
    """The difficulty of a further puzzle before IKE_AUTH; None poses none."""

    sa_limit: int = setting(10_000, whole(1, MANY))
    """How many IKE SAs there are at most when a peer sets up one more."""
    peer_limit: int = setting(1000, whole(1, MANY))
    """How many of them have the same identity."""
    children_limit: int = setting(10_000, whole(0, MANY))
    """How many Child SAs there are at most when a peer sets up one more."""
    peer_children_limit: int = setting(1000, whole(0, MANY))
    """How many of them one identity may have."""
    linger_limit: int = setting(1000, whole(0, MANY))
    """How many IKE SAs that have ended are kept, and how many replaced Child SAs; beyond it the oldest goes at once."""
    linger: float = setting(60.0, seconds(zero=True))
    """For how many seconds an IKE SA that has ended answers retransmissions."""
    esp_linger: float = setting(10.0, seconds(zero=True))
    """For how many seconds a replaced Child SA takes in packets."""

    crash_secrets: tuple[bytes, ...] = setting((), several(octets(16, 4096), 0, 256), read=_secrets, repr=False)
    """The secrets of the tokens of RFC 6290, the newest first; without one none are made."""
    hint_interval: float = setting(60.0, seconds(zero=True))
    """Seconds between two reactions of the same kind to what is not protected."""
    report_unknown_spi: bool = setting(True, flag())
    """Whether the peer is told of ESP on an unknown SPI (RFC 7296 section 1.5)."""
    report_selectors: bool = setting(False, flag())
    """Whether the peer is told of packets outside their selectors (RFC 7296 section 3.10.1)."""

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[EndpointFields]) -> None: ...
        def replace(self, **changes: Unpack[EndpointFields]) -> Self: ...
