# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_AUTH whose Child SA is refused."""

from __future__ import annotations

from fynx_scapy.events import ChildSaInstalled, IkeSaEstablished
from fynx_scapy.harness import Run, expect, foreign, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_IDr,
    IKEv2_SA,
)


@scenario(
    "RFC 7296 section 2.21.2",
    requirements=(
        "7296-2.21.2-04",
        "7296-1.2-i03",
    ),
    live="in part",
)
def error_auth_child_refused(run: Run) -> None:
    """A Child SA without a common proposal is refused; AUTH is valid, and the IKE SA is established."""
    s = run.session()
    s.sa_init()
    s.tap("payloads", foreign)
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, N(NO_PROPOSAL_CHOSEN)}
    expect(s.auth()).has(IKEv2_IDr, IKEv2_AUTH).lacks(IKEv2_SA).notifies("NO_PROPOSAL_CHOSEN")
    expect(s.events).has(IkeSaEstablished, times=len(s.ends)).lacks(ChildSaInstalled)
    expect(s.liveness()).empty()


if __name__ == "__main__":
    main(__file__)
