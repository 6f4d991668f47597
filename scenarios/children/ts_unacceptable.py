# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic selectors without a common part."""

from __future__ import annotations

from fynx_scapy.events import ChildSaFailed, ChildSaInstalled, IkeSaEstablished
from fynx_scapy.harness import EVERY, Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDr, IKEv2_SA, IKEv2_TSi, IKEv2_TSr


@scenario(
    "RFC 7296 section 2.9",
    roles=EVERY,
    requirements=("7296-2.9-i02", "7296-1.2-i03", "7296-2.21.2-04"),
    ours={"child": {"remote_ts": "203.0.113.0/24"}},
    live=True,
)
def ts_unacceptable(run: Run) -> None:
    """Selectors without a common part get TS_UNACCEPTABLE; the IKE SA is established without a Child SA."""
    run.begin()
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, N(TS_UNACCEPTABLE)}
    answer = run.answer("IKE_AUTH")
    run.needs(IKEv2_TSr not in answer, "the peer accepts any traffic selectors")
    expect(answer).has(IKEv2_IDr, IKEv2_AUTH).notifies("TS_UNACCEPTABLE").lacks(IKEv2_SA, IKEv2_TSi)
    run.event(IkeSaEstablished)
    run.event(ChildSaFailed, notify_type=NotifyType.TS_UNACCEPTABLE)
    expect(run.s.events).lacks(ChildSaInstalled)
    run.no_child_sa()
    run.ike_sa_remains()


if __name__ == "__main__":
    main(__file__)
