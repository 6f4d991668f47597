# SPDX-License-Identifier: GPL-2.0-or-later
"""An unprotected AUTHENTICATION_FAILED."""

from __future__ import annotations

from scapy.layers.inet import ICMP

from fynx_scapy.events import MessageSent, SaDeleted, Suspected
from fynx_scapy.harness import Run, expect, forge, main, scenario
from fynx_scapy.layers.ikev2 import (
    IKEv2_Notify,
)


@scenario(
    "RFC 7296 section 2.21.4",
    requirements=("7296-2.21.4-05", "7296-2.4-04"),
)
def error_unprotected_refusal(run: Run) -> None:
    """An unprotected error of any other type on an established IKE SA changes nothing."""
    s = run.session()
    s.connect()
    for kind in ("AUTHENTICATION_FAILED", "INVALID_SYNTAX", "NO_PROPOSAL_CHOSEN", "TEMPORARY_FAILURE"):
        # <--  HDR, N(…)
        forge(s, IKEv2_Notify(type=kind), to="initiator", id=9)
    expect(s.events).at("initiator").has(MessageSent, times=2).lacks(Suspected).lacks(SaDeleted)
    expect(s.ping()).has(ICMP, type=0)


if __name__ == "__main__":
    main(__file__)
