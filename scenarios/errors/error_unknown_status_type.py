# SPDX-License-Identifier: GPL-2.0-or-later
"""An unknown status notify."""

from __future__ import annotations

from scapy.layers.inet import ICMP

from fynx_scapy.events import ChildSaInstalled, IkeSaEstablished, PeerNotified
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_Notify,
)


@scenario("RFC 7296 section 3.10.1", requirements=("7296-3.10.1-03", "7296-3.10.1-02"), live="in part")
def error_unknown_status_type(run: Run) -> None:
    """Unknown status types are ignored in every message."""
    s = run.session()
    s.tap("payloads", lambda message: message.payloads.append(IKEv2_Notify(type=50000)))
    if run.embedded("one in its answers"):
        s.peer.taps.add("payloads", lambda message: message.payloads.append(IKEv2_Notify(type=50001)))
    s.connect()
    if not s.live:
        expect(s.events).at("responder").has(PeerNotified, notify_type=50000)
    expect(s.events).has(IkeSaEstablished, times=len(s.ends)).has(ChildSaInstalled, times=len(s.ends))
    s.liveness()
    expect(s.ping()).has(ICMP, type=0)


if __name__ == "__main__":
    main(__file__)
