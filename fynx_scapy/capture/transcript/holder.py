# SPDX-License-Identifier: GPL-2.0-or-later
"""The protocol of a capture that a transcript needs. `Capture` implements it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fynx_scapy.capture.follow.inner import Inner
    from fynx_scapy.capture.follow.sas import CapturedIkeSa, IkeOpened
    from fynx_scapy.capture.index import Index
    from fynx_scapy.capture.reading.flows import EspFlow


class Holder(Protocol):
    """A capture: its index, and the results of decrypting its messages and packets."""

    @property
    def index(self) -> Index:
        """What one pass over the file found."""

    @property
    def ike_sas(self) -> list[CapturedIkeSa]:
        """The IKE SAs that were followed."""

    @property
    def flows(self) -> list[EspFlow]:
        """The ESP and AH flows."""

    @property
    def learnt(self) -> int:
        """A counter of decryption runs. When it changes, anything computed from payloads is stale."""

    def flows_of(self, conversation: int) -> list[EspFlow]:
        """The ESP and AH flows of the conversation with this number."""

    def opened(self, index: int) -> IkeOpened:
        """The result of decrypting an IKE message."""

    def esp(self) -> Iterator[Inner]:
        """Every ESP packet."""
