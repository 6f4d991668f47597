# SPDX-License-Identifier: GPL-2.0-or-later
"""An exchange out of its turn."""

from __future__ import annotations

from fynx_scapy.events import ChildSaInstalled, IkeSaEstablished
from fynx_scapy.harness import Run, expect, main, scenario, unanswered
from fynx_scapy.layers.ikev2 import (
    IKEv2_Nonce,
    IKEv2_SA,
)


@scenario("RFC 7296 section 1", requirements=("7296-1-01", "7296-1-i03"), live="in part")
def error_request_before_auth(run: Run) -> None:
    """Nothing but IKE_AUTH is done for a peer that is not authenticated."""
    s = run.session()
    s.sa_init()
    # HDR, SK {SA, Ni, TSi, TSr}  -->   before IKE_AUTH
    request = IKEv2_Nonce(nonce=bytes(32))
    if s.live:
        # INVALID_SYNTAX need not end it at the peer's end: what is half-open there is completed and deleted afterwards.
        s.sa.config = s.sa.config.replace(invalid_syntax_is_fatal=False)
        # No RFC says how to refuse it: a live one may say anything, or nothing.
        expect(unanswered(s, lambda: s.request("CREATE_CHILD_SA", request))).holds()
        return
    answer = s.request("CREATE_CHILD_SA", request)
    # <--  HDR, SK {N(INVALID_SYNTAX)}
    expect(answer).notifies("INVALID_SYNTAX").lacks(IKEv2_SA)
    expect(s.events).lacks(IkeSaEstablished).lacks(ChildSaInstalled)


if __name__ == "__main__":
    main(__file__)
