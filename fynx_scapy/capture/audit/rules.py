# SPDX-License-Identifier: GPL-2.0-or-later
"""What a rule is: a row of a document's table, the level that it gives, and what that level means in an audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple

from fynx_scapy.capture.transcript.facts import REGISTRIES, SeenTransform
from fynx_scapy.iana import TransformType


class Severity(IntEnum):
    """How much a finding matters; they compare."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Status(Enum):
    """What a finding says. SEEN is an observation that no rule judges; UNKNOWN is never OK."""

    OK = "OK"
    SEEN = "SEEN"
    WEAK = "WEAK"
    FORBIDDEN = "FORBIDDEN"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class Source(NamedTuple):
    """Where it is written: a document with its version, and a section or table."""

    document: str
    section: str

    def __str__(self) -> str:
        return f"{self.document}, {self.section}" if self.section else self.document


class Grade(NamedTuple):
    """What a level of a table means in an audit."""

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
"""The levels of RFC 8247 and RFC 8221 (their sections 1.1 and 2). MUST- is said of what is expected to be no longer
a MUST; "MAY, downgraded" is ours for what the text, beside the table, wants replaced."""


@dataclass(frozen=True, slots=True)
class LevelRow:
    """A row of a table: an ID, the level, the key lengths in bits that it is about (None: all), what goes with it."""

    id: int
    level: str
    lengths: frozenset[int] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table for one transform type: where it stands, its rows, and the level of what is registered but not in it.

    ``default`` None means that the document says nothing about it, which is UNKNOWN.
    """

    source: Source
    rows: tuple[LevelRow, ...]
    default: str | None = None
    default_source: Source | None = None

    def find(self, id: int, key_length: int | None = None) -> LevelRow | None:
        """The first row of that ID which is about that key length."""
        for row in self.rows:
            if row.id == id and (row.lengths is None or (key_length or 0) in row.lengths):
                return row
        return None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a profile says of one algorithm."""

    grade: Grade
    level: str
    source: Source
    note: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """A set of tables by (protocol, transform type), and those for authentication.

    ``signatures`` judges the names of signature algorithms and ``keys`` those of public keys (``RSA-1024``), each a
    level, a source and a note. ``iana`` is whether the registry's deprecation marks count, which they do where a table
    has no row of its own.
    """

    name: str
    title: str
    tables: Mapping[tuple[int, int], Table]
    methods: Table
    levels: Mapping[str, Grade] = field(default_factory=lambda: RFC_LEVELS)
    signatures: Mapping[str, tuple[str, Source]] = field(default_factory=dict)
    quantum: Source | None = None  # the document that wants a key exchange which resists quantum computers
    iana: bool = True
    note: str = ""

    def judge(self, protocol: int, transform: SeenTransform) -> Judgement | None:
        """The verdict on a transform in a protocol; None for a type that no profile judges (sequence numbers)."""
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
