# SPDX-License-Identifier: GPL-2.0-or-later
"""What a responder answered, read from its octets. Nothing of it is trusted, and nothing of it is too long to read."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from scapy.packet import Packet

from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import MalformedError
from fynx_scapy.iana import ExchangeType, NotifyType, TransformType, name_of
from fynx_scapy.ike.message import Header, Payloads
from fynx_scapy.ike.wire.cost import MOST, too_many
from fynx_scapy.layers.ikeheader import HEADER_SIZE, VERSION_2
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_SA, parse_message
from fynx_scapy.layers.ikev2.sa import IKEv2_Proposal, IKEv2_Transform

LONGEST = 16384
"""The longest answer that is read, in octets. It has room for 700 hashes of certificate authorities."""

_SA_OF_IKEV1 = 1


class Kind(enum.Enum):
    """The kind of an answer to IKE_SA_INIT."""

    ACCEPTED = "accepted"
    OTHER_GROUP = "asks for another key exchange method"
    REFUSED = "refused"
    COOKIE = "asks for a cookie"
    REDIRECT = "redirects"
    OTHER = "other"
    IKEV1 = "IKEv1"
    MALFORMED = "malformed"
    SILENCE = "no answer"


@dataclass(slots=True)
class Answer(Payloads):
    """An answer. ``fault`` says what is wrong with one that is malformed."""

    kind: Kind = Kind.SILENCE
    wire: bytes = b""
    header: Header | None = None
    payloads: list[Packet] = field(default_factory=list)
    fault: str = ""
    seconds: float = 0.0
    """How long it took."""

    @classmethod
    def read(cls, wire: bytes, seconds: float = 0.0) -> Answer:
        """Read the octets of an IKE message. Never raises: what cannot be read is MALFORMED."""
        if len(wire) > LONGEST:
            return cls(Kind.MALFORMED, wire[:HEADER_SIZE], fault=f"longer than {LONGEST} octets", seconds=seconds)
        try:
            header = Header.parse(wire)
            if header.version < VERSION_2:
                return cls(Kind.IKEV1, wire, header, seconds=seconds)
            fault = too_many(MOST, header.next_payload, wire, HEADER_SIZE)
            if fault is not None:
                raise MalformedError(fault)
            layer, payloads = parse_message(wire)
        except MalformedError as error:
            return cls(Kind.MALFORMED, wire, fault=str(error), seconds=seconds)
        faults = [text for each in (layer, *payloads) if (text := getattr(each, "malformed", None))]
        answer = cls(Kind.OTHER, wire, header, list(payloads), "; ".join(faults[:3]), seconds)
        answer.kind = Kind.MALFORMED if faults else answer._kind()
        return answer

    @classmethod
    def of(cls, payloads: list[Packet]) -> Answer:
        """An answer with these payloads, of an exchange that was protected."""
        answer = cls(Kind.OTHER, payloads=payloads)
        answer.kind = answer._kind()
        return answer

    def _kind(self) -> Kind:
        error = self.error()
        if self.get(IKEv2_SA) is not None and self.get(IKEv2_KE) is not None:
            return Kind.ACCEPTED
        if error is not None and error.type == NotifyType.INVALID_KE_PAYLOAD and len(bytes(error.notify or b"")) == 2:
            return Kind.OTHER_GROUP
        if error is not None:
            return Kind.REFUSED
        if self.has_notify(NotifyType.COOKIE):
            return Kind.COOKIE
        return Kind.REDIRECT if self.has_notify(NotifyType.REDIRECT) else Kind.OTHER

    @property
    def group(self) -> int | None:
        """The key exchange method that INVALID_KE_PAYLOAD asks for."""
        error = self.error()
        return int.from_bytes(bytes(error.notify)) if self.kind is Kind.OTHER_GROUP and error is not None else None

    @property
    def chosen(self) -> tuple[Transform, ...]:
        """The transforms that it says it chose: all of them, the key exchange method alone, or none."""
        if self.kind is Kind.OTHER_GROUP:
            return (Transform(TransformType.KE, self.group or 0),)
        payload = self.get(IKEv2_SA) if self.kind is Kind.ACCEPTED else None
        proposals = [each for each in payload.prop if isinstance(each, IKEv2_Proposal)] if payload is not None else []
        return transforms_of(proposals[0]) if proposals else ()

    @property
    def opens(self) -> bool:
        """Whether it leaves a half-open IKE SA at the host: it accepts IKE_SA_INIT, or Main Mode with an SA payload."""
        ikev1 = self.kind is Kind.IKEV1 and self.header is not None and self.header.next_payload == _SA_OF_IKEV1
        return ikev1 or self.kind is Kind.ACCEPTED

    @property
    def text(self) -> str:
        """The answer in words, from its numbers alone."""
        if self.kind in (Kind.SILENCE, Kind.IKEV1):
            return str(self.kind.value)
        if self.kind is Kind.MALFORMED:
            return f"malformed: {self.fault}"
        names = [name_of(NotifyType, int(each.type)) for each in self.notifies()]
        if self.kind is Kind.ACCEPTED:
            return "accepted"
        if self.group is not None:
            names = [f"{name} {self.group}" if name == "INVALID_KE_PAYLOAD" else name for name in names]
        return ", ".join(names[:8]) or f"{self._exchange} without a Notify"

    @property
    def _exchange(self) -> str:
        return name_of(ExchangeType, self.header.exchange) if self.header is not None else "a message"


def transforms_of(proposal: IKEv2_Proposal) -> tuple[Transform, ...]:
    """The transforms of a proposal, in order, without those of unknown types."""
    return tuple(
        Transform(TransformType(each.transform_type), int(each.transform_id), each.key_length)
        for each in proposal.trans
        if isinstance(each, IKEv2_Transform) and each.transform_type in TransformType._value2member_map_
    )
