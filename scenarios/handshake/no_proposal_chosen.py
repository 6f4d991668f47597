# SPDX-License-Identifier: GPL-2.0-or-later
"""Peers without a common cipher suite."""

from __future__ import annotations

from fynx_scapy.events import ChildSaFailed, ChildSaInstalled, IkeSaFailed, KeysDerived
from fynx_scapy.harness import EVERY, Run, expect, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDr, IKEv2_KE, IKEv2_SA

RARE, RARE_ESP = "camellia192-aesxcbc-prfaesxcbc-ecp512bp", "camellia192-aesxcbc"
"""What no peer is configured for."""
HAS_IT = "the peer has the rarest algorithms"


@scenario(
    "RFC 7296 section 2.7",
    roles=EVERY,
    requirements=("7296-2.7-03", "7296-2.6-i02", "7296-3.3.4-06"),
    ours={"proposals": RARE},
    live=True,
)
def no_proposal_chosen(run: Run) -> None:
    """Without a common suite there is no IKE SA."""
    run.begin()
    # HDR(A,0), SAi1, KEi, Ni  -->
    # <--  HDR(A,0), N(NO_PROPOSAL_CHOSEN)
    answer = run.answer("IKE_SA_INIT")
    run.needs(IKEv2_SA not in answer, HAS_IT)
    expect(answer).notifies("NO_PROPOSAL_CHOSEN").lacks(IKEv2_SA, IKEv2_KE)
    expect(answer.resp_SPI, "responder SPI").equals(bytes(8))
    if run.we_begin:
        run.event(IkeSaFailed, notify_type=NotifyType.NO_PROPOSAL_CHOSEN)
    expect(run.s.events).lacks(KeysDerived)
    run.no_ike_sa()


@scenario(
    "RFC 7296 section 1.2",
    roles=EVERY,
    requirements=("7296-2.7-03", "7296-1.2-i03", "7296-3.3.4-06", "7296-2.21.2-04", "7296-2.21-i01"),
    ours={"child": {"proposals": RARE_ESP}},
    live=True,
)
def no_esp_proposal_chosen(run: Run) -> None:
    """Without a common suite for ESP there is an IKE SA without a Child SA."""
    run.begin()
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, N(NO_PROPOSAL_CHOSEN)}
    answer = run.answer("IKE_AUTH")
    run.needs(IKEv2_SA not in answer, HAS_IT)
    expect(answer).has(IKEv2_IDr, IKEv2_AUTH).notifies("NO_PROPOSAL_CHOSEN").lacks(IKEv2_SA)
    run.event(ChildSaFailed, notify_type=NotifyType.NO_PROPOSAL_CHOSEN)
    expect(run.s.events).lacks(ChildSaInstalled)
    run.no_child_sa()
    run.ike_sa_remains()


if __name__ == "__main__":
    main(__file__)
