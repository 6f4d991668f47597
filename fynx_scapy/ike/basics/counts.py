# SPDX-License-Identifier: GPL-2.0-or-later
"""What an endpoint counts: ESP packets and octets in both directions, and what it drops, by reason."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field


class DropReason(enum.StrEnum):
    """Why something was dropped. The values are stable: logs, metrics and alerts refer to them."""

    # IKE messages
    MALFORMED = "malformed"
    """The octets are no IKE message, or one of its payloads is malformed."""
    VERSION = "version"
    """Another major version (RFC 7296 section 2.5)."""
    UNKNOWN_IKE_SPI = "unknown-ike-spi"
    """No IKE SA has these SPIs (section 2.21.4)."""
    INVALID_INITIAL = "invalid-initial"
    """An IKE_SA_INIT request with an impossible SPI or message ID, or without a nonce."""
    REFLECTED = "reflected"
    """An IKE_SA_INIT request with an SPI of ours as the initiator's."""
    TOO_LARGE = "too-large"
    """An IKE_SA_INIT request that is too large to be parsed."""
    SOURCE_LIMIT = "source-limit"
    """Too many half-open IKE SAs, or refused requests, from one source."""
    HALF_OPEN_LIMIT = "half-open-limit"
    """Too many half-open IKE SAs, or too many octets in them."""
    PUZZLE = "puzzle"
    """A puzzle is not solved, or cannot be posed (RFC 8019)."""
    UNPROTECTED = "unprotected"
    """A message of an IKE SA with keys that is not inside SK."""
    INTEGRITY = "integrity"
    """The ICV of an IKE message does not verify."""
    MESSAGE_ID = "message-id"
    """A message ID outside of the window, or another message than the one that was answered (section 2.3)."""
    STATE = "state"
    """The IKE SA takes no requests in this state."""
    RESPONSE = "response"
    """No request waits for this response, or it does not answer the request."""
    SYNTAX = "syntax"
    """An unprotected request with invalid payloads."""

    # ESP packets that were received
    UNKNOWN_ESP_SPI = "unknown-esp-spi"
    """No Child SA has this SPI."""
    ESP_MALFORMED = "esp-malformed"
    """The length, the padding or the inner packet is malformed, or the inner packet does not fit the mode."""
    ESP_INTEGRITY = "esp-integrity"
    """The ICV does not verify."""
    ESP_REPLAY = "esp-replay"
    """The sequence number was received before, or is below the window (RFC 4303 section 3.4.3)."""
    ESP_SELECTORS = "esp-selectors"
    """The inner packet is outside the traffic selectors of its Child SA (RFC 4301 section 5.2)."""
    EXPIRED = "expired"
    """The lifetime of the Child SA is over (RFC 7296 section 2.8)."""

    # Inner packets to be sent
    NO_POLICY = "no-policy"
    """No Child SA and no trap takes the packet."""
    INNER_MALFORMED = "inner-malformed"
    """What is to be sent is no IP packet, or one that its Child SA cannot carry, such as a fragment in transport mode
    (RFC 4303 section 3.3.4)."""
    HELD = "held"
    """The packet waited for its Child SA for too long, or too many did."""

    # Queues and sockets
    OUTBOX_FULL = "outbox-full"
    """Nobody fetched what is to be sent."""
    INBOX_FULL = "inbox-full"
    """Nobody fetched the inner packets that were received."""
    SEND_FAILED = "send-failed"
    """The operating system did not take a datagram."""
    HANDOVER = "handover"
    """A packet for another worker could not be handed over to it."""
    TUN_REFUSED = "tun-refused"
    """The TUN device did not take a received inner packet: it is down, or the packet is none that it knows."""
    RECEIVE_FAILED = "receive-failed"
    """The operating system reported an error while we were receiving, or a truncated datagram."""


@dataclass(slots=True, eq=False)
class Counts:
    """The counters of an endpoint. They only rise.

    Octets are those of ESP packets, from the SPI to the ICV. Packets count as sent when they are fetched to be sent,
    and as received once they have been verified and match their traffic selectors. ``drops`` has a count for each
    `DropReason` that occurred.
    """

    esp_packets_in: int = 0
    esp_bytes_in: int = 0
    esp_packets_out: int = 0
    esp_bytes_out: int = 0
    drops: Counter[str] = field(default_factory=Counter)

    def drop(self, reason: DropReason, number: int = 1) -> None:
        """Count dropped packets or messages."""
        self.drops[reason] += number

    def add(self, other: Counts) -> None:
        """Count what ``other`` counted as well."""
        self.esp_packets_in += other.esp_packets_in
        self.esp_bytes_in += other.esp_bytes_in
        self.esp_packets_out += other.esp_packets_out
        self.esp_bytes_out += other.esp_bytes_out
        self.drops.update(other.drops)

    @property
    def replays(self) -> int:
        """ESP packets whose sequence number was received before, or is below the window."""
        return self.drops[DropReason.ESP_REPLAY]

    @property
    def integrity_failures(self) -> int:
        """ESP packets and IKE messages whose ICV does not verify."""
        return self.drops[DropReason.ESP_INTEGRITY] + self.drops[DropReason.INTEGRITY]
