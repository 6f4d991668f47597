# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic selectors (RFC 7296 sections 2.9 and 3.13)."""

from __future__ import annotations

from fynx_scapy.harness.cases import (
    Case,
    Outcome,
    Seen,
    accepted,
    alive,
    answered,
    carries,
    cases,
    judged,
    new_child_unused,
    no_child,
    no_complaint,
    refused,
)
from fynx_scapy.harness.verbs import (
    drop,
    empty_payload,
    many_selectors,
    retype,
    selector_field,
    selectors,
    set_body,
    set_field,
    truncate_payload,
)
from fynx_scapy.layers.ikev2 import IKEv2_TSi, IKEv2_TSr

POLICY = "10.2.0.0/24"
"""What the peers of the embedded world allow on their side."""


def _texts(seen: Seen, side: type[IKEv2_TSi]) -> list[tuple[str, str, int]]:
    found = []
    for message in seen.to_it:
        for payload in message.payloads:
            if type(payload) is side:
                for each in payload.traffic_selector:
                    low, high = (getattr(each, f"{end}_address_v4", "") for end in ("starting", "ending"))
                    found.append((str(low), str(high), int(each.IP_protocol_ID)))
    return found


def _numbers(address: str) -> tuple[int, ...]:
    return tuple(map(int, address.split("."))) if address else ()


def within(low: str, high: str) -> Outcome:
    """The answer's TSr is not wider than this."""

    def judge(seen: Seen) -> str | None:
        answer = _texts(seen, IKEv2_TSr)
        wide = [each for each in answer if _numbers(each[0]) < _numbers(low) or _numbers(each[1]) > _numbers(high)]
        return f"the selectors {wide or answer}" if wide or not answer else None

    return judged(f"selectors within {low}-{high}", judge)


def holds(low: str, high: str) -> Outcome:
    """One selector of the answer's TSr covers these addresses."""

    def judge(seen: Seen) -> str | None:
        answer = _texts(seen, IKEv2_TSr)
        fits = [a for a in answer if _numbers(a[0]) <= _numbers(low) and _numbers(high) <= _numbers(a[1])]
        return None if fits else f"the selectors {answer}"

    return judged(f"selectors that hold {low}-{high}", judge)


def _tcp(seen: Seen) -> str | None:
    answer = _texts(seen, IKEv2_TSr)
    return None if {protocol for *_, protocol in answer} == {6} else f"the selectors {answer}"


TCP = judged("selectors for TCP alone", _tcp)
GOOD = accepted() & alive()
UNACCEPTABLE = answered("TS_UNACCEPTABLE", protected=True) & no_child() & alive()
REFUSED = refused(protected=True) & no_child()
INSIDE = within("10.2.0.0", "10.2.0.255")

cases(
    __name__,
    [
        Case(
            "ts_wider_than_policy", base="create_child", do=selectors("TSr", "10.0.0.0/8"), then=GOOD & INSIDE,
            severity="critical", requirements=("7296-2.9-i04", "7296-2.9-04"),
        ),
        Case(
            "ts_everything", base="create_child", do=selectors("TSr", "0.0.0.0/0"), then=GOOD & INSIDE,
            severity="critical", requirements=("7296-2.9-i04", "7296-2.9-04"),
        ),
        Case(
            "ts_just_the_policy", base="create_child", do=selectors("TSr", "10.2.0.0-10.2.0.254"), then=GOOD & INSIDE,
            requirements=("7296-2.9-i03",),
        ),
        Case(
            "ts_narrower_than_policy", base="create_child", do=selectors("TSr", "10.2.0.8/30"),
            then=GOOD & within("10.2.0.8", "10.2.0.11"), severity="critical", requirements=("7296-2.9-i04",),
            what="The answer is never wider than the offer.",
        ),
        Case(
            "ts_first_choice_is_kept", base="create_child", do=selectors("TSr", "10.2.0.9", "0.0.0.0/0"),
            then=GOOD & INSIDE & holds("10.2.0.9", "10.2.0.9"), severity="high", requirements=("7296-2.9-02",),
        ),
        Case(
            "ts_first_outside_second_inside", base="create_child", do=selectors("TSr", "192.0.2.0/24", "10.2.0.0/25"),
            then=GOOD & within("10.2.0.0", "10.2.0.127"), requirements=("7296-2.9-i04",), severity="high",
        ),
        Case(
            "ts_across_the_edge", base="create_child", do=selectors("TSr", "10.1.255.0-10.2.0.15"),
            then=GOOD & within("10.2.0.0", "10.2.0.15"), severity="critical", requirements=("7296-2.9-i04",),
        ),
        Case(
            "ts_outside", base="create_child", do=selectors("TSr", "198.51.100.0/24"), then=UNACCEPTABLE,
            requirements=("7296-2.9-i02", "7296-1.3.1-04"),
        ),
        Case(
            "ts_ours_outside", base="create_child", do=selectors("TSi", "198.51.100.0/24"), then=UNACCEPTABLE,
            requirements=("7296-2.9-i02",),
        ),
        Case(
            "ts_other_family", base="create_child", do=selectors("TSr", "2001:db8::/64"), then=UNACCEPTABLE,
            requirements=("7296-2.9-i02",),
        ),
        Case(
            "ts_families_mixed", base="create_child", do=selectors("TSr", "2001:db8::/64", POLICY), then=GOOD & INSIDE,
            requirements=("7296-2.9-i04",),
        ),
        Case(
            "ts_three_and_one", base="create_child",
            do=selectors("TSr", "10.2.0.0/26", "10.2.0.64/26", "10.2.0.128/25"), then=GOOD & INSIDE,
            requirements=("7296-3.13-i01",),
        ),
        Case(
            "ts_one_protocol", base="create_child",
            do=selectors("TSr", f"{POLICY}[tcp]") + selectors("TSi", "10.1.0.0/24[tcp]"), then=GOOD & TCP,
            severity="high", requirements=("7296-2.9-i04",),
        ),
        Case(
            "ts_unknown_type_beside", base="create_child",
            do=selectors("TSr", "10.2.0.0/28", POLICY) + selector_field("TSr", "TS_type", 200),
            then=GOOD & INSIDE, severity="high", requirements=("7296-2.9-i01",),
        ),
        Case(
            "ts_unknown_type_alone", base="create_child", do=selector_field("TSi", "TS_type", 200),
            then=REFUSED & alive(), requirements=("7296-2.9-i01",),
        ),
        Case(
            "ts_opaque_ports", base="create_child",
            do=selector_field("TSr", "start_port", 65_535) + selector_field("TSr", "end_port", 0),
            then=(accepted() | (answered("TS_UNACCEPTABLE") & no_child())) & alive(), severity="high",
            requirements=("7296-3.13.1-04",),
        ),
        Case(
            "ts_ports_backwards", base="create_child",
            do=selector_field("TSr", "start_port", 99) + selector_field("TSr", "end_port", 9),
            then=REFUSED | (accepted() & alive()), severity="low", source="RFC 7296 section 3.13.1",
        ),
        Case(
            "ts_addresses_backwards", base="create_child",
            do=selector_field("TSi", "starting_address_v4", "10.1.0.9")
            + selector_field("TSi", "ending_address_v4", "10.1.0.1"),
            then=REFUSED, requirements=("7296-2.21.3-01",),
        ),
        Case(
            "ts_reserved", base="create_child", do=set_field("TSi.res2", 0xFFFFFF) + set_field("TSr.res2", 0xFFFFFF),
            then=GOOD & carries(), requirements=("7296-3.13-01",),
        ),
        Case(
            "ts_none", base="create_child", do=set_field("TSi.traffic_selector", []), then=REFUSED, severity="high",
            requirements=("7296-2.21.3-01",),
        ),
        Case(
            "ts_count_too_high", base="create_child", do=set_field("TSi.number_of_TSs", 9), then=REFUSED,
            severity="high", requirements=("7296-3.10.1-04",), suites=("cve",),
            source="CVE-2023-23009; RFC 7296 section 3.13",
        ),
        Case(
            "ts_count_too_low", base="create_child",
            do=selectors("TSi", "10.1.0.0/25", "10.1.0.128/25") + set_field("TSi.number_of_TSs", 1), then=REFUSED,
            requirements=("7296-3.10.1-04",),
        ),
        Case(
            "ts_length_too_long", base="create_child", do=selector_field("TSi", "length", 200), then=REFUSED,
            severity="high", requirements=("7296-3.10.1-04",), suites=("cve",),
            source="CVE-2023-23009; RFC 7296 section 3.13.1",
        ),
        Case(
            "ts_length_too_short", base="create_child", do=selector_field("TSi", "length", 7), then=REFUSED,
            severity="high", requirements=("7296-3.10.1-04",), suites=("cve",),
            source="CVE-2023-23009; RFC 7296 section 3.13.1",
        ),
        Case(
            "ts_length_of_nothing", base="create_child", do=selector_field("TSi", "length", 0), then=REFUSED,
            severity="high", requirements=("7296-3.10.1-04",), suites=("cve",),
            source="CVE-2023-23009; RFC 7296 section 3.13.1",
        ),
        Case(
            "ts_cut", base="create_child", do=truncate_payload("TSr", 9), then=REFUSED, severity="high",
            requirements=("7296-3.10.1-04",),
        ),
        Case(
            "ts_empty", base="create_child", do=empty_payload("TSr"), then=REFUSED, severity="high",
            requirements=("7296-3.10.1-04",),
        ),
        Case(
            "ts_noise", base="create_child", do=set_body("TSr", b"\1\0\0\0" + b"\xff" * 40), then=REFUSED,
            severity="high", requirements=("7296-3.10.1-04",),
        ),
        Case(
            "ts_of_the_same_side_twice", base="create_child", do=retype("TSr", 44), then=REFUSED,
            requirements=("7296-3.10.1-04",),
        ),
        Case(
            "ts_hundreds", base="create_child", do=many_selectors("TSr", 200), then=(GOOD & INSIDE) | REFUSED,
            severity="high", requirements=("7296-3.13-i01",),
        ),
        # Of the first Child SA
        Case(
            "ts_outside_in_auth", base="auth", do=selectors("TSr", "198.51.100.0/24"),
            then=answered("TS_UNACCEPTABLE", protected=True) & alive(), severity="high",
            requirements=("7296-1.2-i03", "7296-2.9-i02"),
        ),
        Case(
            "ts_wide_in_auth", base="auth", do=selectors("TSr", "0.0.0.0/0"), then=GOOD & INSIDE & carries(),
            severity="critical", requirements=("7296-2.9-i04",),
        ),
        Case(
            "ts_reserved_in_auth", base="auth", do=set_field("TSi.res2", 0xFFFFFF), then=GOOD & carries(),
            requirements=("7296-3.13-01",),
        ),
        # Answers that are wider than the offer
        Case(
            "ts_response_wider", base="create_child", at="response", do=selectors("TSi", "0.0.0.0/0"),
            then=new_child_unused() & no_complaint(), severity="critical", requirements=("7296-2.9-i04",),
        ),
        Case(
            "ts_response_elsewhere", base="create_child", at="response", do=selectors("TSi", "198.51.100.0/24"),
            then=new_child_unused() & no_complaint(), severity="critical", requirements=("7296-2.9-i04",),
        ),
        Case(
            "ts_response_missing", base="create_child", at="response", do=drop("TSi"),
            then=new_child_unused() & no_complaint(), severity="high", requirements=("7296-2.21-i02",),
        ),
    ],
)  # fmt: skip
