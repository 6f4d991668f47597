# SPDX-License-Identifier: GPL-2.0-or-later
"""Every row of the table of payload counts is broken once in each direction it can be broken in."""

from __future__ import annotations

import pytest

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, name_of
from fynx_scapy.ike.message import Address, Header, Message
from fynx_scapy.ike.rules import RULES, check
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Notify, IKEv2_Payload
from fynx_scapy.layers.ikev2.header import PAYLOADS

ROWS = sorted(RULES.items(), key=lambda row: row[0])
CASES = [
    pytest.param(
        key,
        rule,
        kind,
        count,
        id=f"{name_of(ExchangeType, key[0])}-{'response' if key[1] else 'request'}-{PayloadType(kind).name}-{count}",
    )
    for key, rule in ROWS
    for kind, (least, most) in rule.payloads.items()
    for count in ([least - 1] if least else []) + ([most + 1] if most < 255 else [])
]


def message(key, rule, counts, encrypted=None) -> Message:
    exchange, response, _, _ = key
    payloads = [PAYLOADS[kind]() for kind, count in counts.items() for _ in range(count)]
    header = Header(b"A" * 8, b"B" * 8, 0, 0x20, exchange, 0x20 if response else 0x08, 1, 28)
    inside = rule.encrypted if encrypted is None else encrypted
    where = Address("192.0.2.1", 500)
    return Message(header, IKEv2(), payloads, b"" if inside else None, b"", where, where)


def least(rule) -> dict[int, int]:
    return {kind: low for kind, (low, _) in rule.payloads.items()}


@pytest.mark.parametrize(("key", "rule"), ROWS)
def test_the_least_that_a_row_asks_for_is_enough(key, rule):
    check(message(key, rule, least(rule)), *key[2:])


@pytest.mark.parametrize(("key", "rule", "kind", "count"), CASES)
def test_too_few_and_too_many_are_invalid_syntax(key, rule, kind, count):
    with pytest.raises(
        PeerError, match=f"expected .*{PayloadType(kind).name} in {name_of(ExchangeType, key[0])}.*found {count}"
    ) as caught:
        check(message(key, rule, least(rule) | {kind: count}), *key[2:])
    assert caught.value.notify_type == NotifyType.INVALID_SYNTAX


@pytest.mark.parametrize(("key", "rule"), ROWS)
def test_inside_and_outside_sk_are_not_the_same(key, rule):
    with pytest.raises(PeerError, match="SK"):
        check(message(key, rule, least(rule), encrypted=not rule.encrypted), *key[2:])


def test_a_notify_alone_answers_ike_sa_init():
    key = next(key for key, rule in ROWS if rule.notifies_alone)
    check(message(key, RULES[key], {PayloadType.N: 1}))
    with pytest.raises(PeerError):
        check(message(key, RULES[key], {PayloadType.V: 1}))


def test_an_unknown_critical_payload_comes_before_everything_else():
    key, rule = ROWS[0]
    broken = message(key, rule, {})
    broken.payloads = [IKEv2_Notify(), IKEv2_Payload(payload_type=222, flags=0x80)]
    with pytest.raises(PeerError) as caught:
        check(broken)
    assert (caught.value.notify_type, caught.value.data) == (NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, b"\xde")
