# SPDX-License-Identifier: GPL-2.0-or-later
"""The scenarios that look at all that a peer sends: they pass with ours, and each mistake of a peer fails one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fynx_scapy import scenarios
from fynx_scapy.harness import Result, Role, Verdict, run
from fynx_scapy.harness.runner import PEER_FAULTS
from fynx_scapy.harness.worlds.embedded import EmbeddedWorld
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_CP,
    IKEv2_Delete,
    IKEv2_IDr,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_SA,
    IKEv2_Transform,
    IKEv2_TransformAttribute,
    IKEv2_TSi,
    IKEv2_VendorID,
)

TOPIC = [one for one in scenarios.everything().values() if one.topic == "messages"]


@pytest.mark.sample(3)
@pytest.mark.parametrize("one", [one for one in TOPIC if len(one.roles) > 1], ids=lambda one: one.name)
def test_they_hold_for_us_as_initiators_too(one) -> None:
    """tests/test_scenarios.py has the peer as responder."""
    result = run(one, role=Role.RESPONDER)
    assert (result.verdict, result.reason) == (Verdict.PASS, "")


Change = Callable[..., object]


def on(kind: type, change: Callable[[Any], object]) -> Change:
    """Change every payload of that class."""

    def tap(message: Outgoing) -> None:
        for payload in message.payloads:
            if type(payload) is kind:
                change(payload)

    return tap


def on_proposals(change: Callable[[Any], object]) -> Change:
    return on(IKEv2_SA, lambda payload: [change(one) for one in payload.prop])


def on_transforms(kind: int, change: Callable[[Any], object]) -> Change:
    return on_proposals(lambda one: [change(each) for each in one.trans if each.transform_type == kind])


def flags(bits: int) -> Change:
    return lambda message: setattr(message.header, "flags", int(message.header.flags) ^ bits)


def on_responses(change: Change) -> Change:
    return lambda message: change(message) if int(message.header.flags) & 0x20 else None


def on_requests(change: Change) -> Change:
    return lambda message: None if int(message.header.flags) & 0x20 else change(message)


def twice(transform: Any) -> None:
    transform.attributes = [IKEv2_TransformAttribute(type=14, value=128)] * 2


def without_length(transform: Any) -> None:
    transform.attributes = []


def long_form(transform: Any) -> None:
    transform.attributes = [IKEv2_TransformAttribute(AF=0, type=14, value=b"\0\x80")]


MISTAKES: dict[str, tuple[str, str, Change]] = {
    "a higher minor version": ("sent_headers", "payloads", lambda m: setattr(m.header, "version", 0x21)),
    "a reserved flag": ("sent_headers", "payloads", flags(0x40)),
    "the flag V": ("sent_headers", "payloads", flags(0x10)),
    "the critical bit": ("sent_payload_headers", "payloads", on(IKEv2_Nonce, lambda p: setattr(p, "flags", 0x80))),
    "a critical vendor ID in a response": (
        "sent_payload_headers", "payloads",
        on_responses(lambda m: m.payloads.append(IKEv2_VendorID(flags=0x80, vendorID=b"x"))),
    ),
    "reserved bits": ("sent_payload_headers", "payloads", on(IKEv2_Nonce, lambda p: setattr(p, "flags", 0x01))),
    "reserved octets of AUTH": ("sent_reserved_octets", "payloads", on(IKEv2_AUTH, lambda p: setattr(p, "res2", 1))),
    "reserved octets of IDr": ("sent_reserved_octets", "payloads", on(IKEv2_IDr, lambda p: setattr(p, "res2", 1))),
    "reserved octets of TSi": ("sent_reserved_octets", "payloads", on(IKEv2_TSi, lambda p: setattr(p, "res2", 1))),
    "a terminator": ("sent_identities", "payloads", on(IKEv2_IDr, lambda p: setattr(p, "ID", p.ID + b"\0"))),
    "a protocol in a notify": ("sent_notifies", "payloads", on(IKEv2_Notify, lambda p: setattr(p, "proto", 1))),
    "data of FRAGMENTATION_SUPPORTED": (
        "sent_notifies", "payloads",
        on(IKEv2_Notify, lambda p: setattr(p, "notify", b"x" if p.type == 16430 else p.notify)),
    ),
    "an SPI that is not its own": (
        "sent_deletes", "payloads",
        on(IKEv2_Delete, lambda p: setattr(p, "SPI", [b"\1\2\3\4"] if p.proto == 3 else [])),
    ),
    "the same nonce again": ("sent_nonces", "payloads", on(IKEv2_Nonce, lambda p: setattr(p, "nonce", bytes(32)))),
    "a short nonce": ("sent_nonces", "payloads", on(IKEv2_Nonce, lambda p: setattr(p, "nonce", p.nonce[:15]))),
    "ports of any protocol": (
        "sent_traffic_selectors", "payloads",
        on(IKEv2_TSi, lambda p: setattr(p.traffic_selector[0], "end_port", 60000)),
    ),
    "a narrow rekey": (
        "sent_traffic_selectors", "payloads",
        on_requests(on(IKEv2_TSi, lambda p: setattr(p.traffic_selector[0], "ending_address_v4", "10.2.0.9"))),
    ),
    "reserved octets of CP": ("sent_configuration", "payloads", on(IKEv2_CP, lambda p: setattr(p, "res2", 1))),
    "a second netmask": (
        "sent_configuration", "payloads", on(IKEv2_CP, lambda p: p.attributes.append(p.attributes[1].copy())),
    ),
    "proposals from 2": (
        "sent_proposals", "payloads", on_requests(on_proposals(lambda one: setattr(one, "proposal", one.proposal + 1))),
    ),
    "reserved of a proposal": ("sent_proposals", "payloads", on_proposals(lambda one: setattr(one, "flags", 1))),
    "reserved of a transform": ("sent_proposals", "payloads", on_transforms(1, lambda each: setattr(each, "res2", 1))),
    "Key Length twice": ("sent_key_lengths", "payloads", on_requests(on_transforms(1, twice))),
    "no Key Length": ("sent_key_lengths", "payloads", on_requests(on_transforms(1, without_length))),
    "Key Length in the long form": ("sent_key_lengths", "payloads", on_transforms(1, long_form)),
    "Key Length of a hash": ("sent_key_lengths", "payloads", on_requests(on_transforms(2, twice))),
    "an AEAD with INTEG": (
        "sent_suites", "payloads",
        on_requests(on_proposals(lambda one: one.trans.append(IKEv2_Transform(transform_type=3, transform_id=12)))),
    ),
    "a group in no proposal": (
        "sent_key_exchanges", "payloads", on_requests(on(IKEv2_KE, lambda p: setattr(p, "group", 99))),
    ),
    "a short public value": ("sent_key_exchanges", "payloads", on(IKEv2_KE, lambda p: setattr(p, "ke", p.ke[:-1]))),
    "more padding": (
        "sent_encrypted_payloads", "plaintext",
        lambda m, octets: octets[:-1] + bytes(16) + bytes([octets[-1] + 16]),
    ),
    "the same IV again": (
        "sent_encrypted_payloads", "payloads", lambda m: setattr(m, "iv", bytes(16) if m.encrypted else None),
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_peer_that_sends_something_wrong_is_found(mistake: str) -> None:
    name, stage, change = MISTAKES[mistake]

    def prepare(peer: Endpoint) -> None:
        peer.taps.add(stage, change)

    one = scenarios.load(name)
    assert any(fails(run(one, role=role, world=EmbeddedWorld(prepare))) for role in one.roles)


def fails(result: Result) -> bool:
    """Whether the peer is blamed: by the scenario, or by our end, which refused what it sent."""
    refused = any(result.reason.startswith(f"{kind.__name__}:") for kind in PEER_FAULTS)
    return result.verdict is Verdict.FAIL or (result.verdict is Verdict.ERROR and refused)
