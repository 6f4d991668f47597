# SPDX-License-Identifier: GPL-2.0-or-later
"""The Authentication payload (RFC 7296 section 3.8), and the AlgorithmIdentifier of method 14 (RFC 7427 section 3)."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from fynx_scapy.iana import AuthMethod, PayloadType
from fynx_scapy.layers.ikev2.der import algorithm_name
from fynx_scapy.layers.ikev2.fields import OctetEnum, Octets, Reserved
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload


class IKEv2_AUTH(IKEv2_Payload):
    """The Authentication payload. ``load`` is the whole authentication data.

    With method 14 it starts with a length octet and the AlgorithmIdentifier. ``algorithm_identifier`` and ``signature``
    are the two parts, ``algorithm`` is a readable name.
    """

    name = "IKEv2 Authentication"
    payload_type = PayloadType.AUTH
    fields_desc = [*GENERIC, OctetEnum("auth_type", 0, AuthMethod), Reserved(), Octets("load")]

    def read(self, octets: bytes) -> None:
        super().read(octets)
        load = self.fields["load"]
        if self.fields["auth_type"] == AuthMethod.Digital_Signature and (not load or load[0] >= len(load)):
            self.note_fault("expected an AlgorithmIdentifier and a signature for method 14 at offset 8 of the payload")

    @staticmethod
    def digital_signature(algorithm_identifier: bytes, signature: bytes) -> bytes:
        """The ``load`` of method 14 (RFC 7427 section 3): length octet, DER AlgorithmIdentifier, signature."""
        return bytes((len(algorithm_identifier),)) + algorithm_identifier + signature

    @property
    def algorithm_identifier(self) -> bytes | None:
        """The DER AlgorithmIdentifier of method 14; None for other methods, and for data without one."""
        load = self.internal("load")
        if self.internal("auth_type") != AuthMethod.Digital_Signature or not load or load[0] >= len(load):
            return None
        return bytes(load[1 : 1 + load[0]])

    @property
    def signature(self) -> bytes:
        """The authentication data, without method 14's length octet and AlgorithmIdentifier."""
        identifier = self.algorithm_identifier
        load = bytes(self.internal("load"))
        return load if identifier is None else load[1 + len(identifier) :]

    @property
    def algorithm(self) -> str | None:
        """The name of the signature algorithm of method 14, or its dotted object identifier."""
        identifier = self.algorithm_identifier
        return None if identifier is None else algorithm_name(identifier)


__all__ = ["IKEv2_AUTH"]
