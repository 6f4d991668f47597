# SPDX-License-Identifier: GPL-2.0-or-later
"""The Security Association payload, its proposals, transforms and transform attributes (RFC 7296 section 3.3)."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from typing import Any

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import (
    Encr,
    GroupControllerAuth,
    IanaRegistry,
    Integ,
    KeMethod,
    KeyWrap,
    PayloadType,
    Prf,
    ProtocolId,
    SequenceNumbers,
    TransformAttributeType,
    TransformType,
    known_name,
    lookup,
)
from fynx_scapy.layers.ikev2.attribute import Attribute, attribute_fields
from fynx_scapy.layers.ikev2.fields import CountOf, Length, Octet, OctetEnum, Octets, ShortEnum, SizeOf
from fynx_scapy.layers.ikev2.lists import Structures
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload
from fynx_scapy.layers.ikev2.structure import Structure

TRANSFORM_IDS: dict[int, type[IanaRegistry]] = {
    TransformType.ENCR: Encr,
    TransformType.PRF: Prf,
    TransformType.INTEG: Integ,
    TransformType.KE: KeMethod,
    TransformType.SN: SequenceNumbers,
    **dict.fromkeys(range(TransformType.ADDKE1, TransformType.ADDKE7 + 1), KeMethod),
    TransformType.KWA: KeyWrap,
    TransformType.GCAUTH: GroupControllerAuth,
}
"""The registry of the transform IDs of each transform type."""

KEY_LENGTH = int(TransformAttributeType.Key_Length)


class _Link(Octet):
    """First octet of a proposal or transform: whether another one follows. Computed if None."""


class _Listed(Structure):
    """A substructure whose first octet says whether another one follows (0: last)."""

    size_at = 2
    more = 0

    def build_in_list(self, last: bool) -> bytes:
        octets = self.do_build()
        if not last and self.internal("next_payload") is None:
            octets = bytes((self.more,)) + octets[1:]
        return octets


class IKEv2_TransformAttribute(Attribute):
    """A transform attribute (RFC 7296 section 3.3.5)."""

    name = "IKEv2 Transform Attribute"
    fields_desc = attribute_fields(TransformAttributeType, KEY_LENGTH)


class _TransformId(ShortEnum):
    """A transform ID, whose names depend on the transform type."""

    def __init__(self, name: str):
        super().__init__(name, 0, Encr)

    def any2i_one(self, pkt: Any, x: Any) -> Any:
        if not isinstance(x, str):
            return super().any2i_one(pkt, x)
        kind = pkt.internal("transform_type") if pkt is not None else None
        registry = TRANSFORM_IDS.get(kind) if isinstance(kind, int) else None
        if registry is None:
            raise ConfigError(f"transform_id={x!r} needs a registered transform_type before it, not {kind!r}")
        return lookup(registry, x)

    def i2repr_one(self, pkt: Any, x: Any) -> str:
        kind = pkt.internal("transform_type") if pkt is not None else None
        registry = TRANSFORM_IDS.get(kind) if isinstance(kind, int) else None
        name = known_name(registry, x) if registry is not None else None
        return name or repr(x)


class IKEv2_Transform(_Listed):
    """A transform (RFC 7296 section 3.3.2). ``key_length=256`` (bits) adds a Key Length attribute."""

    name = "IKEv2 Transform"
    more = 3
    fields_desc = [
        _Link("next_payload", None),
        Octet("flags", 0),
        Length(),
        OctetEnum("transform_type", TransformType.ENCR, TransformType),
        Octet("res2", 0),
        _TransformId("transform_id"),
        Structures("attributes", lambda octets, offset: IKEv2_TransformAttribute),
    ]

    def __init__(self, _pkt: bytes = b"", *args: Any, key_length: int | None = None, **fields: Any):
        super().__init__(_pkt, *args, **fields)
        if key_length is not None:
            self.key_length = key_length

    def _key_length(self) -> Any:
        """The unchanged value of the first Key Length attribute."""
        for attribute in self.internal("attributes"):
            if isinstance(attribute, IKEv2_TransformAttribute) and attribute.internal("type") == KEY_LENGTH:
                return attribute.internal("value")
        return None

    @property
    def key_length(self) -> int | None:
        """Key length in bits, from the first Key Length attribute; None without one, or if it is not two octets."""
        value = self._key_length()
        if isinstance(value, bytes):
            # Section 3.3.5: it "is fixed length". Do not compute or print longer numbers.
            return int.from_bytes(value) if len(value) == 2 else None
        return value  # type: ignore[no-any-return]

    @key_length.setter
    def key_length(self, bits: int | None) -> None:
        others = [
            attribute
            for attribute in self.internal("attributes")
            if not (isinstance(attribute, IKEv2_TransformAttribute) and attribute.internal("type") == KEY_LENGTH)
        ]
        own = [] if bits is None else [IKEv2_TransformAttribute(type=KEY_LENGTH, value=bits)]
        self.fields["attributes"] = own + others

    @property
    def key_length_text(self) -> str:
        """The suffix of the transform's name: ``/256``, ``/?`` for a Key Length that is not two octets, or ""."""
        bits = self.key_length
        return f"/{bits}" if bits is not None else "" if self._key_length() is None else "/?"

    def mysummary(self) -> str:
        return self.get_field("transform_id").i2repr(self, self.transform_id) + self.key_length_text  # type: ignore[no-any-return]


class IKEv2_Proposal(_Listed):
    """A proposal (RFC 7296 section 3.3.1) with a list of transforms."""

    name = "IKEv2 Proposal"
    more = 2
    fields_desc = [
        _Link("next_payload", None),
        Octet("flags", 0),
        Length(),
        Octet("proposal", 1),
        OctetEnum("proto", ProtocolId.IKE, ProtocolId),
        SizeOf("SPIsize", "SPI"),
        CountOf("trans_nb", "trans"),
        Octets("SPI", size=lambda layer: layer.fields["SPIsize"]),
        Structures("trans", lambda octets, offset: IKEv2_Transform),
    ]

    def faults(self) -> list[str]:
        """Wrong counts and wrong last-substructure octets in this received proposal."""
        transforms = self.fields["trans"]
        faults = []
        if self.fields["trans_nb"] != len(transforms):
            faults.append(f"expected {self.fields['trans_nb']} transforms, found {len(transforms)}")
        if _marks(transforms) != _expected_marks(3, transforms):
            faults.append("the last-substructure octet of a transform is wrong")
        return faults


def _marks(elements: list[Any]) -> list[int]:
    return [element.fields["next_payload"] for element in elements]


def _expected_marks(more: int, elements: list[Any]) -> list[int]:
    return [more] * (len(elements) - 1) + [0] * bool(elements)


class IKEv2_SA(IKEv2_Payload):
    """The Security Association payload (RFC 7296 section 3.3): a list of proposals."""

    name = "IKEv2 SA"
    payload_type = PayloadType.SA
    fields_desc = [*GENERIC, Structures("prop", lambda octets, offset: IKEv2_Proposal)]

    def read(self, octets: bytes) -> None:
        super().read(octets)
        proposals = self.fields["prop"]
        if _marks(proposals) != _expected_marks(2, proposals):
            self.note_fault("the last-substructure octet of a proposal is wrong")
        for proposal in proposals:
            for fault in proposal.faults():
                self.note_fault(f"proposal {proposal.fields['proposal']}: {fault}")


__all__ = ["IKEv2_Proposal", "IKEv2_SA", "IKEv2_Transform", "IKEv2_TransformAttribute"]
