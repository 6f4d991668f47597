# SPDX-License-Identifier: GPL-2.0-or-later
"""`Finding`: one result of an audit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fynx_scapy.capture.audit.facts import ConversationFacts
from fynx_scapy.capture.audit.rules import Severity, Source, Status
from fynx_scapy.capture.transcript.facts import ChildSaFacts, IkeSaFacts

INFO, LOW, MEDIUM, HIGH = Severity
RFC7296 = "RFC 7296"
NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
NAMED = re.compile(r"(link type|protocol|type|version) \d+")
MOST_PACKETS = 12
"""As text, a finding has at most so many packet numbers; its ``evidence`` and the JSON have all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of an audit. ``rule`` is its stable name, ``evidence`` the packets that show it.

    ``source`` is the document that it is based on. ``explanation`` and ``cause`` are for people; only errors have a
    cause. ``count`` is how many findings it stands for, if several are grouped.
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
    count: int = 1

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
            "count": self.count,
            "evidence": list(self.evidence),
            "source": {"document": self.source.document, "section": self.source.section},
            "explanation": self.explanation,
            "cause": self.cause,
        }


def kind(text: str) -> str:
    """A text without the numbers of a single packet: equal for what is wrong in the same way."""
    return "; ".join((*(match[0] for match in NAMED.finditer(text)), NUMBER.sub("…", text)))


def suites(conversation: ConversationFacts) -> Iterator[IkeSaFacts | ChildSaFacts]:
    """Every SA of a conversation."""
    yield from conversation.ike_sas
    yield from conversation.children
