# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON of a run keeps to its schema, and the schema says what each field is."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from fynx_scapy.harness import Result, Role, Run, Scenario, Verdict, run
from fynx_scapy.harness.cases import Case, silent
from fynx_scapy.harness.cases.registering import scenario_of
from fynx_scapy.harness.expectations import Unmatched
from fynx_scapy.harness.manifest import ExpectedFailure
from fynx_scapy.harness.scenario import Severity
from fynx_scapy.harness.verbs import set_header
from fynx_scapy.report.document import SCHEMA_VERSION, document, schema
from tools.negative_run import PATH

VERSION = Case("version_3", base="init", do=set_header(version=0x30), then=silent(), requirements=("7296-2.5-02",))


def handshake(run: Run) -> None:
    """A handshake, and a ping that is lost."""
    s = run.session("one", local_id="alice\u202e")
    s.connect()
    s.ping()
    run.session("two").sa_init()


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """A run with everything that a result may have."""
    failed = run(scenario_of(VERSION, __name__), seed=1)
    row = ExpectedFailure(scenario="version_3", reason="it answers", versions="<6", role="initiator")
    passed = run(Scenario("handshake", "RFC 7296", (), handshake, __name__), seed=1)
    results: list[Result] = [
        failed,
        replace(failed, verdict=Verdict.XFAIL, expected_failure=row, peer="192.0.2.1:500", retried=("no answer",)),
        passed,
        replace(passed, stages=[], counted=(2, 9), role=Role.SERVER, left_out=("a part",), left_behind=("an SA",)),
        Result(passed.scenario, Verdict.NOT_RUN, "interrupted", 0.0, []),
    ]
    return document(
        results, command="fynx run", seed=1, about={"date": "today"}, unmatched=[Unmatched(row, "no run", True)]
    )


def faults(made: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema()).iter_errors(made)]


def test_a_run_keeps_to_the_schema(made: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema())
    assert faults(json.loads(json.dumps(made))) == []
    assert faults(json.loads(json.dumps(document([], command="fynx run")))) == []
    assert made["schema"] == SCHEMA_VERSION
    (change,) = made["results"][0]["details"]["changes"][:1]
    assert change == {"stage": "payloads", "field": "header / version", "before": "0x20", "after": "0x30"}
    rows = made["results"][2]["conversations"][0]["rows"]
    assert [row["to"] for row in rows if row["title"] == "IKE_SA_INIT request 0"] == ["responder"]
    assert "\u202e" not in json.dumps(made, ensure_ascii=False)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda made: made.pop("seed"),
        lambda made: made["results"][0].update(verdict="MAYBE"),
        lambda made: made["results"][0].update(more=1),
        lambda made: made["results"][0]["details"].pop("found"),
        lambda made: made["results"][2]["conversations"][0]["rows"][0].update(time="now"),
        lambda made: made["verdicts"].pop("XPASS"),
    ],
    ids=[
        "a field is missing",
        "an unknown verdict",
        "a field more",
        "in a case",
        "a wrong type",
        "a verdict is missing",
    ],
)
def test_the_schema_notices(made: dict[str, Any], spoil: Any) -> None:
    spoilt = copy.deepcopy(made)
    spoil(spoilt)
    assert len(faults(spoilt)) == 1


def described(each: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, each
    for name, inner in each.get("properties", {}).items():
        yield from described(inner, f"{path}/{name}")
    if "items" in each:
        yield from described(each["items"], f"{path}[]")


def test_every_field_is_described_and_required() -> None:
    for path, each in described(schema()):
        assert each.get("description") or path.endswith("[]"), path
        if "properties" in each:
            assert each["required"] == list(each["properties"]), path
            assert each["additionalProperties"] is False, path


def test_the_schema_has_our_words() -> None:
    fields = schema()["properties"]["results"]["items"]["properties"]
    assert set(fields["verdict"]["enum"]) == {verdict.value for verdict in Verdict}
    assert set(fields["role"]["enum"]) == {role.value for role in Role}
    assert set(fields["severity"]["enum"]) == set(get_args(Severity))


def test_the_run_of_the_notebook_keeps_to_the_schema() -> None:
    with gzip.open(PATH) as file:
        kept = json.load(file)
    assert faults(kept) == []
    assert len(kept["results"]) > 300
