# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/cases.md: its own cases run, and each row of libreswan's impairments names a verb that does something there."""

from __future__ import annotations

import re

import pytest

from fynx_scapy.harness import Role, Verdict, run
from fynx_scapy.harness import cases as words
from fynx_scapy.harness.cases import Case, cases, survives
from fynx_scapy.harness.verbs import VERBS
from tools.cases_page import IMPAIRMENTS, INTRO, OUTCOMES
from tools.cases_page import cases as page


@pytest.mark.sample(3)
@pytest.mark.parametrize("row", IMPAIRMENTS, ids=[row[0] for row in IMPAIRMENTS])
def test_an_impairment_has_a_verb(row: tuple[str, str, str, str]) -> None:
    name, verb, base, at = row
    do = eval(verb, dict(VERBS))
    assert str(do).startswith(verb.partition("(")[0])
    ours = {"esp_proposals": "aes128gcm16"} if base == "create_child" else {}
    if "INTEG" in verb and base == "init":
        ours = {"proposals": "aes128-sha256-prfsha256-x25519"}
    case = Case(
        f"impaired_{re.sub(r'[^A-Za-z0-9]+', '_', name)}",
        base=base,
        at=at,
        do=do,
        then=survives(),
        source="RFC 7296",
        ours=ours,
    )
    (made,) = cases(f"{__name__}.{name}", [case])
    role = made.roles[0] if base in ("init", "auth") else Role.INITIATOR
    result = run(made, seed=0, role=role)
    assert (result.verdict, result.reason) == (Verdict.PASS, "")


def test_every_verb_and_outcome_is_on_the_page() -> None:
    text = page()
    for name in (*VERBS, *OUTCOMES):
        assert f"`{name}(" in text
    made = {
        name for name, word in vars(words).items() if getattr(word, "__annotations__", {}).get("return") == "Outcome"
    }
    assert made == set(OUTCOMES)


def test_the_rows_of_the_page_run(tmp_path, monkeypatch) -> None:
    (code,) = re.findall(r"```python\n(# mine.py\n.*?)```", INTRO, re.S)
    names = {"__name__": f"{__name__}.mine"}
    exec(compile(code, "mine.py", "exec"), names)
    from fynx_scapy.harness.scenario import of_module

    made = of_module(f"{__name__}.mine")
    assert [each.name for each in made] == ["no_nonce", "unknown_payload"]
    for each in made:
        for role in each.roles:
            assert run(each, seed=0, role=role).verdict is Verdict.PASS
