# SPDX-License-Identifier: GPL-2.0-or-later
"""An unprotected INVALID_IKE_SPI."""

from __future__ import annotations

from scapy.layers.inet import ICMP

from fynx_scapy.events import MessageSent, SaDeleted, Suspected
from fynx_scapy.harness import Run, expect, forge, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_Notify,
)


@scenario(
    "RFC 7296 section 2.21.4",
    requirements=("7296-2.21.4-05", "7296-2.21.4-06", "7296-2.4-04", "7296-2.4-07"),
)
def error_unprotected_hint(run: Run) -> None:
    """INVALID_IKE_SPI in the clear triggers one liveness check, however often it arrives, and changes nothing."""
    s = run.session()
    s.connect()
    for _ in range(3):
        # <--  HDR, N(INVALID_IKE_SPI)
        # HDR, SK {}  -->   <--  HDR, SK {}
        forge(s, IKEv2_Notify(type="INVALID_IKE_SPI"), to="initiator", id=9)
    expect(s.events).at("initiator").has(Suspected, times=1, acted=True).has(Suspected, times=2, acted=False)
    expect(s.events).at("initiator").has(MessageSent, times=3).sent(2).exchange("INFORMATIONAL").empty()
    expect(s.events).lacks(SaDeleted)
    expect(s.ping()).has(ICMP, type=0)


if __name__ == "__main__":
    main(__file__)
