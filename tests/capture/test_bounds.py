# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading a capture costs what its size deserves: memory, time and lines are bounded."""

from __future__ import annotations

import io

import pytest

from fynx_scapy.capture import Capture
from fynx_scapy.capture.audit import audit
from fynx_scapy.capture.follow import layers as layers_module
from fynx_scapy.capture.follow.layers import Layers
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Proposal, IKEv2_SA, IKEv2_Transform
from tests.capture.build import ipv4, pcap, udp

RAW_IP = 101


def test_layers_that_are_dropped_hold_no_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parents and children hold each other. Only the garbage collector frees these, which takes long."""
    monkeypatch.setattr(layers_module, "MOST_OCTETS", 0)
    offer = IKEv2_SA(prop=[IKEv2_Proposal(trans=[IKEv2_Transform(transform_id=20)])])
    first, second = (bytes(IKEv2(init_SPI=bytes([n] * 8)) / offer) for n in (1, 2))
    layers = Layers()
    (payload,) = layers.outer(first, 0).payloads
    proposal = payload.prop[0]
    assert proposal.parent is payload
    assert proposal.trans[0].parent is proposal
    layers.outer(second, 0)
    assert proposal.parent is proposal.trans[0].parent is None


def test_requests_without_a_response_are_one_finding_of_a_report() -> None:
    heads = [bytes([1] * 8 + [2] * 8 + [0, 0x20, 37, 8]) + n.to_bytes(4) + (28).to_bytes(4) for n in range(9)]
    octets = pcap([ipv4(17, udp(500, 500, head)) for head in heads], RAW_IP)
    with Capture(io.BytesIO(octets)) as capture:
        done = audit(capture)
    assert len(done.find("ike.unanswered")) == 9
    (one,) = [each for each in done.grouped() if each.rule == "ike.unanswered"]
    assert (one.title, one.count) == ("INFORMATIONAL 0 has no response, and 8 like it", 9)
