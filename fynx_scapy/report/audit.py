# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of an audit: one HTML page without external resources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fynx_scapy import __version__
from fynx_scapy.capture.audit import Audit, Severity
from fynx_scapy.capture.reading.losses import several
from fynx_scapy.report.templating import environment
from fynx_scapy.text import LONGEST, printable


def render(audits: Sequence[Audit]) -> str:
    """The report as HTML. It loads no external resources and contains no key."""
    worst = max((audit.worst for audit in audits), default=Severity.INFO)
    models = [_model(audit, place) for place, audit in enumerate(audits, 1)]
    rows = [row for model in models for row in (*model["findings"], *model["rest"])]
    return (
        environment()
        .get_template("audit.html.j2")
        .render(
            audits=models,
            several=several,
            facets={name: Counter(row[name] for row in rows) for name in ("status", "severity")},
            profile=audits[0].profile,
            worst=worst.name,
            count=sum(len(audit.findings) for audit in audits),
            packets=sum(audit.facts.packets for audit in audits),
            version=__version__,
        )
    )


def _model(audit: Audit, place: int) -> dict[str, Any]:
    counts: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    for finding in audit.findings:
        counts[finding.status.value] = counts.get(finding.status.value, 0) + 1
    for finding in audit.grouped():
        row = finding.as_dict()
        texts = {name: printable(row[name], LONGEST) for name in ("title", "subject", "explanation", "cause")}
        rows.append(
            row | texts | {"item": f"{place}-{len(rows)}", "packets": finding.packets, "source": str(finding.source)}
        )
    return audit.facts.as_dict() | {
        "name": printable(Path(audit.facts.name).name),
        "worst": audit.worst.name,
        "counts": counts,
        "marks": list({str(mark): printable(mark.text) for mark in audit.facts.fingerprints}.items()),
        "findings": [row for row in rows if row["status"] not in ("OK", "SEEN")],
        "rest": [row for row in rows if row["status"] in ("OK", "SEEN")],
    }
