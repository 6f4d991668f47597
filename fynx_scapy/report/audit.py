# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of an audit: one HTML page that loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fynx_scapy import __version__
from fynx_scapy.capture.audit import Audit, Finding, Severity
from fynx_scapy.report.page import environment
from fynx_scapy.text import LONGEST, printable

MOST_PACKETS = 12
"""How many packets a line names; JSON has all."""


def packets(finding: Finding) -> str:
    """The packets of a finding, the first of them if there are many."""
    numbers = [str(number) for number in finding.evidence[:MOST_PACKETS]]
    return ", ".join(numbers) + (", …" if len(finding.evidence) > MOST_PACKETS else "")


def render(audits: Sequence[Audit]) -> str:
    """The report as HTML, which loads nothing from anywhere and holds no key."""
    worst = max((each.worst for each in audits), default=Severity.INFO)
    return (
        environment()
        .get_template("audit.html.j2")
        .render(
            audits=[_model(each) for each in audits],
            profile=audits[0].profile,
            worst=worst.name,
            count=sum(len(each.findings) for each in audits),
            packets=sum(each.facts.packets for each in audits),
            version=__version__,
        )
    )


def _model(audit: Audit) -> dict[str, Any]:
    counts: dict[str, int] = {}
    rows = []
    for finding in audit.findings:
        counts[finding.status.value] = counts.get(finding.status.value, 0) + 1
    for finding in audit.grouped():
        row = finding.as_dict()
        texts = {name: printable(row[name], LONGEST) for name in ("title", "subject", "explanation", "cause")}
        rows.append(row | texts | {"packets": packets(finding), "source": str(finding.source)})
    return audit.facts.as_dict() | {
        "name": printable(Path(audit.facts.name).name),
        "worst": audit.worst.name,
        "counts": counts,
        "marks": list({str(each): printable(each.text) for each in audit.facts.fingerprints}.items()),
        "findings": [row for row in rows if row["status"] not in ("OK", "SEEN")],
        "rest": [row for row in rows if row["status"] in ("OK", "SEEN")],
    }
