# SPDX-License-Identifier: GPL-2.0-or-later
"""Simultaneous rekeys of a Child SA and its IKE SA."""

from __future__ import annotations

from fynx_scapy.events import ChildSaRekeyed, IkeSaRekeyed, PeerNotified
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType


@scenario(
    "RFC 7296 section 2.25",
    requirements=("7296-2.25-01", "7296-2.25-02", "7296-2.25-03", "7296-2.25.1-07", "7296-2.25.2-05"),
)
def temporary_failure(run: Run) -> None:
    """Crossing rekeys of a Child SA and its IKE SA get TEMPORARY_FAILURE, wait, and then succeed."""
    s = run.session()
    s.connect()
    # HDR, SK {N(REKEY_SA), SA, Ni, …}  -->  and at the same time  <--  HDR, SK {SA, Ni, KEi}
    s.sa.rekey_child(s.child)
    s.peer_sa.rekey()
    s.network.run()
    # <--  HDR, SK {N(TEMPORARY_FAILURE)}  and  HDR, SK {N(TEMPORARY_FAILURE)}  -->
    expect(s.events).has(PeerNotified, times=2, notify_type=NotifyType.TEMPORARY_FAILURE)
    expect(s.events).lacks(ChildSaRekeyed).lacks(IkeSaRekeyed)
    s.network.run(s.network.now + 120)
    expect(s.events).has(ChildSaRekeyed, times=2).has(IkeSaRekeyed, times=2)
    s.ping("10.2.0.1")


if __name__ == "__main__":
    main(__file__)
