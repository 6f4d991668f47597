# SPDX-License-Identifier: GPL-2.0-or-later
"""A flood of messages for unknown IKE SAs."""

from __future__ import annotations

from fynx_scapy import Address
from fynx_scapy.events import MessageDropped, MessageSent
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import ExchangeType
from fynx_scapy.layers.ikev2 import IKEv2, build_message
from fynx_scapy.taps import Datagram


@scenario("RFC 7296 section 2.21.4", requirements=("7296-2.21.4-02", "7296-2.21.4-03", "7296-2.21.4-04", "7296-2.4-07"))
def flood_unknown_spi(run: Run) -> None:
    """Unknown SPIs are answered with INVALID_IKE_SPI at a limited rate, so that we amplify no attack."""
    s = run.session(peer={"answer_rate": 20.0})
    header = IKEv2(init_SPI=b"A" * 8, resp_SPI=b"B" * 8, exch_type=ExchangeType.INFORMATIONAL, flags="Initiator", id=7)
    stray = Datagram(build_message(header, []), Address(s.peer.host, 500), Address("203.0.113.9", 500))
    for _ in range(100):
        # HDR(C,D), SK {…}  -->
        s.peer.receive(stray, s.network.now)
    s.network.run(s.network.now + 1.0)
    theirs = expect(s.events).at("responder")
    theirs.has(MessageDropped, times=100)
    # <--  HDR(C,D), N(INVALID_IKE_SPI)   twice, a tenth of twenty a second
    theirs.has(MessageSent, times=2).has(MessageSent, times=2, remote=stray.remote, encrypted=False)
    theirs.sent(0).exchange("INFORMATIONAL").message_id(7).notifies("INVALID_IKE_SPI").has(
        IKEv2, init_SPI=b"A" * 8, resp_SPI=b"B" * 8
    )


if __name__ == "__main__":
    main(__file__)
