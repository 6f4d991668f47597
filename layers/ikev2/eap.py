# SPDX-License-Identifier: GPL-2.0-or-later
"""The EAP payload (RFC 7296 section 3.16) and the generic secure password method payload (RFC 6467)."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from typing import Any

from scapy.fields import PacketLenField
from scapy.layers.eap import EAP
from scapy.packet import Packet

from fynx_scapy.iana import PayloadType
from fynx_scapy.layers.ikev2.fields import Octets
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload

CODES = {1: "request", 2: "response", 3: "success", 4: "failure", 5: "initiate", 6: "finish"}
"""EAP codes (RFC 3748 section 4, RFC 6696 section 5.3)."""
METHODS = {
    1: "Identity", 2: "Notification", 3: "Nak", 4: "MD5", 5: "OTP", 6: "GTC", 9: "RSA public key", 13: "TLS",
    15: "SecurID", 17: "LEAP", 18: "SIM", 19: "SRP-SHA1", 21: "TTLS", 23: "AKA", 25: "PEAP", 26: "MSCHAPv2",
    29: "MSCHAPv2 (29)", 32: "POTP", 33: "MS-Authentication-TLV", 38: "HTTP Digest", 43: "FAST", 46: "PAX", 47: "PSK",
    48: "SAKE", 49: "IKEv2", 50: "AKA'", 51: "GPSK", 52: "pwd", 53: "EKE", 54: "PT-EAP", 55: "TEAP", 56: "NOOB",
    255: "experimental",
}  # fmt: skip
"""EAP method types of IANA's registry, without the prefix EAP-. 26 is Microsoft's number for MSCHAPv2."""
EXPANDED = 254
EXPANDED_METHODS = {(10415, 3): "EAP-5G", (14122, 1): "WSC"}
"""Vendor (SMI number) and vendor type -> name (3GPP TS 24.502 section 9.3.2, Wi-Fi Alliance)."""
_5G_MESSAGES = {1: "5G-Start", 2: "5G-NAS", 3: "5G-Notification", 4: "5G-Stop"}


def eap_text(message: bytes) -> str:
    """Code and method of an EAP message, as far as it goes (RFC 3748 sections 4, 5 and 5.7)."""
    if not message:
        return ""
    words = [CODES.get(message[0], f"code {message[0]}")]
    if message[0] in (1, 2) and len(message) > 4:
        kind = message[4]
        words.append(_expanded(message) if kind == EXPANDED and len(message) >= 12 else _method(kind))
    return " ".join(words)


def _method(kind: int) -> str:
    return "expanded Nak" if kind == EXPANDED else METHODS.get(kind, f"method {kind}")


def _expanded(message: bytes) -> str:
    vendor, kind = int.from_bytes(message[5:8]), int.from_bytes(message[8:12])
    if vendor == 0:
        return _method(kind)
    name = EXPANDED_METHODS.get((vendor, kind), f"vendor {vendor} method {kind}")
    told = _5G_MESSAGES.get(message[12]) if name == "EAP-5G" and len(message) > 12 else None
    return f"{name} {told}" if told else name


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
