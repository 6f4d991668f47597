# SPDX-License-Identifier: GPL-2.0-or-later
"""Decrypt ESP of the followed Child SAs. Keys are bound once per SPI and destination; later packets are cheap.

The first packet whose ICV verifies decides which secrets and which SK_d belong to its Child SA (RFC 7296 section 2.17).
High halves of sequence numbers are tracked. If a capture begins above 2^32, they are given or searched for.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from fynx_scapy.capture.follow.decrypt import BAD, NOT_VERIFIED, OK, UNCHECKED, UNUSABLE, EspOpener, OpenResult
from fynx_scapy.capture.follow.origins import child_keys
from fynx_scapy.capture.follow.pool import SecretPool
from fynx_scapy.capture.follow.sas import CapturedChildSa, CapturedIkeSa
from fynx_scapy.capture.follow.tries.guess import guesses
from fynx_scapy.capture.follow.tries.null import NullReader
from fynx_scapy.capture.follow.tries.why import MOST_KEYS, MOST_SIBLINGS, Named, of_child, of_row, why
from fynx_scapy.crypto.keymat import ChildKeys
from fynx_scapy.errors import ConfigError, IntegrityError, MalformedError, ReplayError
from fynx_scapy.esp.inbound import InboundSa

HOPELESS = 4
"""After this many undecryptable packets of an SPI, wait until there are new keys before trying again."""

MOST_LOOKS = 3
"""For how many packets of an SA the reason of a bad ICV is looked for."""

MOST_HIGH_HALVES = 1 << 20
"""The upper limit for a search for a high half."""


_opened = tuple.__new__  # faster than the NamedTuple's constructor, which wraps this call


@dataclass(slots=True)
class _Candidate:
    """A way to decrypt one direction of a Child SA. ``decide`` is called once an ICV verifies."""

    sa: InboundSa
    decide: Callable[[], None] | None = None


@dataclass(slots=True)
class EspFollower:
    """Decrypts ESP. Increment ``changed`` after learning something that may decrypt more packets."""

    pool: SecretPool
    rows: EspOpener
    search: int
    high: Mapping[int, int]
    ike_sas: list[CapturedIkeSa]
    child_sas: list[CapturedChildSa]
    changed: int = 0
    null: NullReader | None = None
    paths: dict[tuple[int, str, str], None] = field(default_factory=dict)
    _children: dict[int, list[tuple[CapturedChildSa, bool]]] = field(default_factory=dict)
    _bound: dict[tuple[bytes, str], InboundSa] = field(default_factory=dict)
    _hot: dict[tuple[bytes, str], tuple[Callable[[bytes], tuple[bytes, int]], str]] = field(default_factory=dict)
    _guessed: dict[tuple[bytes, str], int] = field(default_factory=dict)
    _failed: dict[tuple[bytes, str], tuple[int, int]] = field(default_factory=dict)
    _verdicts: dict[tuple[bytes, str], OpenResult] = field(default_factory=dict)
    _reasons: dict[tuple[bytes, str], tuple[str, int]] = field(default_factory=dict)
    _unsupported: dict[int, str] = field(default_factory=dict)

    def add(self, child: CapturedChildSa) -> None:
        """Add a Child SA that was negotiated."""
        for spi, by_initiator in ((child.spi_r, True), (child.spi_i, False)):
            self._children.setdefault(spi, []).insert(0, (child, by_initiator))
        self.changed += 1

    def bound(self, spi: int, dst: str) -> InboundSa | None:
        """The SA that decrypts packets with this SPI and destination, once one of them was decrypted."""
        return self._bound.get((spi.to_bytes(4), dst))

    def open(self, packet: bytes, src: str, dst: str) -> OpenResult:
        """Decrypt a packet, given from SPI to ICV. Without a key there is no plaintext and no error."""
        hot = self._hot.get((packet[:4], dst))
        if hot is None:
            return self._bind(packet, src, dst)
        open_, icv = hot
        try:
            payload, next_header = open_(packet)
        except (IntegrityError, ReplayError):
            return self._again(self._bound[packet[:4], dst], packet, src, dst)
        except MalformedError as error:
            return OpenResult(error=str(error), keyed=True)
        return _opened(OpenResult, (payload, icv, None, next_header, True))

    def _again(self, sa: InboundSa, packet: bytes, src: str, dst: str) -> OpenResult:
        """Retry after a bad ICV: there may be a gap of 2^32 packets or more, or another SA with the same SPI."""
        if sa.esn and self.search:
            try:
                payload, next_header = sa.resynchronize(packet, limit=self.search)
                return OpenResult(payload, OK, None, next_header, True)
            except (IntegrityError, MalformedError):
                pass
        return self._bind(packet, src, dst, but=sa)

    def _bind(self, packet: bytes, src: str, dst: str, but: InboundSa | None = None) -> OpenResult:
        key, spi = (packet[:4], dst), int.from_bytes(packet[:4])
        version, times = self._failed.get(key, (self.changed, 0))
        if version == self.changed and times >= HOPELESS and but is None:
            verdict = self._verdicts.get(key)
            return verdict if verdict is not None else self._null(packet, src, dst)
        tried, keyed, misfit = 0, False, ""
        for candidate in self._candidates(spi):
            if candidate.sa is but:
                keyed, tried = True, tried + 1
                continue
            keyed = keyed or candidate.decide is None
            try:
                payload, next_header = self._try(candidate.sa, packet)
            except IntegrityError:
                tried += 1
                continue
            except (MalformedError, ReplayError) as error:
                misfit = str(error)
                continue
            if candidate.decide is not None:
                candidate.decide()
            self._bind_to(key, candidate.sa)
            self.paths[spi, src, dst] = None
            self._failed.pop(key, None)
            return OpenResult(payload, OK if candidate.sa.icv_size else UNCHECKED, None, next_header, True)
        opened = self.rows.open(packet, src, dst)
        if opened.plaintext is not None:
            self.paths[spi, src, dst] = None
            if (sa := self.rows.fitted(packet, src, dst)) is not None:
                self._bind_to(key, sa)
            return opened
        if self.pool.keys.sk_d and (guessed := self._guess(packet, spi, src, dst)) is not None:
            return guessed
        self._failed[key] = (self.changed, times + 1 if version == self.changed else 1)
        if not opened.keyed and not keyed:
            unsupported = self._unsupported.get(spi)
            if unsupported is None:
                return self._null(packet, src, dst)
            misfit = f"{UNUSABLE}: {unsupported}"
        if not opened.keyed:
            bad = OpenResult(icv=BAD, error=NOT_VERIFIED.format(tried), keyed=True)
            opened = bad if tried else OpenResult(error=misfit, keyed=True)
        if opened.plaintext is None:
            opened = self._explained(packet, dst, opened, tried)
        if key not in self._hot:
            self._verdicts[key] = opened
        return opened

    def _explained(self, packet: bytes, dst: str, closed: OpenResult, tried: int) -> OpenResult:
        """A result with the reason why the keys do not open the packet, if that can be found."""
        key, spi = (packet[:4], dst), int.from_bytes(packet[:4])
        if key in self._hot:  # other packets of the SA open: its keys are right
            return closed._replace(
                error=f"{closed.error}, but others of this SA do: it was modified or damaged in transit"
            )
        found, looks = self._reasons.get(key, ("", 0))
        if not found and looks < MOST_LOOKS:
            with contextlib.suppress(ConfigError):  # an unsupported algorithm: `_candidates` says so
                found = why(packet, self._materials(spi), self.high.get(spi, 0))
            self._reasons[key] = found, looks + 1
        if not found:
            return closed
        error = closed.error if closed.icv == BAD else NOT_VERIFIED.format(max(1, tried))
        return closed._replace(icv=BAD, error=f"{error}: {found}")

    def _materials(self, spi: int) -> Iterator[Iterator[Named]]:
        for child, by_initiator in self._children.get(spi, ()):
            yield of_child(child, by_initiator, self.pool, self.child_sas)
        text = "it was protected with the keys of SPI 0x{:08x}"
        others = itertools.islice(self.rows.others(spi), MOST_SIBLINGS)
        siblings = [Named(text.format(number), material, alone=True) for number, material in others]
        for own in itertools.islice(self.rows.materials(spi), MOST_KEYS):
            yield of_row(own, siblings)

    def _null(self, packet: bytes, src: str, dst: str) -> OpenResult:
        """Without a key, read it as NULL encryption, if that was asked for."""
        return OpenResult() if self.null is None else self.null.open(packet, src, dst)

    def _guess(self, packet: bytes, spi: int, src: str, dst: str) -> OpenResult | None:
        """With SK_d and undecrypted messages, guess the Child SA of IKE_AUTH; the ICV confirms it."""
        key, given = (packet[:4], dst), len(self.pool.keys.sk_d)
        if self._guessed.get(key) == given:
            return None  # this is expensive, so do it only once per SPI
        self._guessed[key] = given
        for child, by_initiator, sa, sk_d in guesses(self.ike_sas, self.pool.keys.sk_d, spi):
            try:
                payload, next_header = sa.open(packet)
            except (IntegrityError, MalformedError, ReplayError):
                continue
            ends = (src, dst) if by_initiator else (dst, src)
            known = next((c for c in child.ike_sa.children if c.keys == child.keys), None)
            if known is not None:  # the other direction was guessed before
                known.spi_i, known.spi_r = known.spi_i or child.spi_i, known.spi_r or child.spi_r
                child = known
            else:
                child.initiator, child.responder = ends
                child.ike_sa.children.append(child)
                self.child_sas.append(child)
            child.ike_sa.sk_d = sk_d
            child.inbound[by_initiator] = sa
            self._bind_to(key, sa)
            self.paths[spi, src, dst] = None
            return OpenResult(payload, OK, None, next_header, True)
        return None

    def _bind_to(self, key: tuple[bytes, str], sa: InboundSa) -> None:
        self._bound[key] = sa
        self._hot[key] = (sa.open, OK if sa.icv_size else UNCHECKED)

    def _candidates(self, spi: int) -> Iterator[_Candidate]:
        for child, by_initiator in self._children.get(spi, ()):
            known = child.inbound.get(by_initiator)
            if known is not None:
                yield _Candidate(known)
                continue
            try:
                if child.keys is not None:
                    child.inbound[by_initiator] = child.opener(child.keys, by_initiator)
                    yield _Candidate(child.inbound[by_initiator])
                else:
                    yield from self._derived(child, by_initiator)
            except ConfigError as error:  # an unsupported algorithm
                self._unsupported[spi] = str(error)

    def _derived(self, child: CapturedChildSa, by_initiator: bool) -> Iterator[_Candidate]:
        for keys, sk_d, secrets in child_keys(child, self.pool):
            sa = child.opener(keys, by_initiator)

            def decide(
                sa: InboundSa = sa, keys: ChildKeys = keys, sk_d: bytes = sk_d, secrets: tuple[bytes, ...] = secrets
            ) -> None:
                child.inbound[by_initiator] = sa
                self.decide(child, keys, sk_d, secrets)

            yield _Candidate(sa, decide)

    def decide(self, child: CapturedChildSa, keys: ChildKeys, sk_d: bytes, secrets: tuple[bytes, ...]) -> None:
        """Store the confirmed keys of a Child SA, and the SK_d of its IKE SA that they prove."""
        child.keys = keys
        child.derived = "SK_d and its key exchange" if secrets else "SK_d"
        child.ike_sa.sk_d = sk_d
        self.pool.used.update(secrets)
        self.changed += 1

    def _try(self, sa: InboundSa, packet: bytes) -> tuple[bytes, int]:
        """Decrypt the first packet of an SA. With ESN, its high half may have any value."""
        if sa.esn and sa.spi in self.high and not sa.packets:
            sa.window.highest = self.high[sa.spi] << 32 | int.from_bytes(packet[4:8])
        try:
            return sa.open(packet)
        except IntegrityError:
            if not sa.esn or not self.search or sa.packets:
                raise
            return sa.resynchronize(packet, limit=self.search)
