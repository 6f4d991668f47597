# SPDX-License-Identifier: GPL-2.0-or-later
"""The receiving direction of a Child SA: ESP packets are verified, decrypted and checked (RFC 4303 section 3.4)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import repeat
from operator import itemgetter

from fynx_scapy.crypto.encr import Encryption
from fynx_scapy.crypto.integ import Integrity
from fynx_scapy.errors import ConfigError, FynxError, IntegrityError, LocalError, MalformedError, ReplayError
from fynx_scapy.esp.framing import Opener, opener
from fynx_scapy.esp.ip import NO_NEXT_HEADER
from fynx_scapy.esp.padding import unpadded
from fynx_scapy.esp.replay import DEFAULT_SIZE, LIMIT_32, LIMIT_64, ReplayWindow
from fynx_scapy.esp.sa import EspSa

_next_header = itemgetter(-1)
_unpack_header = struct.Struct(">II").unpack_from  # SPI, Sequence Number


class InboundSa(EspSa):
    """The receiving direction: :meth:`open` verifies, decrypts and checks a packet.

    ``replay_window`` is in packets, 0 for none. None means 64 with integrity and 0 without, because anti-replay "MUST
    NOT be enabled unless the ESP integrity service also is enabled" (section 3.4.3). ``highest`` is the start of the
    window, for an SA that is taken over. A receiver SHOULD inspect the padding (section 2.4): this happens after the
    ICV has verified, so it tells an attacker nothing. ``check_padding=False`` accepts any padding. ``icv_removed`` is
    for a reader of captures that has no key for the ICV and cuts it off: then encryption may be NULL too.

    Further counters: ``dummies`` (included in ``packets``), ``replays``, ``integrity_failures``, ``malformed``.
    ``failures_in_a_row`` is the trigger of appendix A3.1.
    """

    __slots__ = (
        "_block", "_least", "_opener", "check_padding", "dummies", "failures_in_a_row", "integrity_failures",
        "malformed", "replays", "window",
    )  # fmt: skip

    def __init__(
        self,
        *,
        spi: int,
        encr: Encryption,
        key: bytes,
        integ: Integrity | None = None,
        auth_key: bytes = b"",
        esn: bool = False,
        mode: str = "tunnel",
        replay_window: int | None = None,
        highest: int = 0,
        check_padding: bool = True,
        icv_removed: bool = False,
    ):
        super().__init__(
            spi=spi, encr=encr, key=key, integ=integ, auth_key=auth_key, esn=esn, mode=mode, icv_removed=icv_removed
        )
        if replay_window is None:
            replay_window = DEFAULT_SIZE if self.icv_size else 0
        elif replay_window and not self.icv_size:
            raise ConfigError("a replay window needs an integrity algorithm (RFC 4303 section 3.4.3)")
        self.window = ReplayWindow(replay_window, esn=esn, highest=highest)
        self.check_padding = check_padding
        self._block = encr.block_size
        self._least = self._overhead + max(2, encr.block_size)
        self._opener: Opener | None = None
        self.dummies = self.replays = self.integrity_failures = self.malformed = self.failures_in_a_row = 0

    def __repr__(self) -> str:
        return self._described(f"highest={self.highest}")

    @property
    def highest(self) -> int:
        """The highest sequence number that was authenticated, 64 bits with ESN."""
        return self.window.highest

    def open(self, packet: bytes) -> tuple[bytes, int]:
        """Decrypt a packet. Returns its payload without TFC padding, and its next header (59 for a dummy packet).

        ``packet`` goes from the SPI to the ICV. The sequence number is checked first, then the ICV; only then the
        window moves. Raises MalformedError (too short, another SPI, invalid padding), ReplayError, IntegrityError.
        """
        try:
            excess = len(packet) - self._least
            if excess < 0 or excess % self._block:
                self.inspect(packet)
            spi, seql = _unpack_header(packet)
            if spi != self.spi:
                self.inspect(packet)
            window, open_ = self.window, self._opener or self._make_opener()
            if seql == window.highest + 1 and not window.missing:  # as a rule: in order
                plaintext = open_(packet, seql)
                window.highest = seql
            else:
                seq = window.check(seql)
                plaintext = open_(packet, seq)
                window.accept(seq)
            self.packets += 1
            self.bytes += len(plaintext)
            self.failures_in_a_row = 0
            payload, next_header = unpadded(plaintext, self.check_padding)
            if next_header == NO_NEXT_HEADER:
                self.dummies += 1
            return payload, next_header
        except IntegrityError:
            self.integrity_failures += 1
            self.failures_in_a_row += 1
            raise
        except ReplayError:
            self.replays += 1
            raise
        except MalformedError:
            self.malformed += 1
            raise

    def open_many(self, packets: Sequence[bytes]) -> list[tuple[bytes, int] | FynxError]:
        """What :meth:`open` returns or raises for each of several packets, in order.

        A packet that is refused changes nothing for the others.
        """
        try:
            return self._open_run(packets)
        except FynxError:  # of which nothing has been counted yet
            return [self._attempt(packet) for packet in packets]

    def _open_run(self, packets: Sequence[bytes]) -> list[tuple[bytes, int] | FynxError]:
        """Open packets that are all in order: their numbers follow each other and the highest one.

        For any that are not, and if one of them is refused, an error is raised and nothing changes.
        """
        count, window = len(packets), self.window
        if min(map(len, packets), default=0) < self._least:
            raise MalformedError("a packet of a batch is too short")
        spi, first = self.spi, window.highest + 1
        low = first & LIMIT_32
        if first + count - 1 > self.limit:
            raise ReplayError("the sequence numbers end within a batch")
        if [*map(_unpack_header, packets)] != [*zip(repeat(spi), range(low, low + count), strict=False)]:
            raise ReplayError("the packets of a batch are not in order")
        open_, check = self._opener or self._make_opener(), self.check_padding
        plaintexts = [*map(open_, packets, range(first, first + count))]
        opened: list[tuple[bytes, int] | FynxError] = [unpadded(plaintext, check) for plaintext in plaintexts]
        window.accept_next(count)
        self.packets += count
        self.bytes += sum(map(len, plaintexts))
        self.failures_in_a_row = 0
        self.dummies += [*map(_next_header, plaintexts)].count(NO_NEXT_HEADER)
        return opened

    def _attempt(self, packet: bytes) -> tuple[bytes, int] | FynxError:
        try:
            return self.open(packet)
        except FynxError as error:
            return error

    def rest(self) -> None:
        """Let go of the cipher's context. The next packet makes another one, within microseconds."""
        self._opener = None

    def inspect(self, packet: bytes) -> None:
        """Check length and SPI of a packet, before any cryptography. Raises MalformedError."""
        if len(packet) < self._least:
            raise MalformedError(f"expected an ESP packet of at least {self._least} octets, found {len(packet)}")
        spi, _ = _unpack_header(packet)
        if spi != self.spi:
            raise MalformedError(f"expected the SPI {self.spi:#010x}, found {spi:#010x}")
        excess = (len(packet) - self._least) % self._block
        if excess:
            raise MalformedError(f"the ciphertext has {excess} octets more than whole blocks of {self._block}")

    def resynchronize(self, packet: bytes, *, limit: int = 16) -> tuple[bytes, int]:
        """Open a packet after a loss of 2^32 packets or more, trying ``limit`` higher values of the ESN's upper half.

        RFC 4303 appendix A3.2. Call it in the background when ``failures_in_a_row`` is high. On success the window
        restarts at the packet's number. Otherwise IntegrityError is raised, and nothing changes.
        """
        if not self.esn:
            raise LocalError("resynchronization needs 64-bit sequence numbers (RFC 4303 appendix A3)")
        self.inspect(packet)
        located = self.window.locate(_unpack_header(packet)[1])
        open_ = self._opener or self._make_opener()
        for seq in range(located, min(located + (limit << 32), LIMIT_64) + 1, 1 << 32):
            if seq <= self.highest:
                continue
            try:
                plaintext = open_(packet, seq)
            except IntegrityError:
                continue
            self.window = ReplayWindow(self.window.size, esn=True, highest=seq)
            return self._finish(plaintext)
        raise IntegrityError(f"ESP SPI {self.spi:#010x}: the ICV verifies with none of the next {limit} upper halves")

    def _finish(self, plaintext: bytes) -> tuple[bytes, int]:
        self.packets += 1
        self.bytes += len(plaintext)
        self.failures_in_a_row = 0
        payload, next_header = unpadded(plaintext, self.check_padding)
        if next_header == NO_NEXT_HEADER:
            self.dummies += 1
        return payload, next_header

    def _make_opener(self) -> Opener:
        algorithms = (self.encr, self._key, self.integ, self._auth_key)
        self._opener = made = opener(*algorithms, spi=self.spi, esn=self.esn)
        return made
