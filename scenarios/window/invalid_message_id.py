# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests outside the window."""

from __future__ import annotations

from fynx_scapy import Identity, IkeConfig, Psk
from fynx_scapy.events import MessageDropped, MessageSent, PeerNotified
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType


@scenario("RFC 7296 section 2.3", requirements=("7296-2.3-09", "7296-2.3-10"))
def invalid_message_id(run: Run) -> None:
    """A message ID outside the window is not answered; INVALID_MESSAGE_ID may be sent in a request, rate-limited."""
    config = IkeConfig(local_id=Identity.of("alice"), remote_id=Identity.of("bob"), auth=Psk("fynx"))
    for label, every in (("silence", None), ("a complaint a minute", 60.0)):
        s = run.session(label, config=config, peer={"invalid_message_id": every})
        s.connect()
        s.sa.requests.next_id += 5
        # HDR(7), SK {}  -->
        s.sa.liveness()
        s.network.run(s.network.now + 20)
        theirs = expect(s.events).at("responder").has(MessageDropped)
        sent = [e for _, e in theirs.events if isinstance(e, MessageSent)][2:]
        if every is None:
            expect(sent, "messages of the responder").equals([])
            continue
        # <--  HDR(0), SK {N(INVALID_MESSAGE_ID)}
        # HDR(0), SK {}  -->
        expect(len(sent), "requests with INVALID_MESSAGE_ID").equals(1)
        expect(bool(int(sent[0].header.flags) & 0x20), "a response").equals(False)
        expect(s.events).at("initiator").has(
            PeerNotified, times=1, notify_type=NotifyType.INVALID_MESSAGE_ID, data=b"\0\0\0\7"
        )


if __name__ == "__main__":
    main(__file__)
