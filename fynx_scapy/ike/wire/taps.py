# SPDX-License-Identifier: GPL-2.0-or-later
"""Taps: functions that change outgoing messages and packets, at five stages.

``payloads``   tap(message: Outgoing) -> None               header and layers of an IKE message; change them in place
``plaintext``  tap(message: Outgoing, octets) -> octets     what SK will hold, padding included
``parts``      tap(message: OutgoingEsp) -> None            the fields of an ESP packet, in ``message.parts``
``wire``       tap(message: Outgoing, octets) -> octets     the sealed message, ESP packet or keepalive
``datagrams``  tap(message: Outgoing, datagrams, attempt) -> datagrams   drop, duplicate, reorder, or `Delayed`

``message.kind`` says whether it is IKE, ESP or a keepalive. The first four stages run once per message. The last one
runs at every transmission; ``attempt`` is 0 for the first.

What a tap raises reaches the caller of the step. A request that a tap raised for is not sent and takes no message ID.
An answer is sent without the taps, because its request was taken; a retransmission is left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scapy.packet import Packet

from fynx_scapy.checks import as_tuple, check_values, kind, seconds, shown
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.basics.passing import Passing
from fynx_scapy.ike.message import Datagram, Outgoing, OutgoingEsp

STAGES = ("payloads", "plaintext", "parts", "wire", "datagrams")


@dataclass(frozen=True, slots=True)
class Delayed:
    """A datagram to send ``seconds`` after its tap ran; ConfigError when that is not a time."""

    datagram: Datagram
    seconds: float

    def __post_init__(self) -> None:
        check_values("Delayed", _DELAYED, datagram=self.datagram, seconds=self.seconds)


_DELAYED = {"datagram": kind(Datagram), "seconds": seconds(zero=True)}


Tap = Callable[..., Any]
When = Callable[[Outgoing], bool]


class Taps:
    """The taps of an endpoint, in the order in which they were added."""

    def __init__(self) -> None:
        self._taps: dict[str, list[tuple[Tap, When | None]]] = {stage: [] for stage in STAGES}
        self.used = False
        """Whether there are any taps. Without taps, no objects are built for them."""
        self.raised: BaseException | None = None
        """The last exception of a tap. It is compared by identity, because a tap may raise one of our errors too."""

    def clear(self) -> None:
        """Remove all taps."""
        for entries in self._taps.values():
            entries.clear()
        self.used = False

    def add(self, stage: str, tap: Tap, when: When | None = None) -> Callable[[], None]:
        """Add a tap for the messages for which ``when`` is true (all by default).

        Returns a function that removes the tap. ConfigError for an unknown stage.
        """
        if stage not in STAGES:
            raise ConfigError(f"expected one of the tap stages {', '.join(STAGES)}, found {shown(stage)}")
        for name, function in (("tap", tap), ("when", when)):
            if not callable(function) and not (name == "when" and function is None):
                raise ConfigError(f"expected {name} to be a function, found {shown(function)}")
        entry = (tap, when)
        self._taps[stage].append(entry)
        self.used = True

        def remove() -> None:
            self._taps[stage] = [other for other in self._taps[stage] if other is not entry]
            self.used = any(self._taps.values())

        return remove

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """No tap runs inside this context."""
        kept, self._taps = self._taps, {stage: [] for stage in STAGES}
        try:
            yield
        finally:
            self._taps = kept

    def _of(self, stage: str, message: Outgoing) -> list[Tap]:
        return [tap for tap, when in self._taps[stage] if when is None or self._call(when, message)]

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a tap, or what says when it runs."""
        with Passing(self._note):
            return function(*args)

    def _note(self, error: BaseException) -> None:
        self.raised = error

    def _refuse(self, text: str) -> None:
        self.raised = ConfigError(text)
        raise self.raised

    def payloads(self, message: Outgoing) -> None:
        """Run the taps that change header and layers.

        The stage counts as changed if any tap ran: layers are not compared.
        """
        for tap in self._of("payloads", message):
            self._call(tap, message)
            message.changed.append("payloads")

    def parts(self, message: OutgoingEsp) -> None:
        """Run the taps that change the fields of an ESP packet. It counts as changed if any tap ran."""
        for tap in self._of("parts", message):
            self._call(tap, message)
            message.changed.append("parts")

    def octets(self, stage: str, message: Outgoing, octets: bytes) -> bytes:
        """Run the ``plaintext`` or ``wire`` taps, which change octets; ConfigError when one returns anything else."""
        for tap in self._of(stage, message):
            changed = self._call(tap, message, octets)
            if changed is None:
                continue
            if not isinstance(changed, bytes | bytearray | memoryview | Packet):
                self._refuse(f"expected a tap of {stage} to return octets or None, found {shown(changed)}")
            if bytes(changed) != octets:
                octets = bytes(changed)
                message.changed.append(stage)
        return octets

    def datagrams(self, message: Outgoing, datagrams: Sequence[Datagram], attempt: int) -> Sequence[Datagram | Delayed]:
        """Run the taps that drop, duplicate, reorder or delay datagrams; ConfigError when one returns anything else.

        The check is made here, where the tap is known: an error in the queue would stop what others send.
        """
        result: Sequence[Datagram | Delayed] = datagrams
        for tap in self._of("datagrams", message):
            changed = self._call(tap, message, list(result), attempt)
            if changed is None:
                continue
            try:
                changed = as_tuple(changed, Datagram, Delayed)
            except ConfigError as error:
                self._refuse(f"the return value of a tap of datagrams: {error}")
            if wrong := [item for item in changed if not isinstance(item, Datagram | Delayed)]:
                self._refuse(f"expected a tap of datagrams to return datagrams, found {shown(wrong[0])}")
            if changed != tuple(result):
                result = changed
                message.changed.append("datagrams")
        return result
