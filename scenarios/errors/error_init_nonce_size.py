# SPDX-License-Identifier: GPL-2.0-or-later
"""A nonce that is too short or too long."""

from __future__ import annotations

from fynx_scapy.errors import Timeout
from fynx_scapy.events import MessageDropped, MessageSent
from fynx_scapy.harness import Run, expect, main, scenario, unanswered
from fynx_scapy.layers.ikev2 import (
    IKEv2_Nonce,
)
from fynx_scapy.taps import Outgoing


@scenario(
    "RFC 7296 section 3.9",
    requirements=(
        "7296-3.9-01",
        "7296-3.10.1-i01",
    ),
    live="in part",
)
def error_init_nonce_size(run: Run) -> None:
    """A nonce outside 16 to 256 octets sets up no IKE SA; INVALID_SYNTAX is not sent in the clear."""
    for size in (15, 257):
        s = run.session(f"{size} octets")

        def resize(message: Outgoing, size: int = size) -> None:
            message.one(IKEv2_Nonce).nonce = bytes(size)

        s.tap("payloads", resize)
        # HDR, SAi1, KEi, Ni(wrong)  -->
        if s.live:
            # A live peer may answer: section 2.21.1 lets it choose whether to send an error.
            expect(unanswered(s)).holds()
            continue
        expect(lambda s=s: s.sa_init()).raises(Timeout)
        expect(s.events).at("responder").lacks(MessageSent).has(MessageDropped)
        expect(s.peer.sas, "IKE SAs").fails()


if __name__ == "__main__":
    main(__file__)
