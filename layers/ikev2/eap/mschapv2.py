# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-MSCHAPv2, EAP type 26. No RFC defines its packets: they hold those of RFC 2759 behind a header of their own."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from typing import Any

from scapy.fields import ByteEnumField

from fynx_scapy.layers.ikev2.eap.methods import EAP_Method, Given, header
from fynx_scapy.layers.ikev2.eap.names import MSCHAPV2_OPERATIONS as OPERATIONS
from fynx_scapy.layers.ikev2.fields import Octet, Octets, Short, SizeOf, Text
from fynx_scapy.layers.ikev2.structure import FormError

CHALLENGE, RESPONSE, SUCCESS, FAILURE, CHANGE_PASSWORD = 1, 2, 3, 4, 7
TYPE = 26
_SIZES = {CHALLENGE: 16, RESPONSE: 49}
"""The octets of the value."""


def _has_value(pkt: Any) -> bool:
    return pkt.internal("op") in _SIZES


def _is_more(pkt: Any) -> bool:
    """Whether it is more than the operation: the peer acknowledges success and failure by that alone."""
    return bool(pkt.internal("op") in _SIZES or pkt.internal("message") or pkt.internal("ms_id") is not None)


class _Length(Short):
    """MS-Length: the octets from OpCode on; computed if None."""

    def computed(self, pkt: Any) -> int:
        return pkt.size_from_op()  # type: ignore[no-any-return]


class EAP_MSCHAPv2(EAP_Method):
    """A packet of EAP-MSCHAPv2: ``op`` says which.

    A challenge has ``value`` (16 octets) and ``user`` (the name of the server). A response has ``value`` (49 octets:
    challenge of the peer 16, reserved 8, NT-Response 24, flags 1) and ``user``. The others have ``message``. The peer
    acknowledges success and failure by ``op`` alone: leave ``ms_id`` None.
    """

    name = "EAP-MSCHAPv2"
    fields_desc = [
        *header(TYPE),
        ByteEnumField("op", CHALLENGE, OPERATIONS),
        Given(Octet("ms_id", None), _is_more),
        Given(_Length("ms_length", None), _is_more),
        Given(SizeOf("value_size", "value"), _has_value),
        Given(Octets("value", b"", lambda pkt: pkt.internal("value_size")), _has_value),
        Given(Text("user", b""), _has_value),
        Given(Text("message", b""), lambda pkt: not _has_value(pkt)),
    ]

    def read(self, octets: bytes) -> None:
        self.fields["ms_id"] = 0 if len(octets) > self._struct.size else None
        super().read(octets)
        size = len(octets) - 5
        if self.internal("ms_id") is not None and self.internal("ms_length") != size:
            raise FormError(
                7, f"{self._name}: MS-Length {self.internal('ms_length')}, but {size} octets from OpCode on"
            )
        wanted = _SIZES.get(self.internal("op"), 0)
        if wanted and self.internal("value_size") != wanted:
            raise FormError(
                9, f"{self._name}: expected a value of {wanted} octets, found {self.internal('value_size')}"
            )

    def size_from_op(self) -> int:
        """The octets from OpCode on."""
        names = ("value", "user") if _has_value(self) else ("message",)
        return 4 + _has_value(self) + sum(len(bytes(self.internal(name))) for name in names)


__all__ = ["EAP_MSCHAPv2"]
