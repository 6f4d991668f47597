# SPDX-License-Identifier: GPL-2.0-or-later
"""CREATE_CHILD_SA before IKE_AUTH."""

from __future__ import annotations

from fynx_scapy.events import ChildSaInstalled, IkeSaEstablished
from fynx_scapy.harness import Run, expect, main, scenario, unanswered
from fynx_scapy.layers.ikev2 import (
    IKEv2_Nonce,
    IKEv2_SA,
)


@scenario("RFC 7296 section 1", requirements=("7296-1-01", "7296-1-i03"), live="in part")
def error_request_before_auth(run: Run) -> None:
    """Only IKE_AUTH is processed for a peer that is not authenticated yet."""
    s = run.session()
    s.sa_init()
    # HDR, SK {SA, Ni, TSi, TSr}  -->   before IKE_AUTH
    request = IKEv2_Nonce(nonce=bytes(32))
    if s.live:
        # A live peer need not delete its half-open IKE SA after INVALID_SYNTAX: complete it and delete it afterwards.
        s.sa.config = s.sa.config.replace(invalid_syntax_is_fatal=False)
        # No RFC says how to refuse it: a live peer may answer with anything, or not at all.
        expect(unanswered(s, lambda: s.request("CREATE_CHILD_SA", request))).holds()
        return
    answer = s.request("CREATE_CHILD_SA", request)
    # <--  HDR, SK {N(INVALID_SYNTAX)}
    expect(answer).notifies("INVALID_SYNTAX").lacks(IKEv2_SA)
    expect(s.events).lacks(IkeSaEstablished).lacks(ChildSaInstalled)


if __name__ == "__main__":
    main(__file__)
