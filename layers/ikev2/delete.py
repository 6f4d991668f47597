# SPDX-License-Identifier: GPL-2.0-or-later
"""The Delete payload (RFC 7296 section 3.11)."""
# mypy: disallow-subclassing-any=False
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from typing import Any

from scapy.compat import bytes_encode
from scapy.fields import Field

from fynx_scapy.iana import PayloadType, ProtocolId, name_of
from fynx_scapy.layers.ikev2.fields import CountOf, OctetEnum, SizeOf, octets_of
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload
from fynx_scapy.layers.ikev2.structure import FormError
from fynx_scapy.text import counted


class _Spis(Field):
    """A list of SPIs of one size, as bytes or hexadecimal digits."""

    islist = 1
    in_head = False

    def __init__(self, name: str):
        super().__init__(name, [], "0s")

    def any2i(self, pkt: Any, x: Any) -> list[Any]:
        spis = list(x) if isinstance(x, (list, tuple)) else [] if x is None or x == b"" else [x]
        return [octets_of(self.name, spi) for spi in spis]

    def i2repr(self, pkt: Any, x: Any) -> str:
        return "[" + ", ".join(spi.hex() if isinstance(spi, bytes) else repr(spi) for spi in x) + "]"

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        return s + b"".join(map(bytes_encode, val))

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, list[bytes]]:
        size, number = pkt.fields["SPIsize"], pkt.fields["SPInum"]
        if size * number != len(s):
            raise FormError(0, f"expected {counted(number, 'SPI')} of {size} octets, found {counted(len(s), 'octet')}")
        if not size:
            return b"", []
        return b"", [s[at : at + size] for at in range(0, len(s), size)]

    def randval(self) -> None:
        return None


class _SpiSize(SizeOf):
    """The size of one SPI in octets; computed from the first one if None."""

    def computed(self, pkt: Any) -> int:
        spis = pkt.internal(self.of)
        return len(bytes_encode(spis[0])) if spis else 0


_SPI_SIZES = {ProtocolId.IKE: 0, ProtocolId.AH: 4, ProtocolId.ESP: 4}


class IKEv2_Delete(IKEv2_Payload):
    """The Delete payload: SPIs of Child SAs, or none for the IKE SA itself.

    A payload whose SPIs do not fit its protocol keeps its fields, but is marked as malformed.
    """

    name = "IKEv2 Delete"
    payload_type = PayloadType.D
    fields_desc = [
        *GENERIC,
        OctetEnum("proto", ProtocolId.IKE, ProtocolId),
        _SpiSize("SPIsize", "SPI"),
        CountOf("SPInum", "SPI", "H"),
        _Spis("SPI"),
    ]

    def read(self, octets: bytes) -> None:
        super().read(octets)
        protocol, size, number = (self.fields[name] for name in ("proto", "SPIsize", "SPInum"))
        wanted = _SPI_SIZES.get(protocol, size)
        if size != wanted or (number and not size):
            # Section 3.11: "It MUST be zero for IKE (SPI is in message header) or four for AH and ESP."
            name = name_of(ProtocolId, protocol)
            self.note_fault(
                f"expected {f'SPIs of {wanted} octets' if wanted else 'no SPIs'} of {name}, "
                f"found {number} of {size} octets"
            )


__all__ = ["IKEv2_Delete"]
