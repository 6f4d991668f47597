# SPDX-License-Identifier: GPL-2.0-or-later
"""Between a list of layers and the octets of the wire: SK is sealed and opened here (RFC 7296 section 3.14).

SKF as well: it is a part of SK, padded and sealed by itself (RFC 7383 section 2.5).
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
    """Where SK or SKF stands: its ``kind`` (0 where there is neither), its offset, and that of the header before it."""

    kind: int
    offset: int
    last: int


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

    @property
    def has_keys(self) -> bool:
        """Whether messages are sealed and opened; without, they go and come in the clear."""
        return self._inbound is not None

    def seal(self, message: Outgoing, room: int | None = None) -> tuple[list[bytes], bytes | None]:
        """The octets of a message, and what its SK holds. Runs the first three taps, in their order.

        A message of more than ``room`` octets becomes several; the plaintext tap sees it whole, the wire tap each of
        them. LocalError when there are no keys yet for a message that is to be encrypted.
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
            raise LocalError("expected keys before an encrypted message; IKE_SA_INIT has not ended")
        wires, plaintext, inner = self._protected(protector, message, room)
        if message.changed:
            _note(message, _reopened(protector, inner, plaintext, wires))
        return wires, plaintext

    def _protected(self, protector: Protector, message: Outgoing, room: int | None) -> tuple[list[bytes], bytes, int]:
        """The messages with SK or SKF, what SK holds, and the type of its first payload."""
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
            # A tap made it so: then there is no padding to be taken off.
            content = plaintext
        outer = build_payloads(message.outer, last=PayloadType.SKF) if message.outer else b""
        chunks = split(content, room, protector, len(outer))
        wires = []
        for number, chunk in enumerate(chunks, 1):
            # Section 2.5: the first one's next payload is that of SK, the others' is zero.
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
        """One message with SK or SKF at its end, as the wire tap leaves it."""
        header, sk = message.header, message.sk
        size = 4 + len(numbers) + protector.iv_size + len(plaintext) + protector.icv_size
        if size > 0xFFFF and sk.length is None:
            raise LocalError(f"expected at most 65,535 octets in SK, found {size}: fragments were not agreed on")
        prefix = bytearray(build_message(header, []))
        if header.next_payload is None:
            prefix[NEXT_PAYLOAD] = first_type(message.outer) if outer else kind
        if header.length is None:
            prefix[LENGTH:HEADER_SIZE] = (HEADER_SIZE + len(outer) + size).to_bytes(4)
        prefix += outer + _GENERIC.pack(first, int(sk.flags), size if sk.length is None else sk.length) + numbers
        # An IV that was asked for is the first fragment's.
        given = message.iv if not numbers or numbers[:2] == b"\0\1" else None
        iv = self._iv(protector) if given is None else given
        return self._taps.octets("wire", message, bytes(prefix) + protector.seal(bytes(prefix), plaintext, iv))

    def _iv(self, protector: Protector) -> bytes:
        """A counter where the mode asks for an IV that never repeats, random octets where none must be foreseen."""
        self._ivs += 1
        if protector.counter_iv:
            return self._ivs.to_bytes(protector.iv_size)
        return self._octets(protector.iv_size)

    @staticmethod
    def find(data: bytes, header: Header) -> SkPosition:
        """Where SK or SKF stands. MalformedError when it does not end with the message, or too much is before it."""
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
        """The message with its payloads in the clear; it is none of several fragments.

        IntegrityError when its ICV does not verify, MalformedError when its SK is not where it must be; neither has
        changed anything.
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
            # The peer itself wrote this: it is answered like any other payload that cannot be read.
            inner = [IKEv2_Malformed(payload_type=data[offset], error=str(error), data=plaintext)]
        else:
            inner = _inner_payloads(data[offset], content, body + protector.iv_size)
        payloads = _outer_payloads(header, _outer(data, offset, last)) + inner
        layer = IKEv2(data[:HEADER_SIZE])
        return Message(header, layer, payloads, plaintext, data, datagram.local, datagram.remote)

    def open_fragment(self, datagram: Datagram, header: Header, place: SkPosition, number: int, total: int) -> Fragment:
        """One fragment, verified and without its padding. Raises as `open` does."""
        data, (_, offset, last) = datagram.data, place
        if number > 1 and offset > HEADER_SIZE:
            raise MalformedError("expected unprotected payloads in the first fragment alone (RFC 7383 section 2.5.3)")
        protector, body = self._opener(), offset + SKF_HEADER
        content = protector.unpad(protector.open(data[:body], data[body:]))
        return Fragment(number, total, data[offset], _outer(data, offset, last), content, header, datagram)

    def join(self, fragments: Sequence[Fragment], came: Datagram) -> Message:
        """The message of all its fragments, in their order; its addresses are those of ``came``.

        Its ``wire`` is the message as if it had not been fragmented, with an IV and an ICV of zeros.
        """
        protector, one = self._opener(), fragments[0]
        content = b"".join(fragment.content for fragment in fragments)
        plaintext = protector.pad(content)
        size = 4 + protector.iv_size + len(plaintext) + protector.icv_size
        before = HEADER_SIZE + len(one.outer)
        whole = bytearray(one.datagram.data[:before])
        if not one.outer:
            whole[NEXT_PAYLOAD] = PayloadType.SK
        else:
            last = self.find(one.datagram.data, one.header).last
            whole[last] = PayloadType.SK
        whole[LENGTH:HEADER_SIZE] = (before + size).to_bytes(4)
        layer = IKEv2(bytes(whole[:HEADER_SIZE]))
        # Payload lengths have 16 bits; what is longer came in fragments all the same.
        whole += _GENERIC.pack(one.first, one.datagram.data[before + 1], min(size, 0xFFFF)) + bytes(protector.iv_size)
        payloads = _inner_payloads(one.first, content, len(whole))
        whole += plaintext + bytes(protector.icv_size)
        wires = tuple(fragment.datagram.data for fragment in fragments)
        return Message(
            Header.parse(bytes(whole)),
            layer,
            _outer_payloads(one.header, one.outer) + payloads,
            plaintext,
            bytes(whole),
            came.local,
            came.remote,
            wires,
        )

    def _opener(self) -> Protector:
        if self._inbound is None:
            raise MalformedError("expected an unprotected message, since there are no keys yet")
        return self._inbound


def _note(message: Outgoing, payloads: list[Packet]) -> None:
    """Keep the payloads of a message that taps changed. Octets without a form say less than its own layers."""
    if not any(isinstance(payload, IKEv2_Malformed) for payload in payloads):
        message.read_back = Sent(payloads)


def _reopened(protector: Protector, inner: int, plaintext: bytes, wires: Sequence[bytes]) -> list[Packet]:
    """The payloads that our own protected message holds, also where a wire tap has sealed it anew."""
    if len(wires) == 1:
        try:
            kind, offset, _ = Envelope.find(wires[0], Header.parse(wires[0]))
            if kind == PayloadType.SK:
                plaintext = protector.open(wires[0][: offset + 4], wires[0][offset + 4 :])
                inner = wires[0][offset]
        except (IntegrityError, MalformedError):
            # Nobody can open it: what counts is what was meant to be in it.
            pass
    try:
        return parse_payloads(inner, protector.unpad(plaintext))
    except MalformedError:
        return parse_payloads(inner, plaintext)


def _outer(data: bytes, offset: int, last: int) -> bytes:
    """The octets before SK, which its ICV covers too; their chain ends where SK begins."""
    return data[HEADER_SIZE:last] + b"\0" + data[last + 1 : offset] if offset > HEADER_SIZE else b""


def _inner_payloads(kind: int, content: bytes, offset: int) -> list[Packet]:
    """What was inside SK. What is too much to be read is answered like any other payload that cannot be read."""
    wrong = too_many(MOST, kind, content)
    if wrong is not None:
        return [IKEv2_Malformed(payload_type=kind, error=wrong, data=content)]
    return parse_inner(kind, content, offset=offset)


def _outer_payloads(header: Header, outer: bytes) -> list[Packet]:
    return parse_payloads(header.next_payload, outer, offset=HEADER_SIZE) if outer else []
