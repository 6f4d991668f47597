# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP with an unknown SPI."""

from __future__ import annotations

from scapy.layers.inet import ICMP

from fynx_scapy.events import PeerNotified, SaDeleted
from fynx_scapy.harness import Run, deliver, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.taps import DatagramKind


@scenario(
    "RFC 7296 section 1.5",
    requirements=(
        "7296-1.5-01",
        "7296-2.21.4-07",
        "7296-2.21.4-08",
        "7296-2.21.4-09",
    ),
    live="in part",
)
def error_unknown_esp_spi(run: Run) -> None:
    """ESP with an unknown SPI is reported to the peer inside SK, once, and changes nothing."""
    s = run.session()
    s.connect()
    kind = DatagramKind.ESP_IN_UDP if s.sa.nat else DatagramKind.ESP
    for _ in range(3):
        # ESP(0xaabbccdd)  -->
        deliver(s, bytes.fromhex("aabbccdd00000001") + bytes(40), kind=kind)
    # <--  HDR, SK {N(INVALID_SPI, 0xaabbccdd)}
    # HDR, SK {}  -->
    told = expect(s.events).at("initiator")
    if run.embedded("INVALID_SPI, which a peer may send"):
        told.has(
            PeerNotified, times=1, notify_type=NotifyType.INVALID_SPI, data=bytes.fromhex("aabbccdd"), encrypted=True
        )
    expect(s.events).lacks(SaDeleted)
    expect(s.ping()).has(ICMP, type=0)


if __name__ == "__main__":
    main(__file__)
