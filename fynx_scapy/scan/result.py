# SPDX-License-Identifier: GPL-2.0-or-later
"""What a scan found: as values, and as JSON (docs/scan.md describes each key)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fynx_scapy.capture.audit.profiles import PROFILES
from fynx_scapy.capture.transcript.facts import SeenTransform
from fynx_scapy.crypto.transforms import Transform, implemented, keyword_of
from fynx_scapy.iana import ProtocolId, TransformType, name_of
from fynx_scapy.scan.answer import Answer, Kind
from fynx_scapy.scan.behaviour import Observation
from fynx_scapy.scan.ikev1 import Ikev1
from fynx_scapy.scan.portrait import Portrait
from fynx_scapy.scan.search import Found

FORMAT = 1
"""The version of the JSON. It changes when a key changes its meaning or goes away."""
GOOD = ("OK", "SEEN")


def seen(transform: Transform) -> SeenTransform:
    """A transform as the audit judges it."""
    return SeenTransform(int(transform.type), int(transform.id), transform.key_length)


def name(transform: Transform) -> str:
    """IANA's name of a transform, with its key length."""
    return seen(transform).name


def _as_dict(transform: Transform) -> dict[str, Any]:
    named = {"id": int(transform.id), "name": name(transform), "keyword": keyword_of(transform)}
    return named if transform.key_length is None else named | {"key_length": transform.key_length}


def usable(transforms: Iterable[Transform]) -> tuple[Transform, ...]:
    """Those that we can do ourselves."""
    return tuple(transform for transform in transforms if implemented(transform))


def kind_of(transform_type: int) -> str:
    """The name of a transform type."""
    return name_of(TransformType, transform_type)


@dataclass(slots=True)
class Accepted:
    """The proposals of one protocol that the host accepts."""

    protocol: ProtocolId
    proposals: list[Found] = field(default_factory=list)
    complete: bool = False
    """Whether the search came to its end: nothing else that was asked is accepted."""

    def transforms(self) -> dict[TransformType, list[Transform]]:
        """Everything that is accepted, by transform type, each once."""
        found: dict[TransformType, dict[Transform, None]] = {}
        for proposal in self.proposals:
            for values in proposal.box:
                found.setdefault(values[0].type, {}).update(dict.fromkeys(values))
        return {kind: list(found[kind]) for kind in sorted(found)}

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "protocol": self.protocol.name,
            "complete": self.complete,
            "transforms": {kind_of(kind): [_as_dict(v) for v in values] for kind, values in self.transforms().items()},
            "proposals": [
                {
                    "text": proposal_text(each),
                    "transforms": {kind_of(values[0].type): list(map(_as_dict, values)) for values in each.box},
                    "combinations": each.combinations,
                    "tried": each.tried,
                }
                for each in self.proposals
            ],
        }


def proposal_text(found: Found) -> str:
    """A proposal in strongSwan's keywords, as `Proposal` reads it, but for additional key exchanges (``ke1_…``)."""
    words: list[str] = []
    for values in found.box:
        number = values[0].type - TransformType.ADDKE1 + 1
        if number < 1:
            words += map(keyword_of, values)
        else:
            words += [f"ke{number}_{keyword_of(Transform(TransformType.KE, value.id))}" for value in values]
    return "-".join(words)


@dataclass(frozen=True, slots=True)
class Weakness:
    """What a profile of the audit says of something that the host accepts."""

    profile: str
    protocol: str
    transform: str
    status: str
    severity: str
    level: str
    source: str
    note: str

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {key: getattr(self, key) for key in self.__slots__}


def weaknesses(accepted: Accepted, profile: str) -> list[Weakness]:
    """Each accepted transform that a profile does not call good."""
    tables, found = PROFILES[profile], []
    for transforms in accepted.transforms().values():
        for transform in transforms:
            verdict = tables.judge(int(accepted.protocol), seen(transform))
            if verdict is None or verdict.grade.status.value in GOOD:
                continue
            grade = verdict.grade
            found.append(
                Weakness(
                    profile=profile,
                    protocol=accepted.protocol.name,
                    transform=name(transform),
                    status=grade.status.value,
                    severity=grade.severity.name,
                    level=verdict.level,
                    source=str(verdict.source),
                    note=verdict.note,
                )
            )
    return found


@dataclass(slots=True)
class ScanResult:
    """What a scan of one host found."""

    target: str
    profile: str = "rfc"
    local: str = ""
    ike: Accepted = field(default_factory=lambda: Accepted(ProtocolId.IKE))
    esp: Accepted | None = None
    portrait: Portrait | None = None
    first_answer: str = ""
    """How the host answered the first request."""
    natt_port: bool | None = None
    """Whether it answers IKE on port 4500."""
    observations: list[Observation] = field(default_factory=list)
    retransmission: str = ""
    back_off: list[float] = field(default_factory=list)
    """The seconds after its first sending at which the host sent a request of its own again."""
    ikev1: Ikev1 | None = None
    notes: list[str] = field(default_factory=list)
    stopped: str = ""
    """Why the scan ended early; empty if it came to its end."""
    counts: dict[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether the scan came to its end."""
        return not self.stopped

    @property
    def weaknesses(self) -> list[Weakness]:
        """What the profile flags."""
        both = [self.ike, *([self.esp] if self.esp is not None else [])]
        return [weakness for accepted in both for weakness in weaknesses(accepted, self.profile)]

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "format": FORMAT,
            "target": self.target,
            "local": self.local,
            "complete": self.complete,
            "stopped": self.stopped,
            "first_answer": self.first_answer,
            "ike": self.ike.as_dict(),
            "esp": None if self.esp is None else self.esp.as_dict(),
            "responder": None if self.portrait is None else self.portrait.as_dict(),
            "natt_port": self.natt_port,
            "observations": [each.as_dict() for each in self.observations],
            "retransmission": self.retransmission,
            "back_off": self.back_off,
            "ikev1": None if self.ikev1 is None else self.ikev1.as_dict(),
            "profile": self.profile,
            "weaknesses": [each.as_dict() for each in self.weaknesses],
            "notes": list(self.notes),
            "counts": dict(self.counts),
        }


def offer_as_dict(result: ScanResult, offer: str, answer: Answer) -> dict[str, Any]:
    """The answer to one question as plain values."""
    return {
        "format": FORMAT,
        "target": result.target,
        "offer": offer,
        "accepted": answer.kind is Kind.ACCEPTED,
        "answer": answer.text,
        "chosen": [_as_dict(transform) | {"type": kind_of(transform.type)} for transform in answer.chosen],
    }
