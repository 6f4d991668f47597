# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP packets that Scapy has no class for, or none that reads them safely. They are subclasses of Scapy's ``EAP``.

Scapy's own classes stay what ``EAP(octets)`` yields for other methods (Identity, Nak, MD5, TLS, TTLS, PEAP).
"""
# ruff: noqa: N801 -- class names as in Scapy
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from scapy.fields import ByteEnumField, ByteField, ConditionalField, Field
from scapy.layers.eap import EAP, eap_codes, eap_types

from fynx_scapy.layers.ikev2.eap.names import eap_text
from fynx_scapy.layers.ikev2.fields import Length, Octets, Remark
from fynx_scapy.layers.ikev2.structure import FormError, Structure
from fynx_scapy.text import printable


class Given(ConditionalField):
    """A field that only some packets of a method have; ``when`` says which. A number that is None is computed."""

    def __init__(self, field: Field, when: Callable[[Any], bool]):
        super().__init__(field, when)

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:
        if not self._evalcond(pkt):
            return s, None
        size = self.fld.sz if getattr(self.fld, "computed", None) else 0
        if len(s) < size:
            raise FormError(len(s), f"{pkt._name}: {self.fld.name} of {size} octets, {len(s)} left")
        return self.fld.getfield(pkt, s)  # type: ignore[no-any-return]

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        if not self._evalcond(pkt):
            return s
        if val is None and hasattr(self.fld, "computed"):
            val = self.fld.computed(pkt)
        return self.fld.addfield(pkt, s, val)  # type: ignore[no-any-return]


class EAP_Malformed(Structure, EAP):
    """An EAP packet that does not have the format of its method: ``data`` are its octets, ``error`` says why."""

    name = "EAP (malformed)"
    match_subclass = True
    fields_desc = [Remark("error", ""), Octets("data")]

    @classmethod
    def register_variant(cls) -> None:
        """It is chosen by nobody."""

    @property
    def malformed(self) -> str:
        return printable(str(self.internal("error") or "malformed octets"))

    def dissect(self, s: bytes) -> None:
        self.read(s)


class EAP_Method(Structure, EAP):
    """The base class of a method's packets: the header of RFC 3748 section 4.1, then the fields of the subclass."""

    name = "EAP"
    match_subclass = True
    size_at: ClassVar[int | None] = 2
    malformed_class = EAP_Malformed
    fields_desc: ClassVar[list[Any]] = []

    @classmethod
    def register_variant(cls) -> None:
        """Have ``EAP(octets)`` choose this class for its method type."""
        if cls.fields_desc:
            EAP.registered_methods[cls.fields_desc[3].default] = cls

    def computed(self, name: str, tail: bytes) -> Any:
        return self._struct.size + len(tail) if name == "len" else super().computed(name, tail)

    def mysummary(self) -> str:
        return f"EAP {eap_text(bytes(self))}"

    def answers(self, other: Any) -> int:
        """A response answers the request with its identifier and method, or another method's as a Nak."""
        same = isinstance(other, EAP) and self.code == EAP.RESPONSE and other.code == EAP.REQUEST
        return int(same and other.id == self.id and other.type == self.type)


def header(kind: int) -> list[Any]:
    """The fields that every packet of a method begins with."""
    return [
        ByteEnumField("code", EAP.REQUEST, eap_codes),
        ByteField("id", 0),
        Length("len"),
        ByteEnumField("type", kind, eap_types),
    ]


__all__ = ["EAP_Malformed", "EAP_Method"]
