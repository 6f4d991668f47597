# SPDX-License-Identifier: GPL-2.0-or-later
"""A packet outside the selectors of its Child SA."""

from __future__ import annotations

from scapy.layers.inet import ICMP, IP, UDP

from fynx_scapy.events import MessageDropped, PeerNotified
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType


@scenario(
    "RFC 7296 section 3.10.1",
    requirements=(
        "7296-3.10.1-05",
        "7296-2.21.4-09",
    ),
)
def error_invalid_selectors(run: Run) -> None:
    """A decrypted packet outside the selectors is dropped, and the peer is notified once."""
    s = run.session(peer={"report_selectors": True})
    s.connect()
    stray = bytes(IP(src="10.9.9.9", dst="10.2.0.1") / UDP())
    for _ in range(3):
        # ESP {10.9.9.9 > 10.2.0.1}  -->
        s.client.send_on(s.sa, s.child, stray)
    s.network.run()
    # <--  HDR, SK {N(INVALID_SELECTORS, SPI, the packet)}
    told = {"notify_type": NotifyType.INVALID_SELECTORS, "data": stray, "spi": s.child.outbound.spi.to_bytes(4)}
    expect(s.events).at("initiator").has(PeerNotified, times=1, **told)
    expect(s.events).at("responder").has(MessageDropped, times=3)
    expect(s.ping()).has(ICMP, type=0)


if __name__ == "__main__":
    main(__file__)
