# SPDX-License-Identifier: GPL-2.0-or-later
"""Taps: where anything on its way out can be changed, at five stages.

``payloads``   tap(message: Outgoing) -> None               header and layers of an IKE message; change them in place
``plaintext``  tap(message: Outgoing, octets) -> octets     what SK will hold, padding included
``parts``      tap(message: OutgoingEsp) -> None            the fields of an ESP packet, in ``message.parts``
``wire``       tap(message: Outgoing, octets) -> octets     the sealed message, ESP packet or keepalive
``datagrams``  tap(message: Outgoing, datagrams, attempt) -> datagrams   drop, duplicate, reorder, or `Delayed`

``message.kind`` says whether it is IKE, ESP or a keepalive. The first four run once per message; the last runs at every
transmission and is told which attempt it is, 0 being the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fynx_scapy.checks import as_tuple, check_values, kind, seconds, shown
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.message import Datagram, Outgoing, OutgoingEsp

STAGES = ("payloads", "plaintext", "parts", "wire", "datagrams")


@dataclass(frozen=True, slots=True)
class Delayed:
    """A datagram that leaves ``seconds`` later than its tap ran; ConfigError when that is no time."""

    datagram: Datagram
    seconds: float

    def __post_init__(self) -> None:
        check_values("Delayed", _DELAYED, datagram=self.datagram, seconds=self.seconds)


_DELAYED = {"datagram": kind(Datagram), "seconds": seconds(zero=True)}


Tap = Callable[..., Any]
When = Callable[[Outgoing], bool]


class Taps:
    """The taps of one endpoint, in the order in which they were added."""

    def __init__(self) -> None:
        self._taps: dict[str, list[tuple[Tap, When | None]]] = {stage: [] for stage in STAGES}
        self.used = False
        """Whether there is any: where there is none, nothing is built to be shown to taps."""

    def clear(self) -> None:
        """Take all of them out."""
        for entries in self._taps.values():
            entries.clear()
        self.used = False

    def add(self, stage: str, tap: Tap, when: When | None = None) -> Callable[[], None]:
        """Add a tap for the messages that ``when`` picks (all by default).

        Returns a function that takes it out again.
        """
        if stage not in STAGES:
            raise ConfigError(f"expected one of the tap stages {', '.join(STAGES)}, found {stage!r}")
        entry = (tap, when)
        self._taps[stage].append(entry)
        self.used = True

        def remove() -> None:
            self._taps[stage] = [other for other in self._taps[stage] if other is not entry]
            self.used = any(self._taps.values())

        return remove

    def _of(self, stage: str, message: Outgoing) -> list[Tap]:
        return [tap for tap, when in self._taps[stage] if when is None or when(message)]

    def payloads(self, message: Outgoing) -> None:
        """Let the taps change header and layers.

        The stage counts as changed when a tap was there: layers are not compared.
        """
        for tap in self._of("payloads", message):
            tap(message)
            message.changed.append("payloads")

    def parts(self, message: OutgoingEsp) -> None:
        """Let the taps change the fields of an ESP packet; it counts as changed when a tap was there."""
        for tap in self._of("parts", message):
            tap(message)
            message.changed.append("parts")

    def octets(self, stage: str, message: Outgoing, octets: bytes) -> bytes:
        """Let the taps of ``plaintext`` or ``wire`` change octets."""
        for tap in self._of(stage, message):
            changed = tap(message, octets)
            if changed is not None and changed != octets:
                octets = bytes(changed)
                message.changed.append(stage)
        return octets

    def datagrams(self, message: Outgoing, datagrams: Sequence[Datagram], attempt: int) -> Sequence[Datagram | Delayed]:
        """Let the taps drop, duplicate, reorder or delay; ConfigError for what is none of the two.

        Here, where the tap is known that gave it: in the queue it would stop what others send.
        """
        found: Sequence[Datagram | Delayed] = datagrams
        for tap in self._of("datagrams", message):
            changed = tap(message, list(found), attempt)
            if changed is None:
                continue
            changed = as_tuple(changed)
            if wrong := [item for item in changed if not isinstance(item, Datagram | Delayed)]:
                raise ConfigError(f"expected a tap of datagrams to return datagrams, found {shown(wrong[0])}")
            if changed != tuple(found):
                found = changed
                message.changed.append("datagrams")
        return found
