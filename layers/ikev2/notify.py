# SPDX-License-Identifier: GPL-2.0-or-later
"""The Notify payload (RFC 7296 section 3.10), and structures for its notification data.

A structure is a class with the ``notify_types`` that it describes. For types without a structure, and for data that
does not fit, ``notify`` holds bytes. ``bytes(layer.notify)`` works in every case.
"""
# ruff: noqa: N801 -- class names as in Scapy and in IANA's registry

from __future__ import annotations

from typing import Any

from scapy.fields import IP6Field, IPField
from scapy.packet import Packet

from fynx_scapy.iana import (
    GatewayIdType,
    HashAlgorithm,
    IpcompTransform,
    KeMethod,
    NotifyType,
    PayloadType,
    PpkIdType,
    Prf,
    ProtocolId,
)
from fynx_scapy.layers.ikev2.fields import FixedOctets, Int, Octet, OctetEnum, Octets, Short, ShortEnum, SizeOf
from fynx_scapy.layers.ikev2.ident import identity_octets, identity_text
from fynx_scapy.layers.ikev2.lists import EnumList
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload
from fynx_scapy.layers.ikev2.structure import FormError, Structure
from fynx_scapy.text import printable

STRUCTURES: dict[int, type[NotifyData]] = {}
"""Notify type -> the structure of its data."""


class NotifyData(Structure):
    """Structured notification data. Subclasses register themselves by ``notify_types``."""

    name = "IKEv2 Notification Data"
    fields_desc = [Octets("data")]

    @property
    def text(self) -> str:
        """The data for people, where its fields alone say little; else empty."""
        return ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for kind in cls.__dict__.get("notify_types", ()):
            STRUCTURES[int(kind)] = cls


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
        if structure is None or not x:
            return x
        try:
            data = structure.from_octets(x)
        except FormError as fault:
            pkt.note_fault(str(fault.moved(8 + pkt.fields["SPIsize"])) + " of the payload")
            return x
        object.__setattr__(data, "parent", pkt)
        return data

    def do_copy(self, x: Any) -> Any:
        return x.copy() if isinstance(x, Packet) else x


class IKEv2_Notify(IKEv2_Payload):
    """The Notify payload. ``notify`` takes bytes, hexadecimal digits, or a structure of this module."""

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
    """INVALID_SPI: the SPI of a packet without a matching SA (RFC 7296 section 1.5)."""

    name = "IKEv2 Invalid SPI"
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
    """IPCOMP_SUPPORTED: CPI and transform (RFC 7296 section 2.22)."""

    name = "IKEv2 IPComp"
    notify_types = (NotifyType.IPCOMP_SUPPORTED,)
    fields_desc = [Short("cpi", 0), OctetEnum("transform", IpcompTransform.IPCOMP_DEFLATE, IpcompTransform)]


class Notify_NatDetection(NotifyData):
    """NAT_DETECTION_*_IP: SHA-1 of SPIs, address and port (RFC 7296 section 2.23)."""

    name = "IKEv2 NAT Detection"
    notify_types = (NotifyType.NAT_DETECTION_SOURCE_IP, NotifyType.NAT_DETECTION_DESTINATION_IP)
    fields_desc = [FixedOctets("hash", 20)]


class Notify_Cookie(NotifyData):
    """COOKIE and COOKIE2: opaque octets that the peer returns (RFC 7296 section 2.6, RFC 4555 section 4.2.5)."""

    name = "IKEv2 Cookie"
    notify_types = (NotifyType.COOKIE, NotifyType.COOKIE2)
    fields_desc = [Octets("cookie")]


# -- extensions -------------------------------------------------------------------------------------------------------


class Notify_Address4(NotifyData):
    """ADDITIONAL_IP4_ADDRESS (RFC 4555 section 4.2.2)."""

    name = "IKEv2 Additional IPv4 Address"
    notify_types = (NotifyType.ADDITIONAL_IP4_ADDRESS,)
    fields_desc = [IPField("address", "0.0.0.0")]


class Notify_Address6(NotifyData):
    """ADDITIONAL_IP6_ADDRESS (RFC 4555 section 4.2.2)."""

    name = "IKEv2 Additional IPv6 Address"
    notify_types = (NotifyType.ADDITIONAL_IP6_ADDRESS,)
    fields_desc = [IP6Field("address", "::")]


class Notify_NoNats(NotifyData):
    """NO_NATS_ALLOWED: addresses and ports as they were sent (RFC 4555 section 4.2.6), for IPv4."""

    name = "IKEv2 No NATs Allowed"
    notify_types = (NotifyType.NO_NATS_ALLOWED,)
    fields_desc = [
        IPField("source", "0.0.0.0"),
        IPField("destination", "0.0.0.0"),
        Short("source_port", 500),
        Short("destination_port", 500),
    ]

    @classmethod
    def from_octets(cls, octets: bytes) -> Any:
        """IPv4 or IPv6, by the number of octets. Raises MalformedError."""
        return (Notify_NoNats6 if len(octets) == 36 else cls)._of(octets)

    @classmethod
    def _of(cls, octets: bytes) -> Any:
        return super().from_octets(octets)


class Notify_NoNats6(Notify_NoNats):
    """NO_NATS_ALLOWED for IPv6."""

    name = "IKEv2 No NATs Allowed (IPv6)"
    fields_desc = [
        IP6Field("source", "::"),
        IP6Field("destination", "::"),
        Short("source_port", 500),
        Short("destination_port", 500),
    ]


class Notify_AuthLifetime(NotifyData):
    """AUTH_LIFETIME: seconds until the peer must authenticate again (RFC 4478 section 3)."""

    name = "IKEv2 Authentication Lifetime"
    notify_types = (NotifyType.AUTH_LIFETIME,)
    fields_desc = [Int("lifetime", 0)]


class _GatewayId(Octets):
    """A gateway: an address for types 1 and 2, a name for type 3 (RFC 5685 section 9), encoded as in an ID payload."""

    __slots__ = []

    def any2i(self, pkt: Any, x: Any) -> Any:
        return x if isinstance(x, str) else super().any2i(pkt, x)

    def i2m(self, pkt: Any, x: Any) -> bytes:
        return (
            identity_octets(_AS_ID.get(pkt.internal("gw_id_type"), 2), x) if isinstance(x, str) else super().i2m(pkt, x)
        )

    def m2i(self, pkt: Any, x: bytes) -> Any:
        kind = pkt.fields["gw_id_type"]
        return identity_text(_AS_ID[kind], x) if len(x) == _GATEWAY_SIZES.get(kind) else x

    def i2repr(self, pkt: Any, x: Any) -> str:
        return identity_text(2, x) if isinstance(x, bytes) else printable(str(x))


_AS_ID = {1: 1, 2: 5, 3: 2}
_GATEWAY_SIZES = {1: 4, 2: 16}


class Notify_Redirect(NotifyData):
    """REDIRECT and REDIRECTED_FROM: a gateway (RFC 5685 section 9); ``nonce`` only in REDIRECT of IKE_SA_INIT."""

    name = "IKEv2 Redirect"
    notify_types = (NotifyType.REDIRECT, NotifyType.REDIRECTED_FROM)
    fields_desc = [
        OctetEnum("gw_id_type", 1, GatewayIdType),
        SizeOf("gw_id_len", "gw_id"),
        _GatewayId("gw_id", b"", size=lambda layer: layer.fields["gw_id_len"]),
        Octets("nonce"),
    ]


class Notify_TicketLifetime(NotifyData):
    """TICKET_LT_OPAQUE: a ticket and the seconds until it expires (RFC 5723 section 7.1)."""

    name = "IKEv2 Ticket with Lifetime"
    notify_types = (NotifyType.TICKET_LT_OPAQUE,)
    fields_desc = [Int("lifetime", 0), Octets("ticket")]


class Notify_Ticket(NotifyData):
    """TICKET_OPAQUE: a ticket (RFC 5723 section 7.2)."""

    name = "IKEv2 Ticket"
    notify_types = (NotifyType.TICKET_OPAQUE,)
    fields_desc = [Octets("ticket")]


class Notify_LinkId(NotifyData):
    """LINK_ID: the IKEv2 Link ID of INTERNAL_IP6_LINK (RFC 5739 section 5.3)."""

    name = "IKEv2 Link ID"
    notify_types = (NotifyType.LINK_ID,)
    fields_desc = [Octets("link_id")]


class Notify_QuickCrashDetection(NotifyData):
    """QUICK_CRASH_DETECTION: the QCD token (RFC 6290 section 4.1)."""

    name = "IKEv2 QCD Token"
    notify_types = (NotifyType.QUICK_CRASH_DETECTION,)
    fields_desc = [Octets("token")]


class Notify_MessageIdSync(NotifyData):
    """IKEV2_MESSAGE_ID_SYNC: nonce and the next expected message IDs (RFC 6311 section 8.1)."""

    name = "IKEv2 Message ID Sync"
    notify_types = (NotifyType.IKEV2_MESSAGE_ID_SYNC,)
    fields_desc = [
        FixedOctets("nonce", 4),
        Int("expected_send", 0),
        Int("expected_receive", 0),
    ]


class Notify_ReplayCounterSync(NotifyData):
    """IPSEC_REPLAY_COUNTER_SYNC: the increment of the counters, 4 octets, or 8 with ESN (RFC 6311 section 8.2)."""

    name = "IKEv2 Replay Counter Sync"
    notify_types = (NotifyType.IPSEC_REPLAY_COUNTER_SYNC,)
    fields_desc = [Octets("delta", bytes(4))]


class Notify_HashAlgorithms(NotifyData):
    """SIGNATURE_HASH_ALGORITHMS: two octets for each hash that may be used in a signature (RFC 7427 section 4)."""

    name = "IKEv2 Signature Hash Algorithms"
    notify_types = (NotifyType.SIGNATURE_HASH_ALGORITHMS,)
    fields_desc = [EnumList("hashes", HashAlgorithm)]


class Notify_Puzzle(NotifyData):
    """PUZZLE: the PRF and how many trailing zero bits its results must have (RFC 8019 section 8.1)."""

    name = "IKEv2 Puzzle"
    notify_types = (NotifyType.PUZZLE,)
    fields_desc = [ShortEnum("prf", Prf.PRF_HMAC_SHA2_256, Prf), Octet("difficulty", 0)]


class Notify_PpkIdentity(NotifyData):
    """PPK_IDENTITY: the PPK_ID, its type in the first octet (RFC 8784 section 5.1)."""

    name = "IKEv2 PPK Identity"
    notify_types = (NotifyType.PPK_IDENTITY,)
    fields_desc = [OctetEnum("ppk_id_type", PpkIdType.PPK_ID_FIXED, PpkIdType), Octets("ppk_id")]


class Notify_NoPpkAuth(NotifyData):
    """NO_PPK_AUTH: authentication data computed without the PPK (RFC 8784 section 3)."""

    name = "IKEv2 Authentication without PPK"
    notify_types = (NotifyType.NO_PPK_AUTH,)
    fields_desc = [Octets("auth")]


class Notify_AdditionalKeyExchange(NotifyData):
    """ADDITIONAL_KEY_EXCHANGE: opaque octets that link IKE_FOLLOWUP_KE exchanges (RFC 9370 section 2.2.4)."""

    name = "IKEv2 Additional Key Exchange"
    notify_types = (NotifyType.ADDITIONAL_KEY_EXCHANGE,)
    fields_desc = [Octets("link")]


__all__ = [
    "STRUCTURES",
    "IKEv2_Notify",
    "NotifyData",
    "Notify_AdditionalKeyExchange",
    "Notify_Address4",
    "Notify_Address6",
    "Notify_AuthLifetime",
    "Notify_Cookie",
    "Notify_CriticalPayload",
    "Notify_HashAlgorithms",
    "Notify_Ipcomp",
    "Notify_KeMethod",
    "Notify_LinkId",
    "Notify_MessageId",
    "Notify_MessageIdSync",
    "Notify_NatDetection",
    "Notify_NoNats",
    "Notify_NoNats6",
    "Notify_NoPpkAuth",
    "Notify_PpkIdentity",
    "Notify_Puzzle",
    "Notify_QuickCrashDetection",
    "Notify_Redirect",
    "Notify_ReplayCounterSync",
    "Notify_Spi",
    "Notify_Ticket",
    "Notify_TicketLifetime",
    "Notify_WindowSize",
]
