# SPDX-License-Identifier: GPL-2.0-or-later
"""The sending direction of a Child SA: payloads become ESP packets (RFC 4303 section 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fynx_scapy.crypto.encr import Encryption
from fynx_scapy.crypto.integ import Integrity
from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.esp.framing import Sealer, TakeIv, sealer
from fynx_scapy.esp.ip import NO_NEXT_HEADER
from fynx_scapy.esp.padding import tfc_padded, trailers
from fynx_scapy.esp.replay import LIMIT_64
from fynx_scapy.esp.sa import EspSa


class OutboundSa(EspSa):
    """The sending direction: :meth:`seal` builds packets with increasing sequence numbers.

    ``iv(n)`` returns n random octets (``os.urandom``, or the engine's Randomness). Ciphers with unpredictable IVs (CBC)
    need it; ciphers with unique IVs (AEAD, AES-CTR) use a counter. ``seq`` is the last sequence number used, with 64
    bits for ESN: set it to continue from another number. Raises ConfigError and LocalError.

        >>> sa = OutboundSa(spi=0x1234, encr=encryption(Encr.ENCR_AES_GCM_16, 128), key=bytes(20))  # doctest: +SKIP
        >>> packet = sa.seal(inner, 4)  # doctest: +SKIP
    """

    __slots__ = ("_iv_counter", "_random", "_sealer", "_seq", "_trailers")

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
        iv: Callable[[int], bytes] | None = None,
        seq: int = 0,
    ):
        super().__init__(spi=spi, encr=encr, key=key, integ=integ, auth_key=auth_key, esn=esn, mode=mode)
        if iv is None and encr.iv_size and not encr.counter_iv:
            raise ConfigError(f"{encr.name} needs a source of unpredictable IVs, such as iv=os.urandom")
        self._random = iv
        self._seq = 0
        self._iv_counter = 0
        self.seq = seq
        self._trailers = trailers(self.align)
        self._sealer: Sealer | None = None

    def __repr__(self) -> str:
        return self._described(f"seq={self._seq}")

    @property
    def seq(self) -> int:
        """The last sequence number used; the next packet gets the next one."""
        return self._seq

    @seq.setter
    def seq(self, value: int) -> None:
        if not 0 <= value <= self.limit:
            raise LocalError(f"expected a sequence number between 0 and {self.limit}, found {value}")
        if self.implicit_iv and value < self._seq:
            raise LocalError(f"{self.encr.name} uses the sequence number as its nonce: it must not decrease")
        self._seq = value
        self._iv_counter = max(self._iv_counter, value)

    # No argument is for keywords alone: CPython 3.11 calls such a function more slowly.
    def seal(self, payload: bytes, next_header: int, tfc_pad: int = 0, seq: int | None = None) -> bytes:
        """The ESP packet for a payload, from SPI through ICV (RFC 4303 section 3.3).

        ``next_header`` is the payload's protocol: 4 or 41 in tunnel mode, 59 for a dummy packet (section 2.6).
        ``tfc_pad`` adds octets after a payload that contains its length (section 2.7). ``seq`` replaces the next
        sequence number, with 64 bits for ESN; the counter does not change. Raises LocalError for what the RFC forbids,
        and when the sequence numbers are used up.
        """
        if tfc_pad:
            payload = tfc_padded(payload, next_header, tfc_pad)
        plaintext = payload + self._trailers[next_header][len(payload) % self.align]
        if seq is None:
            seq = self._seq + 1
            if seq > self.limit:
                raise self._used_up()
            self._seq = seq
        else:
            self._check_explicit(seq)
        counter = self._iv_counter + 1
        if counter != seq:
            counter = self._iv_apart(counter, self._seq)
        self._iv_counter = counter
        packet = (self._sealer or self._make_sealer())(seq, counter, plaintext)
        self.packets += 1
        self.bytes += len(plaintext)
        return packet

    def seal_many(self, payloads: Sequence[bytes], next_header: int) -> list[bytes]:
        """The ESP packets for several payloads of one kind, in order: what :meth:`seal` gives for each.

        All or nothing: LocalError before the first is sealed if there are not enough sequence numbers left for all. The
        numbers and IVs of the whole batch are taken first, so that none is used again, whatever is raised half way.
        """
        tails, align = self._trailers[next_header], self.align
        first, last = self._seq + 1, self._seq + len(payloads)
        if last > self.limit:
            raise self._used_up(len(payloads))
        counter = self._iv_counter + 1
        if counter != first:
            counter = self._iv_apart(counter, first, len(payloads))
        ahead = counter - first
        self._seq, self._iv_counter = last, last + ahead
        seal = self._sealer or self._make_sealer()
        packets = [
            seal(seq, seq + ahead, payload + tails[len(payload) % align]) for seq, payload in enumerate(payloads, first)
        ]
        self.packets += len(packets)
        self.bytes += sum(map(len, packets)) - self._overhead * len(packets)
        return packets

    def seal_dummy(self, length: int = 0) -> bytes:
        """A dummy packet with ``length`` zero octets (RFC 4303 section 2.6)."""
        return self.seal(bytes(length), NO_NEXT_HEADER)

    def rest(self) -> None:
        """Let go of the cipher's context. The next packet makes another one, within microseconds."""
        self._sealer = None

    def take_seq(self) -> int:
        """Take the next sequence number, for a crafted packet. Raises LocalError when they are used up."""
        if self._seq >= self.limit:
            raise self._used_up()
        self._seq += 1
        return self._seq

    def take_iv(self, seq: int) -> bytes:
        """Take the next IV, for a crafted packet with the sequence number ``seq``. Raises LocalError."""
        if self.implicit_iv:
            return seq.to_bytes(8)
        if self.encr.counter_iv:
            self._iv_counter = self._iv_apart(self._iv_counter + 1, self._seq)
            return self._iv_counter.to_bytes(8)
        return _drawing(self.encr, self._random)(0)

    def _iv_apart(self, counter: int, least: int, packets: int = 1) -> int:
        """The first of the next IVs, where it may not be the sequence number: after explicit or crafted packets.

        An IV must never come twice, and none is below the sequence numbers, which a crafted packet may have as its IV.
        """
        counter = max(counter, least)
        if counter + packets - 1 > LIMIT_64:
            raise LocalError(f"SPI {self.spi:#010x}: the IVs are used up; rekey the SA")
        return counter

    def _make_sealer(self) -> Sealer:
        algorithms = (self.encr, self._key, self.integ, self._auth_key)
        take_iv = _counted if self.encr.counter_iv else _drawing(self.encr, self._random)
        self._sealer = made = sealer(*algorithms, spi=self.spi, esn=self.esn, take_iv=take_iv)
        return made

    def _check_explicit(self, seq: int) -> None:
        if not 0 <= seq <= self.limit:
            raise LocalError(f"expected a sequence number between 0 and {self.limit}, found {seq}")
        if self.implicit_iv:
            raise LocalError(
                f"{self.encr.name} uses the sequence number as its nonce: set .seq to continue from another number, "
                "or craft the packet with EspParts"
            )

    def _used_up(self, asked: int = 1) -> LocalError:
        """ "the sender MUST NOT send a packet on an SA if doing so would cause the sequence number to cycle" (section
        3.3.3)."""
        left = self.limit - self._seq
        what = f"the sequence numbers are used up ({self.limit} was the last)"
        if left:
            what = f"{left} sequence numbers are left, too few for a batch of {asked} packets, of which none was sealed"
        return LocalError(f"SPI {self.spi:#010x}: {what}; rekey the SA")


def _counted(counter: int) -> bytes:
    return counter.to_bytes(8)


def _drawing(encr: Encryption, random: Callable[[int], bytes] | None) -> TakeIv:
    """What draws the IVs of a cipher that needs unpredictable ones, or none. LocalError for one of a wrong length."""
    size = encr.iv_size
    if not size or random is None:
        return lambda counter: b""

    def take_iv(counter: int) -> bytes:
        iv = random(size)
        if len(iv) != size:
            raise LocalError(f"expected an IV of {size} octets from the source for {encr.name}, found {len(iv)}")
        return iv

    return take_iv
