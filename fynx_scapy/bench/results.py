# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run measured, on which machine: as JSON and back, so that a later run can be compared with it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from fynx_scapy import __version__
from fynx_scapy.bench.figures import Figure
from fynx_scapy.errors import MalformedError
from fynx_scapy.files import read_octets

FORMAT = 1
"""The version of the JSON document."""
LARGEST = 16 << 20
"""The largest file that is read as results, in octets."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What one topic measured."""

    name: str
    title: str
    figures: list[Figure]
    seconds: float
    """How long measuring took."""
    skipped: str = ""
    """Why it could not be measured here."""
    failed: str = ""
    """The error that ended it."""

    @property
    def missed(self) -> list[Figure]:
        """The figures that do not keep to their bounds."""
        return [figure for figure in self.figures if figure.met is False]

    def as_dict(self) -> dict[str, Any]:
        """It as JSON has it."""
        told = {"title": self.title, "seconds": round(self.seconds, 2)}
        reasons = {name: text for name in ("skipped", "failed") if (text := getattr(self, name))}
        return told | reasons | {"figures": [figure.as_dict() for figure in self.figures]}


@dataclass(frozen=True, slots=True)
class Results:
    """What a run measured: a topic after the other, each figure with its name."""

    topics: list[Topic] = field(default_factory=list)
    quick: bool = False
    machine: dict[str, str] = field(default_factory=lambda: machine())

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Every figure with the name of its topic."""
        for topic in self.topics:
            for figure in topic.figures:
                yield topic.name, figure

    def text(self) -> str:
        """It as a JSON document; `load` reads it."""
        topics = {topic.name: topic.as_dict() for topic in self.topics}
        document = {"format": FORMAT, "machine": self.machine, "quick": self.quick, "topics": topics}
        return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def load(cls, path: Path) -> Self:
        """Results from a file. Raises MalformedError, which names the file, and OSError."""
        octets = read_octets(path, LARGEST)
        if len(octets) > LARGEST:
            raise MalformedError(f"{path}: expected results of fynx bench, found more than {LARGEST >> 20} MB")
        try:
            return cls._of(json.loads(octets))
        except (MalformedError, AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise MalformedError(f"{path}: expected results that fynx bench --json wrote: {_reason(error)}") from None

    @classmethod
    def _of(cls, document: Any) -> Self:
        if document["format"] != FORMAT:
            raise MalformedError(f"expected format {FORMAT}, found {document['format']}")
        topics = [
            Topic(
                str(name),
                str(topic["title"]),
                [Figure.from_dict(each) for each in topic["figures"]],
                float(topic["seconds"]),
                str(topic.get("skipped", "")),
                str(topic.get("failed", "")),
            )
            for name, topic in document["topics"].items()
        ]
        machine = {str(name): str(text) for name, text in document["machine"].items()}
        return cls(topics, bool(document["quick"]), machine)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return f"{error}" if isinstance(error, MalformedError) else "it is not the JSON of one"


def machine() -> dict[str, str]:
    """What figures depend on: the processor, the kernel, and the versions of what computes."""
    from cryptography.hazmat.backends.openssl import backend

    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "cryptography": metadata.version("cryptography"),
        "OpenSSL": backend.openssl_version_text().removeprefix("OpenSSL ").partition(" ")[0],
        "scapy": metadata.version("scapy"),
        "fynx-scapy": __version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.machine()
