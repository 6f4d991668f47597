# SPDX-License-Identifier: GPL-2.0-or-later
"""The lifetime of an IKE SA."""

from __future__ import annotations

from fynx_scapy import NEVER, ChildConfig, Identity, IkeConfig, Lifetime, Limits, PeerFields, Psk, Selector
from fynx_scapy.events import IkeSaEstablished, IkeSaRekeyed, LifetimeReached, SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import ProtocolId
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Delete

AGELESS: PeerFields = {
    "lifetime": NEVER,
    "children": (
        ChildConfig(local_ts=(Selector.of("10.2.0.0/24"),), remote_ts=(Selector.of("10.1.0.0/24"),), lifetime=NEVER),
    ),
}


@scenario("RFC 7296 section 2.8", requirements=("7296-1.3.2-i01", "7296-2.8-06"))
def lifetime_ike(run: Run) -> None:
    """At its soft limit an IKE SA is rekeyed; its Child SA is inherited, without a new authentication."""
    four_hours = Lifetime(soft=Limits(seconds=14400.0), jitter=0.0)
    child = ChildConfig(lifetime=NEVER)
    config = IkeConfig(
        local_id=Identity.of("alice"),
        remote_id=Identity.of("bob"),
        auth=Psk("secret"),
        children=(child,),
        lifetime=four_hours,
    )
    s = run.session(config=config, peer=AGELESS)
    s.connect()
    old = s.sa
    s.ping()
    # HDR, SK {SA, Ni, KEi}  -->
    # <--  HDR, SK {SA, Nr, KEr}
    # HDR, SK {D(IKE)}  -->
    # <--  HDR, SK {}
    s.network.run(14402.0)
    expect(s.events).at("initiator").has(LifetimeReached, times=1, limit="seconds", hard=False, spi=None)
    expect(s.events).at("initiator").has(IkeSaRekeyed, times=1, by_peer=False)
    expect(s.events).at("responder").has(IkeSaRekeyed, times=1, by_peer=True).has(IkeSaEstablished, times=1)
    last = expect(s.events).at("initiator").sent(-1).exchange("INFORMATIONAL")
    rekey = expect(s.events).at("initiator").sent(0, "CREATE_CHILD_SA").packet
    last.message_id(rekey.id + 1).has(IKEv2, init_SPI=old.spi_i).has(IKEv2_Delete, proto=ProtocolId.IKE)
    expect(s.events).at("responder").has(SaDeleted, times=1, child_spis=(), by_peer=True, spi_i=old.spi_i)
    (new,) = [sa for sa in s.client.sas.values() if sa.established]
    expect(len(new.children), "Child SAs of the new IKE SA").equals(1)
    packet = s.ping("10.2.0.1", source="10.1.0.1")
    expect(packet.src, "the source of the answer").equals("10.2.0.1")


if __name__ == "__main__":
    main(__file__)
