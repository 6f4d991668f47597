# SPDX-License-Identifier: GPL-2.0-or-later
"""What an endpoint does after it has found its peer dead."""

from __future__ import annotations

from fynx_scapy import DeadPeerDetection, Identity, IkeConfig, Psk, Retransmission, Session
from fynx_scapy.errors import LocalError
from fynx_scapy.events import IkeSaEstablished, PeerDead, Retransmitted, SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario

SILENT = DeadPeerDetection(interval=None)
QUICK = Retransmission(timeout=1.0, base=1.5, tries=3)


@scenario("RFC 7296 section 2.4", requirements=("7296-2.4-05", "7296-2.4-i04"))
def dpd_actions(run: Run) -> None:
    """A dead peer's IKE SA is deleted (clear), set up again at once (restart), or by the next packet (hold)."""
    s = run.session("clear", config=config("clear"), peer={"dpd": SILENT})
    die(s)
    s.network.run(200.0)
    expect(s.events).at("initiator").has(IkeSaEstablished, times=1)
    expect(lambda: s.ping("10.2.0.1", source="10.1.0.1")).raises(LocalError, "no Child SA")

    s = run.session("restart", config=config("restart"), peer={"dpd": SILENT})
    die(s)
    # HDR(A,0), SAi1, KEi, Ni  -->  ... as in the first handshake
    s.network.run(60.0)
    expect(s.events).at("initiator").has(IkeSaEstablished, times=2)
    s.ping("10.2.0.1", source="10.1.0.1")

    s = run.session("hold", config=config("hold"), peer={"dpd": SILENT})
    die(s)
    s.network.run(200.0)
    expect(s.events).at("initiator").has(IkeSaEstablished, times=1)
    # The packet waits for its Child SA: HDR(A,0), SAi1, KEi, Ni  -->  ...
    s.ping("10.2.0.1", source="10.1.0.1")
    expect(s.events).at("initiator").has(IkeSaEstablished, times=2)


def config(action: str) -> IkeConfig:
    """The initiator sends a liveness check after 30 s of silence, four times at most."""
    dpd = DeadPeerDetection(interval=30.0, action=action, retransmission=QUICK)
    return IkeConfig(local_id=Identity.of("alice"), remote_id=Identity.of("bob"), auth=Psk("secret"), dpd=dpd)


def die(s: Session) -> None:
    """Break the network until the initiator has declared its peer dead."""
    s.connect()
    sa = s.sa  # with "restart", the session goes on with another one
    s.network.wire.loss = 1.0
    # HDR, SK {}  --X   four times
    s.network.run(30.0 + QUICK.total - 1.0)
    expect(s.events).lacks(PeerDead)
    expect(s.network.run(lambda: bool(sa.state.value == "closed"), limit=5.0), "the IKE SA closed").equals(True)
    s.network.wire.loss = 0.0
    ours = expect(s.events).at("initiator").has(PeerDead, times=1, attempts=4).has(Retransmitted, times=3)
    ours.has(SaDeleted, times=1, child_spis=(), by_peer=False)


if __name__ == "__main__":
    main(__file__)
