# SPDX-License-Identifier: GPL-2.0-or-later
"""A filter: which packets of a capture are shown, and the predicate that it makes."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from fynx_scapy.errors import ConfigError
from fynx_scapy.layers.ikeheader import IKE_HEADER

if TYPE_CHECKING:
    from fynx_scapy.capture.conversation import Conversation
    from fynx_scapy.capture.follow.inner import Inner
    from fynx_scapy.capture.reading.flows import EspFlow
    from fynx_scapy.capture.reading.packets import IpsecPacket
    from fynx_scapy.capture.reading.store import Stored
    from fynx_scapy.capture.transcript.transcript import Transcript

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IKE, SPIS = ("ike", "ikev1"), {"esp": slice(0, 4), "ah": slice(4, 8)}
"""The kinds of packets with two SPIs of 8 octets, and where those of one SPI have it."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter. A packet has to fit every setting that is given, and of each setting one of the values.

    ``spis`` have 4 octets (ESP, AH) or 8 (IKE, either peer's). ``hosts`` are addresses of the packet itself, not those
    inside ESP. ``numbers`` and ``times`` are the first and the last packet number and time, both included.
    """

    conversations: frozenset[int] = frozenset()
    spis: frozenset[bytes] = frozenset()
    hosts: tuple[Network, ...] = ()
    numbers: tuple[int, float] = (0, math.inf)
    times: tuple[float, float] = (-math.inf, math.inf)

    @classmethod
    def of(
        cls, conversations: Iterable[int] = (), spis: Iterable[str] = (), hosts: Iterable[str] = (),
        since: str | None = None, until: str | None = None,
    ) -> Filter:  # fmt: skip
        """A filter of words. Raises ConfigError, which says what was expected."""
        numbers: list[float] = [0, math.inf]
        times: list[float] = [-math.inf, math.inf]
        for end, word in enumerate((since, until)):
            if word is not None:
                border = _border(word)
                (numbers if isinstance(border, int) else times)[end] = border
        if numbers[0] > numbers[1] or times[0] > times[1]:
            raise ConfigError(f"expected a first packet before the last one, found {since} and {until}")
        networks = tuple(_network(word) for word in hosts)
        return cls(
            frozenset(conversations), frozenset(map(_spi, spis)), networks, (int(numbers[0]), numbers[1]),
            (times[0], times[1]),
        )  # fmt: skip

    @property
    def bounded(self) -> bool:
        """Whether it has a first or last time."""
        return self.times != (-math.inf, math.inf)


def _spi(word: str) -> bytes:
    digits = word.lower().removeprefix("0x")
    if not re.fullmatch("[0-9a-f]{1,16}", digits):
        raise ConfigError(f"expected an SPI of up to 8 (ESP, AH) or 16 (IKE) hexadecimal digits, found {word!r}")
    return bytes.fromhex(digits.zfill(8 if len(digits) <= 8 else 16))


def _network(word: str) -> Network:
    try:
        return ipaddress.ip_network(word, strict=False)
    except ValueError:
        raise ConfigError(f"expected an address or a network such as 192.0.2.0/24, found {word!r}") from None


def _border(word: str) -> int | float:
    """A packet number as int, or a time in seconds since the epoch as float."""
    try:
        if word.isascii() and word.isdecimal():
            return int(word)
        if word.startswith("@"):
            return float(word[1:])
        time = datetime.fromisoformat(word)
    except ValueError:
        forms = "a packet number, a time such as 2024-05-01T12:00:00Z, or @ and seconds since 1970"
        raise ConfigError(f"expected {forms}, found {word!r}") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


class Sight(NamedTuple):
    """What a filter looks at in a packet. ``data`` begins with the IKE, ESP or AH header."""

    number: int
    time: float | None
    kind: str
    src: str
    sport: int | None
    dst: str
    dport: int | None
    data: bytes

    @property
    def spis(self) -> tuple[bytes, ...]:
        """Its SPIs: two in an IKE header, one in ESP and AH."""
        if self.kind in IKE:
            return self.data[:8], self.data[8:16]
        return (self.data[SPIS[self.kind]],) if self.kind in SPIS else ()


class Chooser:
    """Says of each packet whether a filter takes it. ``transcript`` is needed if the filter names conversations.

    A packet that is not known to be another one is taken: what cannot be read may be what was asked for. Raises
    ConfigError if a conversation is not there.
    """

    def __init__(self, choice: Filter, transcript: Transcript[Conversation] | None = None) -> None:
        self.choice, self._transcript = choice, transcript
        if transcript is not None:
            for number in sorted(choice.conversations):
                transcript.numbered(number)

    def packet(self, packet: IpsecPacket) -> bool:
        """Whether it takes a packet as it was read."""
        frame, ends = packet.frame, (packet.src, packet.sport, packet.dst, packet.dport)
        return not frame.number or self._fits(Sight(frame.number, frame.time, packet.kind, *ends, packet.data))

    def stored(self, message: Stored) -> bool:
        """Whether it takes an IKE message of the index."""
        ends = (message.src, message.sport, message.dst, message.dport)
        return self._fits(Sight(message.number, message.time, message.kind, *ends, message.data))

    def inner(self, packet: Inner) -> bool:
        """Whether it takes an ESP or AH packet."""
        ends = (packet.src, None, packet.dst, None)
        data = bytes(4 if packet.protocol == "ah" else 0) + packet.spi.to_bytes(4)
        return self._fits(Sight(packet.number, packet.time, packet.protocol, *ends, data))

    def flow(self, flow: EspFlow) -> bool:
        """Whether it may take a packet of a flow."""
        data = bytes(4 if flow.protocol == "ah" else 0) + flow.spi.to_bytes(4)
        first, last = self.choice.numbers
        if flow.last_number < first or flow.first_number > last:
            return False
        return self._meant(Sight(flow.first_number, flow.first, flow.protocol, flow.src, None, flow.dst, None, data))

    def _fits(self, sight: Sight) -> bool:
        choice = self.choice
        if not choice.numbers[0] <= sight.number <= choice.numbers[1]:
            return False
        if choice.bounded and (sight.time is None or not choice.times[0] <= sight.time <= choice.times[1]):
            return False
        return not sight.src or self._meant(sight)

    def _meant(self, sight: Sight) -> bool:
        choice = self.choice
        if choice.hosts:
            ends = [ipaddress.ip_address(each) for each in (sight.src, sight.dst) if each]
            if not any(end in network for end in ends for network in choice.hosts):
                return False
        if choice.spis and choice.spis.isdisjoint(sight.spis):
            return False
        if not choice.conversations:
            return True
        owner = self.owner(sight)
        return owner is not None and owner.number in choice.conversations

    def owner(self, sight: Sight) -> Conversation | None:
        """The conversation that a packet belongs to."""
        assert self._transcript is not None
        if sight.kind in IKE and len(sight.data) >= IKE_HEADER.size:
            return self._transcript.by_spi(sight.data[:8])
        owners = self._transcript.owners
        if sight.kind in SPIS:
            return owners.of_flow(sight.kind, int.from_bytes(sight.spis[0]), sight.src, sight.dst)
        return owners.of_path(sight.src, sight.sport, sight.dst, sight.dport, sight.number)


class WholeChooser(Chooser):
    """Takes every packet of the conversations, and of the flows of none, of which a filter takes a packet."""

    def __init__(
        self,
        choice: Filter,
        transcript: Transcript[Conversation],
        messages: Iterable[Stored],
        flows: Iterable[EspFlow],
    ) -> None:
        super().__init__(choice, transcript)
        own = Chooser(choice, transcript)
        found = [transcript.by_spi(message.data[:8]) for message in messages if own.stored(message)]
        self._flows = {(flow.protocol, flow.spi, flow.src, flow.dst) for flow in flows if own.flow(flow)}
        found += [transcript.owners.of_flow(*key) for key in self._flows]
        self._numbers = {conversation.number for conversation in found if conversation is not None}

    def _fits(self, sight: Sight) -> bool:
        if not sight.src:
            return super()._fits(sight)
        if sight.kind in SPIS and (sight.kind, int.from_bytes(sight.spis[0]), sight.src, sight.dst) in self._flows:
            return True
        owner = self.owner(sight)
        return owner is not None and owner.number in self._numbers
