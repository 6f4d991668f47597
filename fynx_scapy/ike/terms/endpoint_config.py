# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration of a whole endpoint: its ports, its limits, and how it treats unauthenticated peers."""

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
    whole,
)
from fynx_scapy.ike.basics.share import WHOLE, Share

if TYPE_CHECKING:
    from typing import Unpack

MANY = 1 << 40
"""The highest value of a limit: no machine can hold more."""


class EndpointFields(TypedDict, total=False):
    """The arguments of `EndpointConfig`."""

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
    spi_share: tuple[int, int]


# RFC 8019 section 4.4 rules out less than 8 as too easy. 0 lets the initiator choose.
_DIFFICULTY = Check("a puzzle difficulty of 8 to 255, or 0", lambda n: whole(0, 255).accepts(n) and (n == 0 or n >= 8))
_PORT = whole(0, 65535)
_PREFIX = Check("a prefix of 8 to 128 bits in steps of 8", lambda n: whole(8, 128).accepts(n) and n % 8 == 0)


_SHARE = Check(
    "a pair of a number from 0 and how many endpoints there are, at most 1024",
    lambda pair: (
        isinstance(pair, tuple)
        and len(pair) == 2
        and whole(1, 1024).accepts(pair[1])
        and whole(0, pair[1] - 1).accepts(pair[0])
    ),
)


def _secrets(value: Any) -> tuple[Any, ...]:
    return as_tuple(value, bytes, hidden=True)


def _share(value: Any) -> Any:
    return Share(*value) if isinstance(value, tuple | list) and len(value) == 2 else value


def _levels(value: Any) -> tuple[Any, ...]:
    return tuple(tuple(level) if isinstance(level, list) else level for level in as_tuple(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfig(Checked):
    """The settings of a whole endpoint.

    An IKE SA that a peer began is half-open until the peer is authenticated. A refused request counts like a half-open
    IKE SA for a while, and once more for every full KiB; for its source it counts a tenth of that. Refused requests
    count towards the two hard limits only if they had a valid cookie. A source is an IPv4 address, or the first bits of
    an IPv6 address. Protection against floods: RFC 7296 section 2.6 and RFC 8019.
    """

    port: int = setting(500, _PORT)
    """Our UDP port for IKE. A network replaces 0 by a free port: a real one by any, one in memory by 500."""
    natt_port: int = setting(4500, _PORT)
    """Our UDP port for ESP in UDP, and for IKE behind a NAT (RFC 7296 section 2.23); 0 as for ``port``."""
    marker_always: bool = setting(False, flag())
    """Whether to send and expect the non-ESP marker before every IKE message, whatever the ports are. Some peers on
    other ports need it."""

    cookie_threshold: int | None = setting(100, optional(whole(0, MANY)))
    """How many half-open IKE SAs make us ask new peers for a cookie; None never asks."""
    source_threshold: int | None = setting(10, optional(whole(0, MANY)))
    """The same for the half-open IKE SAs of one source."""
    half_open_limit: int = setting(2000, whole(0, MANY))
    """How many half-open IKE SAs there may be."""
    source_limit: int = setting(100, whole(0, MANY))
    """How many half-open IKE SAs one source may have."""
    source_prefix: int = setting(64, _PREFIX)
    """How many bits of an IPv6 address identify a source."""
    refused_lifetime: float = setting(10.0, seconds())
    """Time constant, in seconds, with which a refused request fades from the count."""
    half_open_octets: int = setting(16 << 20, whole(0, MANY, "octets"))
    """How many octets all half-open IKE SAs together may store."""
    init_size: int = setting(16384, whole(28, 65535, "octets"))
    """The longest IKE_SA_INIT request, in octets. A longer one is dropped without parsing it."""
    init_substructures: int = setting(1024, whole(1, MANY))
    """How many proposals, transforms, selectors and attributes it may hold. With more it is dropped without parsing
    it."""
    answer_rate: float = setting(100.0, number(0, 1e9, "answers a second"))
    """How many unprotected error answers we send per second; a tenth of it to one source (RFC 7296 section 2.21.4)."""

    event_limit: int = setting(200_000, whole(1, MANY))
    """How many events are kept until they are fetched. When there are more, the oldest are dropped and counted."""
    event_octets: int = setting(128 << 20, whole(1, MANY, "octets"))
    """About how many octets of memory these events may take."""
    queue_limit: int = setting(100_000, whole(1, MANY))
    """How many ESP packets, other datagrams, and received inner packets are kept until they are fetched, each."""
    queue_octets: int = setting(64 << 20, whole(1, MANY, "octets"))
    """How many octets each of these three may take."""
    junk_size: int = setting(2048, whole(0, 65535, "octets"))
    """How many octets of a dropped datagram an event keeps when the datagram belongs to no SA."""

    puzzle_levels: tuple[tuple[int, int], ...] = setting(
        (), several(pair(whole(0, MANY), _DIFFICULTY), 0, 256), read=_levels
    )
    """Pairs of a number of half-open IKE SAs and the difficulty of the puzzles that we pose from that number on (0: the
    initiator chooses). No puzzles by default."""
    puzzle_legacy: float = setting(0.1, number(0, 1))
    """The share of requests that we accept with a valid cookie but no solution, from 0 to 1."""
    puzzle_lifetime: float = setting(30.0, seconds())
    """How many seconds an initiator has to solve a puzzle."""
    puzzles_in_a_row: int = setting(3, whole(0, 1000))
    """How many puzzles in a row we pose to one initiator while the difficulty rises."""
    puzzle_auth_difficulty: int | None = setting(None, optional(whole(8, 255)))
    """The difficulty of a second puzzle before IKE_AUTH; None poses none."""

    sa_limit: int = setting(10_000, whole(1, MANY))
    """How many IKE SAs there may be. We refuse a peer's new one beyond that."""
    peer_limit: int = setting(1000, whole(1, MANY))
    """How many IKE SAs one identity may have."""
    children_limit: int = setting(10_000, whole(0, MANY))
    """How many Child SAs there may be. We refuse a peer's new one beyond that."""
    peer_children_limit: int = setting(1000, whole(0, MANY))
    """How many Child SAs one identity may have."""
    linger_limit: int = setting(1000, whole(0, MANY))
    """How many ended IKE SAs, and how many replaced Child SAs, are kept. Beyond that the oldest is dropped at once."""
    linger: float = setting(60.0, seconds(zero=True))
    """How many seconds an ended IKE SA still answers retransmissions."""
    esp_linger: float = setting(10.0, seconds(zero=True))
    """How many seconds a replaced Child SA still receives packets."""

    crash_secrets: tuple[bytes, ...] = setting((), several(octets(16, 4096), 0, 256), read=_secrets, repr=False)
    """The secrets for our QCD tokens (RFC 6290), newest first. Without a secret we send no tokens."""
    hint_interval: float = setting(60.0, seconds(zero=True))
    """The shortest time, in seconds, between two reactions of the same kind to unprotected messages."""
    report_unknown_spi: bool = setting(True, flag())
    """Whether to report ESP packets with an unknown SPI to the peer (RFC 7296 section 1.5)."""
    report_selectors: bool = setting(False, flag())
    """Whether to report packets outside their traffic selectors to the peer (RFC 7296 section 3.10.1)."""

    spi_share: Share = setting(WHOLE, _SHARE, read=_share)
    """The number of this endpoint, from 0, and how many endpoints serve the same ports together. Each hands out SPIs of
    which the last four octets are its number modulo that many, and every so many address of a pool."""

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[EndpointFields]) -> None: ...
        def replace(self, **changes: Unpack[EndpointFields]) -> Self: ...
