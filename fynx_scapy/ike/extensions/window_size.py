# SPDX-License-Identifier: GPL-2.0-or-later
"""SET_WINDOW_SIZE and INVALID_MESSAGE_ID: how many requests may be outstanding at once (RFC 7296 section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.errors import IntegrityError, MalformedError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.core.extension import Extension
from fynx_scapy.ike.core.registry import extension
from fynx_scapy.ike.message import Datagram, Header, Message, Outgoing, notify
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_Notify

if TYPE_CHECKING:
    from fynx_scapy.ike.core.exchange import Exchange

MOST = 1024
"""The most requests that we have outstanding at once, whatever the peer announces."""


@extension
class WindowSize(Extension):
    """The window sizes that both peers announce. The windows are the IKE SA's ``requests`` and ``answers``."""

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """At the end of IKE_AUTH."""
        return self._promise() if message.get(IKEv2_AUTH) is not None else ()

    def _promise(self) -> list[IKEv2_Notify]:
        """SET_WINDOW_SIZE, or nothing for a window of one, which is the default."""
        size = self.sa.config.window
        return [notify(NotifyType.SET_WINDOW_SIZE, size.to_bytes(4))] if size > 1 else []

    def note(self, message: Message, exchange: Exchange) -> None:
        """Enlarge the window of our requests; it never shrinks. A malformed notify is ignored.

        The window belongs to the IKE SA of the message, even while that one is rekeyed.
        """
        for promised in message.notifies(NotifyType.SET_WINDOW_SIZE):
            data = bytes(promised.notify or b"")
            if message.encrypted and len(data) == 4:
                requests = exchange.sa.requests
                requests.size = max(requests.size, min(int.from_bytes(data), MOST))

    def established(self) -> None:
        """Use the window size that we announce in IKE_AUTH."""
        self.sa.answers.size = self.sa.config.window

    def took_over(self) -> None:
        """Announce the window of an IKE SA that was created by a rekey.

        "When rekeying an IKE SA, the new IKE SA starts with window size 1 until it is explicitly increased".
        """
        payloads = self._promise()
        if payloads:
            self.sa.answers.size = self.sa.config.window
            self.sa.inform(*payloads)

    def ahead(self, datagram: Datagram, header: Header) -> None:
        """Send INVALID_MESSAGE_ID for an authentic request above the window, if configured.

        It is never sent in a response, and at most once every ``invalid_message_id`` seconds.
        """
        sa, every = self.sa, self.sa.config.invalid_message_id
        if every is None or not sa.established or sa.now < sa.answers.complained + every:
            return
        try:
            message = sa.envelope.open(datagram, header)
        except (IntegrityError, MalformedError):
            return
        if message.encrypted:
            sa.answers.complained = sa.now
            sa.inform(notify(NotifyType.INVALID_MESSAGE_ID, header.message_id.to_bytes(4)))
