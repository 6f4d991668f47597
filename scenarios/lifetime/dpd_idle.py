# SPDX-License-Identifier: GPL-2.0-or-later
"""When dead peer detection sends a liveness check."""

from __future__ import annotations

from fynx_scapy import DeadPeerDetection, Identity, IkeConfig, Psk
from fynx_scapy.events import MessageSent, PeerDead
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.net import echo_request

SILENT = DeadPeerDetection(interval=None)


@scenario("RFC 7296 section 2.4", requirements=("7296-2.4-i01", "7296-2.4-i02"))
def dpd_idle(run: Run) -> None:
    """A liveness check is sent after silence; traffic that we only send does not count as a sign of life."""
    dpd = DeadPeerDetection(interval=30.0)
    config = IkeConfig(local_id=Identity.of("alice"), remote_id=Identity.of("bob"), auth=Psk("secret"), dpd=dpd)
    s = run.session("traffic both ways", config=config, peer={"dpd": SILENT})
    s.connect()
    for second in range(20, 200, 20):
        s.network.run(float(second))
        s.ping()
    expect(s.events).at("initiator").has(MessageSent, times=2)

    s = run.session("traffic one way", config=config, peer={"dpd": SILENT})
    s.connect()
    s.network.hosts["responder"].echo = False
    packet = echo_request("10.1.0.1", "10.2.0.1")
    for second in range(10, 100, 10):
        s.network.run(float(second))
        s.client.send(packet, s.network.now)
    # HDR, SK {}  -->
    # <--  HDR, SK {}
    expect(s.events).at("initiator").sent(-1).exchange("INFORMATIONAL").empty()
    expect(s.events).lacks(PeerDead)


if __name__ == "__main__":
    main(__file__)
