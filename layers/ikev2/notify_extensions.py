# SPDX-License-Identifier: GPL-2.0-or-later
"""Structures for the notification data of IKEv2's extensions. The Notify payload itself is in notify.py."""
# ruff: noqa: N801 -- class names as in Scapy and in IANA's registry
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from typing import Any

from scapy.fields import IP6Field, IPField

from fynx_scapy.iana import (
    AuthMethod,
    GatewayIdType,
    HashAlgorithm,
    NotifyType,
    PpkIdType,
    Prf,
    RohcAttribute,
    SecurePasswordMethod,
)
from fynx_scapy.layers.ikev2.attribute import Attribute, attribute_fields
from fynx_scapy.layers.ikev2.fields import FixedOctets, Int, Octet, OctetEnum, Octets, Short, ShortEnum, SizeOf
from fynx_scapy.layers.ikev2.ident import identity_octets, identity_text
from fynx_scapy.layers.ikev2.lists import EnumList, Structures
from fynx_scapy.layers.ikev2.notify import Notify_Cookie, NotifyData, SizeError
from fynx_scapy.layers.ikev2.structure import FormError, Structure
from fynx_scapy.text import counted, printable


class Notify_Cookie2(Notify_Cookie):
    """COOKIE2: 8 to 64 opaque octets that the peer returns (RFC 4555 section 4.2.5)."""

    name = "IKEv2 Cookie2"
    least = 8
    notify_types = (NotifyType.COOKIE2,)


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
    lenient = True
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


class Notify_RedirectedFrom(NotifyData):
    """REDIRECTED_FROM: the gateway that sent us here (RFC 5685 section 9.3)."""

    name = "IKEv2 Redirected From"
    lenient = True
    notify_types = (NotifyType.REDIRECTED_FROM,)
    fields_desc = [
        OctetEnum("gw_id_type", 1, GatewayIdType),
        SizeOf("gw_id_len", "gw_id"),
        _GatewayId("gw_id", b"", size=lambda layer: layer.fields["gw_id_len"]),
    ]

    def read(self, octets: bytes) -> None:
        """Fill the fields from exactly these octets. Raises FormError, also for an address of a wrong size."""
        super().read(octets)
        size, kind = self.fields["gw_id_len"], self.fields["gw_id_type"]
        wanted = _GATEWAY_SIZES.get(kind, size)
        if size != wanted or not size:
            raise SizeError(1, f"{self._name}: expected {counted(wanted or 1, 'octet')} of identity, found {size}")


class Notify_Redirect(Notify_RedirectedFrom):
    """REDIRECT: another gateway (RFC 5685 section 9.2); ``nonce`` is Ni, in IKE_SA_INIT only."""

    name = "IKEv2 Redirect"
    lenient = False
    notify_types = (NotifyType.REDIRECT,)
    fields_desc = [*Notify_RedirectedFrom.fields_desc, Octets("nonce")]

    def read(self, octets: bytes) -> None:
        """Fill the fields from exactly these octets. Raises FormError, also for a nonce of a wrong size."""
        super().read(octets)
        size = len(self.fields["nonce"])
        if size and not 16 <= size <= 256:
            raise SizeError(len(octets) - size, f"{self._name}: expected a nonce of 16 to 256 octets, found {size}")


class Notify_TicketLifetime(NotifyData):
    """TICKET_LT_OPAQUE: a ticket and the seconds until it expires (RFC 5723 section 7.1)."""

    name = "IKEv2 Ticket with Lifetime"
    least = 5
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
    """QUICK_CRASH_DETECTION: the QCD token, of 16 to 128 octets (RFC 6290 section 5)."""

    name = "IKEv2 QCD Token"
    least, most = 16, 128
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

    def read(self, octets: bytes) -> None:
        """Fill the fields from exactly these octets. Raises FormError."""
        super().read(octets)
        if len(octets) not in (4, 8):
            raise SizeError(0, f"{self._name}: expected 4 or 8 octets, found {len(octets)}")


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
    """PPK_IDENTITY: the PPK_ID, its type in the first octet (RFC 8784 section 5.1); nothing in a response."""

    name = "IKEv2 PPK Identity"
    least = 0
    notify_types = (NotifyType.PPK_IDENTITY,)
    fields_desc = [OctetEnum("ppk_id_type", PpkIdType.PPK_ID_FIXED, PpkIdType), Octets("ppk_id")]


class _BeforeConfirmation(Octets):
    """Octets up to the last eight, which are another field."""

    __slots__ = []

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:
        return s[-8:], self.m2i(pkt, s[:-8])


class Notify_PpkIdentityKey(NotifyData):
    """PPK_IDENTITY_KEY: a PPK_ID, and 8 octets by which the responder knows the PPK (RFC 9867 section 3.1)."""

    name = "IKEv2 PPK Identity and Key"
    lenient = True
    least = 9
    notify_types = (NotifyType.PPK_IDENTITY_KEY,)
    fields_desc = [
        OctetEnum("ppk_id_type", PpkIdType.PPK_ID_FIXED, PpkIdType),
        _BeforeConfirmation("ppk_id"),
        Octets("confirmation", bytes(8)),
    ]


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


class Notify_PasswordMethods(NotifyData):
    """SECURE_PASSWORD_METHODS: two octets for each method (RFC 6467 section 3)."""

    name = "IKEv2 Secure Password Methods"
    lenient = True
    notify_types = (NotifyType.SECURE_PASSWORD_METHODS,)
    fields_desc = [EnumList("methods", SecurePasswordMethod)]


class RohcAttributeField(Attribute):
    """An attribute of ROHC_SUPPORTED (RFC 5857 section 3.1.1)."""

    name = "IKEv2 ROHC Attribute"
    fields_desc = attribute_fields(RohcAttribute, RohcAttribute.MAX_CID)


class Notify_Rohc(NotifyData):
    """ROHC_SUPPORTED: the parameters of the ROHC channel (RFC 5857 section 3.1)."""

    name = "IKEv2 ROHC"
    lenient = True
    notify_types = (NotifyType.ROHC_SUPPORTED,)
    fields_desc = [Structures("attributes", lambda octets, offset: RohcAttributeField)]


class Notify_Aggfrag(NotifyData):
    """USE_AGGFRAG: one octet of requirement flags, 2 for congestion control, 1 for no fragments (RFC 9347 6.1.4)."""

    name = "IKEv2 AGGFRAG"
    lenient = True
    notify_types = (NotifyType.USE_AGGFRAG,)
    fields_desc = [Octet("flags", 0)]


class AuthMethodAnnouncement(Structure):
    """An authentication method that the sender supports (RFC 9593 section 3.2).

    ``data`` is empty if the method has no public key, else the Cert Link, then the AlgorithmIdentifier of method 14.
    """

    name = "IKEv2 Authentication Method Announcement"
    fields_desc = [
        SizeOf("length", "data", plus=2),
        OctetEnum("method", AuthMethod.Digital_Signature, AuthMethod),
        Octets("data"),
    ]

    @classmethod
    def measure(cls, octets: bytes, offset: int) -> int:
        size, left = octets[offset], len(octets) - offset
        if not 2 <= size <= left:
            raise FormError(0, f"{cls._name}: length {size}, expected 2 to {left}")
        return size


class Notify_AuthMethods(NotifyData):
    """SUPPORTED_AUTH_METHODS: announcements; none if they follow in IKE_INTERMEDIATE (RFC 9593 section 3.2)."""

    name = "IKEv2 Supported Authentication Methods"
    lenient = True
    least = 0
    notify_types = (NotifyType.SUPPORTED_AUTH_METHODS,)
    fields_desc = [Structures("methods", lambda octets, offset: AuthMethodAnnouncement)]


__all__ = [
    "AuthMethodAnnouncement",
    "Notify_AdditionalKeyExchange",
    "Notify_Address4",
    "Notify_Address6",
    "Notify_Aggfrag",
    "Notify_AuthLifetime",
    "Notify_AuthMethods",
    "Notify_Cookie2",
    "Notify_HashAlgorithms",
    "Notify_LinkId",
    "Notify_MessageIdSync",
    "Notify_NoNats",
    "Notify_NoNats6",
    "Notify_NoPpkAuth",
    "Notify_PasswordMethods",
    "Notify_PpkIdentity",
    "Notify_PpkIdentityKey",
    "Notify_Puzzle",
    "Notify_QuickCrashDetection",
    "Notify_Redirect",
    "Notify_RedirectedFrom",
    "Notify_ReplayCounterSync",
    "Notify_Rohc",
    "Notify_Ticket",
    "Notify_TicketLifetime",
    "RohcAttributeField",
]
