# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole catalogue against the lab's strongSwan, and EAP-TLS 1.3, which it does not have, against that of sid.

Everything is as the manifest says.
"""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy.harness import Verdict
from fynx_scapy.harness.tally import BAD
from fynx_scapy.lab.peer import Peer
from fynx_scapy.lab.strongswan import StrongSwanSid
from tools.live_catalogue import live_scenarios, run_catalogue, settled

LONGEST = 1800.0
"""Seconds, beside other load: it has an end."""


def test_the_catalogue_against_strongswan(strongswan: str) -> None:
    chosen = live_scenarios()
    ran = run_catalogue(chosen)
    assert [each for each in ran.results if each.verdict is Verdict.NOT_RUN] == []
    assert ran.seconds < LONGEST
    ran = settled(ran, chosen)
    assert ran.unmatched == []
    results = ran.results
    assert {f"{each.scenario.name} ({each.role.value})": each.reason for each in results if each.verdict in BAD} == {}


ALSO = {"rounds_of_a_client_that_does_not_know_them", "auth_lifetime_of_the_initiator"}
"""What both versions do otherwise than the RFCs of several authentications and of AUTH_LIFETIME say."""


def test_eap_tls_1_3_and_what_is_new_against_strongswan_of_sid(versions: Callable[[type[Peer]], str]) -> None:
    version = versions(StrongSwanSid)
    chosen = [each for each in live_scenarios() if each.topic == "negative/eap_tls13" or each.name in ALSO]
    ran = run_catalogue(chosen, labs=2, kind=StrongSwanSid)
    assert ran.version == version
    assert {each.scenario.name: each.reason for each in ran.results if each.verdict in BAD} == {}
    judged = {each.scenario.name for each in ran.results if each.verdict in (Verdict.PASS, Verdict.XFAIL)}
    assert len(judged) >= 30
    assert judged >= ALSO
