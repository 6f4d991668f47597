# SPDX-License-Identifier: GPL-2.0-or-later
"""Outcomes that look at the peer's messages: each is met by the peer that does it, and not met by another."""

from __future__ import annotations

from typing import Any

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness import Role, Verdict, run
from fynx_scapy.harness.cases import (
    Case,
    Outcome,
    answers_alike,
    asks_again,
    backs_off,
    cases,
    chooses,
    chooses_nothing,
    gives_up,
    never,
    new_child_unused,
    no_complaint,
    sends,
    taken,
)
from fynx_scapy.harness.verbs import (
    NOTHING,
    drop,
    flip_flags,
    insert_notify,
    lose,
    lose_all,
    only_notify,
    send_again,
    set_header,
)
from fynx_scapy.harness.verbs.mutation import Mutation

SUITES = {"proposals": "aes128gcm16-aes256gcm16-prfsha256-x25519"}
RESPONSE: dict[str, Any] = {"base": "liveness", "at": "response", "roles": [Role.RESPONDER]}
BEFORE: dict[str, Any] = {"base": "connect", "at": "IKE_SA_INIT response", "roles": None}


def verdict(do: Mutation, then: Outcome, **fields: Any) -> Verdict:
    fields = {"base": "init", "source": "RFC 7296 section 3", "roles": [Role.INITIATOR]} | fields
    (scenario,) = cases(f"{__name__}.{do}{then}{fields}", [Case("row", do=do, then=then, **fields)])
    return run(scenario, seed=0).verdict


@pytest.mark.parametrize(
    ("do", "then", "fields", "met"),
    [
        (NOTHING, chooses(1, encr=(20, 128), prf=5, ke=31, integ=None), {"ours": SUITES}, True),
        (NOTHING, chooses(2), {"ours": SUITES}, False),
        (NOTHING, chooses(encr=(20, 256)), {"ours": SUITES}, False),
        (NOTHING, chooses(integ=12), {"ours": SUITES}, False),
        (drop("KE"), chooses(), {}, False),
        (NOTHING, chooses_nothing(), {}, False),
        (drop("KE"), chooses_nothing(), {}, True),
        (set_header(version=0x30), never("INVALID_MAJOR_VERSION"), {}, False),
        (NOTHING, never("INVALID_MAJOR_VERSION"), {}, True),
        (NOTHING, sends("all it likes", lambda message: None), {}, True),
        (NOTHING, sends("nothing", lambda message: "a message"), {}, False),
        (flip_flags(0x20), sends("something", lambda message: None), {}, False),
        (NOTHING, taken(), RESPONSE, True),
        (NOTHING, asks_again(), RESPONSE, False),
        (flip_flags(0x08), taken(), RESPONSE, False),
        (flip_flags(0x08), asks_again(), RESPONSE, True),
        (insert_notify(40960), new_child_unused(), BEFORE | {"at": "IKE_AUTH response"}, False),
        (insert_notify(40960), new_child_unused(), {"base": "create_child", "at": "response"}, False),
        (only_notify("NO_PROPOSAL_CHOSEN"), new_child_unused(), {"base": "create_child", "at": "response"}, True),
        (lose(), no_complaint(), RESPONSE, True),
        (lose_all(), backs_off(), RESPONSE, True),
        (lose(), backs_off(), RESPONSE, False),
        (send_again(2), answers_alike(3), {}, True),
        (send_again(2), answers_alike(2), {}, False),
        (NOTHING, answers_alike(1), {}, True),
        (only_notify("INVALID_SYNTAX"), gives_up(), BEFORE, True),
    ],
)  # fmt: skip
def test_an_outcome_is_met_or_not(do: Mutation, then: Outcome, fields: dict[str, Any], met: bool) -> None:
    assert verdict(do, then, **fields) is (Verdict.PASS if met else Verdict.FAIL)


def test_a_wrong_transform_type_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"did you mean ENCR\?"):
        chooses(encrr=12)
