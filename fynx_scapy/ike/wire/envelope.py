# SPDX-License-Identifier: GPL-2.0-or-later
"""Encrypt and decrypt messages: from a list of layers to octets on the wire and back (RFC 7296 section 3.14).

This includes SKF: each fragment is padded and encrypted separately (RFC 7383 section 2.5).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from scapy.packet import Packet

from fynx_scapy.crypto.keymat import SkKeys
from fynx_scapy.crypto.protector import Protector
from fynx_scapy.errors import IntegrityError, LocalError, MalformedError
from fynx_scapy.iana import PayloadType
from fynx_scapy.ike.message import Datagram, Header, Message, Outgoing, Sent
from fynx_scapy.ike.terms.proposals import Suite
from fynx_scapy.ike.wire.cost import MOST, too_many
from fynx_scapy.ike.wire.fragments import SKF_HEADER, Fragment, split
from fynx_scapy.ike.wire.taps import Taps
from fynx_scapy.layers.ikeheader import HEADER_SIZE, LENGTH, NEXT_PAYLOAD
from fynx_scapy.layers.ikev2 import (
    IKEv2,
    IKEv2_Malformed,
    build_message,
    build_payloads,
    first_type,
    parse_inner,
    parse_message,
    parse_payloads,
)
from fynx_scapy.layers.ikev2.payload import MAXIMUM_PAYLOADS

_GENERIC = struct.Struct("!BBH")
_NUMBERS = struct.Struct("!HH")
_SEALED = (PayloadType.SK, PayloadType.SKF)


class SkPosition(NamedTuple):
    """The position of SK or SKF: its ``kind`` (0 if there is neither), its offset, and that of the header before it."""

    kind: int
    offset: int
    last: int


class Envelope:
    """Builds and parses the messages of an IKE SA. They are unprotected until it has keys."""

    def __init__(self, taps: Taps, octets: Callable[[int], bytes]) -> None:
        self._taps = taps
        self._octets = octets
        self._outbound: Protector | None = None
        self._inbound: Protector | None = None
        self._ivs = 0

    def protect(self, suite: Suite, keys: SkKeys, *, initiator: bool) -> None:
        """Use these keys from now on, with one protector for each direction."""
        encr, integ = suite.encryption(), suite.integrity()
        by_initiator = Protector(encr, integ, keys.sk_ei, keys.sk_ai)
        by_responder = Protector(encr, integ, keys.sk_er, keys.sk_ar)
        self._outbound, self._inbound = (by_initiator, by_responder) if initiator else (by_responder, by_initiator)

    @property
    def has_keys(self) -> bool:
        """Whether there are keys. Without keys, messages are unprotected."""
        return self._inbound is not None

    def seal(self, message: Outgoing, room: int | None = None) -> tuple[list[bytes], bytes | None]:
        """Encrypt a message; returns its octets and the plaintext of SK. Runs the taps up to ``wire`` in order.

        A message of more than ``room`` octets is split into fragments. The ``plaintext`` taps see the whole message,
        the ``wire`` taps each fragment. LocalError when the message must be encrypted but there are no keys yet.
        """
        taps = self._taps
        taps.payloads(message)
        message.fill()
        if not message.encrypted:
            wire = taps.octets("wire", message, build_message(message.header, message.payloads))
            if message.changed:
                _note(message, parse_message(wire)[1])
            return [wire], None
        protector = self._outbound
        if protector is None:
            raise LocalError("expected keys for an encrypted message: IKE_SA_INIT is not complete")
        wires, plaintext, inner = self._protected(protector, message, room)
        if message.changed:
            _note(message, _reopened(protector, inner, plaintext, wires))
        return wires, plaintext

    def _protected(self, protector: Protector, message: Outgoing, room: int | None) -> tuple[list[bytes], bytes, int]:
        """The messages with SK or SKF, the plaintext of SK, and the type of its first payload."""
        taps = self._taps
        plaintext = taps.octets("plaintext", message, protector.pad(build_payloads(message.payloads)))
        sk = message.sk
        inner = first_type(message.payloads) if sk.next_payload is None else sk.next_payload
        outer = build_payloads(message.outer, last=PayloadType.SK) if message.outer else b""
        size = HEADER_SIZE + len(outer) + 4 + protector.iv_size + len(plaintext) + protector.icv_size
        if room is None or size <= room:
            return [self._sealed(protector, message, PayloadType.SK, inner, plaintext, outer)], plaintext, inner
        try:
            content = protector.unpad(plaintext)
        except MalformedError:
            # A tap made the padding invalid: treat everything as content.
            content = plaintext
        outer = build_payloads(message.outer, last=PayloadType.SKF) if message.outer else b""
        chunks = split(content, room, protector, len(outer))
        wires = []
        for number, chunk in enumerate(chunks, 1):
            # Section 2.5: the first fragment has the next payload of SK, the others have zero.
            first, before = (inner, outer) if number == 1 else (0, b"")
            numbers = _NUMBERS.pack(number, len(chunks))
            wires.append(
                self._sealed(protector, message, PayloadType.SKF, first, protector.pad(chunk), before, numbers)
            )
        return wires, plaintext, inner

    def _sealed(
        self,
        protector: Protector,
        message: Outgoing,
        kind: PayloadType,
        first: int,
        plaintext: bytes,
        outer: bytes,
        numbers: bytes = b"",
    ) -> bytes:
        """One message that ends with SK or SKF, after the ``wire`` taps."""
        header, sk = message.header, message.sk
        size = 4 + len(numbers) + protector.iv_size + len(plaintext) + protector.icv_size
        if size > 0xFFFF and sk.length is None:
            raise LocalError(f"expected at most 65,535 octets in SK, found {size}: fragmentation was not negotiated")
        prefix = bytearray(build_message(header, []))
        if header.next_payload is None:
            prefix[NEXT_PAYLOAD] = first_type(message.outer) if outer else kind
        if header.length is None:
            prefix[LENGTH:HEADER_SIZE] = (HEADER_SIZE + len(outer) + size).to_bytes(4)
        prefix += outer + _GENERIC.pack(first, int(sk.flags), size if sk.length is None else sk.length) + numbers
        # An explicit IV is used for the first fragment only.
        given = message.iv if not numbers or numbers[:2] == b"\0\1" else None
        iv = self._iv(protector) if given is None else given
        return self._taps.octets("wire", message, bytes(prefix) + protector.seal(bytes(prefix), plaintext, iv))

    def _iv(self, protector: Protector) -> bytes:
        """The next IV: a counter if the cipher needs unique IVs, random octets if it needs unpredictable IVs."""
        self._ivs += 1
        if protector.counter_iv:
            return self._ivs.to_bytes(protector.iv_size)
        return self._octets(protector.iv_size)

    @staticmethod
    def find(data: bytes, header: Header) -> SkPosition:
        """Find SK or SKF. MalformedError when it does not end with the message, or has too many payloads before it."""
        kind, offset, last, before = header.next_payload, HEADER_SIZE, HEADER_SIZE, 0
        while kind and kind not in _SEALED and offset + 4 <= len(data):
            last, before = offset, before + 1
            if before > MAXIMUM_PAYLOADS:
                raise MalformedError(f"more than {MAXIMUM_PAYLOADS} payloads, at offset {offset}")
            kind, _, length = _GENERIC.unpack_from(data, offset)
            if length < 4:
                break
            offset += length
        if kind not in _SEALED:
            return SkPosition(0, offset, last)
        if offset + 4 > len(data) or offset + _GENERIC.unpack_from(data, offset)[2] != len(data):
            name = PayloadType.notation(kind)
            raise MalformedError(
                f"expected {name} at offset {offset} to end where the message of {len(data)} octets ends"
            )
        return SkPosition(kind, offset, last)

    def open(self, datagram: Datagram, header: Header, place: SkPosition | None = None) -> Message:
        """Decrypt a message that is not fragmented.

        IntegrityError when its ICV does not verify, MalformedError when its SK does not end with the message. Neither
        changes anything.
        """
        data = datagram.data
        kind, offset, last = place or self.find(data, header)
        if kind != PayloadType.SK:
            if (wrong := too_many(MOST, header.next_payload, data, HEADER_SIZE)) is not None:
                raise MalformedError(wrong)
            layer, payloads = parse_message(data)
            return Message(header, layer, payloads, None, data, datagram.local, datagram.remote)
        protector, body = self._opener(), offset + 4
        plaintext = protector.open(data[:body], data[body:])
        inner: list[Packet]
        try:
            content = protector.unpad(plaintext)
        except MalformedError as error:
            # The ICV has verified, so the peer itself sent this. It is answered like any other malformed payload.
            inner = [IKEv2_Malformed(payload_type=data[offset], error=str(error), data=plaintext)]
        else:
            inner = _inner_payloads(data[offset], content, body + protector.iv_size)
        payloads = _outer_payloads(header, _outer(data, offset, last)) + inner
        return Message(header, _alone(data), payloads, plaintext, data, datagram.local, datagram.remote)

    def open_fragment(self, datagram: Datagram, header: Header, place: SkPosition, number: int, total: int) -> Fragment:
        """Verify and decrypt a fragment. Raises the same errors as `open`."""
        data, (_, offset, last) = datagram.data, place
        if number > 1 and offset > HEADER_SIZE:
            raise MalformedError("expected unprotected payloads in the first fragment only (RFC 7383 section 2.5.3)")
        protector, body = self._opener(), offset + SKF_HEADER
        content = protector.unpad(protector.open(data[:body], data[body:]))
        return Fragment(number, total, data[offset], _outer(data, offset, last), content, header, datagram)

    def join(self, fragments: Sequence[Fragment], came: Datagram) -> Message:
        """Join all fragments, in order, to one message. It gets the addresses of ``came``.

        Its ``wire`` is the message as if it were not fragmented, with an IV and an ICV of zeros.
        """
        protector, first = self._opener(), fragments[0]
        content = b"".join(fragment.content for fragment in fragments)
        plaintext = protector.pad(content)
        size = 4 + protector.iv_size + len(plaintext) + protector.icv_size
        before = HEADER_SIZE + len(first.outer)
        whole = bytearray(first.datagram.data[:before])
        if not first.outer:
            whole[NEXT_PAYLOAD] = PayloadType.SK
        else:
            last = self.find(first.datagram.data, first.header).last
            whole[last] = PayloadType.SK
        whole[LENGTH:HEADER_SIZE] = (before + size).to_bytes(4)
        layer = _alone(bytes(whole))
        # A payload length has 16 bits, but the joined content may be longer.
        generic = _GENERIC.pack(first.first, first.datagram.data[before + 1], min(size, 0xFFFF))
        whole += generic + bytes(protector.iv_size)
        payloads = _inner_payloads(first.first, content, len(whole))
        whole += plaintext + bytes(protector.icv_size)
        wires = tuple(fragment.datagram.data for fragment in fragments)
        return Message(
            Header.parse(bytes(whole)),
            layer,
            _outer_payloads(first.header, first.outer) + payloads,
            plaintext,
            bytes(whole),
            came.local,
            came.remote,
            wires,
        )

    def reopened(self, datagrams: Sequence[Datagram]) -> Outgoing:
        """Our own message as layers again, from all its datagrams, for a tap that was added after it was sent."""
        mirror = Envelope(self._taps, self._octets)
        mirror._inbound = self._outbound
        header = Header.parse(datagrams[0].data)
        places = [self.find(datagram.data, header) for datagram in datagrams]
        if places[0].kind == PayloadType.SKF:
            opened = [
                mirror.open_fragment(datagram, header, place, number, len(datagrams))
                for number, (datagram, place) in enumerate(zip(datagrams, places, strict=True), 1)
            ]
            message = mirror.join(opened, datagrams[0])
        else:
            message = mirror.open(datagrams[0], header, places[0])
        return Outgoing(message.payloads, message.encrypted, message.header)

    def _opener(self) -> Protector:
        if self._inbound is None:
            raise MalformedError("expected an unprotected message: there are no keys yet")
        return self._inbound


def _note(message: Outgoing, payloads: list[Packet]) -> None:
    """Keep the payloads of a message that taps changed, unless they cannot be parsed."""
    if not any(isinstance(payload, IKEv2_Malformed) for payload in payloads):
        message.read_back = Sent(payloads)


def _reopened(protector: Protector, inner: int, plaintext: bytes, wires: Sequence[bytes]) -> list[Packet]:
    """The payloads of our own encrypted message, also if a ``wire`` tap has encrypted it again."""
    if len(wires) == 1:
        try:
            kind, offset, _ = Envelope.find(wires[0], Header.parse(wires[0]))
            if kind == PayloadType.SK:
                plaintext = protector.open(wires[0][: offset + 4], wires[0][offset + 4 :])
                inner = wires[0][offset]
        except (IntegrityError, MalformedError):
            # It cannot be decrypted: use the original payloads.
            pass
    try:
        return parse_payloads(inner, protector.unpad(plaintext))
    except MalformedError:
        return parse_payloads(inner, plaintext)


def _outer(data: bytes, offset: int, last: int) -> bytes:
    """The payloads before SK, as octets; the ICV covers them, too. Their chain ends before SK."""
    return data[HEADER_SIZE:last] + b"\0" + data[last + 1 : offset] if offset > HEADER_SIZE else b""


def _inner_payloads(kind: int, content: bytes, offset: int) -> list[Packet]:
    """Parse the payloads inside SK. Too many substructures are handled like a malformed payload."""
    wrong = too_many(MOST, kind, content)
    if wrong is not None:
        return [IKEv2_Malformed(payload_type=kind, error=wrong, data=content)]
    return parse_inner(kind, content, offset=offset)


def _outer_payloads(header: Header, outer: bytes) -> list[Packet]:
    return parse_payloads(header.next_payload, outer, offset=HEADER_SIZE) if outer else []


def _alone(data: bytes) -> IKEv2:
    """The IKE header of a message as a layer, without the payloads that it announces."""
    layer = IKEv2(data[:HEADER_SIZE])
    layer.remove_payload()
    return layer
