# SPDX-License-Identifier: GPL-2.0-or-later
"""Peers without a common cipher suite."""

from __future__ import annotations

from fynx_scapy import SessionFields
from fynx_scapy.events import ChildSaFailed, ChildSaInstalled, IkeSaEstablished, IkeSaFailed, KeysDerived
from fynx_scapy.harness import Run, expect, foreign, main, scenario
from fynx_scapy.iana import NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDr, IKEv2_SA


@scenario(
    "RFC 7296 section 2.7",
    requirements=("7296-2.7-03", "7296-2.6-i02", "7296-1.2-i03", "7296-3.3.4-06", "7296-2.21.2-04", "7296-2.21-i01"),
    live="in part",
)
def no_proposal_chosen(run: Run) -> None:
    """Without a common suite there is no IKE SA, or, for ESP alone, an IKE SA without a Child SA."""
    s = run.session("no suite for the IKE SA", peer=None if run.live else {"proposals": "aes256-sha512-ecp521"})
    if s.live:
        s.tap("payloads", foreign)
    # HDR(A,0), SAi1, KEi, Ni  -->
    # <--  HDR(A,0), N(NO_PROPOSAL_CHOSEN)
    answer = s.sa_init()
    expect(answer).exchange("IKE_SA_INIT").notifies("NO_PROPOSAL_CHOSEN").lacks(IKEv2_SA)
    expect(answer.resp_SPI, "responder SPI").equals(bytes(8))
    expect(s.events).lacks(KeysDerived).at("initiator").has(
        IkeSaFailed, times=1, notify_type=NotifyType.NO_PROPOSAL_CHOSEN
    )
    if not s.live:
        expect(s.peer.sas, "IKE SAs of the responder").fails()

    other: SessionFields = {"esp_proposals": "aes128gcm16", "peer": {"esp_proposals": "aes256gcm16"}}
    s = run.session("no suite for ESP", **(SessionFields() if run.live else other))
    s.sa_init()
    if s.live:
        s.tap("payloads", foreign)
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->
    # <--  HDR, SK {IDr, AUTH, N(NO_PROPOSAL_CHOSEN)}
    expect(s.auth()).has(IKEv2_IDr, IKEv2_AUTH).notifies("NO_PROPOSAL_CHOSEN").lacks(IKEv2_SA)
    expect(s.events).has(IkeSaEstablished, times=len(s.ends)).has(ChildSaFailed, times=len(s.ends)).lacks(
        ChildSaInstalled
    )
    # HDR, SK {}  -->
    # <--  HDR, SK {}
    expect(s.liveness()).empty()


if __name__ == "__main__":
    main(__file__)
