# SPDX-License-Identifier: GPL-2.0-or-later
"""All faults, from the file of each topic."""

from __future__ import annotations

from tests.faults import (
    authentication,
    certificates,
    conduct,
    configuration,
    eap,
    ending,
    esp,
    fragments,
    initial,
    keyexchange,
    keys,
    life,
    messages,
    more_messages,
    more_setup,
    negotiation,
    offers,
    packets,
    path,
    ppk,
    rounds,
    sent,
)
from tests.faults.fault import FAULTS, Fault

TOPICS = (
    initial, keyexchange, negotiation, authentication, messages, fragments, life, ending, configuration, path, esp,
    more_setup, more_messages, offers, sent, conduct, keys, packets, ppk,
    certificates, eap, rounds,
)  # fmt: skip
"""The modules that register the faults, in the order of a conversation."""


def faults() -> list[Fault]:
    """Every fault, in that order."""
    places = [topic.__name__ for topic in TOPICS]
    return sorted(FAULTS.values(), key=lambda fault: places.index(fault.change.__module__))
