# SPDX-License-Identifier: GPL-2.0-or-later
"""Admission of unauthenticated peers, and rate limits (RFC 7296 sections 2.6, 2.21.4; RFC 8019 sections 4 and 7).

An endpoint calls this before it parses an IKE_SA_INIT request. All state is bounded: one small entry for each half-open
IKE SA, whose number is limited, and tables of a fixed size. A refused request counts like a half-open IKE SA for a
while: it took work, and leaves no other state that could be counted.
"""

from __future__ import annotations

import ipaddress
import struct
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from fynx_scapy.iana import NotifyType, PayloadType
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.basics.sources import Sources
from fynx_scapy.ike.events import MessageSent
from fynx_scapy.ike.message import Datagram, Header, notify
from fynx_scapy.ike.strangers import puzzles
from fynx_scapy.ike.strangers.cookies import Cookies, Initial, Puzzle
from fynx_scapy.ike.wire.cost import Levels, too_large, too_many, units
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE, HEADER_SIZE, IKE_HEADER, VERSION_2
from fynx_scapy.layers.ikev2 import IKEv2, parse_message

if TYPE_CHECKING:
    from scapy.packet import Packet

    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.record import SaRecord

_NOTIFY = struct.Struct("!BBHBBH")
_FOR_ITS_SOURCE = 10
"""How many refusals count like one half-open IKE SA for their source. A tester may cause several errors in a row."""

TABLE = 4096
"""How many sources, and solved puzzles, are remembered."""


class ChallengeSent(MessageSent):
    """We asked a peer for a cookie. The layers are parsed on access only, to save work under load."""

    __slots__ = ()

    def __init__(self, **fields: Any) -> None:
        for name, value in {"plaintext": None, "changed": (), **fields}.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy is made of the octets, too."""
        names = [each.name for each in fields(self) if each.name not in ("header", "payloads")]
        return _again, ({name: getattr(self, name) for name in names},)

    @property
    def weight(self) -> int:
        """The octets only; no layers are kept."""
        return 512 + len(self.wire[0])

    @property
    def header(self) -> IKEv2:
        """The header as a layer."""
        return parse_message(self.wire[0])[0]

    @property
    def payloads(self) -> tuple[Packet, ...]:
        """The Notify payloads."""
        return tuple(parse_message(self.wire[0])[1])


def _again(values: Mapping[str, Any]) -> ChallengeSent:
    return ChallengeSent(**values)


@dataclass(frozen=True, slots=True)
class Admitted:
    """How a peer was admitted: its source, and the PRF of the puzzle that it solved, if any.

    ``proven``: whether a cookie has proved that it receives at its address.
    """

    source: bytes
    solved_with: int | None = None
    proven: bool = False


class Buckets:
    """At most ``size`` token buckets by name, with ``rate`` tokens per second and ``burst`` at once."""

    def __init__(self, rate: float, burst: float, size: int = TABLE) -> None:
        self._rate, self._burst, self._size = rate, burst, size
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, name: bytes, now: float) -> bool:
        """Take a token; whether there was one. If the table is full, the least recently used name is dropped."""
        level, since = self._levels.pop(name, (self._burst, now))
        level = min(self._burst, level + (now - since) * self._rate)
        taken = level >= 1
        self._levels[name] = (level - 1 if taken else level, now)
        if len(self._levels) > self._size:
            self._levels.popitem(last=False)
        return taken


class Admission:
    """The admission control of an endpoint."""

    def __init__(self, endpoint: EndpointRecord) -> None:
        self._endpoint = endpoint
        self._config = config = endpoint.config
        self._cookies = Cookies(endpoint.randomness)
        self._half_open: dict[bytes, Admitted] = {}
        self._sources: Sources[bytes] = Sources()
        self._octets: dict[bytes, int] = {}
        self._octets_held = 0
        self._refused, self._proven = (Levels(config.refused_lifetime, TABLE + 1) for _ in range(2))
        self._spent: OrderedDict[bytes, None] = OrderedDict()
        self._answers = Buckets(config.answer_rate, max(1.0, config.answer_rate), 1)
        self._answers_to, self._looks = (
            Buckets(config.answer_rate / 10, max(1.0, config.answer_rate / 10)) for _ in range(2)
        )

    # Half-open IKE SAs

    def __len__(self) -> int:
        """How many IKE SAs that peers began are not authenticated: half-open ones, and those that failed and linger."""
        return len(self._half_open)

    @property
    def sources(self) -> int:
        """The number of their sources."""
        return len(self._sources)

    def enter(self, sa: SaRecord, how: Admitted) -> None:
        """Count an IKE SA that a peer began, until `leave`."""
        self._half_open[sa.own_spi] = how
        sa.source = how.source
        self._sources.add(how.source, sa.own_spi)
        self._octets[sa.own_spi] = 0
        self.hold(sa, 0)

    def hold(self, sa: SaRecord, fragments: int) -> bool:
        """Record how many octets of fragments a half-open IKE SA stores beside its request; whether that is allowed.

        An authenticated peer is not limited here.
        """
        if sa.own_spi not in self._octets:
            return True
        octets = len(sa.init_received) + fragments
        self._octets_held += octets - self._octets[sa.own_spi]
        self._octets[sa.own_spi] = octets
        return self._octets_held <= self._config.half_open_octets

    @property
    def octets(self) -> int:
        """How many octets all half-open IKE SAs store."""
        return self._octets_held

    def leave(self, sa: SaRecord) -> None:
        """Stop counting an IKE SA: it is authenticated, or forgotten. May be called twice."""
        how = self._half_open.pop(sa.own_spi, None)
        self._octets_held -= self._octets.pop(sa.own_spi, 0)
        if how is not None:
            self._sources.remove(how.source, sa.own_spi)

    def puzzle_for(self, sa: SaRecord) -> Puzzle | None:
        """The puzzle before IKE_AUTH, only for a peer that solved one already (RFC 8019 section 7.2.1)."""
        how, difficulty = self._half_open.get(sa.own_spi), self._config.puzzle_auth_difficulty
        if how is None or how.solved_with is None or difficulty is None:
            return None
        return Puzzle(how.solved_with, difficulty)

    # Requests

    def may_answer(self, datagram: Datagram, now: float) -> bool:
        """Whether we may send an unprotected error to the sender now (section 2.21.4 limits the rate)."""
        return self._answers_to.take(self._source(datagram), now) and self._answers.take(b"", now)

    def may_look(self, datagram: Datagram, now: float) -> bool:
        """Whether we may process a hint from the sender now: each takes a search of all IKE SAs."""
        return self._looks.take(self._source(datagram), now)

    def refused(self, datagram: Datagram, now: float, how: Admitted | None = None, amount: int | None = None) -> None:
        """Count a refused request for a while, in total and, less, for its source.

        It counts towards the hard limits only after a valid cookie. Otherwise an attacker could fill them with forged
        source addresses.
        """
        amount = units(datagram.data) if amount is None else amount
        source = self._source(datagram) if how is None else how.source
        for levels in (self._refused, self._proven) if how is not None and how.proven else (self._refused,):
            levels.add(b"", amount, now)
            levels.add(source, amount / _FOR_ITS_SOURCE, now)

    def admit(self, datagram: Datagram, header: Header, now: float) -> Admitted | None:
        """Decide whether to parse an IKE_SA_INIT request. If not, drop it, or answer with COOKIE (and PUZZLE).

        No layers are built for that.
        """
        if (wrong := too_large(self._config, datagram.data)) is not None:
            return self._turn_away(datagram, wrong, now)
        config, source = self._config, self._source(datagram)
        here, there = len(self._half_open), self._sources.count(source)
        if there + self._proven.of(source, now) >= config.source_limit:
            reason = f"too many half-open IKE SAs ({there}) or refused requests from this source"
            return self._drop(datagram, DropReason.SOURCE_LIMIT, reason)
        busy, busy_there = here + self._refused.of(b"", now), there + self._refused.of(source, now)
        difficulty = max((level for least, level in config.puzzle_levels if busy >= least), default=None)
        asked = difficulty is not None or _reached(busy, config.cookie_threshold)
        asked = asked or _reached(busy_there, config.source_threshold)
        how: Admitted | None = Admitted(source)
        if asked:
            how = self._examine(datagram, header, now, source, difficulty)
        if how is None:
            return None
        if here + self._proven.of(b"", now) >= config.half_open_limit and not (how.proven and self._make_room(source)):
            reason = f"too many half-open IKE SAs ({here}) or refused requests"
            return self._drop(datagram, DropReason.HALF_OPEN_LIMIT, reason)
        if self._octets_held + len(datagram.data) > config.half_open_octets:
            reason = f"too many octets in half-open IKE SAs ({self._octets_held} octets already)"
            return self._drop(datagram, DropReason.HALF_OPEN_LIMIT, reason)
        wrong = too_many(config.init_substructures, header.next_payload, datagram.data, HEADER_SIZE)
        if wrong is not None:
            return self._turn_away(datagram, wrong, now, how)
        return how

    def _make_room(self, source: bytes) -> bool:
        """Evict the half-open IKE SA that gives way to one of this source, if any does."""
        oldest = self._sources.gives_way(source)
        if oldest is None:
            return False
        self._endpoint.sas[oldest].evict()
        return True

    def _turn_away(self, datagram: Datagram, reason: str, now: float, how: Admitted | None = None) -> Admitted | None:
        """Drop a request that is too large to parse. It cost little, so it counts once only."""
        self.refused(datagram, now, how, amount=1)
        return self._drop(datagram, DropReason.TOO_LARGE, reason)

    def _examine(
        self, datagram: Datagram, header: Header, now: float, source: bytes, difficulty: int | None
    ) -> Admitted | None:
        """Check the cookie, then the puzzle, then draw lots (RFC 7296 section 2.6, RFC 8019 section 7.1.4)."""
        initial = Initial.read(header, datagram.data)
        if initial.nonce is None:
            return self._drop(datagram, DropReason.INVALID_INITIAL, "expected a nonce in IKE_SA_INIT, found none")
        ticket = self._cookies.check(initial.cookie, initial.nonce, datagram.remote, header.spi_i, now)
        count = 1
        if ticket is not None:
            if difficulty is None:
                return Admitted(source, proven=True)
            posed = ticket.puzzle
            if posed is not None and ticket.age <= self._config.puzzle_lifetime and self._solved(initial, posed):
                if posed.difficulty in range(1, difficulty) and posed.count < self._config.puzzles_in_a_row:
                    count = posed.count + 1
                elif self._spend(initial.cookie or b""):
                    return Admitted(source, posed.prf, proven=True)
            elif self._endpoint.randomness.uniform(0, 1) < self._config.puzzle_legacy:
                return Admitted(source, proven=True)
        self._challenge(datagram, header, initial, now, difficulty, count)
        return None

    @staticmethod
    def _solved(initial: Initial, posed: Puzzle) -> bool:
        bits = puzzles.zero_bits(posed.prf, initial.solution or b"", initial.cookie or b"")
        return bits is not None and bits >= max(posed.difficulty, puzzles.EASIEST)

    def _spend(self, cookie: bytes) -> bool:
        """Use up a solved puzzle: it is valid for one IKE SA (RFC 8019 section 10). False if it was used already."""
        if cookie in self._spent:
            return False
        self._spent[cookie] = None
        if len(self._spent) > TABLE:
            self._spent.popitem(last=False)
        return True

    def _challenge(
        self, datagram: Datagram, header: Header, initial: Initial, now: float, difficulty: int | None, count: int
    ) -> None:
        puzzle = None
        if difficulty is not None:
            prf = puzzles.common_prf(initial.prfs(), self._endpoint.configs)
            if prf is None:
                self.refused(datagram, now)
                if not self.may_answer(datagram, now):
                    reason = "expected an offered PRF that we support, to pose a puzzle"
                    return self._endpoint.drop(datagram, DropReason.PUZZLE, reason)
                return self._endpoint.reject(datagram, header, NotifyType.NO_PROPOSAL_CHOSEN)
            puzzle = Puzzle(prf, difficulty, count)
        cookie = self._cookies.make(initial.nonce or b"", datagram.remote, header.spi_i, now, puzzle)
        wanted = [(NotifyType.COOKIE, cookie)]
        if puzzle is not None:
            wanted.append((NotifyType.PUZZLE, puzzle.prf.to_bytes(2) + bytes([puzzle.difficulty])))
        if self._endpoint.taps.used:
            (_, first), *rest = wanted
            more = [notify(kind, data) for kind, data in rest]
            return self._endpoint.reject(datagram, header, NotifyType.COOKIE, first, more)
        wire = _answer(header, wanted)
        answer = Datagram(wire, datagram.local, datagram.remote)
        event = ChallengeSent(
            time=now,
            spi_i=header.spi_i,
            spi_r=header.spi_r,
            wire=(wire,),
            local=datagram.local,
            remote=datagram.remote,
        )
        self._endpoint.emit(event)
        return self._endpoint.transmit(None, [answer])

    def _source(self, datagram: Datagram) -> bytes:
        """The source of a datagram: an IPv4 address, or the prefix of an IPv6 address (RFC 8019 section 4.2)."""
        packed = ipaddress.ip_address(datagram.remote.host).packed
        return packed if len(packed) == 4 else packed[: self._config.source_prefix // 8]

    def _drop(self, datagram: Datagram, code: DropReason, reason: str) -> Admitted | None:
        self._endpoint.drop(datagram, code, reason)
        return None


def _reached(count: float, threshold: int | None) -> bool:
    return threshold is not None and count >= threshold


def _answer(header: Header, notifies: list[tuple[NotifyType, bytes]]) -> bytes:
    """Build an unprotected IKE_SA_INIT response with these Notify payloads."""
    body = b""
    for following, (kind, data) in zip([PayloadType.N] * (len(notifies) - 1) + [0], notifies, strict=True):
        body += _NOTIFY.pack(following, 0, 8 + len(data), 0, 0, kind) + data
    size = HEADER_SIZE + len(body)
    spis = (header.spi_i, header.spi_r)
    fields = (*spis, PayloadType.N, VERSION_2, header.exchange, FLAG_RESPONSE, header.message_id, size)
    return IKE_HEADER.pack(*fields) + body
