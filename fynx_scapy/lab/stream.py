# SPDX-License-Identifier: GPL-2.0-or-later
"""Pings in both directions, every few milliseconds, in the background of a scenario."""

from __future__ import annotations

import struct

from fynx_scapy.harness.stage import Run
from fynx_scapy.net.echo import echo_request

_IDENTIFIER = 0xF2


class Stream:
    """Starts at once. It runs on our endpoint's timers, so every wait in the scenario drives it.

    ``sent`` is the number of pings in each direction, ``answered`` has the numbers of ours that were answered, and
    ``from_there`` is the probe behind the peer.
    """

    def __init__(self, m: Run, interval: float = 0.003) -> None:
        self._m, self._interval = m, interval
        self._inbox = m.s.network.hosts[m.s.name].inbox
        self._first = len(self._inbox)
        self._running = True
        self.sent = 0
        self.from_there = m.peer.probe(m.here.inner)
        with m.s.network.acting() as now:
            self._tick(now)

    def _tick(self, now: float) -> None:
        if not self._running:
            return
        self.sent += 1
        ours, theirs = self._m.here.inner, self._m.there.inner
        number = struct.pack("!I", self.sent)
        self._m.emit(echo_request(ours, theirs, number, identifier=_IDENTIFIER))
        self.from_there.send()
        self._m.s.client.timers.set(now + self._interval, self._tick)

    def wait_for(self, count: int = 20) -> None:
        """Let time pass until ``count`` more pings were sent."""
        wanted = self.sent + count
        self._m.wait_until(lambda: self.sent >= wanted, f"{count} more pings")

    def stop(self) -> None:
        """Send no more pings."""
        self._running = False

    @property
    def answered(self) -> set[int]:
        """The numbers of our pings that were answered."""
        replies = (packet[20:] for packet in self._inbox[self._first :] if packet[0] >> 4 == 4)
        mine = (reply for reply in replies if reply[0] == 0 and int.from_bytes(reply[4:6]) == _IDENTIFIER)
        return {int.from_bytes(reply[8:12]) for reply in mine}
