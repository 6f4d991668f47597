# SPDX-License-Identifier: GPL-2.0-or-later
"""Applies a manifest to results: FAIL becomes XFAIL, PASS becomes XPASS; and finds the rows that fitted nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fynx_scapy.harness.manifest import ExpectedFailure, Manifest
from fynx_scapy.harness.runner import Result, Verdict
from fynx_scapy.harness.versions import parsed

JUDGED = frozenset({Verdict.PASS, Verdict.FAIL, Verdict.XFAIL, Verdict.XPASS, Verdict.ERROR})


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A row of a manifest that fitted no result."""

    row: ExpectedFailure
    why: str
    chosen: bool
    """Whether its scenario was in the plan."""

    def as_dict(self) -> dict[str, Any]:
        """The row and why, as plain values for JSON."""
        return self.row.as_dict() | {"why": self.why}


def expected(result: Result, manifest: Manifest, version: str = "") -> Result:
    """The result with the verdict that the manifest gives it, for that version of the peer.

    A PASS stays PASS when the row is about some versions and that of the peer is not known, and when the scenario
    fails only sometimes.
    """
    row = manifest.row(result.scenario, result.role, version)
    if row is None:
        return result
    if result.verdict.value == row.verdict:
        return replace(result, verdict=Verdict.XFAIL, expected_failure=row)
    if result.verdict is Verdict.PASS and row.sometimes:
        return replace(result, expected_failure=row)
    if result.verdict is Verdict.PASS and (parsed(version) or not row.versions):
        reason = f"it passed, but a manifest expects {row.verdict}: {row.reason}"
        return replace(result, verdict=Verdict.XPASS, reason=reason, expected_failure=row)
    return result


def unmatched(manifest: Manifest, results: Sequence[Result], version: str = "") -> Iterator[Unmatched]:
    """The rows that fitted no result that was judged. Rows about other versions are left out."""
    used = {id(manifest.row(result.scenario, result.role, version)) for result in results if result.verdict in JUDGED}
    for row in manifest.expected:
        if id(row) not in used and row.about(version):
            yield Unmatched(row, _why(row, results, version), any(row.names(result.scenario) for result in results))


def _why(row: ExpectedFailure, results: Sequence[Result], version: str) -> str:
    named = [result for result in results if row.names(result.scenario)]
    fitting = [result for result in named if row.fits(result.scenario, result.role, version)]
    if not named:
        return "its scenario was not chosen"
    if not fitting:
        return f"its scenario was not run with us as {row.role}"
    if any(result.verdict in JUDGED for result in fitting):
        return "a row before it counts"
    return f"its scenario was not judged ({fitting[0].verdict.value})"
