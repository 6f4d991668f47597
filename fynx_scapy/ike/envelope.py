# SPDX-License-Identifier: GPL-2.0-or-later
"""Between a list of layers and the octets of the wire: SK is sealed and opened here (RFC 7296 section 3.14)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from scapy.packet import Packet

from fynx_scapy.crypto.keymat import SkKeys
from fynx_scapy.crypto.protector import Protector
from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.iana import PayloadType
from fynx_scapy.ike.message import Datagram, Header, Message, Outgoing
from fynx_scapy.ike.negotiate import Suite
from fynx_scapy.ike.taps import Taps
from fynx_scapy.layers.ikev2 import (
    IKEv2,
    IKEv2_Malformed,
    build_message,
    build_payloads,
    first_type,
    parse_message,
    parse_payloads,
)

_GENERIC = struct.Struct("!BBH")
_HEADER_SIZE = 28


class Envelope:
    """How one end of an IKE SA writes and reads its messages; in the clear until it has keys."""

    def __init__(self, taps: Taps, octets: Callable[[int], bytes]) -> None:
        self._taps = taps
        self._octets = octets
        self._outbound: Protector | None = None
        self._inbound: Protector | None = None
        self._ivs = 0

    def protect(self, suite: Suite, keys: SkKeys, *, initiator: bool) -> None:
        """Take keys into use, one protector for each direction."""
        encr, integ = suite.encryption(), suite.integrity()
        by_initiator = Protector(encr, integ, keys.sk_ei, keys.sk_ai)
        by_responder = Protector(encr, integ, keys.sk_er, keys.sk_ar)
        self._outbound, self._inbound = (by_initiator, by_responder) if initiator else (by_responder, by_initiator)

    def seal(self, message: Outgoing) -> tuple[bytes, bytes | None]:
        """The octets of a message, and what its SK holds. Runs the first three taps, in their order.

        LocalError when there are no keys yet for a message that is to be encrypted.
        """
        taps = self._taps
        taps.payloads(message)
        message.fill()
        if not message.encrypted:
            return taps.octets("wire", message, build_message(message.header, message.payloads)), None
        protector = self._outbound
        if protector is None:
            raise LocalError("expected keys before an encrypted message; IKE_SA_INIT has not ended")
        plaintext = taps.octets("plaintext", message, protector.pad(build_payloads(message.payloads)))
        header, sk = message.header, message.sk
        outer = build_payloads(message.outer, last=int(PayloadType.SK)) if message.outer else b""
        size = 4 + protector.iv_size + len(plaintext) + protector.icv_size
        prefix = bytearray(build_message(header, []))
        if header.next_payload is None:
            prefix[16] = first_type(message.outer) if outer else PayloadType.SK
        if header.length is None:
            prefix[24:28] = (_HEADER_SIZE + len(outer) + size).to_bytes(4)
        prefix += outer
        inner = first_type(message.payloads) if sk.next_payload is None else sk.next_payload
        prefix += _GENERIC.pack(inner, int(sk.flags), size if sk.length is None else sk.length)
        iv = self._iv(protector) if message.iv is None else message.iv
        return taps.octets("wire", message, bytes(prefix) + protector.seal(bytes(prefix), plaintext, iv)), plaintext

    def _iv(self, protector: Protector) -> bytes:
        """A counter where the mode asks for an IV that never repeats, random octets where none must be foreseen."""
        self._ivs += 1
        if protector.counter_iv:
            return self._ivs.to_bytes(protector.iv_size)
        return self._octets(protector.iv_size)

    def open(self, datagram: Datagram, header: Header) -> Message:
        """The message with its payloads in the clear.

        IntegrityError when its ICV does not verify, MalformedError when its SK is not where it must be; neither has
        changed anything.
        """
        data = datagram.data
        payloads: list[Packet]
        kind, offset, last = header.next_payload, _HEADER_SIZE, _HEADER_SIZE
        while kind and kind != PayloadType.SK and offset + 4 <= len(data):
            last = offset
            kind, _, length = _GENERIC.unpack_from(data, offset)
            if length < 4:
                break
            offset += length
        if kind != PayloadType.SK:
            layer, payloads = parse_message(data)
            return Message(header, layer, payloads, None, data, datagram.local, datagram.remote)
        if self._inbound is None:
            raise MalformedError("expected an unprotected message, since there are no keys yet")
        body = offset + 4
        if body > len(data) or offset + _GENERIC.unpack_from(data, offset)[2] != len(data):
            raise MalformedError(f"expected SK at offset {offset} to end where the message of {len(data)} octets ends")
        plaintext = self._inbound.open(data[:body], data[body:])
        try:
            inner = self._inbound.unpad(plaintext)
        except MalformedError as error:
            # The peer itself wrote this: it is answered like any other payload that cannot be read.
            payloads = [IKEv2_Malformed(payload_type=data[offset], error=str(error), data=plaintext)]
        else:
            payloads = parse_payloads(data[offset], inner, offset=body + self._inbound.iv_size)
        if offset > _HEADER_SIZE:
            # What stands before SK is covered by the ICV too; its chain ends where SK begins.
            outer = data[_HEADER_SIZE:last] + b"\0" + data[last + 1 : offset]
            payloads = parse_payloads(header.next_payload, outer, offset=_HEADER_SIZE) + payloads
        layer = IKEv2(data[:_HEADER_SIZE])
        return Message(header, layer, payloads, plaintext, data, datagram.local, datagram.remote)
