# SPDX-License-Identifier: GPL-2.0-or-later
"""Lifetimes of a Child SA in bytes and packets."""

from __future__ import annotations

from fynx_scapy import NEVER, ChildConfig, Identity, IkeConfig, Lifetime, Limits, PeerFields, Psk, Selector
from fynx_scapy.errors import LocalError, Timeout
from fynx_scapy.events import ChildSaRekeyed, LifetimeReached
from fynx_scapy.harness import Run, expect, main, scenario

AGELESS: PeerFields = {
    "lifetime": NEVER,
    "children": (
        ChildConfig(local_ts=(Selector.of("10.2.0.0/24"),), remote_ts=(Selector.of("10.1.0.0/24"),), lifetime=NEVER),
    ),
}


@scenario("RFC 7296 section 2.8", requirements=("7296-2.8-01", "7296-4-08"), live="in part")
def lifetime_bytes(run: Run) -> None:
    """Byte and packet limits work like time limits: the soft one rekeys, the hard one stops traffic."""
    soft = Lifetime(soft=Limits(bytes=10_000), hard=Limits(bytes=50_000), jitter=0.0)
    s = run.session("a soft limit of bytes", config=config(soft), embedded={"peer": AGELESS})
    s.connect()
    for _ in range(12):
        s.ping(size=1000)
    expect(s.events).at("initiator").has(LifetimeReached, times=1, limit="bytes", hard=False)
    expect(s.events).at("initiator").has(ChildSaRekeyed, times=1, by_peer=False)

    if not run.embedded("a hard limit"):
        return

    hard = Lifetime(soft=Limits(), hard=Limits(packets=5))
    s = run.session("a hard limit of packets", config=config(hard), peer=AGELESS)
    s.connect()
    for _ in range(4):
        s.ping()
    # The fifth packet is sent; its answer arrives after the SA was deleted.
    expect(lambda: s.ping()).raises(Timeout)
    expect(lambda: s.ping("10.2.0.1", source="10.1.0.1")).raises(LocalError, "no Child SA")
    expect(s.events).at("initiator").has(LifetimeReached, times=1, limit="packets", hard=True)


def config(lifetime: Lifetime) -> IkeConfig:
    """Only the initiator's Child SA has a limit."""
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
