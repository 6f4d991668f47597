# SPDX-License-Identifier: GPL-2.0-or-later
"""A responder that requires transport mode."""

from __future__ import annotations

from fynx_scapy.events import ChildSaFailed, ChildSaInstalled
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_SA
from fynx_scapy.scenarios.transport.transport_mode import CHILD, CONFIG


@scenario("RFC 7296 section 1.3.1", requirements=("7296-2.9-i02",))
def transport_mode_refused(run: Run) -> None:
    """A responder that requires transport mode refuses tunnel mode, and hosts outside its policy."""
    insisting = CHILD.replace(tunnel_fallback=False)
    elsewhere = insisting.replace(remote_ts=("10.0.0.0/8",))
    for label, ours, theirs in (
        ("the mode", CHILD.replace(mode="tunnel"), insisting),
        ("the hosts", CHILD, elsewhere),
    ):
        s = run.session(label, config=CONFIG.replace(children=(ours,)), peer={"children": (theirs,)})
        s.sa_init()
        # HDR, SK {IDi, [IDr,] AUTH, SAi2, TSi, TSr}  -->
        # <--  HDR, SK {IDr, AUTH, N(TS_UNACCEPTABLE)}
        expect(s.auth()).notifies("TS_UNACCEPTABLE").lacks(IKEv2_SA)
        expect(s.events).has(ChildSaFailed, times=2, notify_type=NotifyType.TS_UNACCEPTABLE).lacks(ChildSaInstalled)
        s.liveness()


if __name__ == "__main__":
    main(__file__)
