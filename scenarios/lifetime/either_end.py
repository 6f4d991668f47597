# SPDX-License-Identifier: GPL-2.0-or-later
"""Deletes by either peer, and peers that disappear."""

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


@scenario("RFC 7296 section 1.4.1", roles=EVERY, requirements=("7296-1.4.1-i03", "7296-1.4.1-i04"))
def delete_ike_by_us(run: Run) -> None:
    """We delete the IKE SA, and both peers delete its Child SA with it."""
    run.establish()
    # HDR, SK {D}  -->   <--  HDR, SK {}
    expect(run.s.delete()).exchange("INFORMATIONAL").response().empty()
    run.wait_until(lambda: not run.peer.sas(), "no IKE SA at the peer")


@scenario("RFC 7296 section 1.4.1", roles=EVERY)
def delete_ike_by_peer(run: Run) -> None:
    """The peer deletes the IKE SA, and both peers delete its Child SA with it."""
    run.establish()
    run.peer.delete_ike()
    # <--  HDR, SK {D}   HDR, SK {}  -->
    run.event(SaDeleted, by_peer=True, child_spis=())
    run.wait_until(lambda: not run.peer.sas(), "no IKE SA at the peer")


@scenario("RFC 7296 section 1.4.1", roles=EVERY, requirements=("7296-1.4.1-01",))
def delete_child_by_us(run: Run) -> None:
    """We delete the Child SA; the IKE SA remains at both peers."""
    run.establish()
    spi = run.s.child.inbound.spi
    # HDR, SK {D(ESP)}  -->   <--  HDR, SK {D(ESP)}
    run.s.delete(run.s.child)
    run.event(SaDeleted, child_spis=(spi,))
    run.wait_until(lambda: run.theirs().established and not run.theirs().children, "the peer to have only the IKE SA")
    run.s.liveness()


@scenario(
    "RFC 7296 section 1.4.1", roles=EVERY, needs={"delete_child"}, requirements=("7296-1.4.1-01", "7296-1.4.1-03")
)
def delete_child_by_peer(run: Run) -> None:
    """The peer deletes the Child SA; the IKE SA remains at both peers."""
    run.establish()
    run.peer.delete_child()
    # <--  HDR, SK {D(ESP)}   HDR, SK {D(ESP)}  -->
    run.event(SaDeleted, by_peer=True, child_spis=(run.s.child.inbound.spi,))
    run.wait_until(lambda: run.theirs().established and not run.theirs().children, "the peer to have only the IKE SA")
    run.s.liveness()


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
