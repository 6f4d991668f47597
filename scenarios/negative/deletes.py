# SPDX-License-Identifier: GPL-2.0-or-later
"""INFORMATIONAL exchanges and Delete (RFC 7296 sections 1.4, 2.4, 2.21.3, 2.25.1 and 3.11)."""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy.harness.cases import (
    Case,
    Heard,
    Outcome,
    Seen,
    accepted,
    alive,
    answered,
    carries,
    cases,
    deletes,
    dropped,
    judged,
    no_complaint,
    refused,
    silent,
)
from fynx_scapy.harness.verbs import (
    add_to_message_id,
    critical,
    delete_child_as,
    delete_spi,
    drop,
    duplicate,
    empty_payload,
    flip_icv,
    insert,
    insert_notify,
    insert_unknown,
    lose,
    notify_flood,
    pad_length,
    reserved_everywhere,
    send_again,
    set_field,
    set_length,
    stuff,
)
from fynx_scapy.layers.ikev2 import ConfigurationAttribute, IKEv2_CP, IKEv2_Delete, IKEv2_VendorID

UNKNOWN = b"\xde\xad\xbe\xef"
MALFORMED = answered("INVALID_SYNTAX", alone=True, protected=True) & deletes()


def _deletions(message: Heard) -> list[IKEv2_Delete]:
    return [payload for payload in message.payloads if isinstance(payload, IKEv2_Delete)]


def answer_is(text: str, fits: Callable[[Heard], bool]) -> Outcome:
    """The answer is as the function says."""

    def judge(seen: Seen) -> str | None:
        return None if any(fits(message) for message in seen.to_it if message.encrypted) else str(seen)

    return judged(text, judge)


EMPTY = answer_is("an empty answer", lambda message: not message.payloads)
WITHOUT_DELETE = answer_is("an answer without Delete", lambda message: not _deletions(message))


def _pair(seen: Seen) -> str | None:
    """Whether the answer deletes the other half of the pair, which we send on."""
    found = [spi for message in seen.to_it for delete in _deletions(message) for spi in delete.SPI]
    return None if len(found) == 1 and bytes(found[0]) != UNKNOWN else str(seen)


def _gone(seen: Seen) -> str | None:
    """Whether the Child SA is gone at the peer."""
    return "the Child SA still carries packets" if seen.pings() else None


PAIR = judged("an answer with the SPI of the other direction", _pair)
GONE = judged("the Child SA is gone", _gone)
KEPT = alive() & carries()

cases(
    __name__,
    [
        Case(
            "delete_child_closes_the_pair", base="delete_child", do=lose(), then=dropped() & PAIR & alive() & GONE,
            requirements=("7296-1.4.1-01", "7296-1.4.1-03", "7296-1.4.1-i02", "7296-3.11-i01"), severity="high",
        ),
        Case(
            "delete_child_repeated", base="delete_child", do=send_again(2), then=accepted() & alive() & GONE,
            requirements=("7296-2.1-02",),
        ),
        Case(
            "delete_child_icv_wrong", base="delete_child", do=flip_icv(), then=dropped() & alive(),
            severity="critical", requirements=("7296-3.14-06",),
        ),
        Case(
            "delete_of_unknown_spi", base="liveness", do=delete_spi("ESP", UNKNOWN),
            then=WITHOUT_DELETE & KEPT, severity="high", requirements=("7296-2.25.1-06", "7296-1.4-04"),
        ),
        Case(
            "delete_of_many_unknown", base="delete_child",
            do=delete_spi("ESP", *(bytes([9, 9, i // 256, i % 256]) for i in range(300))),
            then=(WITHOUT_DELETE | refused(protected=True)) & alive(), severity="high",
            requirements=("7296-2.25.1-06",),
        ),
        Case(
            "delete_of_nothing", base="liveness", do=delete_spi("ESP"),
            then=(WITHOUT_DELETE & KEPT) | MALFORMED, requirements=("7296-1.4-04",),
        ),
        Case(
            "delete_ah_of_our_spi", base="liveness", do=delete_child_as(2),
            then=(WITHOUT_DELETE & KEPT) | refused(protected=True), requirements=("7296-3.11-i01",), severity="high",
        ),
        Case(
            "delete_protocol_none", base="liveness", do=delete_child_as(0),
            then=(WITHOUT_DELETE & KEPT) | refused(protected=True), requirements=("7296-3.11-i01",), severity="high",
        ),
        Case(
            "delete_protocol_unknown", base="liveness", do=delete_child_as(77),
            then=(WITHOUT_DELETE & KEPT) | refused(protected=True), requirements=("7296-3.11-i01",), severity="high",
        ),
        Case(
            "delete_spi_of_eight", base="liveness", do=delete_child_as("ESP", 8), then=refused(protected=True) | KEPT,
            requirements=("7296-3.11-03",), severity="high",
        ),
        Case(
            "delete_spi_of_none", base="delete_child", do=set_field("D.SPIsize", 0),
            then=refused(protected=True) | (KEPT & answered()), requirements=("7296-3.11-03", "7296-3.11-02"),
            severity="high",
        ),
        Case(
            "delete_count_too_high", base="delete_child", do=set_field("D.SPInum", 5),
            then=MALFORMED | (answered() & KEPT), requirements=("7296-3.11-02",), severity="high",
        ),
        Case(
            "delete_count_of_thousands", base="delete_child", do=set_field("D.SPInum", 0xFFFF),
            then=MALFORMED | (answered() & KEPT), requirements=("7296-3.11-02",), severity="high",
        ),
        Case(
            "delete_count_of_none", base="delete_child", do=set_field("D.SPInum", 0),
            then=MALFORMED | (answered() & alive()), requirements=("7296-3.11-02",),
        ),
        Case(
            "delete_ah_and_esp", base="delete_child",
            do=insert(IKEv2_Delete(proto="AH", SPI=[UNKNOWN]), at=0),
            then=(accepted() & alive()) | refused(protected=True), requirements=("7296-3.11-02", "7296-3.11-01"),
        ),
        Case(
            "delete_twice_in_one", base="delete_child", do=duplicate("D"),
            then=(accepted() & alive()) | refused(protected=True), requirements=("7296-3.11-01",),
        ),
        Case(
            "delete_empty_body", base="delete_child", do=empty_payload("D"), then=MALFORMED | (answered() & KEPT),
            requirements=("7296-3.10.1-04",), severity="high",
        ),
        Case(
            "delete_payload_too_long", base="delete_child", do=set_length("D", 999), then=MALFORMED,
            requirements=("7296-2.21.3-i01", "7296-3.10.1-04"), severity="high",
        ),
        Case(
            "delete_critical", base="delete_child", do=critical(), then=accepted() & alive() & GONE,
            requirements=("7296-3.2-03",),
        ),
        Case(
            "delete_reserved", base="delete_child", do=reserved_everywhere(), then=accepted() & alive() & GONE,
            requirements=("7296-2.5-06",),
        ),
        Case(
            "delete_response_empty", base="delete_child", at="response", do=drop("D"), then=alive(),
            requirements=("7296-1.4.1-i02",),
        ),
        Case(
            "delete_response_of_unknown", base="delete_child", at="response", do=delete_spi("ESP", UNKNOWN),
            then=alive(), requirements=("7296-1.4.1-i02",), severity="high",
        ),
        Case(
            "delete_ike_lost_once", base="delete_ike", do=lose(), then=dropped() & EMPTY & deletes(),
            requirements=("7296-1.4.1-i04", "7296-1.4.1-i03", "7296-2.4-i04"), severity="high",
        ),
        Case(
            "delete_ike_with_spi", base="delete_ike", do=set_field("D.SPI", [bytes(8)]) + set_field("D.SPIsize", 8),
            then=refused(protected=True) | alive() | (EMPTY & deletes()), requirements=("7296-3.11-03",),
            severity="low",
        ),
        Case(
            "delete_ike_icv_wrong", base="delete_ike", do=flip_icv(), then=dropped() & EMPTY, severity="critical",
            requirements=("7296-3.14-06",),
        ),
        Case(
            "delete_ike_outside_the_window", base="liveness", do=delete_spi("IKE") + add_to_message_id(3),
            then=silent() & KEPT, severity="critical", requirements=("7296-2.3-09",),
        ),
        # INFORMATIONAL with anything
        Case(
            "informational_unknown_status", base="liveness", do=insert_notify(40_000, b"\1\2", at=0),
            then=accepted() & KEPT, requirements=("7296-3.10.1-02", "7296-1.4-04", "7296-4-06"),
        ),
        Case(
            "informational_unknown_error", base="liveness", do=insert_notify(9_000, b"\1\2", at=0),
            then=accepted() & KEPT, requirements=("7296-3.10.1-02", "7296-1.4-04"), severity="high",
        ),
        Case(
            "informational_invalid_spi", base="liveness", do=insert_notify("INVALID_SPI", UNKNOWN, at=0),
            then=accepted() & KEPT, requirements=("7296-2.21.4-09",), severity="high",
        ),
        Case(
            "informational_invalid_selectors", base="liveness",
            do=insert_notify("INVALID_SELECTORS", bytes(40), protocol=3, spi=UNKNOWN, at=0), then=accepted() & KEPT,
            requirements=("7296-2.21.4-09",), severity="high",
        ),
        Case(
            "informational_no_additional_sas", base="liveness", do=insert_notify("NO_ADDITIONAL_SAS", at=0),
            then=answered() & KEPT, requirements=("7296-1.4-04",),
        ),
        Case(
            "informational_vendor_id", base="liveness", do=insert(IKEv2_VendorID(vendorID=b"x" * 200), at=0),
            then=accepted() & KEPT, requirements=("7296-4-06", "7296-1.4-04"),
        ),
        Case(
            "informational_unknown_payload", base="liveness", do=insert_unknown(at=0), then=accepted() & KEPT,
            requirements=("7296-2.5-07", "7296-2.5-09", "7296-1.4-04"),
        ),
        Case(
            "informational_critical_unknown", base="liveness", do=insert_unknown(critical=True, at=0),
            then=answered("UNSUPPORTED_CRITICAL_PAYLOAD", b"\xc8", protected=True) & KEPT, severity="high",
            requirements=("7296-2.5-08",),
        ),
        Case(
            "informational_cfg_request_unknown", base="liveness",
            do=insert(IKEv2_CP(CFGType="CFG_REQUEST", attributes=[ConfigurationAttribute(type=20_000)]), at=0),
            then=accepted() & KEPT, requirements=("7296-1.7-04", "7296-1.4-04"),
        ),
        Case(
            "informational_pad_length", base="liveness", do=pad_length(200), then=MALFORMED | (silent() & KEPT),
            requirements=("7296-2.21.3-i01",), severity="high",
        ),
        Case(
            "informational_notify_flood", base="liveness", do=notify_flood(150),
            then=answered() & alive(), requirements=("7296-1.4-04",), severity="high",
        ),
        Case(
            "informational_stuffed", base="liveness", do=stuff(8_000), then=(answered() & alive()) | silent(),
            requirements=("7296-2-01",), severity="high",
        ),
        Case(
            "informational_response_with_delete", base="liveness", at="response",
            do=insert(IKEv2_Delete(proto="ESP", SPI=[UNKNOWN]), at=0), then=KEPT, severity="high",
            requirements=("7296-1.4.1-03",),
        ),
        Case(
            "informational_response_malformed", base="liveness", at="response",
            do=insert_unknown(at=0) + set_field("header.flags", 0x20), then=no_complaint(), severity="low",
            requirements=("7296-2.21-i02",),
        ),
        Case(
            "informational_response_critical_unknown", base="liveness", at="response",
            do=insert_unknown(critical=True, at=0), then=alive() & no_complaint(), requirements=("7296-2.21-i02",),
        ),
    ],
)  # fmt: skip
