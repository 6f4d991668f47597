# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules: rows of a document's tables, the levels that they give, and what a level means in an audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple

from fynx_scapy.capture.transcript.facts import REGISTRIES, SeenTransform
from fynx_scapy.iana import TransformType


class Severity(IntEnum):
    """How much a finding matters. Severities can be compared."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Status(Enum):
    """The status of a finding. SEEN is an observation that no rule judges. UNKNOWN is never OK."""

    OK = "OK"
    SEEN = "SEEN"
    WEAK = "WEAK"
    FORBIDDEN = "FORBIDDEN"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class Source(NamedTuple):
    """The source of a rule: a document with its version, and a section or table."""

    document: str
    section: str

    def __str__(self) -> str:
        return f"{self.document}, {self.section}" if self.section else self.document


class Grade(NamedTuple):
    """What a table's level means in an audit."""

    status: Status
    severity: Severity


GOOD = Grade(Status.OK, Severity.INFO)
UNKNOWN = Grade(Status.UNKNOWN, Severity.MEDIUM)

RFC_LEVELS: Mapping[str, Grade] = {
    "MUST": GOOD,
    "SHOULD+": GOOD,
    "SHOULD": GOOD,
    "MAY": GOOD,
    "MUST-": Grade(Status.WEAK, Severity.LOW),
    "MAY, downgraded": Grade(Status.WEAK, Severity.LOW),
    "SHOULD NOT": Grade(Status.WEAK, Severity.MEDIUM),
    "MUST NOT": Grade(Status.FORBIDDEN, Severity.HIGH),
}
"""The levels of RFC 8247 and RFC 8221 (their sections 1.1 and 2). MUST- means a MUST that is expected to end in
future. "MAY, downgraded" is our level for algorithms that the text, not the table, wants replaced."""


@dataclass(frozen=True, slots=True)
class LevelRow:
    """A row of a table: an ID, its level, the key lengths in bits that it applies to (None: all), and a note."""

    id: int
    level: str
    lengths: frozenset[int] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table for one transform type: its source, its rows, and the level of registered IDs that are not in it.

    ``default`` None means that the document says nothing about such IDs: the status is UNKNOWN.
    """

    source: Source
    rows: tuple[LevelRow, ...]
    default: str | None = None
    default_source: Source | None = None

    def find(self, id: int, key_length: int | None = None) -> LevelRow | None:
        """The first row for this ID that applies to this key length."""
        for row in self.rows:
            if row.id == id and (row.lengths is None or (key_length or 0) in row.lengths):
                return row
        return None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A profile's judgement on one algorithm."""

    grade: Grade
    level: str
    source: Source
    note: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """A set of tables: by (protocol, transform type), and for authentication.

    ``signatures`` judges names of signature algorithms, ``keys`` names of public keys (``RSA-1024``); each entry has a
    level, a source and a note. ``iana`` says whether the registry's deprecation marks count if a table has no row.
    """

    name: str
    title: str
    tables: Mapping[tuple[int, int], Table]
    methods: Table
    levels: Mapping[str, Grade] = field(default_factory=lambda: RFC_LEVELS)
    signatures: Mapping[str, tuple[str, Source]] = field(default_factory=dict)
    quantum: Source | None = None  # the document that requires a quantum-resistant key exchange
    iana: bool = True
    note: str = ""

    def judge(self, protocol: int, transform: SeenTransform) -> Judgement | None:
        """The judgement on a transform in a protocol. None for a type that no profile judges (sequence numbers)."""
        kind = (
            int(TransformType.KE) if TransformType.ADDKE1 <= transform.kind <= TransformType.ADDKE7 else transform.kind
        )
        table = self.tables.get((protocol, kind))
        if table is None or (transform.id == 0 and kind in (TransformType.INTEG, TransformType.KE)):
            return None
        row = table.find(transform.id, transform.key_length)
        if row is not None:
            return Judgement(self.levels[row.level], row.level, table.source, row.note)
        member = REGISTRIES[transform.kind]._value2member_map_.get(transform.id)
        if self.iana and member is not None and getattr(member, "deprecated", False):
            return Judgement(RFC_LEVELS["MUST NOT"], "DEPRECATED", _iana(kind), "The registry marks it as deprecated.")
        if table.default is None or member is None:
            note = "" if member is not None else "The number is not registered (private use, or newer than our table)."
            return Judgement(UNKNOWN, "not listed", table.source, note)
        source = table.default_source or table.source
        return Judgement(self.levels[table.default], table.default, source, "It is not in the table.")


def _iana(kind: int) -> Source:
    return Source("IANA IKEv2 Parameters (with RFC 9395)", f"Transform Type {kind}")
