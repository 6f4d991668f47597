# SPDX-License-Identifier: GPL-2.0-or-later
"""The link of a lab, made to lose packets at random, which it counts."""

from __future__ import annotations

import json
from typing import NamedTuple

from fynx_scapy.lab import Lab
from fynx_scapy.lab.namespace import Namespace

ONE_IN = 200
"""One packet in so many is lost, of ESP and of IKE."""

_ESP = 'iifname "wan" meta l4proto udp udp sport != 500 udp dport != 500 @th,64,32 != 0'
_RULES = f"""
add table inet link
add chain inet link in {{ type filter hook input priority 0 ; }}
add counter inet link lost
add rule inet link in {_ESP} numgen random mod {ONE_IN} == 0 counter name lost drop
add rule inet link in {_ESP} accept
add rule inet link in iifname "wan" meta l4proto udp numgen random mod {ONE_IN} == 0 drop
"""
"""Packets are lost where they arrive, because their sender would be told. Off port 500, what does not begin with the
non-ESP marker is ESP."""


class Lost(NamedTuple):
    """How many ESP packets were lost on their way to each site."""

    to_us: int
    to_them: int


class LossyLink:
    """Makes the link of a lab lose packets. LabError where nft cannot do that."""

    def __init__(self, lab: Lab) -> None:
        self._ends = lab.ours.namespace, lab.theirs.namespace
        for namespace in self._ends:
            namespace.run("nft", "-f", "-", text=_RULES)

    @property
    def lost(self) -> Lost:
        """The ESP packets that were lost so far. IKE messages are sent again, so nobody needs to know how many."""
        return Lost(*map(_lost, self._ends))


def _lost(namespace: Namespace) -> int:
    listed = json.loads(namespace.run("nft", "--json", "list", "counter", "inet", "link", "lost"))["nftables"]
    return int(next(each["counter"]["packets"] for each in listed if "counter" in each))
