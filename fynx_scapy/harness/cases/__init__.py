# SPDX-License-Identifier: GPL-2.0-or-later
"""Negative cases: rows that say what is sent wrongly, and what a peer must do then."""

from __future__ import annotations

from fynx_scapy.harness.cases.authorities import authority
from fynx_scapy.harness.cases.base import BASES, Base
from fynx_scapy.harness.cases.case import Case
from fynx_scapy.harness.cases.eap import (
    clients,
    eap_ends_within,
    eap_fails,
    eap_says,
    gateways,
    not_proven,
    proves_itself,
)
from fynx_scapy.harness.cases.messages import (
    answers_alike,
    asks_again,
    backs_off,
    chooses,
    chooses_nothing,
    never,
    no_complaint,
    sends,
    taken,
)
from fynx_scapy.harness.cases.outcome import (
    Outcome,
    accepted,
    alive,
    answered,
    both,
    carries,
    deletes,
    delivered,
    discarded,
    dropped,
    either,
    gives_up,
    goes_on,
    judged,
    new_child_unused,
    new_sa_unused,
    no_child,
    no_sa,
    refused,
    retries,
    silent,
    survives,
)
from fynx_scapy.harness.cases.play import NotReached, mutated
from fynx_scapy.harness.cases.registering import case, cases
from fynx_scapy.harness.cases.seen import Heard, Seen
from fynx_scapy.harness.role import Role

__all__ = [
    "BASES",
    "Base",
    "Case",
    "Heard",
    "NotReached",
    "Outcome",
    "Role",
    "Seen",
    "accepted",
    "alive",
    "answered",
    "answers_alike",
    "asks_again",
    "authority",
    "backs_off",
    "both",
    "carries",
    "case",
    "cases",
    "chooses",
    "chooses_nothing",
    "clients",
    "deletes",
    "delivered",
    "discarded",
    "dropped",
    "eap_ends_within",
    "eap_fails",
    "eap_says",
    "either",
    "gateways",
    "gives_up",
    "goes_on",
    "judged",
    "mutated",
    "never",
    "new_child_unused",
    "new_sa_unused",
    "no_child",
    "no_complaint",
    "no_sa",
    "not_proven",
    "proves_itself",
    "refused",
    "retries",
    "sends",
    "silent",
    "survives",
    "taken",
]
