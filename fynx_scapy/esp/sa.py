# SPDX-License-Identifier: GPL-2.0-or-later
"""The fast path of ESP: one direction of a Child SA, which seals or opens packets (RFC 4303 section 3).

The constructor chooses the functions for the algorithms (:mod:`fynx_scapy.esp.framing`), so that there is no branch
per packet. To craft an invalid packet, use :class:`fynx_scapy.esp.parts.EspParts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fynx_scapy.crypto.encr import Encryption
from fynx_scapy.crypto.integ import Integrity, Sign
from fynx_scapy.errors import ConfigError, FynxError, IntegrityError, LocalError, MalformedError, ReplayError
from fynx_scapy.esp.framing import HEADER, framing, pack_iv
from fynx_scapy.esp.ip import NO_NEXT_HEADER, own_length
from fynx_scapy.esp.replay import DEFAULT_SIZE, LIMIT_32, LIMIT_64, ReplayWindow

MODES = ("tunnel", "transport")

# "The first padding byte appended to the plaintext is numbered 1, with subsequent padding bytes making up a
# monotonically increasing sequence: 1, 2, 3, ..." (section 2.4)
PADDING = bytes(range(1, 256))
_OCTET = [bytes((value,)) for value in range(256)]
_unpack_header = HEADER.unpack_from


class EspSa:
    """What both directions share: SPI, algorithms with their keys, mode, counters.

    ``key`` is the encryption key from KEYMAT, with the salt; ``auth_key`` is the integrity key, empty with a combined
    mode. ``packets`` and ``bytes`` count the traffic; bytes are those that the cipher processed, with padding
    (RFC 4301 section 4.4.2.1). Raises ConfigError for keys of the wrong length, and for combinations that RFC 4303
    forbids.
    """

    __slots__ = (
        "_open", "_seal", "align", "bytes", "cipher", "encr", "esn", "icv_size", "implicit_iv", "integ", "limit",
        "mode", "packets", "sign", "spi",
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
        icv_removed: bool = False,
    ):
        if not 1 <= spi <= LIMIT_32:
            # Zero "MUST NOT be sent on the wire" (section 2.1); EspParts(spi=0) can.
            raise ConfigError(f"expected an SPI between 1 and {LIMIT_32:#x}, found {spi:#x}")
        if mode not in MODES:
            raise ConfigError(f"expected an SA mode of {' or '.join(MODES)}, found {mode!r}")
        if integ is not None and not integ.icv_size:
            integ = None  # AUTH_NONE
        if encr.aead and (integ is not None or auth_key):
            raise ConfigError(f"{encr.name} is a combined mode: leave out the integrity algorithm and its key")
        if integ is None and auth_key:
            raise ConfigError("found an integrity key without an integrity algorithm: set integ too")
        if integ is None and not encr.aead and not encr.key_size and not icv_removed:
            raise ConfigError('encryption and integrity "MUST NOT both be NULL" (RFC 4303 section 5)')
        self.spi = spi
        self.encr = encr
        self.integ = integ
        self.esn = esn
        self.mode = mode
        self.limit = LIMIT_64 if esn else LIMIT_32
        self.cipher = encr.keyed(key)
        self.sign: Sign | None = integ.keyed(auth_key) if integ is not None else None
        self.icv_size = encr.icv_size if encr.aead else integ.icv_size if integ is not None else 0
        self.implicit_iv = encr.aead and not encr.iv_size
        # Pad Length and Next Header are right aligned in a 4-byte word, whatever the cipher asks for (section 2.4).
        self.align = max(4, encr.block_size)
        self._seal, self._open = framing(spi, encr, self.cipher, self.sign, self.icv_size, esn)
        self.packets = 0
        self.bytes = 0

    def _described(self, number: str) -> str:
        integ = f", {self.integ.name}" if self.integ is not None else ""
        numbers = "64-bit" if self.esn else "32-bit"
        return (
            f"{type(self).__name__}(spi={self.spi:#010x}, {self.encr.name}{integ}, {numbers} sequence numbers, "
            f"{self.mode}, {number}, packets={self.packets}, bytes={self.bytes})"
        )


class OutboundSa(EspSa):
    """The sending direction: :meth:`seal` builds packets with increasing sequence numbers.

    ``iv(n)`` returns n random octets (``os.urandom``, or the engine's Randomness). Ciphers with unpredictable IVs (CBC)
    need it; ciphers with unique IVs (AEAD, AES-CTR) use a counter. ``seq`` is the last sequence number used, with 64
    bits for ESN: set it to continue from another number. Raises ConfigError and LocalError.

        >>> sa = OutboundSa(spi=0x1234, encr=encryption(Encr.ENCR_AES_GCM_16, 128), key=bytes(20))  # doctest: +SKIP
        >>> packet = sa.seal(inner, 4)  # doctest: +SKIP
    """

    __slots__ = ("_iv_counter", "_seq", "_trailers", "take_iv")

    take_iv: Callable[[int], bytes]

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
        self._seq = 0
        self._iv_counter = 0
        self.seq = seq
        if self.implicit_iv:
            self.take_iv = pack_iv
        elif not encr.iv_size:
            self.take_iv = _no_iv
        elif encr.counter_iv:
            self.take_iv = self._unique_iv
        elif iv is not None:
            self.take_iv = self._unpredictable_iv(iv)
        else:
            raise ConfigError(f"{encr.name} needs a source of unpredictable IVs, such as iv=os.urandom")
        pads = (-(length + 2) % self.align for length in range(self.align))
        self._trailers = [PADDING[:pad] + _OCTET[pad] for pad in pads]

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

    def take_seq(self, seq: int | None = None) -> int:
        """Take the next sequence number, or check an explicit one, which does not change the counter.

        "the sender MUST NOT send a packet on an SA if doing so would cause the sequence number to cycle" (section
        3.3.3): LocalError then, and for a number that does not fit or would repeat an implicit IV.
        """
        if seq is None:
            seq = self._seq + 1
            if seq > self.limit:
                raise LocalError(
                    f"SPI {self.spi:#010x}: the sequence numbers are used up ({self.limit} was the last); rekey the SA"
                )
            self._seq = seq
            return seq
        if not 0 <= seq <= self.limit:
            raise LocalError(f"expected a sequence number between 0 and {self.limit}, found {seq}")
        if self.implicit_iv:
            raise LocalError(
                f"{self.encr.name} uses the sequence number as its nonce: set .seq to continue from another number, "
                "or craft the packet with EspParts"
            )
        return seq

    def seal(self, payload: bytes, next_header: int, *, tfc_pad: int = 0, seq: int | None = None) -> bytes:
        """The ESP packet for a payload, from SPI through ICV (RFC 4303 section 3.3).

        ``next_header`` is the payload's protocol: 4 or 41 in tunnel mode, 59 for a dummy packet (section 2.6).
        ``tfc_pad`` adds octets after a payload that contains its length (section 2.7). ``seq`` replaces the next
        sequence number, with 64 bits for ESN; the counter does not change. Raises LocalError for what the RFC forbids,
        and when the sequence numbers are used up.
        """
        if not 0 <= next_header <= 255:
            raise LocalError(f"expected a next header between 0 and 255, found {next_header}")
        if tfc_pad:
            payload = tfc_padded(payload, next_header, tfc_pad)
        seq = self.take_seq(seq)
        plaintext = payload + self._trailers[len(payload) % self.align] + _OCTET[next_header]
        self.packets += 1
        self.bytes += len(plaintext)
        return self._seal(seq, self.take_iv(seq), plaintext)

    def seal_many(self, payloads: Sequence[bytes], next_header: int) -> list[bytes]:
        """The ESP packets for several payloads of one kind, in order: what :meth:`seal` gives for each.

        All or nothing: LocalError before the first is sealed if there are not enough sequence numbers left for all.
        """
        left = self.limit - self._seq
        if len(payloads) > left:
            raise LocalError(
                f"SPI {self.spi:#010x}: expected at most {left} packets before the sequence numbers are used up, found "
                f"{len(payloads)}, of which none was sealed; rekey the SA"
            )
        return [self.seal(payload, next_header) for payload in payloads]

    def seal_dummy(self, length: int = 0) -> bytes:
        """A dummy packet with ``length`` zero octets (RFC 4303 section 2.6)."""
        return self.seal(bytes(length), NO_NEXT_HEADER)

    def _unique_iv(self, seq: int) -> bytes:
        # The sequence number, unless explicit numbers were sent; never the same value twice.
        self._iv_counter = counter = max(self._iv_counter + 1, self._seq)
        if counter > LIMIT_64:
            raise LocalError(f"SPI {self.spi:#010x}: the IVs are used up; rekey the SA")
        return pack_iv(counter)

    def _unpredictable_iv(self, random: Callable[[int], bytes]) -> Callable[[int], bytes]:
        size = self.encr.iv_size

        def take_iv(seq: int) -> bytes:
            iv = random(size)
            if len(iv) != size:
                raise LocalError(
                    f"expected an IV of {size} octets from the source for {self.encr.name}, found {len(iv)}"
                )
            return iv

        return take_iv


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
        "_least", "check_padding", "dummies", "failures_in_a_row", "integrity_failures", "malformed", "replays",
        "window",
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
        self._least = 8 + encr.iv_size + max(2, encr.block_size) + self.icv_size
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
            self.inspect(packet)
            seq = self.window.check(_unpack_header(packet)[1])
            plaintext = self._open(packet, seq)
            self.window.accept(seq)
            return self._finish(plaintext)
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

    def open_many(self, packets: Iterable[bytes]) -> list[tuple[bytes, int] | FynxError]:
        """What :meth:`open` returns or raises for each of several packets, in order.

        A packet that is refused changes nothing for the others.
        """
        return [self._attempt(packet) for packet in packets]

    def _attempt(self, packet: bytes) -> tuple[bytes, int] | FynxError:
        try:
            return self.open(packet)
        except FynxError as error:
            return error

    def inspect(self, packet: bytes) -> None:
        """Check length and SPI of a packet, before any cryptography. Raises MalformedError."""
        if len(packet) < self._least:
            raise MalformedError(f"expected an ESP packet of at least {self._least} octets, found {len(packet)}")
        spi = _unpack_header(packet)[0]
        if spi != self.spi:
            raise MalformedError(f"expected the SPI {self.spi:#010x}, found {spi:#010x}")
        excess = (len(packet) - self._least) % self.encr.block_size
        if excess and self.encr.block_size > 1:
            raise MalformedError(f"the ciphertext has {excess} octets more than whole blocks of {self.encr.block_size}")

    def resynchronize(self, packet: bytes, *, limit: int = 16) -> tuple[bytes, int]:
        """Open a packet after a loss of 2^32 packets or more, trying ``limit`` higher values of the ESN's upper half.

        RFC 4303 appendix A3.2. Call it in the background when ``failures_in_a_row`` is high. On success the window
        restarts at the packet's number. Otherwise IntegrityError is raised, and nothing changes.
        """
        if not self.esn:
            raise LocalError("resynchronization needs 64-bit sequence numbers (RFC 4303 appendix A3)")
        self.inspect(packet)
        located = self.window.locate(_unpack_header(packet)[1])
        for seq in range(located, min(located + (limit << 32), LIMIT_64) + 1, 1 << 32):
            if seq <= self.highest:
                continue
            try:
                plaintext = self._open(packet, seq)
            except IntegrityError:
                continue
            self.window = ReplayWindow(self.window.size, esn=True, highest=seq)
            return self._finish(plaintext)
        raise IntegrityError(f"ESP SPI {self.spi:#010x}: the ICV verifies with none of the next {limit} upper halves")

    def _finish(self, plaintext: bytes) -> tuple[bytes, int]:
        self.packets += 1
        self.bytes += len(plaintext)
        self.failures_in_a_row = 0
        pad_length, next_header = plaintext[-2:]
        end = len(plaintext) - 2 - pad_length
        if end < 0:
            raise MalformedError(f"expected a pad length up to {len(plaintext) - 2}, found {pad_length}")
        if self.check_padding and plaintext[end:-2] != PADDING[:pad_length]:
            raise MalformedError(f"expected the padding 1, 2, 3 ..., found {plaintext[end:-2].hex()}")
        if next_header == NO_NEXT_HEADER:
            self.dummies += 1
        else:
            length = own_length(plaintext, next_header) if end else None
            if length is not None and length < end:
                end = length
        return plaintext[:end], next_header


def tfc_padded(payload: bytes, next_header: int, octets: int) -> bytes:
    """The payload with TFC padding after it (RFC 4303 section 2.7).

    "TFC padding can be added only if the Payload Data field contains a specification of the length of the IP datagram":
    raises LocalError otherwise. A dummy packet may have any content.
    """
    if octets < 0:
        raise LocalError(f"expected 0 octets of TFC padding or more, found {octets}")
    if next_header != NO_NEXT_HEADER and own_length(payload, next_header) != len(payload):
        raise LocalError(
            f"TFC padding needs a payload that contains its length (RFC 4303 section 2.7): "
            f"next header {next_header} with {len(payload)} octets does not"
        )
    return payload + bytes(octets)


def _no_iv(seq: int) -> bytes:
    return b""
