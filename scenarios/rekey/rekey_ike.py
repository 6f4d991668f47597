# SPDX-License-Identifier: GPL-2.0-or-later
"""Rekeying an IKE SA."""

from __future__ import annotations

from fynx_scapy.events import IkeSaRekeyed, KeysDerived, SaDeleted
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Nonce, IKEv2_SA, IKEv2_TSi


@scenario(
    "RFC 7296 section 1.3.2",
    requirements=(
        "7296-1.3.2-01",
        "7296-2.18-01",
        "7296-2.18-03",
    ),
    live="in part",
)
def rekey_ike(run: Run) -> None:
    """The IKE SA is rekeyed, message IDs start at 0 again, and the Child SA is inherited."""
    s = run.session()
    s.connect()
    old, child = s.sa, s.child

    # HDR, SK {SA, Ni, KEi}  -->
    # <--  HDR, SK {SA, Nr, KEr}
    answer = s.rekey_ike()
    expect(answer).exchange("CREATE_CHILD_SA").has(IKEv2_SA, IKEv2_Nonce, IKEv2_KE).lacks(IKEv2_TSi)
    expect(s.events).at("initiator").sent(0, "CREATE_CHILD_SA").has(IKEv2_KE)
    # HDR, SK {D(IKE)}  -->
    # <--  HDR, SK {}
    expect(s.events).has(IkeSaRekeyed, times=len(s.ends)).has(SaDeleted, times=len(s.ends))
    expect(s.events).has(KeysDerived, times=2 * len(s.ends))
    expect(s.sa is not old, "another IKE SA").holds()
    expect(s.sa.keys != old.keys, "other keys").holds()
    expect(s.child is child, "the same Child SA").holds()
    s.ping()
    expect(s.liveness()).message_id(0)


if __name__ == "__main__":
    main(__file__)
