# SPDX-License-Identifier: GPL-2.0-or-later
"""What failed in a run as a manifest, so that the next run fails for new failures alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from fynx_scapy.harness import Result, Verdict
from fynx_scapy.text import counted, printable

LONGEST = 300
"""What was found is cut after so many characters."""
_UNEXPECTED = (Verdict.FAIL, Verdict.ERROR)


def manifest_text(
    results: Sequence[Result], *, command: str, seed: int | None = None, about: Mapping[str, str] | None = None
) -> str:
    """A row for each scenario that failed and was not expected to. Arguments as for `render`."""
    return "\n".join(_lines(results, command, (about or {}).get("date", ""))) + "\n"


def _lines(results: Sequence[Result], command: str, date: str) -> Iterator[str]:
    failed = [result for result in results if result.verdict in _UNEXPECTED]
    yield f"# {counted(len(failed), 'failure')} of: {printable(command)}"
    yield f"# {date}. Each reason says what was found: write why it fails, or where that is tracked."
    rows: dict[tuple[str, str], list[Result]] = {}
    for result in failed:
        rows.setdefault((result.scenario.path, result.verdict.value), []).append(result)
    for (path, verdict), same in rows.items():
        scenario, roles = same[0].scenario, {result.role for result in same}
        ran = {result.role for result in results if result.scenario is scenario and result.verdict is not Verdict.SKIP}
        for result in same[:1] if roles == ran else same:
            yield from ("", "[[expected]]", f"scenario = {_string(path)}")
            if roles != ran:
                yield f"role = {_string(result.role.value)}"
            if verdict != Verdict.FAIL.value:
                yield f"verdict = {_string(verdict)}"
            yield f"reason = {_string(printable(result.reason or 'it fails', LONGEST))}"
            if scenario.requirements:
                yield f"requirement = {_string(scenario.requirements[0].id)}"
            else:
                yield f"sentence = {_string(scenario.source)}"


def _string(text: str) -> str:
    """A basic string of TOML: that of JSON, if its characters are printable."""
    return json.dumps(printable(text), ensure_ascii=False)
