# SPDX-License-Identifier: GPL-2.0-or-later
"""Peers that disappear, and are found dead."""

from __future__ import annotations

from fynx_scapy import DeadPeerDetection
from fynx_scapy.events import (
    PeerDead,
    SaDeleted,
)
from fynx_scapy.harness import (
    EVERY,
    Run,
    expect,
    main,
    scenario,
)


@scenario("RFC 7296 section 2.4", roles=EVERY, ours={"dpd": DeadPeerDetection(interval=0.5)})
def peer_dies(run: Run) -> None:
    """The peer is killed: our liveness check gets no response, and we delete the IKE SA."""
    run.establish()
    run.send_traffic(count=1)
    run.peer.kill()
    # HDR, SK {}  -->   repeatedly
    run.event(PeerDead, limit=15)
    run.event(SaDeleted, child_spis=())
    expect([sa for sa in run.s.client.sas.values() if sa.established], "our IKE SAs").fails()


@scenario("RFC 7296 section 2.4", roles=EVERY, needs={"dpd"}, config={"dpd_delay": 1})
def we_die(run: Run) -> None:
    """We stop sending: the peer's liveness check gets no response, and it deletes the IKE SA."""
    run.establish()
    run.send_traffic(count=1)
    run.s.tap("datagrams", lambda _message, _datagrams, _attempt: [])
    run.wait_until(lambda: not run.peer.sas(), "no IKE SA at the peer", limit=20)


if __name__ == "__main__":
    main(__file__)
