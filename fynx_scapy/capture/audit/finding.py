# SPDX-License-Identifier: GPL-2.0-or-later
"""`Finding`: one result of an audit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fynx_scapy.capture.audit.facts import ConversationFacts
from fynx_scapy.capture.audit.rules import Severity, Source, Status
from fynx_scapy.capture.transcript.facts import ChildSaFacts, IkeSaFacts

INFO, LOW, MEDIUM, HIGH = Severity
RFC7296 = "RFC 7296"
MOST_PACKETS = 12
"""As text, a finding has at most so many packet numbers; its ``evidence`` and the JSON have all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of an audit. ``rule`` is its stable name, ``evidence`` the packets that show it.

    ``source`` is the document that it is based on. ``explanation`` and ``cause`` are for people; only errors have a
    cause.
    """

    rule: str
    severity: Severity
    status: Status
    title: str
    subject: str
    evidence: tuple[int, ...]
    source: Source
    explanation: str = ""
    cause: str = ""

    @property
    def packets(self) -> str:
        """The numbers of its packets as text, at most 12 of them."""
        numbers = [str(number) for number in self.evidence[:MOST_PACKETS]]
        return ", ".join(numbers) + (", …" if len(self.evidence) > MOST_PACKETS else "")

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain values."""
        return {
            "rule": self.rule,
            "severity": self.severity.name,
            "status": self.status.value,
            "title": self.title,
            "subject": self.subject,
            "evidence": list(self.evidence),
            "source": {"document": self.source.document, "section": self.source.section},
            "explanation": self.explanation,
            "cause": self.cause,
        }


def suites(conversation: ConversationFacts) -> Iterator[IkeSaFacts | ChildSaFacts]:
    """Every SA of a conversation."""
    yield from conversation.ike_sas
    yield from conversation.children
