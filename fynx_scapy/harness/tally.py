# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run as a whole has shown: how many verdicts of each kind, and which requirements were checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fynx_scapy.harness.requirements import catalogue
from fynx_scapy.harness.runner import Result, Verdict


@dataclass(frozen=True, slots=True)
class Tally:
    """The IDs of the requirements ``checked``: those of scenarios that PASSed, but of none that did not hold.

    ``partly`` are those of scenarios that could look at a part alone, since the peer is a live one. ``unchecked`` are
    the others that the scenarios name: left out by a SKIP, or not held by a FAIL or an ERROR.
    """

    verdicts: dict[Verdict, int]
    checked: tuple[str, ...]
    unchecked: tuple[str, ...]
    partly: tuple[str, ...] = ()

    @classmethod
    def of(cls, results: Sequence[Result]) -> Tally:
        """Count."""
        by_verdict: dict[Verdict, set[str]] = {verdict: set() for verdict in Verdict}
        whole: set[str] = set()
        for result in results:
            named = {needed.id for needed in result.scenario.requirements}
            by_verdict[result.verdict] |= named
            whole |= named if result.verdict is Verdict.PASS and not result.in_part else set()
        held = by_verdict[Verdict.PASS] - by_verdict[Verdict.FAIL] - by_verdict[Verdict.ERROR]
        checked, partly = held & whole, held - whole
        unchecked = set[str]().union(*by_verdict.values()) - held
        counts = {verdict: sum(result.verdict is verdict for result in results) for verdict in Verdict}
        return cls(counts, tuple(sorted(checked)), tuple(sorted(unchecked)), tuple(sorted(partly)))

    @property
    def good(self) -> bool:
        """Whether nothing failed and something passed."""
        return bool(self.verdicts[Verdict.PASS]) and not self.verdicts[Verdict.FAIL] + self.verdicts[Verdict.ERROR]

    def __str__(self) -> str:
        """The verdicts: ``3 PASS, 1 FAIL``."""
        return ", ".join(f"{count} {verdict.value}" for verdict, count in self.verdicts.items() if count)

    @property
    def requirements(self) -> str:
        """The requirements, in words."""
        rest = f", {len(self.partly)} in part" if self.partly else ""
        rest += f", {len(self.unchecked)} not, which these scenarios name" if self.unchecked else ""
        return f"{len(self.checked)} of {len(catalogue())} requirements checked{rest}"

    def as_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            "verdicts": {verdict.value: count for verdict, count in self.verdicts.items()},
            "requirements": {
                "checked": list(self.checked),
                "in_part": list(self.partly),
                "not_checked": list(self.unchecked),
                "catalogue": len(catalogue()),
            },
        }


SEVERITY = (Verdict.FAIL, Verdict.ERROR, Verdict.PASS, Verdict.SKIP)


def worst_first(results: Sequence[Result]) -> list[Result]:
    """What failed comes first, what was left out comes last; else in the order of the run."""
    return sorted(results, key=lambda result: SEVERITY.index(result.verdict))
