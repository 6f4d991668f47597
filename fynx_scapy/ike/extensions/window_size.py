# SPDX-License-Identifier: GPL-2.0-or-later
"""SET_WINDOW_SIZE and INVALID_MESSAGE_ID: how many requests may be on their way at once (RFC 7296 section 2.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fynx_scapy.errors import IntegrityError, MalformedError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.message import Datagram, Header, Message, notify
from fynx_scapy.layers.ikev2 import IKEv2_Notify

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord

MOST = 1024
"""As many requests of ours are on their way at most, whatever the peer promises to keep."""


def promise(sa: SaRecord) -> list[IKEv2_Notify]:
    """The SET_WINDOW_SIZE that belongs into IKE_AUTH; nothing for a window of one, which holds unsaid."""
    size = sa.config.window
    return [notify(NotifyType.SET_WINDOW_SIZE, size.to_bytes(4))] if size > 1 else []


def announce(sa: SaRecord) -> None:
    """Promise the window of an IKE SA that came of a rekey.

    "When rekeying an IKE SA, the new IKE SA starts with window size 1 until it is explicitly increased".
    """
    payloads = promise(sa)
    if payloads:
        sa.answers.size = sa.config.window
        sa.inform(*payloads)


def note(sa: SaRecord, message: Message) -> None:
    """Take in the peer's promise: a window only ever grows, and one that says nothing useful is ignored."""
    for promised in message.notifies(NotifyType.SET_WINDOW_SIZE):
        data = bytes(promised.notify or b"")
        if message.encrypted and len(data) == 4:
            sa.requests.size = max(sa.requests.size, min(int.from_bytes(data), MOST))


def complain(sa: SaRecord, datagram: Datagram, header: Header) -> None:
    """Tell the peer of a message ID ahead of the window, when the configuration says so.

    Never in a response, and no more often than every ``invalid_message_id`` seconds. Only what is authentic counts.
    One behind the window is an old datagram that the network kept, and nothing to complain about.
    """
    every = sa.config.invalid_message_id
    ahead = header.message_id >= sa.answers.expected + sa.answers.size
    if every is None or not ahead or not sa.established or sa.now < sa.answers.complained + every:
        return
    try:
        message = sa.envelope.open(datagram, header)
    except (IntegrityError, MalformedError):
        return
    if message.encrypted:
        sa.answers.complained = sa.now
        sa.inform(notify(NotifyType.INVALID_MESSAGE_ID, header.message_id.to_bytes(4)))
