# SPDX-License-Identifier: GPL-2.0-or-later
"""Says on screen which peers a server has refused before there was a session, and why."""

from __future__ import annotations

from fynx_scapy.commands.screen import Screen
from fynx_scapy.events import Event, PeerCertificateRefused, RequestRefused
from fynx_scapy.iana import ExchangeType
from fynx_scapy.ike.basics.limiter import Limiter
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.text import counted

EVERY, BURST = 1.0, 10
"""Anybody can be refused, so there are at most `BURST` lines at once, and then one every `EVERY` seconds."""
_SETUP = (ExchangeType.IKE_SA_INIT, ExchangeType.IKE_INTERMEDIATE, ExchangeType.IKE_AUTH)


class Refusals:
    """A line for each peer that is refused. ``close()`` stops."""

    def __init__(self, screen: Screen, network: Hosts) -> None:
        self.total = 0
        """How many were refused."""
        self._screen, self._network = screen, network
        self._limits, self._untold = Limiter(), 0
        self._certificate: PeerCertificateRefused | None = None
        self.close = network.subscribe(self.heard, esp=False)

    def heard(self, _: str, event: Event) -> None:
        """What the network tells."""
        if isinstance(event, PeerCertificateRefused):
            self._certificate = event  # the refusal of its request follows, and knows the address
        elif isinstance(event, RequestRefused) and event.exchange in _SETUP:
            self.total += 1
            self._tell(event)

    def _tell(self, event: RequestRefused) -> None:
        code, certificate = event.code, self._certificate
        about = ""
        if certificate is not None and (certificate.spi_i, certificate.spi_r) == (event.spi_i, event.spi_r):
            code = certificate.code
            about = f" (certificate {certificate.subject})" if certificate.subject not in event.reason else ""
            about += "".join(f"; {note}" for note in certificate.notes)
        self._certificate = None
        if not self._limits.allow("refused", self._network.now, EVERY, BURST):
            self._untold += 1
            return
        more = f"; {counted(self._untold, 'refusal')} before it not shown" if self._untold else ""
        self._untold = 0
        self._screen.line(f"refused {event.remote}: {event.reason}{about} [{code}]{more}")
