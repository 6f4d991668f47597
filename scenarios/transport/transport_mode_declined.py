# SPDX-License-Identifier: GPL-2.0-or-later
"""A responder that declines transport mode."""

from __future__ import annotations

from fynx_scapy import ChildConfig
from fynx_scapy.events import ChildSaFailed, ChildSaInstalled, SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_SA
from fynx_scapy.scenarios.transport.transport_mode import CHILD, CONFIG

TUNNEL = ChildConfig(local_ts=("0.0.0.0/0",), remote_ts=("0.0.0.0/0",))


@scenario("RFC 7296 section 1.3.1", requirements=("7296-1.3.1-01", "7296-1.3.1-03"))
def transport_mode_declined(run: Run) -> None:
    """Without the notify in the response the Child SA uses tunnel mode; an initiator that insists deletes it."""
    s = run.session("tunnel mode will do", config=CONFIG, peer={"children": (TUNNEL,)})
    s.sa_init()
    # HDR, SK {IDi, [IDr,] AUTH, SAi2, TSi, TSr, N(USE_TRANSPORT_MODE)}  -->
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    expect(s.auth()).has(IKEv2_SA)
    expect(s.events).has(ChildSaInstalled, times=2, mode="tunnel")
    s.ping()

    strict = CONFIG.replace(children=(CHILD.replace(tunnel_fallback=False),))
    s = run.session("the initiator insists", config=strict, peer={"children": (TUNNEL,)})
    s.connect()
    (peer,) = s.peer.sas.values()
    # HDR, SK {D(ESP)}  -->
    # <--  HDR, SK {D(ESP)}
    expect(s.events).at("initiator").has(ChildSaFailed, times=1, reason="the peer declined transport mode")
    expect(s.events).at("responder").has(SaDeleted, times=1, by_peer=True)
    expect(s.sa.children, "Child SAs").fails()
    expect(peer.children, "Child SAs of the peer").fails()
    s.liveness()


if __name__ == "__main__":
    main(__file__)
