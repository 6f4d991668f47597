# SPDX-License-Identifier: GPL-2.0-or-later
"""Reauthentication."""

from __future__ import annotations

from fynx_scapy import ChildConfig, Identity, IkeConfig, Psk
from fynx_scapy.events import IkeSaEstablished, IkeSaFailed, IkeSaRekeyed, LifetimeReached, SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType


@scenario("RFC 7296 section 2.8.3", requirements=("7296-2.4-i04", "7296-2.4-13"))
def reauthentication(run: Run) -> None:
    """A new IKE SA with new Child SAs is set up before the old one is deleted; a failure leaves the old one."""
    child = ChildConfig()
    config = IkeConfig(
        local_id=Identity.of("alice"),
        remote_id=Identity.of("bob"),
        auth=Psk("secret"),
        children=(child,),
        reauthenticate_after=600.0,
    )
    s = run.session("make before break", config=config)
    s.connect()
    old = s.child
    # HDR(A,0), SAi1, KEi, Ni  -->   <--  HDR(A,B), SAr1, KEr, Nr
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->   <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    # and on the old one: HDR, SK {D(IKE)}  -->   <--  HDR, SK {}
    s.network.run(620.0)
    ours = expect(s.events).at("initiator").has(LifetimeReached, times=1, limit="reauthentication")
    ours.has(IkeSaEstablished, times=2).has(SaDeleted, child_spis=(), by_peer=False).lacks(IkeSaRekeyed)
    for who, spi in (("initiator", old.inbound.spi), ("responder", old.outbound.spi)):
        expect(s.events).at(who).has(SaDeleted, times=1, child_spis=(spi,))
    expect(sum(sa.established for sa in s.peer.sas.values()), "IKE SAs at the responder").equals(1)
    s.ping("10.2.0.1", source="10.1.0.1")

    s = run.session("refused", config=config)
    s.connect()
    s.peer.configs = [each.replace(auth=Psk("another")) for each in s.peer.configs]
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->   <--  HDR, SK {N(AUTHENTICATION_FAILED)}
    s.network.run(605.0)
    expect(s.events).at("initiator").has(IkeSaFailed, notify_type=NotifyType.AUTHENTICATION_FAILED)
    expect(s.sa.established, "the old IKE SA established").equals(True)
    s.ping()


if __name__ == "__main__":
    main(__file__)
