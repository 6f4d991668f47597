# SPDX-License-Identifier: GPL-2.0-or-later
"""A run as plain values for JSON. schema.json describes them, and docs/report-json.md is its text."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from fynx_scapy import __version__
from fynx_scapy.harness import Result, Stage, Tally
from fynx_scapy.harness.expectations import Unmatched
from fynx_scapy.ladder import Row
from fynx_scapy.report.page import facts, our_versions

SCHEMA_VERSION = 1
"""Raised when a field goes away or changes its meaning; a new field leaves it as it is."""


@functools.cache
def schema() -> Mapping[str, Any]:
    """The JSON Schema (draft 2020-12) of what `document` returns."""
    found: Mapping[str, Any] = json.loads(resources.files(__package__).joinpath("schema.json").read_text("utf-8"))
    return found


def document(
    results: Sequence[Result],
    *,
    command: str,
    seed: int | None = None,
    about: Mapping[str, str] | None = None,
    unmatched: Sequence[Unmatched] = (),
) -> dict[str, Any]:
    """The run as ``fynx run --json`` writes it. Arguments as for `render`. It contains no key.

    ``unmatched`` are the rows of manifests that fitted no result.
    """
    return {
        "schema": SCHEMA_VERSION,
        "version": __version__,
        "versions": our_versions(),
        "about": dict(about or {}),
        "command": command,
        "seed": seed,
        **Tally.of(results).as_dict(),
        "unmatched": [each.as_dict() for each in unmatched],
        "results": [_result(result) for result in results],
    }


def _result(result: Result) -> dict[str, Any]:
    return result.as_dict() | {"conversations": [_conversation(stage) for stage in result.stages]}


def _conversation(stage: Stage) -> dict[str, Any]:
    ladder = stage.ladder()
    return {"label": stage.label, "algorithms": facts(stage), "rows": [_row(row) for row in ladder.rows]}


def _row(row: Row) -> dict[str, Any]:
    """A packet or a remark. Rows of a ladder are printable already."""
    return {
        "time": round(row.time, 6),
        "from": row.sender,
        "to": row.receiver,
        "title": row.title,
        "text": row.text,
        "octets": sum(map(len, row.octets)),
        "marks": row.marks,
    }
