# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP (RFC 4303) and AH (RFC 4302), decrypted ESP packets, and the dissection of UDP port 4500 (RFC 3948).

ESP, AH, NON_ESP and NAT_KEEPALIVE are Scapy's classes, so ``ESP in packet`` works as in Scapy. This module adds
:class:`ESP_Decrypted` for a decrypted packet, and :class:`ESP_Malformed` for octets that are not an ESP packet.
"""
# mypy: disallow-subclassing-any=False
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from typing import Any

from scapy.data import IP_PROTOS
from scapy.fields import ByteEnumField, IntField, XIntField
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import AH, ESP, NAT_KEEPALIVE, NON_ESP
from scapy.packet import NoPayload, Packet, Padding, bind_bottom_up, split_bottom_up

from fynx_scapy.errors import MalformedError
from fynx_scapy.layers.ikev2.fields import Octet, Octets, Remark
from fynx_scapy.layers.ikev2.structure import Structure
from fynx_scapy.layers.listing import list_under
from fynx_scapy.text import printable

ESP_PORT = 4500
"""The UDP port that IKE and ESP share behind a NAT (RFC 3948 section 2)."""

HEADER_SIZE = 8
"""Octets of SPI and sequence number."""

NO_NEXT_HEADER = 59
"""The next header of a dummy packet (RFC 4303 section 2.6)."""

_IPV4_IN, _IPV6_IN = 4, 41


class ESP_Malformed(Structure):
    """Octets that are not an ESP packet. ``error`` says why; it builds back the same octets."""

    name = "ESP malformed"
    fields_desc = [Remark("error", ""), Octets("data")]

    @property
    def malformed(self) -> str:
        """What is wrong."""
        return printable(str(self.internal("error") or "not an ESP packet"))

    def dissect(self, s: bytes) -> None:
        self.read(s)
        self.fields["error"] = f"expected an ESP header of {HEADER_SIZE} octets, found {len(s)}"

    def mysummary(self) -> str:
        return f"ESP malformed ({self.malformed})"


class _Esp(Packet):
    """Chooses the class of the payload of IP protocol 50."""

    @classmethod
    def dispatch_hook(cls, _pkt: bytes | None = None, *args: Any, **kargs: Any) -> type[Packet]:
        return ESP if _pkt is None or len(_pkt) >= HEADER_SIZE else ESP_Malformed


class _NatTraversal(Packet):
    """Chooses the class for UDP port 4500: keepalive, IKE with its marker, or ESP (RFC 3948 section 2)."""

    @classmethod
    def dispatch_hook(cls, _pkt: bytes | None = None, *args: Any, **kargs: Any) -> type[Packet]:
        if _pkt == b"\xff":
            return NAT_KEEPALIVE  # type: ignore[no-any-return]
        if _pkt is not None and _pkt[:4] == bytes(4):
            return NON_ESP  # type: ignore[no-any-return]
        return _Esp.dispatch_hook(_pkt)


class ESP_Decrypted(Structure):
    """A decrypted ESP packet (RFC 4303 section 2). The inner packet is its Scapy payload.

    ``tfc`` is the TFC padding after the inner packet (section 2.7). It builds plaintext instead of ciphertext; every
    part has the same size as in the encrypted packet. ``padlen`` and ``nh`` are computed if they are None.
    """

    name = "ESP Decrypted"
    fields_desc = [
        XIntField("spi", 1),
        IntField("seq", 0),
        Octets("iv"),
        Octets("tfc"),
        Octets("padding"),
        Octet("padlen", None),
        ByteEnumField("nh", None, IP_PROTOS),
        Octets("icv"),
    ]
    overload_fields = {IP: {"proto": 50}, IPv6: {"nh": 50}, UDP: {"sport": ESP_PORT, "dport": ESP_PORT}}

    @classmethod
    def dispatch_hook(cls, _pkt: bytes | None = None, *args: Any, **kargs: Any) -> type[Packet]:
        """Octets are an encrypted packet: only :func:`opened_esp` knows the sizes of IV and ICV."""
        return _Esp.dispatch_hook(_pkt) if _pkt else cls

    def do_build(self) -> bytes:
        layer = self if self.explicit else self.one()
        return layer._assembled(layer.payload.do_build())

    def self_build(self) -> bytes:
        return self._assembled(b"")

    def _assembled(self, inner: bytes) -> bytes:
        part = {name: self.get_field(name).i2m(self, self.internal(name)) for name in ("iv", "tfc", "padding", "icv")}
        padlen, nh = self.internal("padlen"), self.internal("nh")
        padlen = len(part["padding"]) if padlen is None else padlen
        nh = _next_header(self.payload) if nh is None else nh
        header = self.internal("spi").to_bytes(4) + self.internal("seq").to_bytes(4)
        return b"".join([header, part["iv"], inner, part["tfc"], part["padding"], bytes((padlen, nh)), part["icv"]])

    def mysummary(self) -> str:
        return f"ESP decrypted spi={self.spi:#010x} seq={self.seq}"


def _next_header(payload: Packet) -> int:
    """The protocol number that Scapy's bindings give a layer over IP."""
    if isinstance(payload, NoPayload):
        return NO_NEXT_HEADER
    for lower, field in ((IP, "proto"), (IPv6, "nh")):
        number = payload.overload_fields.get(lower, {}).get(field)
        if number is not None:
            return int(number)
    return _IPV6_IN if isinstance(payload, IPv6) else _IPV4_IN if isinstance(payload, IP) else NO_NEXT_HEADER


def inner_packet(next_header: int, octets: bytes) -> Packet | None:
    """The inner packet, dissected by its next header; Raw if Scapy cannot, None for no octets. Never raises."""
    if not octets:
        return None
    carrier = IP(proto=next_header)
    carrier.do_dissect_payload(octets)  # Scapy turns a failed dissection into Raw here
    packet: Packet = carrier.payload
    packet.remove_underlayer(carrier)
    return packet


def opened_esp(packet: bytes, plaintext: bytes, iv_size: int, icv_size: int) -> ESP_Decrypted:
    """An ESP packet (from its SPI on) as :class:`ESP_Decrypted`.

    ``plaintext`` is the decrypted content with padding, pad length and next header. ``iv_size`` and ``icv_size`` are
    the sizes on the wire, in octets. Raises MalformedError if the sizes do not fit the packet.
    """
    if len(packet) != HEADER_SIZE + iv_size + len(plaintext) + icv_size or len(plaintext) < 2:
        raise MalformedError(
            f"an ESP packet of {len(packet)} octets does not hold {len(plaintext)} of plaintext"
            f" between an IV of {iv_size} and an ICV of {icv_size}"
        )
    view = ESP_Decrypted()
    padlen, next_header = plaintext[-2], plaintext[-1]
    end = len(plaintext) - 2 - padlen
    if end < 0:
        view.note_fault(f"pad length {padlen}, but {len(plaintext) - 2} octets before it")
        end = len(plaintext) - 2
    inner = b"" if next_header == NO_NEXT_HEADER else plaintext[:end]
    view.fields.update(
        spi=int.from_bytes(packet[:4]),
        seq=int.from_bytes(packet[4:8]),
        iv=packet[HEADER_SIZE : HEADER_SIZE + iv_size],
        tfc=plaintext[len(inner) : end],
        padding=plaintext[end:-2],
        padlen=padlen,
        nh=next_header,
        icv=packet[len(packet) - icv_size :],
    )
    layer = inner_packet(next_header, inner)
    if layer is not None:
        behind = layer.getlayer(Padding)
        if behind is not None and behind.underlayer is not None:
            view.fields["tfc"] = behind.load
            behind.underlayer.remove_payload()
        object.__setattr__(view, "payload", layer)
        object.__setattr__(layer, "underlayer", view)
    object.__setattr__(view, "explicit", 1)
    return view


def bind() -> None:
    """Replace Scapy's bindings of ESP by ours."""
    for field in ("sport", "dport"):
        split_bottom_up(UDP, ESP, **{field: ESP_PORT})
        bind_bottom_up(UDP, _NatTraversal, **{field: ESP_PORT})
    split_bottom_up(IP, ESP, proto=50)
    bind_bottom_up(IP, _Esp, proto=50)
    split_bottom_up(IPv6, ESP, nh=50)
    bind_bottom_up(IPv6, _Esp, nh=50)


bind()
list_under("fynx_esp", __name__)

__all__ = [
    "AH",
    "ESP",
    "NAT_KEEPALIVE",
    "NON_ESP",
    "ESP_Decrypted",
    "ESP_Malformed",
    "inner_packet",
    "opened_esp",
]
