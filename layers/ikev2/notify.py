# SPDX-License-Identifier: GPL-2.0-or-later
"""The Notify payload (RFC 7296 section 3.10), and structures for its notification data.

A structure is a class with the ``notify_types`` that it describes. For types without a structure, and for data that
does not fit, ``notify`` holds bytes; data that does not fit is also a fault of the payload. ``bytes(layer.notify)``
works in every case. Here are the structures of RFC 7296; those of extensions are in notify_extensions.py.
"""
# ruff: noqa: N801 -- class names as in Scapy and in IANA's registry

from __future__ import annotations

from typing import Any, ClassVar

from scapy.packet import Packet

from fynx_scapy.iana import (
    IpcompTransform,
    KeMethod,
    NotifyType,
    PayloadType,
    ProtocolId,
)
from fynx_scapy.layers.ikev2.fields import FixedOctets, Int, OctetEnum, Octets, Short, ShortEnum, SizeOf
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload
from fynx_scapy.layers.ikev2.structure import FormError, Structure

STRUCTURES: dict[int, type[NotifyData]] = {}
"""Notify type -> the structure of its data."""


class SizeError(FormError):
    """Data with a structure that fits, but of a size that the RFC does not allow."""


class NotifyData(Structure):
    """Structured notification data. Subclasses register themselves by ``notify_types``.

    ``least`` and ``most`` are the limits that the RFC sets to the octets of data. With ``least`` 0 there may be none.
    ``lenient`` types are ignored by the engine if their data is malformed.
    """

    name = "IKEv2 Notification Data"
    least: ClassVar[int] = 1
    most: ClassVar[int] = 0xFFFF
    lenient: ClassVar[bool] = False
    fields_desc = [Octets("data")]

    @property
    def text(self) -> str:
        """The data for people, where its fields alone say little; else empty."""
        return ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for kind in cls.__dict__.get("notify_types", ()):
            STRUCTURES[int(kind)] = cls

    def read(self, octets: bytes) -> None:
        """Fill the fields from exactly these octets. Raises FormError."""
        super().read(octets)
        if not self.least <= len(octets) <= self.most:
            limits = f"{self.least} to {self.most}" if self.most < 0xFFFF else f"at least {self.least}"
            raise SizeError(0, f"{self._name}: expected {limits} octets, found {len(octets)}")


class _Data(Octets):
    """Notification data: the structure of the notify type if there is one, else bytes."""

    __slots__ = []
    holds_packets = 1

    def any2i(self, pkt: Any, x: Any) -> Any:
        if isinstance(x, Packet):
            object.__setattr__(x, "parent", pkt)
            return x
        return super().any2i(pkt, x)

    def i2repr(self, pkt: Any, x: Any) -> str:
        return repr(x) if isinstance(x, Packet) else super().i2repr(pkt, x)

    def i2m(self, pkt: Any, x: Any) -> bytes:
        return x.do_build() if isinstance(x, Structure) else super().i2m(pkt, x)

    def m2i(self, pkt: Any, x: bytes) -> Any:
        structure = STRUCTURES.get(pkt.fields["type"])
        if structure is None or not (x or structure.least):
            return x
        try:
            data = structure.from_octets(x)
        except FormError as fault:
            pkt.note_fault(str(fault.moved(8 + pkt.fields["SPIsize"])) + " of the payload")
            object.__setattr__(pkt, "tolerable", structure.lenient or not x or isinstance(fault, SizeError))
            return x
        object.__setattr__(data, "parent", pkt)
        return data

    def do_copy(self, x: Any) -> Any:
        return x.copy() if isinstance(x, Packet) else x


class IKEv2_Notify(IKEv2_Payload):
    """The Notify payload. ``notify`` takes bytes, hexadecimal digits, or a structure of this module."""

    tolerable = False
    """Whether the only fault is in data that is missing, of a wrong size, or of an extension: its reader judges it."""
    name = "IKEv2 Notify"
    payload_type = PayloadType.N
    fields_desc = [
        *GENERIC,
        OctetEnum("proto", 0, ProtocolId),
        SizeOf("SPIsize", "SPI"),
        ShortEnum("type", 0, NotifyType),
        Octets("SPI", size=lambda layer: layer.fields["SPIsize"]),
        _Data("notify"),
    ]

    def mysummary(self) -> str:
        return f"N({self.get_field('type').i2repr(self, self.type)})"


# -- RFC 7296 section 3.10.1 ------------------------------------------------------------------------------------------


class Notify_CriticalPayload(NotifyData):
    """UNSUPPORTED_CRITICAL_PAYLOAD: the payload type that was not understood (RFC 7296 section 2.5)."""

    name = "IKEv2 Unsupported Critical Payload"
    notify_types = (NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD,)
    fields_desc = [OctetEnum("unsupported", 0, PayloadType)]


class Notify_MessageId(NotifyData):
    """INVALID_MESSAGE_ID: the message ID that was out of the window (RFC 7296 section 2.3)."""

    name = "IKEv2 Invalid Message ID"
    notify_types = (NotifyType.INVALID_MESSAGE_ID,)
    fields_desc = [Int("message_id", 0)]


class Notify_Spi(NotifyData):
    """INVALID_SPI: the SPI of an ESP or AH packet without a matching SA (RFC 7296 section 1.5)."""

    name = "IKEv2 Invalid SPI"
    least = most = 4
    notify_types = (NotifyType.INVALID_SPI,)
    fields_desc = [Octets("spi")]


class Notify_KeMethod(NotifyData):
    """INVALID_KE_PAYLOAD: the key exchange method that the responder wants (RFC 7296 section 1.3)."""

    name = "IKEv2 Wanted Key Exchange Method"
    notify_types = (NotifyType.INVALID_KE_PAYLOAD,)
    fields_desc = [ShortEnum("group", 0, KeMethod)]


class Notify_WindowSize(NotifyData):
    """SET_WINDOW_SIZE: for how many requests the sender keeps state (RFC 7296 section 2.3)."""

    name = "IKEv2 Window Size"
    notify_types = (NotifyType.SET_WINDOW_SIZE,)
    fields_desc = [Int("size", 1)]


class Notify_Ipcomp(NotifyData):
    """IPCOMP_SUPPORTED: CPI, transform, and attributes of the transform if it has some (RFC 7296 section 2.22)."""

    name = "IKEv2 IPComp"
    notify_types = (NotifyType.IPCOMP_SUPPORTED,)
    fields_desc = [
        Short("cpi", 0),
        OctetEnum("transform", IpcompTransform.IPCOMP_DEFLATE, IpcompTransform),
        Octets("attributes"),
    ]


class Notify_NatDetection(NotifyData):
    """NAT_DETECTION_*_IP: SHA-1 of SPIs, address and port (RFC 7296 section 2.23)."""

    name = "IKEv2 NAT Detection"
    notify_types = (NotifyType.NAT_DETECTION_SOURCE_IP, NotifyType.NAT_DETECTION_DESTINATION_IP)
    fields_desc = [FixedOctets("hash", 20)]


class Notify_Cookie(NotifyData):
    """COOKIE: 1 to 64 opaque octets that the peer returns (RFC 7296 section 2.6)."""

    name = "IKEv2 Cookie"
    most = 64
    notify_types = (NotifyType.COOKIE,)
    fields_desc = [Octets("cookie")]


__all__ = [
    "STRUCTURES",
    "IKEv2_Notify",
    "NotifyData",
    "Notify_Cookie",
    "Notify_CriticalPayload",
    "Notify_Ipcomp",
    "Notify_KeMethod",
    "Notify_MessageId",
    "Notify_NatDetection",
    "Notify_Spi",
    "Notify_WindowSize",
]
