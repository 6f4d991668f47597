# SPDX-License-Identifier: GPL-2.0-or-later
"""The lifetime of a Child SA."""

from __future__ import annotations

from fynx_scapy import NEVER, ChildConfig, Identity, IkeConfig, Lifetime, Limits, PeerFields, Psk, Selector
from fynx_scapy.events import ChildSaRekeyed, LifetimeReached, SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario

HOUR = Lifetime(soft=Limits(seconds=3600.0), jitter=0.0)

AGELESS: PeerFields = {
    "lifetime": NEVER,
    "children": (
        ChildConfig(local_ts=(Selector.of("10.2.0.0/24"),), remote_ts=(Selector.of("10.1.0.0/24"),), lifetime=NEVER),
    ),
}


@scenario("RFC 7296 section 2.8", requirements=("7296-2.8-i01", "7296-2.8-05", "7296-2.8-07"))
def lifetime_child(run: Run) -> None:
    """At its soft limit a Child SA is rekeyed; one without traffic may be left to expire."""
    s = run.session("rekeyed", config=config(HOUR), peer=AGELESS)
    s.connect()
    s.ping()
    old = s.child
    # HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr}  -->
    # <--  HDR, SK {SA, Nr, TSi, TSr}
    # HDR, SK {D(ESP)}  -->
    # <--  HDR, SK {D(ESP)}
    s.network.run(3602.0)
    expect(s.events).at("initiator").has(LifetimeReached, times=1, limit="seconds", hard=False, spi=old.inbound.spi)
    expect(s.events).at("initiator").has(ChildSaRekeyed, old_spi=old.inbound.spi, new_spi=s.child.inbound.spi)
    expect(s.events).at("initiator").has(SaDeleted, times=1, child_spis=(old.inbound.spi,))
    for what in ("local_ts", "remote_ts", "suite"):
        expect(getattr(s.child, what), what).equals(getattr(old, what))
    s.ping()

    idle = Lifetime(soft=Limits(seconds=3600.0), jitter=0.0, rekey_idle=False)
    s = run.session("left to expire", config=config(idle), peer=AGELESS)
    s.connect()
    # HDR, SK {D(ESP)}  -->
    # <--  HDR, SK {D(ESP)}
    s.network.run(3962.0)
    expect(s.events).lacks(ChildSaRekeyed).at("initiator").has(LifetimeReached, times=1, limit="seconds", hard=True)
    expect(s.events).at("responder").has(SaDeleted, times=1, by_peer=True)
    expect(s.sa.established, "the IKE SA established").equals(True)


def config(lifetime: Lifetime) -> IkeConfig:
    """Only the initiator's Child SA has a lifetime."""
    child = ChildConfig(lifetime=lifetime)
    return IkeConfig(
        local_id=Identity.of("alice"),
        remote_id=Identity.of("bob"),
        auth=Psk("secret"),
        children=(child,),
        lifetime=NEVER,
    )


if __name__ == "__main__":
    main(__file__)
