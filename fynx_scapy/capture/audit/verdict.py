# SPDX-License-Identifier: GPL-2.0-or-later
"""Judge the facts of a capture by the tables of a profile."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fynx_scapy.capture.audit import algorithms, certificates, course, errors, policy, whole
from fynx_scapy.capture.audit.facts import CaptureFacts
from fynx_scapy.capture.audit.finding import INFO, Finding, kind
from fynx_scapy.capture.audit.profiles import PROFILES
from fynx_scapy.capture.audit.rules import Profile, Severity, Status

if TYPE_CHECKING:
    from fynx_scapy.capture.capture import Capture
    from fynx_scapy.pki.trust import Trust

ALIKE = frozenset(("malformed", "ike.unanswered"))
"""Rules whose findings are alike if their titles are, but for numbers."""
APART = frozenset(("auth.chain", "auth.verified"))
"""Rules whose failures stay apart where their explanations differ: these name who failed, or what is missing."""
_ORDER = {status: at for at, status in enumerate((Status.FORBIDDEN, Status.FAILED, Status.WEAK, Status.UNKNOWN))}


@dataclass(frozen=True, slots=True)
class Audit:
    """The findings of one capture under one profile, most severe first."""

    facts: CaptureFacts
    profile: Profile
    findings: tuple[Finding, ...] = field(default=())

    @property
    def worst(self) -> Severity:
        """The highest severity among the findings."""
        return max((finding.severity for finding in self.findings), default=INFO)

    def find(self, rule: str, text: str = "") -> list[Finding]:
        """The findings of a rule whose title contains ``text``."""
        return [finding for finding in self.findings if finding.rule == rule and text in finding.title]

    def grouped(self) -> list[Finding]:
        """The findings for reports: those that say the same of several SAs or packets are merged into one."""
        groups: dict[tuple[Any, ...], list[Finding]] = {}
        for each in self.findings:
            title = kind(each.title) if each.rule in ALIKE else each.title
            apart = each.explanation if each.rule in APART and each.status is Status.FAILED else ""
            key = (each.rule, each.status, each.severity, title, each.source, each.cause, apart)
            groups.setdefault(key, []).append(each)
        return [_one(group) for group in groups.values()]

    def as_dict(self) -> dict[str, Any]:
        """The findings as plain values."""
        facts = self.facts.as_dict()
        marks = facts.pop("fingerprints")
        return {
            **facts,
            "profile": {"name": self.profile.name, "title": self.profile.title, "note": self.profile.note},
            "worst": self.worst.name,
            "findings": [finding.as_dict() for finding in self.grouped()],
            "fingerprints": marks,
        }


def _one(group: list[Finding]) -> Finding:
    subjects = list(dict.fromkeys(each.subject for each in group))
    if len(group) == 1:
        return group[0]
    titles = dict.fromkeys(each.title for each in group)
    return replace(
        group[0],
        title=group[0].title + (f", and {len(group) - 1} like it" if len(titles) > 1 else ""),
        count=len(group),
        subject=subjects[0] + (f" and {len(subjects) - 1} more" if subjects[1:] else ""),
        evidence=tuple(dict.fromkeys(number for each in group for number in each.evidence)),
        explanation=group[0].explanation if len({each.explanation for each in group}) == 1 else "",
    )


def audit(
    capture: Capture, profile: Profile | str = "rfc", *, trust: Trust | None = None, at: datetime | None = None
) -> Audit:
    """Audit a capture. ``profile`` is one of `PROFILES` or its name. Raises KeyError for an unknown name.

    ``trust`` has the authorities that certificates are judged by, ``at`` is the time; None is that of each packet.
    """
    from fynx_scapy.capture.audit.collect import collect

    return judge(collect(capture, trust, at), PROFILES[profile] if isinstance(profile, str) else profile)


def judge(facts: CaptureFacts, profile: Profile) -> Audit:
    """The findings for these facts, sorted by severity, then by the first packet."""
    found = [finding for judge_capture in (*whole.OF_CAPTURE, *errors.OF_CAPTURE) for finding in judge_capture(facts)]
    found += policy.ikev1(facts, profile)
    judges = (
        *algorithms.OF_CONVERSATION, *certificates.OF_CONVERSATION, *course.OF_CONVERSATION, *errors.OF_CONVERSATION,
        *policy.OF_PROFILE.get(profile.name, ()),
    )  # fmt: skip
    for conversation in facts.conversations:
        for judge_conversation in judges:
            found += judge_conversation(conversation, profile)
    found.sort(key=lambda f: (-f.severity, _ORDER.get(f.status, len(_ORDER)), f.evidence[:1], f.rule))
    return Audit(facts, profile, tuple(found))
