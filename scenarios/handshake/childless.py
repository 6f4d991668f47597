# SPDX-License-Identifier: GPL-2.0-or-later
"""An IKE SA without a Child SA."""

from __future__ import annotations

from scapy.layers.inet import ICMP

from fynx_scapy import ChildConfig, IkeConfig, Psk
from fynx_scapy.events import ChildSaInstalled, IkeSaEstablished
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_IDr,
    IKEv2_SA,
    IKEv2_TSi,
    IKEv2_TSr,
)


@scenario("RFC 6023 section 5", requirements=("7296-1-02",), live="in part")
def childless(run: Run) -> None:
    """IKE_AUTH without a Child SA, after the responder has announced support; a Child SA follows later."""
    theirs = ChildConfig(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24")
    s = run.session(
        config=IkeConfig(local_id="alice", remote_id="bob", auth=Psk("fynx"), children=()),
        peer=None if run.live else {"childless": True, "children": (theirs,)},
    )
    # <--  HDR, SAr1, KEr, Nr, N(CHILDLESS_IKEV2_SUPPORTED)
    announced = expect(s.sa_init()).has_notify("CHILDLESS_IKEV2_SUPPORTED")
    run.needs(announced, "the peer does not announce CHILDLESS_IKEV2_SUPPORTED")
    # HDR, SK {IDi, IDr, AUTH}  -->
    # <--  HDR, SK {IDr, AUTH}
    expect(s.auth()).has(IKEv2_IDr, IKEv2_AUTH).lacks(IKEv2_SA, IKEv2_TSi, IKEv2_TSr)
    expect(s.events).has(IkeSaEstablished, times=len(s.ends)).lacks(ChildSaInstalled)
    ours = theirs.replace(local_ts=theirs.remote_ts, remote_ts=theirs.local_ts)
    s.sa.create_child(run.child(ours) if s.live else None)
    s.network.run()
    expect(s.ping()).has(ICMP, type=0)


if __name__ == "__main__":
    main(__file__)
