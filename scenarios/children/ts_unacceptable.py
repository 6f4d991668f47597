# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic selectors without a common part."""

from __future__ import annotations

from fynx_scapy.events import ChildSaFailed, ChildSaInstalled, IkeSaEstablished
from fynx_scapy.harness import Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDr, IKEv2_SA, IKEv2_TSi, IKEv2_TSr


@scenario("RFC 7296 section 2.9", requirements=("7296-2.9-i02", "7296-1.2-i03", "7296-2.21.2-04"), live="in part")
def ts_unacceptable(run: Run) -> None:
    """Selectors without a common part get TS_UNACCEPTABLE; the IKE SA is established without a Child SA."""
    s = run.session(remote_ts="10.2.0.0/24", peer=None if run.live else {"local_ts": "172.16.0.0/24"})
    if s.live:
        nowhere = tuple(child.replace(remote_ts="203.0.113.0/24") for child in s.config.children)
        s.config = s.config.replace(children=nowhere)
    s.sa_init()
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, N(TS_UNACCEPTABLE)}
    answer = s.auth()
    run.needs(IKEv2_TSr not in answer, "the peer accepts any traffic selectors")
    expect(answer).has(IKEv2_IDr, IKEv2_AUTH).notifies("TS_UNACCEPTABLE").lacks(IKEv2_SA, IKEv2_TSi)
    expect(s.events).has(IkeSaEstablished, times=len(s.ends)).lacks(ChildSaInstalled)
    expect(s.events).has(ChildSaFailed, times=len(s.ends), notify_type=NotifyType.TS_UNACCEPTABLE)
    # HDR, SK {}  -->
    # <--  HDR, SK {}
    expect(s.liveness()).empty()


if __name__ == "__main__":
    main(__file__)
