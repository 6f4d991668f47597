# SPDX-License-Identifier: GPL-2.0-or-later
"""The summary of a run: how many verdicts of each kind, and which requirements were checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fynx_scapy.harness.requirements import catalogue
from fynx_scapy.harness.runner import Result, Verdict

BAD = frozenset({Verdict.FAIL, Verdict.XPASS, Verdict.ERROR})
"""The verdicts after which a run has failed."""
UNMET = frozenset({Verdict.FAIL, Verdict.XFAIL, Verdict.ERROR})
"""The verdicts after which a requirement does not count as checked."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The verdicts by number, and the requirements by ID."""

    verdicts: dict[Verdict, int]
    checked: tuple[str, ...]
    """Requirements of at least one scenario with PASS, and of none with FAIL, XFAIL or ERROR."""
    unchecked: tuple[str, ...]
    """All other requirements that the scenarios name: of a SKIP, a FAIL or an ERROR."""
    partly: tuple[str, ...] = ()
    """Like ``checked``, but of scenarios that checked only a part, because the peer is live."""

    @classmethod
    def of(cls, results: Sequence[Result]) -> Tally:
        """The summary of these results."""
        by_verdict: dict[Verdict, set[str]] = {verdict: set() for verdict in Verdict}
        whole: set[str] = set()
        for result in results:
            named = {requirement.id for requirement in result.scenario.requirements}
            by_verdict[result.verdict] |= named
            whole |= named if result.verdict is Verdict.PASS and not result.in_part else set()
        held = by_verdict[Verdict.PASS] - set[str]().union(*(by_verdict[verdict] for verdict in UNMET))
        checked, partly = held & whole, held - whole
        unchecked = set[str]().union(*by_verdict.values()) - held
        counts = {verdict: sum(result.verdict is verdict for result in results) for verdict in Verdict}
        return cls(counts, tuple(sorted(checked)), tuple(sorted(unchecked)), tuple(sorted(partly)))

    @property
    def good(self) -> bool:
        """Whether nothing failed that was not expected to fail, and something was judged: it passed, or failed as
        expected.
        """
        judged = self.verdicts[Verdict.PASS] + self.verdicts[Verdict.XFAIL]
        return bool(judged) and not any(self.verdicts[verdict] for verdict in BAD)

    def __str__(self) -> str:
        """The verdicts: ``3 PASS, 1 FAIL``."""
        return ", ".join(f"{count} {verdict.value}" for verdict, count in self.verdicts.items() if count)

    @property
    def requirements(self) -> str:
        """The number of requirements checked, in words."""
        rest = f", {len(self.partly)} in part" if self.partly else ""
        rest += f", {len(self.unchecked)} named but not checked" if self.unchecked else ""
        return f"{len(self.checked)} of {len(catalogue())} requirements checked{rest}"

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain values for JSON."""
        return {
            "verdicts": {verdict.value: count for verdict, count in self.verdicts.items()},
            "requirements": {
                "checked": list(self.checked),
                "in_part": list(self.partly),
                "not_checked": list(self.unchecked),
                "catalogue": len(catalogue()),
            },
        }


SEVERITY = (
    Verdict.FAIL, Verdict.XPASS, Verdict.ERROR, Verdict.NOT_RUN, Verdict.XFAIL, Verdict.PASS, Verdict.SKIP
)  # fmt: skip


def worst_first(results: Sequence[Result]) -> list[Result]:
    """Sort by verdict, in the order of SEVERITY; within each in the order of the run."""
    return sorted(results, key=lambda result: SEVERITY.index(result.verdict))
