# SPDX-License-Identifier: GPL-2.0-or-later
"""Edits of one message of ours while it is sent: taps at three stages, and SKF messages sealed one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fynx_scapy.crypto.protector import Protector
from fynx_scapy.errors import ConfigError
from fynx_scapy.fuzz.edits import Edit, Missed
from fynx_scapy.iana import PayloadType
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Datagram, DatagramKind, Outgoing, OutgoingEsp
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE, HEADER_SIZE, LENGTH, NEXT_PAYLOAD
from fynx_scapy.layers.ikev2 import build_message, build_payloads, first_type

Plan = Callable[[Outgoing], Sequence[Edit]]
"""Which edits a message gets, once it is known."""

MOST_FRAGMENTS = 16
LARGEST = 65_000
"""The most octets of payloads that fit into a datagram of UDP."""


class Editor:
    """Edits the first message of an exchange type and direction that an endpoint sends. Use it as a context manager.

    Only its first transmission is edited, if it is encrypted: what is sent again is the message as it should have been.

    ``made`` are the edits that were made, ``missed`` those that found nothing to change. ``types`` are the payloads of
    the message before them.
    """

    def __init__(self, endpoint: Endpoint, exchange: int, plan: Plan, *, response: bool) -> None:
        self._endpoint, self._exchange, self._plan, self._response = endpoint, exchange, plan, response
        self._message: Outgoing | None = None
        self._honest: Outgoing | None = None
        self._removers: list[Callable[[], None]] = []
        self._planned: list[Edit] = []
        self.made: list[Edit] = []
        self.missed: list[Edit] = []
        self.types: list[str] = []

    def __enter__(self) -> Editor:
        taps = self._endpoint.taps
        stages: dict[str, Callable[..., Any]] = {
            "payloads": self._payloads, "plaintext": self._plaintext, "parts": self._parts, "wire": self._wire,
            "datagrams": self._datagrams,
        }  # fmt: skip
        self._removers = [taps.add(stage, tap, self._meant) for stage, tap in stages.items()]
        return self

    def __exit__(self, *_: object) -> None:
        for remove in self._removers:
            remove()

    @property
    def sent(self) -> bool:
        """Whether the message was seen."""
        return self._message is not None

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits that were made, in order."""
        return tuple(edit for edit in self._planned if any(edit is made for made in self.made))

    def _meant(self, message: Outgoing) -> bool:
        """Whether it is the message to edit: the first that fits, in all its stages."""
        if self._message is not None:
            return message is self._message
        if not self._exchange:
            return isinstance(message, OutgoingEsp)
        return (
            message.kind is DatagramKind.IKE
            and "exch_type" in message.header.fields
            and int(message.header.exch_type) == self._exchange
            and bool(int(message.header.flags) & FLAG_RESPONSE) == self._response
        )

    def _payloads(self, message: Outgoing) -> None:
        if self._message is not None:
            return
        self._message, self.types = message, message.types()
        honest = _copied(message)
        self._honest = honest if message.encrypted else None
        self._planned = list(self._plan(message))
        for edit in self._of("payloads"):
            self._try(edit, edit.apply, message)
        if self.made and not _fits(message):
            message.payloads, message.computed = list(honest.payloads), list(honest.computed)
            self.missed, self.made = self.missed + self.made, []

    def _parts(self, message: OutgoingEsp) -> None:
        if self._message is not None:
            return
        self._message = message
        self._planned = list(self._plan(message))
        for edit in self._of("parts"):
            self._try(edit, edit.apply, message)
        parts = message.parts
        if parts.padding is not None:  # a cipher takes whole blocks
            block = max((child.outbound.encr.block_size for child in self._children()), default=1)
            parts.padding += bytes(-(len(parts.payload + parts.tfc + parts.padding) + 2) % block)

    def _children(self) -> list[ChildSa]:
        return [child for sa in self._endpoint.sas.values() for child in sa.children.values()]

    def _wire(self, message: Outgoing, octets: bytes) -> bytes:
        for edit in self._of("wire"):
            changed = self._try(edit, edit.octets, octets)
            octets = octets if changed is None else changed
        return octets

    def _plaintext(self, message: Outgoing, octets: bytes) -> bytes:
        for edit in self._of("plaintext"):
            changed = self._try(edit, edit.octets, octets)
            octets = octets if changed is None else changed
        sa = self._sa(message)
        # A cipher takes whole blocks. The octets that fill the last one are padding, and wrong padding at that.
        return octets if sa is None else octets + bytes(-len(octets) % sa.suite.encryption().block_size)

    def _datagrams(self, message: Outgoing, datagrams: list[Datagram], attempt: int) -> list[Datagram]:
        if attempt and (honest := self._unedited(message)) is not None:
            return [Datagram(honest, datagrams[0].local, datagrams[0].remote)]
        for edit in self._of("datagrams"):
            if edit.op == "repeat" and isinstance(edit.value, int):
                datagrams = datagrams * max(0, min(edit.value, MOST_FRAGMENTS))
                self.made.append(edit)
            elif edit.op == "fragment" and isinstance(edit.value, tuple):
                sealed = self._fragmented(message, datagrams, edit.value)
                if sealed is None:
                    self.missed.append(edit)
                else:
                    datagrams = sealed
                    self.made.append(edit)
        return datagrams

    def _of(self, stage: str) -> list[Edit]:
        return [edit for edit in self._planned if edit.stage == stage]

    def _try(self, edit: Edit, act: Callable[[Any], Any], subject: Any) -> Any:
        try:
            changed = act(subject)
        except Missed:
            self.missed.append(edit)
            return None
        self.made.append(edit)
        return changed

    def _unedited(self, message: Outgoing) -> bytes | None:
        """The message without edits, for its retransmission: a peer that dropped the edited one answers this.

        So the IKE SA lives on, and a peer that dropped a message is told apart from one that is dead.
        """
        sa = self._sa(self._honest) if self._honest is not None else None
        if sa is None or self._honest is None:
            return None
        with self._endpoint.taps.paused():
            (wire,), _ = sa.envelope.seal(self._honest)
        return wire

    def _fragmented(
        self, message: Outgoing, datagrams: list[Datagram], value: tuple[int | str | bytes, ...]
    ) -> list[Datagram] | None:
        """The message as SKF messages, with the keys of its IKE SA; None when it has none."""
        sa = self._sa(message)
        if sa is None or not message.encrypted or not datagrams:
            return None
        count, way = int(value[0]), str(value[1])
        wires = fragments(sa, message, count, way, self._endpoint.randomness.octets)
        return [Datagram(wire, datagrams[0].local, datagrams[0].remote) for wire in wires]

    def _sa(self, message: Outgoing) -> SaRecord | None:
        """The IKE SA that a message is of, if it has keys."""
        spis = bytes(message.header.init_SPI), bytes(message.header.resp_SPI)
        return next((sa for sa in self._endpoint.sas.values() if sa.own_spi in spis and sa.envelope.has_keys), None)


def _fits(message: Outgoing) -> bool:
    """Whether an edited message can be sent: each number fits into its field, and the whole into a datagram."""
    try:
        return len(build_payloads(message.payloads)) <= LARGEST
    except ConfigError:
        return False


def _copied(message: Outgoing) -> Outgoing:
    """A copy of a message that is about to be sent, with the fields that are still to be computed."""
    copies = {id(payload): payload.copy() for payload in message.payloads}
    computed = [(copies[id(layer)], name, value) for layer, name, value in message.computed if id(layer) in copies]
    payloads = [copies[id(payload)] for payload in message.payloads]
    return Outgoing(payloads, header=message.header.copy(), sk=message.sk.copy(), computed=computed)


def fragments(sa: SaRecord, message: Outgoing, count: int, way: str, random: Callable[[int], bytes]) -> list[bytes]:
    """SKF messages with ``count`` pieces of a message, in one of `FRAGMENT_WAYS` (RFC 7383 section 2.5)."""
    total = max(1, min(count, MOST_FRAGMENTS))
    content = build_payloads(message.payloads)
    each = max(1, -(-len(content) // total))
    pieces = [content[at * each : (at + 1) * each] for at in range(total)]
    numbers = [(number, total) for number in range(1, total + 1)]
    if way == "total differs":
        numbers[-1] = (total, total + 1)
    elif way == "number 0":
        numbers[0] = (0, total)
    elif way == "number above the total":
        numbers[-1] = (total + 1, total)
    elif way == "empty last":
        pieces[-1] = b""
    first = first_type(message.payloads)
    kinds = [first, *([0] * (total - 1))]
    if way == "other type":
        kinds[-1] = PayloadType.N
    wires = [
        _sealed(sa, message, kind, piece, number, random)
        for kind, piece, number in zip(kinds, pieces, numbers, strict=True)
    ]
    if way == "reversed":
        wires.reverse()
    elif way == "without the last":
        wires = wires[:-1]
    elif way == "twice":
        wires += wires
    return wires


def _sealed(
    sa: SaRecord,
    message: Outgoing,
    kind: int,
    piece: bytes,
    numbers: tuple[int, int],
    random: Callable[[int], bytes],
) -> bytes:
    keys = sa.keys
    by_initiator, by_responder = (keys.sk_ei, keys.sk_ai), (keys.sk_er, keys.sk_ar)
    protector = Protector(
        sa.suite.encryption(), sa.suite.integrity(), *(by_initiator if sa.initiator else by_responder)
    )
    plaintext = protector.pad(piece)
    size = 8 + protector.iv_size + len(plaintext) + protector.icv_size
    prefix = bytearray(build_message(message.header, []))
    if message.header.next_payload is None:
        prefix[NEXT_PAYLOAD] = PayloadType.SKF
    if message.header.length is None:
        prefix[LENGTH:HEADER_SIZE] = (HEADER_SIZE + size).to_bytes(4)
    prefix += bytes((kind, 0)) + min(size, 0xFFFF).to_bytes(2)
    prefix += b"".join((number & 0xFFFF).to_bytes(2) for number in numbers)
    return bytes(prefix) + protector.seal(bytes(prefix), plaintext, random(protector.iv_size))
