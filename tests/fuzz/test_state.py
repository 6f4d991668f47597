# SPDX-License-Identifier: GPL-2.0-or-later
"""The state of a run of the fuzzer, as somebody may have damaged it: one error, and no traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.fuzz import Fuzzer, Plan, Store
from fynx_scapy.fuzz.saving import read_state

PLAN = Plan(cases=8, seed=3, roles="both", block=4, slow=2.0, wait=1.0)
FINDING = {
    "name": "crash_1", "kind": "crash", "key": "k", "text": "t", "cases": 1, "minimised": True, "tries": 1, "talks": [],
}  # fmt: skip


def fuzzer() -> Fuzzer:
    def unused(*_: Any) -> Any:
        raise AssertionError("nothing is run")

    return Fuzzer(PLAN, unused, found=unused)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a state."""
    Store(tmp_path, PLAN).save(fuzzer())
    return tmp_path


def load(folder: Path, values: dict[str, Any]) -> Store:
    """Load the state with these values changed; a key of two words is one of ``progress``."""
    path = folder / "state.json"
    state = json.loads(path.read_text())
    for name, value in values.items():
        outer, _, inner = name.partition(" ")
        if inner:
            state[outer][inner] = value
        else:
            state[outer] = value
    path.write_text(json.dumps(state))
    store = Store(folder, PLAN)
    store.load(fuzzer())
    return store


@pytest.mark.parametrize(
    "values",
    [
        {"plan": []},
        {"plan seed": "x"},
        {"plan seed": True},
        {"plan roles": ["x"]},
        {"progress": []},
        {"progress cases": "x"},
        {"progress cases": -5},
        {"progress cases": 10**400},
        {"progress seconds": float("nan")},
        {"progress answers": [1]},
        {"progress answers": {"x": "y"}},
        {"known": [[1]], "corpus": [{}]},
        {"weights": []},
        {"findings": [FINDING | {"name": "../../x"}]},
        {"findings": [FINDING | {"cases": 10**400}]},
        {"findings": [[]]},
    ],
)
def test_a_damaged_state_is_one_error(folder: Path, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"state\.json: "):
        load(folder, values)


def test_json_that_is_nested_too_deeply(folder: Path) -> None:
    (folder / "state.json").write_text("[" * 100_000)
    with pytest.raises(ConfigError, match="nested too deeply"):
        read_state(folder)


def test_what_a_state_says_is_printable(folder: Path) -> None:
    (finding,) = load(folder, {"findings": [FINDING | {"text": "\x1b[31m", "key": "\u202e"}]}).findings
    assert (finding.fault.text, finding.fault.key) == ("\\x1b[31m", "\\u202e")
