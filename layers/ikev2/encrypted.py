# SPDX-License-Identifier: GPL-2.0-or-later
"""The Encrypted payload SK (RFC 7296 section 3.14), its fragment SKF (RFC 7383 section 2.5), and a decrypted SK."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from typing import Any

from scapy.packet import Packet

from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.iana import PayloadType
from fynx_scapy.layers.ikev2.fields import Flags, Length, NextPayload, Octet, Octets, Short
from fynx_scapy.layers.ikev2.header import IKEv2, parse_message
from fynx_scapy.layers.ikev2.payload import (
    GENERIC,
    PAYLOAD_FLAG_NAMES,
    IKEv2_Payload,
    build_payloads,
    notation,
    parse_payloads,
)


class IKEv2_Encrypted(IKEv2_Payload):
    """The Encrypted payload on the wire: ``load`` is IV, ciphertext and ICV.

    ``next_payload`` is the type of the first payload inside; nothing follows an Encrypted payload.
    """

    name = "IKEv2 Encrypted and Authenticated"
    payload_type = PayloadType.SK
    ends_chain = True
    fields_desc = [*GENERIC, Octets("load")]


class IKEv2_Encrypted_Fragment(IKEv2_Payload):
    """One fragment of an Encrypted payload (RFC 7383 section 2.5): ``load`` is IV, ciphertext and ICV.

    ``next_payload`` is the type of the first payload inside in fragment 1, and 0 in the others.
    """

    name = "IKEv2 Encrypted and Authenticated Fragment"
    payload_type = PayloadType.SKF
    ends_chain = True
    fields_desc = [*GENERIC, Short("frag_number", 1), Short("frag_total", 1), Octets("load")]


class IKEv2_Decrypted(IKEv2_Payload):
    """A decrypted Encrypted payload. The inner payloads are its Scapy payload; IV, padding and ICV are its fields.

    It builds the payload with plaintext instead of ciphertext. Every part and every length is the same as in the
    encrypted message.
    """

    name = "IKEv2 Decrypted"
    payload_type = PayloadType.SK
    bound = False
    ends_chain = True
    fields_desc = [
        NextPayload(),
        Flags("flags", 0, PAYLOAD_FLAG_NAMES),
        Length(),
        Octets("iv"),
        Octets("padding"),
        Octet("pad_length", None),
        Octets("icv"),
    ]

    def add_payload(self, payload: Any) -> None:
        super().add_payload(payload)
        if isinstance(payload, Packet) and self.payload is payload and self.following():
            self.overloaded_fields = {"next_payload": self.following()}

    @classmethod
    def dispatch_hook(cls, _pkt: bytes | None = None, *args: Any, **kargs: Any) -> type[Packet]:
        """Octets are an encrypted payload: only :func:`opened` knows the sizes of IV and ICV."""
        return IKEv2_Encrypted if _pkt else cls

    def do_build(self) -> bytes:
        layer = self if self.explicit else self.one()
        return layer._assembled(layer.payload.do_build())

    def self_build(self) -> bytes:
        return self._assembled(b"")

    def octets(self, following: int = 0) -> bytes:
        layer = self.one()
        return layer._assembled(build_payloads([layer.payload]) if layer.payload else b"")

    def _assembled(self, inner: bytes) -> bytes:
        part = {name: self.get_field(name).i2m(self, self.internal(name)) for name in ("iv", "padding", "icv")}
        pad_length = self.internal("pad_length")
        trailer = part["padding"] + bytes((len(part["padding"]) if pad_length is None else pad_length,)) + part["icv"]
        length, kind = self.internal("length"), self.internal("next_payload")
        length = 4 + len(part["iv"]) + len(inner) + len(trailer) if length is None else length
        kind = self.following() if kind is None else kind
        header = bytes((kind, int(self.internal("flags")))) + int(length).to_bytes(2)
        return b"".join([header, part["iv"], inner, trailer])


def parse_inner(first: int, data: bytes, offset: int = 0) -> list[Packet]:
    """Parse the payloads inside SK, as `parse_payloads` does. An SK or SKF among them is malformed.

    SK and SKF "MUST be the last payload in the message" (RFC 7296 section 3.14, RFC 7383 section 2.5), so they cannot
    be inside SK.
    """
    payloads = parse_payloads(first, data, offset)
    for layer in payloads:
        if isinstance(layer, (IKEv2_Encrypted, IKEv2_Encrypted_Fragment)):
            layer.note_fault(f"expected no {notation(layer)} payload inside SK")
    return payloads


def opened(message: bytes, plaintext: bytes, iv_size: int, icv_size: int) -> IKEv2:
    """An encrypted message with its SK payload replaced by :class:`IKEv2_Decrypted`.

    ``plaintext`` is the decrypted content with its padding and pad length octet. ``iv_size`` and ``icv_size`` are in
    octets. Raises LocalError if the message has no SK payload, MalformedError if the sizes do not fit it.
    """
    header, payloads = parse_message(message)
    if not payloads or not isinstance(payloads[-1], IKEv2_Encrypted):
        raise LocalError("expected an Encrypted payload at the end of the message, found none")
    sealed = payloads[-1]
    load = sealed.fields["load"]
    if len(load) != iv_size + len(plaintext) + icv_size or not plaintext:
        raise MalformedError(
            f"an Encrypted payload of {len(load)} octets does not hold {len(plaintext)} of plaintext"
            f" between an IV of {iv_size} and an ICV of {icv_size}"
        )
    pad_length = plaintext[-1]
    view = IKEv2_Decrypted()
    end = len(plaintext) - 1 - pad_length
    if end < 0:
        view.note_fault(f"pad length {pad_length}, but {len(plaintext) - 1} octets before it")
        end = len(plaintext) - 1
    for name in ("next_payload", "flags", "length"):
        view.fields[name] = sealed.fields[name]
    view.fields.update(
        iv=load[:iv_size],
        padding=plaintext[end:-1],
        pad_length=pad_length,
        icv=load[len(load) - icv_size :],
    )
    object.__setattr__(view, "explicit", 1)
    offset = len(message) - len(load) + iv_size
    view.link(parse_inner(sealed.fields["next_payload"], plaintext[:end], offset))
    header.link([*payloads[:-1], view])
    return header


__all__ = ["IKEv2_Decrypted", "IKEv2_Encrypted", "IKEv2_Encrypted_Fragment", "opened", "parse_inner"]
