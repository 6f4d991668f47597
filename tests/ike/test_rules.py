# SPDX-License-Identifier: GPL-2.0-or-later
"""Every row of the table of payload counts is broken once in each direction it can be broken in."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from scapy.packet import Packet

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, name_of
from fynx_scapy.ike.core.registry import responders
from fynx_scapy.ike.exchanges import Custom, Exchange
from fynx_scapy.ike.message import Address, Header, Message, notify
from fynx_scapy.ike.wire.rules import ANYTHING, ONE, P, Round, Rule, check
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Notify, IKEv2_Payload
from fynx_scapy.layers.ikev2.header import PAYLOADS

ALL = [
    ((cls, response), rule, f"{cls.__name__}-{number}-{'response' if response else 'request'}")
    for cls in responders()
    if cls.__module__.startswith("fynx_scapy.")
    for number, both in enumerate(cls.rules)
    for response, rule in enumerate((both.request, both.response))
]
ROWS = [pytest.param(key, rule, id=name) for key, rule, name in ALL]
CASES = [
    pytest.param(key, rule, kind, count, id=f"{name}-{PayloadType(kind).name}-{count}")
    for key, rule, name in ALL
    for kind, (least, most) in rule.payloads.items()
    for count in ([least - 1] if least else []) + ([most + 1] if most < 255 else [])
]

NO_SA = SimpleNamespace(now=0.0)
"""Rows know nothing of the IKE SA."""


def message(key, rule, counts, encrypted=None) -> Message:
    cls, response = key
    # A Notify that is no error: an error alone would be a complete answer.
    made: dict[int, Callable[[], Packet]] = {**PAYLOADS, P.N: lambda: notify(NotifyType.INITIAL_CONTACT)}
    payloads = [made[kind]() for kind, count in counts.items() for _ in range(count)]
    header = Header(b"A" * 8, b"B" * 8, 0, 0x20, cls.exchange_type, 0x20 if response else 0x08, 1, 28)
    inside = rule.encrypted if encrypted is None else encrypted
    where = Address("192.0.2.1", 500)
    return Message(header, IKEv2(), payloads, b"" if inside else None, b"", where, where)


def least(rule) -> dict[int, int]:
    return {kind: low for kind, (low, _) in rule.payloads.items()}


@pytest.mark.parametrize(("key", "rule"), ROWS)
def test_the_least_that_a_row_asks_for_is_enough(key, rule):
    check(message(key, rule, least(rule)), rule)


@pytest.mark.parametrize(("key", "rule", "kind", "count"), CASES)
def test_too_few_and_too_many_are_invalid_syntax(key, rule, kind, count):
    with pytest.raises(
        PeerError,
        match=f"expected .*{PayloadType(kind).name} in {name_of(ExchangeType, key[0].exchange_type)}.*found {count}",
    ) as caught:
        check(message(key, rule, least(rule) | {kind: count}), rule)
    assert caught.value.notify_type == NotifyType.INVALID_SYNTAX


@pytest.mark.parametrize(("key", "rule"), ROWS)
def test_inside_and_outside_sk_are_not_the_same(key, rule):
    with pytest.raises(PeerError, match="SK"):
        check(message(key, rule, least(rule), encrypted=not rule.encrypted), rule)


def test_a_notify_alone_answers_ike_sa_init():
    key, rule = next((key, rule) for key, rule, _ in ALL if rule.notifies_alone and not rule.encrypted)
    check(message(key, rule, {PayloadType.N: 1}), rule)
    with pytest.raises(PeerError):
        check(message(key, rule, {PayloadType.V: 1}), rule)


def test_a_critical_payload_that_its_row_has_is_processed():
    key, _ = ROWS[0].values
    check(critical := message(key, ANYTHING, {}), ANYTHING)
    critical.payloads = [IKEv2_Payload(payload_type=222, flags=0x80)]
    check(critical, Rule({222: ONE}))
    with pytest.raises(PeerError):
        check(critical, ANYTHING)


@pytest.mark.parametrize(("key", "rule"), ROWS)
def test_an_error_alone_answers_any_request_and_is_none_itself(key, rule):
    error = message(key, rule, {})
    error.payloads = [notify(NotifyType.TEMPORARY_FAILURE)]
    if key[1]:
        check(error, rule)
    elif any(low for low, _ in rule.payloads.values()):
        with pytest.raises(PeerError):
            check(error, rule)


def test_a_message_without_a_row_is_refused():
    key, rule, _ = ALL[0]
    with pytest.raises(PeerError, match="expected a message of a known exchange") as caught:
        check(message(key, rule, least(rule)), None)
    assert caught.value.notify_type == NotifyType.INVALID_SYNTAX


def test_the_rows_of_the_last_round_go_for_all_that_follow():
    class Rounds(Exchange):
        exchange_type = 240
        rules = (Round(Rule({P.EAP: ONE}), Rule({P.EAP: ONE})), Round(Rule({P.AUTH: ONE}), ANYTHING))

    one = Rounds(NO_SA)  # type: ignore[arg-type]
    seen = []
    for one.rounds[240] in range(4):
        assert one.rule(240, response=False) is one.row(240).request
        assert one.rule(240, response=True) is one.row(240).response
        seen.append(one.row(240))
    assert seen == [Rounds.rules[0], Rounds.rules[1], Rounds.rules[1], Rounds.rules[1]]


def test_rows_go_by_exchange_type_and_a_type_without_one_is_refused():
    class Rounds(Exchange):
        exchange_type = 240
        rules = (
            Round(Rule({P.SA: ONE}), Rule({P.SA: ONE})),
            Round(Rule({P.KE: ONE}), Rule({P.KE: ONE}), exchange_type=241),
            Round(Rule({P.V: ONE}), Rule({P.V: ONE}), exchange_type=241),
        )

    one = Rounds(NO_SA)  # type: ignore[arg-type]
    # A request of type 240 that is repeated, with another key exchange method say, is held against the same row again.
    one.rounds[240] = 2
    first, second, third = Rounds.rules
    assert one.row(240) is first
    assert one.row(241) is second
    one.rounds[241] = 1
    assert (one.row(240), one.row(241)) == (first, third)
    assert one.row(242) is None
    assert one.rule(242, response=True) is None
    assert Custom(NO_SA, 240).row(240) is not None  # type: ignore[arg-type]


def test_an_unknown_critical_payload_comes_before_everything_else():
    key, rule, _ = ALL[0]
    broken = message(key, rule, {})
    broken.payloads = [IKEv2_Notify(), IKEv2_Payload(payload_type=222, flags=0x80)]
    with pytest.raises(PeerError) as caught:
        check(broken, rule)
    assert (caught.value.notify_type, caught.value.data) == (NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, b"\xde")
