# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE messages and ESP packets of a capture, opened with keys that are written down: one object for every reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import MalformedError
from ..iana import PayloadType
from ..keylog import KeyLog
from .decrypt import IKE_HEADER, EspOpener, IkeOpener, Opened, find_sk
from .suites import Suites

if TYPE_CHECKING:
    from scapy.packet import Packet


@dataclass(slots=True)
class IkeOpened:
    """One IKE message: its header and outer payloads as layers, and what its SK holds.

    ``inner`` is None where SK stayed closed, and for a fragment that does not complete its message.
    """

    number: int
    time: float | None
    src: str
    sport: int
    dst: str
    dport: int
    header: Packet | None = None
    payloads: list[Packet] = field(default_factory=list)
    inner: list[Packet] | None = None
    opened: Opened | None = None
    fragment: tuple[int, int] | None = None
    packets: list[int] = field(default_factory=list)
    plaintext: bytes = field(default=b"", repr=False)
    first: int = 0
    ike_sa: Any = None
    auth: Sequence[Any] = ()
    errors: tuple[str, ...] = ()


class Opening:
    """Opens what ``keys`` open. Messages are to be fed in the order of the capture."""

    def __init__(self, keys: KeyLog) -> None:
        from .reassembly import Reassembly

        self._suites = Suites()
        self._ike, self._esp = IkeOpener(self._suites), EspOpener(self._suites)
        self._ike.add(keys.ike)
        self._esp.add(keys.esp)
        self._reassembly = Reassembly()
        self.ike_sas: list[Any] = []
        self.child_sas: list[Any] = []

    def ike(
        self, message: bytes, number: int, time: float | None, src: str, sport: int, dst: str, dport: int
    ) -> IkeOpened:
        """Open an IKE message, from its header on."""
        from ..layers.ikev2.header import parse_message, parse_payloads
        from .records import faults

        found = IkeOpened(number, time, src, sport, dst, dport, packets=[number])
        if len(message) < IKE_HEADER.size:
            found.errors = (f"{len(message)} octets, an IKE header has {IKE_HEADER.size}",)
            return found
        header, payloads = parse_message(message)
        found.header, found.payloads = header, payloads
        errors = [header.malformed] if header.malformed else []
        errors += [text for layer in payloads for text in faults(layer)]
        sealed = next((p for p in payloads if p.payload_type in (PayloadType.SK, PayloadType.SKF)), None)
        if sealed is None:
            found.inner = payloads
            found.first = message[16]
            found.plaintext = message[28:]
            self._learn(header, payloads)
        elif not sealed.malformed:
            try:
                place = find_sk(message[: int.from_bytes(message[24:28])])
            except MalformedError as error:
                place = None
                errors.append(str(error))
            if place is not None:
                found.opened = opened = self._ike.open(message[: int.from_bytes(message[24:28])], place)
                errors += [opened.error] if opened.error else []
                if place.type == PayloadType.SKF:
                    found.fragment = (sealed.frag_number, sealed.frag_total)
                if opened.plaintext is not None:
                    content, first = opened.plaintext, place.next_payload
                    if found.fragment:
                        joined = self._reassembly.add(message, found.fragment, first, content, number)
                        if joined is None:
                            found.errors = tuple(errors)
                            return found
                        content, first, found.packets = joined.content, joined.first, joined.packets
                    found.first, found.plaintext = first, content
                    found.inner = parse_payloads(first, content)
                    errors += [text for layer in found.inner for text in faults(layer)]
                    self._learn(header, found.inner)
        found.errors = tuple(errors)
        return found

    def _learn(self, header: Packet, payloads: Sequence[Packet]) -> None:
        for layer in payloads:
            if layer.payload_type == PayloadType.SA and layer.malformed is None:
                self._suites.learn(header, layer.prop)

    def esp(self, packet: bytes, src: str, dst: str, number: int = 0) -> Opened:
        """Open an ESP packet, from its SPI through its ICV."""
        return self._esp.open(packet, src, dst)

    def esp_sa(self, spi: int, dst: str) -> Any:
        """The SA that opened packets of this SPI before, None where it is not decided."""
        return None

    def retry(self) -> list[IkeOpened]:
        """Messages that stayed closed, tried once more: with written keys there is nothing to gain."""
        return []
