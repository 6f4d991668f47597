# SPDX-License-Identifier: GPL-2.0-or-later
"""A malformed request inside SK."""

from __future__ import annotations

from fynx_scapy.events import PeerNotified, SaDeleted
from fynx_scapy.harness import Run, answers_on, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import (
    IKEv2_Notify,
)


@scenario(
    "RFC 7296 section 2.21.3",
    requirements=(
        "7296-2.21.3-01",
        "7296-2.21.3-i01",
    ),
    live="in part",
)
def error_malformed_request(run: Run) -> None:
    """A malformed request on an IKE SA is answered with INVALID_SYNTAX, which is fatal for both peers."""
    s = run.session()
    s.connect()
    sa = s.sa
    # HDR, SK {N(broken)}  -->
    # <--  HDR, SK {N(INVALID_SYNTAX)}
    expect(s.request("INFORMATIONAL", IKEv2_Notify(type="INITIAL_CONTACT", length=400))).notifies("INVALID_SYNTAX")
    expect(s.events).at("initiator").has(SaDeleted, child_spis=())
    # HDR, SK {}  -->     on the deleted IKE SA
    expect(answers_on(s, sa), "an answer on the IKE SA that INVALID_SYNTAX ended").fails()
    if run.embedded("that the peer takes nothing from it"):
        expect(s.events).at("responder").has(SaDeleted, child_spis=()).lacks(
            PeerNotified, notify_type=NotifyType.INITIAL_CONTACT
        )


if __name__ == "__main__":
    main(__file__)
