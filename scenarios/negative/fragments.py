# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE fragmentation (RFC 7383): numbers, sets, repeats, sizes, and what comes without being announced."""

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
    dropped,
    judged,
    no_sa,
    refused,
    silent,
)
from fynx_scapy.harness.verbs import (
    backwards,
    drop,
    flip_icv,
    fragments,
    insert_notify,
    lose,
    send_again,
    set_field,
    stuff,
)

DONE = accepted() & alive() & carries()
"""The message was put together and taken, once."""
LOST = dropped() & alive()
"""The set is no message: only the whole message, sent again, is answered."""
UNANNOUNCED = drop("N(IKEV2_FRAGMENTATION_SUPPORTED)")


def _once(seen: Seen) -> str | None:
    """Whether there was one answer to it."""
    answers = {message.wire for message in seen.to_it}
    return None if len(answers) == 1 else f"{len(answers)} different answers: {seen}"


ONCE: Outcome = judged("one answer", _once)

cases(
    __name__,
    [
        Case(
            "frag_three", base="auth", do=fragments(3), then=DONE, requirements=("7383-2.6.1-01", "7383-2.5-07"),
        ),
        Case(
            "frag_backwards", base="auth", do=fragments(4) + backwards(), then=DONE,
            requirements=("7383-2.6.1-01",),
        ),
        Case(
            "frag_one", base="auth", do=fragments(1), then=DONE, severity="low", requirements=("7383-2.5-04",),
        ),
        Case(
            "frag_sixty", base="auth", do=fragments(60), then=DONE, requirements=("7383-2.6.1-01",),
        ),
        Case(
            "frag_informational", base="liveness", do=insert_notify(40_000, bytes(400)) + fragments(3),
            then=accepted() & ONCE & alive(), requirements=("7383-2.6.1-01",),
        ),
        Case(
            "frag_number_zero", base="auth", do=fragments(3, ((0, 3), (1, 3), (2, 3), (3, 3))), then=DONE,
            severity="high", requirements=("7383-2.6-01", "7383-2.5-05"),
        ),
        Case(
            "frag_total_zero", base="auth", do=fragments(3, ((1, 3), (1, 0), (2, 3), (3, 3))), then=DONE,
            severity="high", requirements=("7383-2.6-01", "7383-2.5-06"),
        ),
        Case(
            "frag_both_zero", base="auth", do=fragments(3, ((0, 0), (1, 3), (2, 3), (3, 3))), then=DONE,
            severity="high", requirements=("7383-2.6-01", "7383-2.5-05", "7383-2.5-06"),
        ),
        Case(
            "frag_number_above_total", base="auth", do=fragments(3, ((1, 3), (4, 3), (2, 3), (3, 3))), then=DONE,
            severity="high", requirements=("7383-2.6-01", "7383-2.5-04"),
        ),
        Case(
            "frag_number_far_above_total", base="auth", do=fragments(3, ((65_535, 3), (1, 3), (2, 3), (3, 3))),
            then=DONE, severity="high", requirements=("7383-2.6-01", "7383-2.5-04"),
        ),
        Case(
            "frag_lower_total_later", base="auth", do=fragments(3, ((1, 3), (1, 2), (2, 2), (2, 3), (3, 3))),
            then=DONE, severity="high", requirements=("7383-2.6-01", "7383-2.6-04"),
        ),
        Case(
            "frag_higher_total_later", base="auth", do=fragments(3, ((1, 2), (1, 3), (2, 3), (3, 3), (2, 2))),
            then=DONE, severity="high", requirements=("7383-2.6-04",),
        ),
        Case(
            "frag_repeated_before_the_end", base="auth", do=fragments(3, ((1, 3), (1, 3), (2, 3), (2, 3), (3, 3))),
            then=DONE & ONCE, severity="high", requirements=("7383-2.6-02",),
        ),
        Case(
            "frag_repeated_after_the_end", base="liveness",
            do=insert_notify(40_000, bytes(400)) + fragments(3, ((1, 3), (2, 3), (3, 3), (2, 3), (3, 3))),
            then=accepted() & ONCE & alive(), severity="high", requirements=("7383-2.6.1-02",),
        ),
        Case(
            "frag_icv_wrong_then_right", base="auth", do=fragments(3, ((1, 3), (2, 3), (2, 3), (3, 3)), spoil=2),
            then=DONE, severity="critical", requirements=("7383-2.6-03",),
        ),
        Case(
            "frag_missing_one", base="liveness", do=insert_notify(40_000, bytes(400)) + fragments(3, ((1, 3), (3, 3))),
            then=silent() & alive() & carries(), severity="high", requirements=("7383-2.6-05", "7383-2.6-i01"),
        ),
        Case(
            "frag_only_the_last", base="liveness", do=insert_notify(40_000, bytes(400)) + fragments(3, ((3, 3),)),
            then=silent() & alive() & carries(), severity="high", requirements=("7383-2.6-05",),
        ),
        Case(
            "frag_first_again_and_again", base="liveness",
            do=insert_notify(40_000, bytes(400)) + fragments(3, tuple((1, total) for total in range(3, 200))),
            then=silent() & alive() & carries(), severity="high", requirements=("7383-2.6-04",), suites=("cve",),
            source="RFC 7383 section 2.6.1",
        ),
        Case(
            "frag_delete_alone_in_the_first", base="liveness",
            do=insert_notify(40_000, bytes(300)) + fragments(2, ((1, 2),)), then=silent() & alive() & carries(),
            severity="high", requirements=("7383-5-i01",),
        ),
        Case(
            "frag_before_authentication_overlapping", base="auth",
            do=fragments(3, ((1, 3), (1, 4), (2, 3), (2, 4), (3, 4), (4, 4))), then=accepted() | refused() | silent(),
            severity="high", requirements=("7383-2.6-04",), suites=("cve",),
            source="CVE-2026-33824; RFC 7383 section 2.6",
        ),
        Case(
            "frag_stuffed", base="auth", do=stuff(6_000) + fragments(12), then=DONE | (silent() & no_sa()),
            severity="high", requirements=("7383-2.6.1-01",),
        ),
        Case(
            "frag_answer_lost", base="auth", do=lose(), then=dropped() & alive(), requirements=("7383-2.6.1-02",),
        ),
        Case(
            "frag_all_twice", base="create_child", do=fragments(2) + send_again(1), then=DONE & ONCE,
            requirements=("7383-2.6.1-02", "7383-2.6-02"),
        ),
        Case(
            "frag_all_spoilt", base="liveness",
            do=insert_notify(40_000, bytes(300)) + fragments(2) + flip_icv(), then=silent() | LOST,
            severity="critical", requirements=("7383-2.6-03",),
        ),
        Case(
            "frag_support_with_data", base="connect", at="IKE_SA_INIT request",
            do=set_field("N(IKEV2_FRAGMENTATION_SUPPORTED).notify", b"\1\2\3\4"), then=accepted() & alive(),
            requirements=("7383-2.3-i01",),
        ),
        Case(
            "frag_support_with_spi", base="connect", at="IKE_SA_INIT request",
            do=set_field("N(IKEV2_FRAGMENTATION_SUPPORTED).SPI", bytes(4)),
            then=(accepted() & alive()) | answered("INVALID_SYNTAX") | silent(), severity="low",
            requirements=("7383-2.3-02",),
        ),
        Case(
            "frag_not_announced", base="connect", at="IKE_SA_INIT request", do=UNANNOUNCED, then=DONE,
            requirements=("7383-2.4-01",),
        ),
        Case(
            "frag_not_announced_in_response", base="connect", at="IKE_SA_INIT response", do=UNANNOUNCED,
            then=alive() & carries(), requirements=("7383-2.4-01",),
        ),
        Case(
            "frag_response", base="create_child", at="response", do=fragments(3), then=alive() & carries(),
            requirements=("7383-2.6.1-01",),
        ),
        Case(
            "frag_response_number_zero", base="create_child", at="response",
            do=fragments(3, ((0, 3), (1, 3), (2, 3), (3, 3))), then=alive() & carries(),
            requirements=("7383-2.6-01",),
        ),
        Case(
            "frag_response_backwards", base="auth", at="response", do=fragments(3) + backwards(),
            then=alive() & carries(), requirements=("7383-2.6.1-01",),
        ),
        Case(
            "frag_response_icv_wrong", base="auth", at="response",
            do=fragments(3, ((1, 3), (2, 3), (2, 3), (3, 3)), spoil=2), then=alive() & carries(),
            severity="critical", requirements=("7383-2.6-03",),
        ),
    ],
)  # fmt: skip
