# SPDX-License-Identifier: GPL-2.0-or-later
"""The crafting door of ESP: every field of a packet can be assigned, and an opened packet taken apart again.

Written straight from RFC 4303 section 2 and without the hot door's framing, so that the two check each other.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from fynx_scapy.errors import IntegrityError, LocalError, MalformedError
from fynx_scapy.esp.ip import NO_NEXT_HEADER, PROTO_IPV4, PROTO_IPV6, own_length
from fynx_scapy.esp.sa import PADDING, EspSa, InboundSa, OutboundSa

_BY_VERSION = {4: PROTO_IPV4, 6: PROTO_IPV6}


@dataclass(slots=True)
class EspParts:
    """One ESP packet, field by field; None means computed (RFC 4303 section 2).

    ``payload`` and the TFC padding ``tfc`` are bytes. ``next_header``: from the payload's IP version, 59 where there is
    no payload. ``spi`` and ``seq``: the SA's, ``seq`` being 64 bits wide with ESN (the low half is sent, the high half
    only authenticated). ``iv``: the SA's next one, or with an implicit IV the eight octets made of ``seq``, which are
    never sent. ``padding``: 1, 2, 3 ... to the alignment; ``pad_length``: its length; ``icv``: the right one.

        >>> EspParts(b"...", 4, padding=b"\\0\\0", pad_length=255).build(outbound_sa)  # doctest: +SKIP
    """

    payload: bytes = b""
    next_header: int | None = None
    spi: int | None = None
    seq: int | None = None
    iv: bytes | None = None
    tfc: bytes = b""
    padding: bytes | None = None
    pad_length: int | None = None
    icv: bytes | None = None

    def build(self, sa: OutboundSa) -> bytes:
        """The packet, under the keys of an SA. An assigned ``seq`` or ``iv`` does not touch the SA's counters.

        Raises LocalError for what the cipher cannot do (an IV of another length, plaintext that does not fill its
        blocks) and for values that do not fit their field.
        """
        body = self.payload + self.tfc
        padding = PADDING[: -(len(body) + 2) % sa.align] if self.padding is None else self.padding
        pad_length = len(padding) if self.pad_length is None else self.pad_length
        next_header = self._computed_next_header() if self.next_header is None else self.next_header
        plaintext = body + padding + _octet("pad length", pad_length) + _octet("next header", next_header)
        if len(plaintext) % sa.encr.block_size:
            raise LocalError(f"{len(plaintext)} octets of plaintext do not fill blocks of {sa.encr.block_size}")
        spi = sa.spi if self.spi is None else self.spi
        seq = sa.take_seq() if self.seq is None else self.seq
        if not 0 <= spi <= 0xFFFF_FFFF or not 0 <= seq <= sa.limit:
            raise LocalError(f"an SPI of {spi:#x} and a sequence number of {seq} do not fit their fields")
        iv = self._iv(sa, seq)
        header, authenticated = _covered(sa, spi, seq)
        on_wire = b"" if sa.implicit_iv else iv
        if sa.encr.aead:
            sealed = sa.cipher.seal(iv, plaintext, authenticated)
            ciphertext, icv = sealed[: -sa.icv_size], sealed[-sa.icv_size :]
        else:
            ciphertext = sa.cipher.encrypt(iv, plaintext)
            icv = _separate_icv(sa, header + iv + ciphertext, seq)
        sa.packets += 1
        sa.bytes += len(plaintext)
        return header + on_wire + ciphertext + (icv if self.icv is None else self.icv)

    @classmethod
    def take_apart(cls, sa: EspSa, packet: bytes, *, seq: int | None = None) -> EspParts:
        """Every field of a packet, opened with the keys of an SA of either direction; the inverse of :meth:`build`.

        Nothing of the SA moves: no replay check, no counters, and padding of any content is shown as it is. ``seq`` is
        the 64-bit number where the SA's own state should not be asked for the high half. Raises MalformedError and
        IntegrityError.
        """
        encr = sa.encr
        end = len(packet) - sa.icv_size
        if end < 8 + encr.iv_size + 2:
            raise MalformedError(f"{len(packet)} octets are too few for an ESP packet of {encr.name}")
        if (end - 8 - encr.iv_size) % encr.block_size:
            raise MalformedError(f"the ciphertext does not fill blocks of {encr.block_size} octets")
        spi, seql = int.from_bytes(packet[:4], "big"), int.from_bytes(packet[4:8], "big")
        if seq is None:
            seq = _nearest(sa, seql)
        _, authenticated = _covered(sa, spi, seq)
        iv, ciphertext, icv = packet[8 : 8 + encr.iv_size], packet[8 + encr.iv_size : end], packet[end:]
        if sa.implicit_iv:
            iv = seq.to_bytes(8, "big")
        if encr.aead:
            plaintext = sa.cipher.open(iv, ciphertext + icv, authenticated)
        elif not hmac.compare_digest(_separate_icv(sa, packet[:end], seq), icv):
            raise IntegrityError(f"the ICV of the ESP packet with SPI {spi:#010x} and number {seq} does not verify")
        else:
            plaintext = sa.cipher.decrypt(iv, ciphertext)
        pad_length, next_header = plaintext[-2:]
        payload = plaintext[: len(plaintext) - 2 - pad_length]
        if pad_length > len(plaintext) - 2:
            raise MalformedError(f"a pad length of {pad_length} in {len(plaintext)} octets of plaintext")
        length = own_length(payload, next_header)
        return cls(
            payload=payload[:length],
            next_header=next_header,
            spi=spi,
            seq=seq,
            iv=iv,
            tfc=b"" if length is None else payload[length:],
            padding=plaintext[len(payload) : -2],
            pad_length=pad_length,
            icv=icv,
        )

    def _computed_next_header(self) -> int:
        if not self.payload:
            return NO_NEXT_HEADER
        try:
            return _BY_VERSION[self.payload[0] >> 4]
        except KeyError:
            raise LocalError("the payload is no IP packet: say its next_header") from None

    def _iv(self, sa: OutboundSa, seq: int) -> bytes:
        size = 8 if sa.implicit_iv else sa.encr.iv_size
        iv = sa.take_iv(seq) if self.iv is None else self.iv
        if len(iv) != size:
            raise LocalError(f"{sa.encr.name} takes an IV of {size} octets, not {len(iv)}")
        return iv


def _octet(name: str, value: int) -> bytes:
    if not 0 <= value <= 255:
        raise LocalError(f"a {name} of {value} does not fit into an octet")
    return bytes((value,))


def _covered(sa: EspSa, spi: int, seq: int) -> tuple[bytes, bytes]:
    """The header on the wire, and what a combined mode authenticates in its place."""
    number = seq.to_bytes(8, "big")
    octets = spi.to_bytes(4, "big")
    return octets + number[4:], octets + (number if sa.esn else number[4:])


def _separate_icv(sa: EspSa, covered: bytes, seq: int) -> bytes:
    if sa.sign is None:
        return b""
    return sa.sign(covered + (seq >> 32).to_bytes(4, "big") if sa.esn else covered)


def _nearest(sa: EspSa, seql: int) -> int:
    if isinstance(sa, InboundSa):
        return sa.window.locate(seql)
    return seql | (sa.seq >> 32 << 32 if isinstance(sa, OutboundSa) else 0)
