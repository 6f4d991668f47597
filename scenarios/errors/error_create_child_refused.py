# SPDX-License-Identifier: GPL-2.0-or-later
"""A second Child SA that is refused."""

from __future__ import annotations

from scapy.layers.inet import ICMP

from fynx_scapy.events import ChildSaInstalled, SaDeleted
from fynx_scapy.harness import Run, expect, foreign, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_SA,
)


@scenario("RFC 7296 section 1.3.1", requirements=("7296-1.3.1-04", "7296-2.9-i02"), live="in part")
def error_create_child_refused(run: Run) -> None:
    """A refused CREATE_CHILD_SA, for its selectors or its proposals, leaves the IKE SA unchanged."""
    s = run.session()
    s.connect()
    mine = s.config.children[0]
    for config, kind in (
        (mine.replace(remote_ts="203.0.113.0/24"), "TS_UNACCEPTABLE"),
        (mine, "NO_PROPOSAL_CHOSEN"),
    ):
        if kind == "NO_PROPOSAL_CHOSEN":
            s.tap("payloads", foreign)
        # HDR, SK {SA, Ni, TSi, TSr}  -->
        answer = s.create_child(config)
        run.needs(not expect(answer).has_notify("NO_ADDITIONAL_SAS"), "the peer accepts no further Child SAs")
        run.needs(IKEv2_SA not in answer, "the peer accepts any traffic selectors")
        # <--  HDR, SK {N(…)}
        expect(answer).exchange("CREATE_CHILD_SA").notifies(kind).lacks(IKEv2_SA)
    expect(s.events).has(ChildSaInstalled, times=len(s.ends)).lacks(SaDeleted)
    expect(s.ping()).has(ICMP, type=0)


if __name__ == "__main__":
    main(__file__)
