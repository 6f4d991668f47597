# SPDX-License-Identifier: GPL-2.0-or-later
"""A user-defined exchange: any exchange type, any payloads, any answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.ike.core.exchange import Exchange, Steps
from fynx_scapy.ike.wire.given import read_payloads
from fynx_scapy.ike.wire.rules import ANYTHING, Round

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord


class Custom(Exchange):
    """One request and its answer, with any payloads. Neither has an effect on the IKE SA."""

    rules = (Round(ANYTHING, ANYTHING),)
    extensible = False

    def __init__(self, sa: SaRecord, exchange_type: int, *payloads: Packet | bytes, encrypted: bool = True) -> None:
        super().__init__(sa)
        self.exchange_type = exchange_type  # type: ignore[misc]  # a class attribute of every other exchange
        self.payloads = read_payloads(payloads)
        self.encrypted = encrypted

    def initiate(self) -> Steps:
        """Send the payloads unchanged."""
        yield self.request(*self.payloads, encrypted=self.encrypted)
