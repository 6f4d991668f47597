# SPDX-License-Identifier: GPL-2.0-or-later
"""The faults themselves: each is known, changes one endpoint only, and leaves an ordinary conversation alone."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from fynx_scapy.harness.requirements import catalogue
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import Retransmitted
from fynx_scapy.net.echo import echo_request
from tests.faults.everything import faults
from tests.faults.fault import FAULTS, Fault
from tests.ike.pair import Pair

FIRST = [fault for fault in faults() if fault.chosen_first]
AREAS = {
    "sa-negotiation", "fragments", "cp", "errors", "auth", "versioning/forward-compat", "udp-encap", "other",
    "esp-sequence/replay", "collision", "esp-processing", "informational/delete", "natt", "eap", "create-child",
    "rekey", "ke", "esp-padding", "sk", "message-id/window", "lifetime/dpd", "header", "ts", "esp-format",
    "retransmission", "payload-format", "cookie", "nonce",
}  # fmt: skip
"""The areas in which requirements.json sorts the sentences."""


def test_every_area_has_a_fault():
    found = Counter(fault.area for fault in FIRST)
    assert found.keys() == AREAS
    assert len(FIRST) >= 70


def test_faults_name_requirements_that_exist():
    named = {identifier for fault in faults() for identifier in fault.requirements}
    assert named <= catalogue().keys()
    assert all(fault.requirements and fault.what.endswith(".") for fault in faults())


def _patched() -> dict[str, object]:
    """Everything that faults replace: the functions and methods of our modules."""
    found: dict[str, object] = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("fynx_scapy"):
            for key, value in vars(module).items():
                found[f"{name}.{key}"] = value
                if isinstance(value, type) and value.__module__ == name:
                    found |= {f"{name}.{key}.{attribute}": one for attribute, one in vars(value).items()}
    return found


def test_all_that_a_fault_replaces_is_put_back():
    endpoint, before = Endpoint("192.0.2.1"), _patched()
    for fault in faults():
        with fault.apply(endpoint):
            pass
    after = _patched()
    changed = {name for name in before if after[name] is not before[name]}
    assert not {name for name in changed if callable(before[name])}
    assert not endpoint.taps.used
    assert "receive" not in vars(endpoint)


def _ping(pair: Pair) -> int:
    """How many answers Alice gets to an echo request."""
    packet = echo_request("10.1.0.5", "10.2.0.5", b"fynx", identifier=1, sequence=1)
    assert pair.alice.send(packet, pair.network.now)
    pair.network.run()
    return len(pair.network.hosts["alice"].inbox)


def _converse(fault: Fault, faulty: str) -> None:
    """Set up an IKE SA and send a packet, with one end faulty."""
    pair = Pair()
    with fault.apply(getattr(pair, faulty)):
        assert pair.connect().established, fault.name
        assert _ping(pair) == 1, fault.name


def test_an_ordinary_conversation_works_with_a_fault_of_each_area():
    one_of_each = {fault.area: fault for fault in faults() if fault.connects}
    for number, fault in enumerate(one_of_each.values()):
        _converse(fault, ("alice", "bob")[number % 2])


@pytest.mark.slow
@pytest.mark.parametrize("faulty", ["alice", "bob"])
def test_an_ordinary_conversation_works_with_every_fault(faulty):
    for fault in faults():
        if fault.connects:
            _converse(fault, faulty)


def test_only_the_faulty_endpoint_is_faulty():
    pair = Pair()
    with FAULTS["never_retransmits"].apply(pair.alice):
        sa = pair.connect()
        pair.network.wire.loss = 1.0
        sa.liveness()
        pair.bobs.liveness()
        pair.network.run(pair.network.now + 6)
    assert pair.of("bob", Retransmitted)
    assert not pair.of("alice", Retransmitted)
