# SPDX-License-Identifier: GPL-2.0-or-later
"""Crafted ESP packets: every field can be set, and an opened packet can be taken apart.

Written from RFC 4303 section 2 without the fast path's framing, so that each tests the other.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from fynx_scapy.errors import IntegrityError, LocalError, MalformedError
from fynx_scapy.esp.inbound import InboundSa
from fynx_scapy.esp.ip import NO_NEXT_HEADER, PROTO_IPV4, PROTO_IPV6, own_length
from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.esp.padding import PADDING
from fynx_scapy.esp.sa import EspSa

_BY_VERSION = {4: PROTO_IPV4, 6: PROTO_IPV6}


@dataclass(slots=True)
class EspParts:
    """One ESP packet, field by field (RFC 4303 section 2). A field that is None is computed.

    ``payload`` and the TFC padding ``tfc`` are bytes. ``next_header`` is computed from the payload's IP version, and is
    59 without a payload. ``spi`` and ``seq`` come from the SA; with ESN ``seq`` has 64 bits, of which the low half is
    sent and the high half only authenticated. ``iv`` is the SA's next IV; an implicit IV is ``seq`` as eight octets and
    is never sent. ``padding`` is 1, 2, 3 ... up to the alignment, ``pad_length`` its length, ``icv`` the correct ICV.

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
        """Build the packet with the keys of an SA. A given ``seq`` or ``iv`` does not change the SA's counters.

        Raises LocalError for an IV of the wrong length, for plaintext that does not fill the cipher's blocks, and for
        values that do not fit their fields.
        """
        body = self.payload + self.tfc
        padding = PADDING[: -(len(body) + 2) % sa.align] if self.padding is None else self.padding
        pad_length = len(padding) if self.pad_length is None else self.pad_length
        next_header = self._computed_next_header() if self.next_header is None else self.next_header
        plaintext = body + padding + _octet("pad length", pad_length) + _octet("next header", next_header)
        if len(plaintext) % sa.encr.block_size:
            raise LocalError(
                f"expected plaintext in blocks of {sa.encr.block_size} octets, found {len(plaintext)} octets"
            )
        spi = sa.spi if self.spi is None else self.spi
        seq = sa.take_seq() if self.seq is None else self.seq
        if not 0 <= spi <= 0xFFFF_FFFF or not 0 <= seq <= sa.limit:
            raise LocalError(f"the SPI {spi:#x} or the sequence number {seq} does not fit its field")
        iv = self._iv(sa, seq)
        header, authenticated = _covered(sa, spi, seq)
        on_wire = b"" if sa.implicit_iv else iv
        if sa.encr.aead:
            sealed = sa.cipher().seal(iv, plaintext, authenticated)
            ciphertext, icv = sealed[: -sa.icv_size], sealed[-sa.icv_size :]
        else:
            ciphertext = sa.cipher().encrypt(iv, plaintext)
            icv = _separate_icv(sa, header + iv + ciphertext, seq)
        sa.packets += 1
        sa.bytes += len(plaintext)
        return header + on_wire + ciphertext + (icv if self.icv is None else self.icv)

    @classmethod
    def take_apart(cls, sa: EspSa, packet: bytes, *, seq: int | None = None) -> EspParts:
        """Decrypt a packet with the keys of an SA of either direction, into its fields: the inverse of :meth:`build`.

        The SA does not change: there is no replay check and no counting. Padding with any content is accepted. ``seq``
        is the 64-bit sequence number; without it the SA's state supplies the high half. Raises MalformedError and
        IntegrityError.
        """
        encr = sa.encr
        end = len(packet) - sa.icv_size
        if end < 8 + encr.iv_size + 2:
            raise MalformedError(f"an ESP packet of {len(packet)} octets is too short for {encr.name}")
        if (end - 8 - encr.iv_size) % encr.block_size:
            raise MalformedError(f"the ciphertext is not a multiple of {encr.block_size} octets")
        spi, seql = int.from_bytes(packet[:4], "big"), int.from_bytes(packet[4:8], "big")
        if seq is None:
            seq = _nearest(sa, seql)
        _, authenticated = _covered(sa, spi, seq)
        iv, ciphertext, icv = packet[8 : 8 + encr.iv_size], packet[8 + encr.iv_size : end], packet[end:]
        if sa.implicit_iv:
            iv = seq.to_bytes(8, "big")
        if encr.aead:
            plaintext = sa.cipher().open(iv, ciphertext + icv, authenticated)
        elif not hmac.compare_digest(_separate_icv(sa, packet[:end], seq), icv):
            text = f"ESP SPI {spi:#010x}, sequence number {seq}: the ICV does not verify"
            raise IntegrityError(text).about(spi=spi, seq=seq)
        else:
            plaintext = sa.cipher().decrypt(iv, ciphertext)
        pad_length, next_header = plaintext[-2:]
        payload = plaintext[: len(plaintext) - 2 - pad_length]
        if pad_length > len(plaintext) - 2:
            raise MalformedError(f"expected a pad length up to {len(plaintext) - 2}, found {pad_length}")
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
            raise LocalError("the payload is not an IP packet: set next_header") from None

    def _iv(self, sa: OutboundSa, seq: int) -> bytes:
        size = 8 if sa.implicit_iv else sa.encr.iv_size
        iv = sa.take_iv(seq) if self.iv is None else self.iv
        if len(iv) != size:
            raise LocalError(f"expected an IV of {size} octets for {sa.encr.name}, found {len(iv)}")
        return iv


def _octet(name: str, value: int) -> bytes:
    if not 0 <= value <= 255:
        raise LocalError(f"expected a {name} between 0 and 255, found {value}")
    return bytes((value,))


def _covered(sa: EspSa, spi: int, seq: int) -> tuple[bytes, bytes]:
    """The header on the wire, and the additional data that a combined mode authenticates instead."""
    number = seq.to_bytes(8, "big")
    octets = spi.to_bytes(4, "big")
    return octets + number[4:], octets + (number if sa.esn else number[4:])


def _separate_icv(sa: EspSa, covered: bytes, seq: int) -> bytes:
    sign = sa.sign()
    if sign is None:
        return b""
    return sign(covered + (seq >> 32).to_bytes(4, "big") if sa.esn else covered)


def _nearest(sa: EspSa, seql: int) -> int:
    if isinstance(sa, InboundSa):
        return sa.window.locate(seql)
    return seql | (sa.seq >> 32 << 32 if isinstance(sa, OutboundSa) else 0)
