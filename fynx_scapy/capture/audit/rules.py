# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules: rows of a document's tables, the levels that they give, and what a level means in an audit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple

from fynx_scapy.capture.transcript.facts import REGISTRIES, SeenTransform
from fynx_scapy.iana import AuthMethod, ProtocolId, TransformType

IKE, ESP, AH = int(ProtocolId.IKE), int(ProtocolId.ESP), int(ProtocolId.AH)
ENCR, PRF, INTEG, KE = (
    int(kind) for kind in (TransformType.ENCR, TransformType.PRF, TransformType.INTEG, TransformType.KE)
)


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


def rows(level: str, ids: Iterable[int], lengths: frozenset[int] | None = None, note: str = "") -> tuple[LevelRow, ...]:
    """Rows of one level, for key lengths in bits (None: all)."""
    return tuple(LevelRow(id, level, lengths, note) for id in ids)


def by_transform(
    encr: Table,
    prf: Table,
    integ: Table,
    ke: Table,
    *,
    esp_encr: Table | None = None,
    esp_integ: Table | None = None,
    ah_integ: Table | None = None,
    ah_ke: Table | None = None,
) -> dict[tuple[int, int], Table]:
    """The tables of a document by protocol and transform type: what it does not say of ESP is as in IKE, AH as ESP."""
    esp = {ENCR: esp_encr or encr, INTEG: esp_integ or integ, KE: ke}
    ah = {INTEG: ah_integ or esp[INTEG], KE: ah_ke or ke}
    protocols = {IKE: {ENCR: encr, PRF: prf, INTEG: integ, KE: ke}, ESP: esp, AH: ah}
    return {(protocol, kind): table for protocol, tables in protocols.items() for kind, table in tables.items()}


@dataclass(frozen=True, slots=True)
class SignatureRow:
    """A signature algorithm of method 14, its level and source. ``keys``: it applies to these public keys alone."""

    name: str
    level: str
    source: Source
    keys: tuple[str, ...] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """Public keys such as ``RSA-2048``, by name or by kind (``RSA``), with at least so many bits, and their level."""

    kind: str
    level: str
    least: int = 0
    note: str = ""

    def fits(self, key: str) -> bool:
        """Whether it applies to a key."""
        if key == self.kind:
            return not self.least
        kind, _, bits = key.rpartition("-")
        return kind == self.kind and bits.isdigit() and int(bits) >= self.least


@dataclass(frozen=True, slots=True)
class KeyTable:
    """A table of public keys, and the level of those without a row (None: UNKNOWN).

    With ``only`` it is about the kinds of keys that have rows, and others are not judged by it.
    """

    source: Source
    rows: tuple[KeyRow, ...] = ()
    default: str | None = None
    only: bool = False


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long an IKE SA and a Child SA may live, in seconds."""

    source: Source
    ike: int
    child: int


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

    ``signatures`` judges signature algorithms and ``keys`` public keys; ``other_signatures`` is the level of algorithms
    without a row (None: UNKNOWN). ``eap`` has the levels of shared-key AUTH after an EAP method, by its type. ``iana``
    says whether the registry's deprecation marks count if a table has no row. ``ikev1`` adds to the finding that IKEv1
    was seen.
    """

    name: str
    title: str
    tables: Mapping[tuple[int, int], Table]
    methods: Table
    levels: Mapping[str, Grade] = field(default_factory=lambda: RFC_LEVELS)
    signatures: tuple[SignatureRow, ...] = ()
    other_signatures: str | None = None
    keys: KeyTable | None = None
    eap: Mapping[int, str] = field(default_factory=dict)
    lifetimes: Lifetimes | None = None
    quantum: Source | None = None  # the document that requires a quantum-resistant key exchange
    iana: bool = True
    ikev1: str = ""
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

    def method(self, method: int, eap: int = 0) -> Judgement:
        """The judgement on an authentication method. ``eap`` is the EAP method that came before, 0 without."""
        table = self.methods
        if method == AuthMethod.Shared_Key_Message_Integrity_Code and (level := self.eap.get(eap)):
            return Judgement(self.levels[level], level, table.source, "It covers the key that EAP made.")
        row = table.find(method)
        level = row.level if row is not None else table.default
        if level is None:
            return Judgement(UNKNOWN, "not listed", table.source)
        source = table.source if row is not None else table.default_source or table.source
        return Judgement(self.levels[level], level, source, row.note if row is not None else "")

    def signature(self, name: str, key: str) -> Judgement:
        """The judgement on a signature algorithm with a public key (empty: unknown) of RFC 7427."""
        rows = [row for row in self.signatures if row.name == name]
        for row in rows:
            if row.keys is None or key in row.keys:
                return Judgement(self.levels[row.level], row.level, row.source, row.note)
        source = rows[0].source if rows else self.methods.source
        unknown = "the key is not known" if rows and not key else "identifier not known" if name[:1].isdigit() else ""
        if unknown or self.other_signatures is None:
            return Judgement(UNKNOWN, unknown or "not listed", source)
        return Judgement(self.levels[self.other_signatures], self.other_signatures, source, "It is not in the table.")

    def key(self, key: str) -> Judgement | None:
        """The judgement on a public key. None where the document's table is about other kinds of keys."""
        if self.keys is None:
            return Judgement(UNKNOWN, "not looked up", self.methods.source)
        row = next((row for row in self.keys.rows if row.fits(key)), None)
        level = row.level if row is not None else self.keys.default
        if level is None:
            return None if self.keys.only else Judgement(UNKNOWN, "not listed", self.keys.source)
        return Judgement(self.levels[level], level, self.keys.source, row.note if row is not None else "")


def _iana(kind: int) -> Source:
    return Source("IANA IKEv2 Parameters (with RFC 9395)", f"Transform Type {kind}")
