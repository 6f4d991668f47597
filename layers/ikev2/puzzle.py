# SPDX-License-Identifier: GPL-2.0-or-later
"""The Puzzle Solution payload (RFC 8019 section 8.2)."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from fynx_scapy.iana import PayloadType
from fynx_scapy.layers.ikev2.fields import Octets
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload

_KEYS = 4


class IKEv2_PS(IKEv2_Payload):
    """The Puzzle Solution payload: ``load`` is four PRF keys of one size; ``solutions`` splits it."""

    name = "IKEv2 Puzzle Solution"
    payload_type = PayloadType.PS
    fields_desc = [*GENERIC, Octets("load")]

    def read(self, octets: bytes) -> None:
        super().read(octets)
        size = len(self.fields["load"])
        if not size or size % _KEYS:
            self.note_fault(f"expected four keys of one size at offset 4 of the payload, found {size} octets")

    @property
    def solutions(self) -> list[bytes]:
        """The four keys, or an empty list if the size is not a multiple of four."""
        load = bytes(self.get_field("load").i2m(self, self.internal("load")))
        size, rest = divmod(len(load), _KEYS)
        return [] if rest or not size else [load[at : at + size] for at in range(0, len(load), size)]


__all__ = ["IKEv2_PS"]
