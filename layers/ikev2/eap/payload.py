# SPDX-License-Identifier: GPL-2.0-or-later
"""The EAP payload (RFC 7296 section 3.16) and the generic secure password method payload (RFC 6467)."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from typing import Any

from scapy.fields import PacketLenField
from scapy.layers.eap import EAP
from scapy.packet import Packet

from fynx_scapy.iana import PayloadType
from fynx_scapy.layers.ikev2.eap.names import eap_text
from fynx_scapy.layers.ikev2.fields import Octets
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload


class _EapMessage(Octets):
    """An EAP message: a packet of Scapy's EAP classes, or octets if Scapy would not build the same octets."""

    __slots__ = []
    holds_packets = 1

    def any2i(self, pkt: Any, x: Any) -> Any:
        if isinstance(x, Packet):
            object.__setattr__(x, "parent", pkt)
            return x
        return super().any2i(pkt, x)

    def i2m(self, pkt: Any, x: Any) -> bytes:
        return bytes(x) if isinstance(x, Packet) else super().i2m(pkt, x)

    def i2repr(self, pkt: Any, x: Any) -> str:
        return repr(x) if isinstance(x, Packet) else super().i2repr(pkt, x)

    def m2i(self, pkt: Any, x: bytes) -> Any:
        if not x:
            return x
        _, message = _READER.getfield(pkt, x)  # Scapy turns octets that it cannot dissect into Raw
        if not isinstance(message, EAP):
            return x
        rebuilt = message.copy()
        rebuilt.clear_cache()
        return message if _built(rebuilt) == x else x

    def do_copy(self, x: Any) -> Any:
        return x.copy() if isinstance(x, Packet) else x


_READER = PacketLenField("eap", None, EAP, length_from=lambda layer: 0xFFFF)


def _built(message: Packet) -> bytes | None:
    try:
        return bytes(message)
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError):  # the errors that Scapy's fields raise
        return None


class IKEv2_EAP(IKEv2_Payload):
    """The EAP payload: ``eap`` is a packet of Scapy's EAP classes; bytes are accepted too."""

    name = "IKEv2 Extensible Authentication"
    payload_type = PayloadType.EAP
    fields_desc = [*GENERIC, _EapMessage("eap")]

    def read(self, octets: bytes) -> None:
        super().read(octets)
        size, said = len(octets) - 4, int.from_bytes(octets[6:8])
        if size < 4:
            self.note_fault(f"expected an EAP message of at least 4 octets at offset 4 of the payload, found {size}")
        elif said != size:
            self.note_fault(
                f"the length in the EAP message at offset 4 of the payload is {said}, not its {size} octets"
            )

    @property
    def data(self) -> bytes:
        """The EAP message as octets."""
        return self.get_field("eap").i2m(self, self.internal("eap"))  # type: ignore[no-any-return]

    @property
    def text(self) -> str:
        """The message for people: ``request Identity``, ``response MSCHAPv2``, ``success``."""
        return eap_text(self.data)

    def mysummary(self) -> str:
        return " ".join(filter(None, ("EAP", self.text)))


class IKEv2_GSPM(IKEv2_Payload):
    """The payload of secure password methods (RFC 6467 section 3): the chosen method defines ``load``."""

    name = "IKEv2 Generic Secure Password Method"
    payload_type = PayloadType.GSPM
    fields_desc = [*GENERIC, Octets("load")]


__all__ = ["IKEv2_EAP", "IKEv2_GSPM"]
