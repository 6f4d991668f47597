# SPDX-License-Identifier: GPL-2.0-or-later
"""What a transcript asks of whoever holds the capture; `Capture` does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fynx_scapy.capture.follow.inner import Inner
    from fynx_scapy.capture.follow.sas import CapturedIkeSa, IkeOpened
    from fynx_scapy.capture.index import Index
    from fynx_scapy.capture.reading.flows import EspFlow


class Holder(Protocol):
    """A capture: its index, and what became of its messages and packets when they were opened."""

    @property
    def index(self) -> Index:
        """What one pass found."""

    @property
    def ike_sas(self) -> list[CapturedIkeSa]:
        """The IKE SAs that were followed."""

    @property
    def flows(self) -> list[EspFlow]:
        """The ESP and AH flows."""

    @property
    def learnt(self) -> int:
        """How often messages were opened; what is made of their payloads is stale when it has changed."""

    def opened(self, index: int) -> IkeOpened:
        """What became of an IKE message."""

    def esp(self) -> Iterator[Inner]:
        """Every ESP packet."""
