# SPDX-License-Identifier: GPL-2.0-or-later
"""The requirements of RFCs, sentence by sentence, each with an ID.

RFC 7296, 7383, 4303, 3948, 8784, 7427, 7619, 8420, 9593, 4806, 4739 and 4478 are there whole; of RFC 4945 and RFC 5280
there is what concerns peers of IKEv2 and those who judge certificates, not what is for authorities or IKEv1, and of RFC
3748, 1994, 2759, 4187, 5216, 5281, 5998, 9048 and 9190 what an end of EAP inside IKEv2 does with what is wrong. They
are in JSON files: one object per sentence, the sentence verbatim. They are read when one is first asked for.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal

from fynx_scapy.errors import ConfigError
from fynx_scapy.text import printable

FILES = (
    "requirements.json",
    "requirements_8784.json",
    "requirements_signatures.json",
    "requirements_certificates.json",
    "requirements_eap.json",
    "requirements_rounds.json",
)

Kind = Literal["requirement", "permission", "duplicate", "meta"]
Observable = Literal["yes", "partly", "no"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One sentence of an RFC."""

    id: str
    rfc: str
    section: str
    level: str
    """The strongest RFC 2119 keyword in the sentence, or IMPLIED if it requires something without one."""
    sentence: str
    section_title: str = field(repr=False)
    levels: tuple[str, ...] = field(repr=False)
    """Every keyword in the sentence, in order."""
    kind: Kind = field(repr=False)
    """A permission only allows more; a duplicate says what ``duplicate_of`` says; meta is about documents."""
    context: str = field(repr=False)
    """The sentence before it."""
    subject: str = field(repr=False)
    """Who is bound by it: sender, receiver, initiator, responder, both, admin/policy or other."""
    observable: Observable = field(repr=False)
    """Whether the other end of the wire can see that it is kept."""
    role_of_tester: str = field(repr=False)
    """Which end the tester has to be: initiator, responder, either, middlebox or none."""
    area: str = field(repr=False)
    probe: str | None = field(repr=False)
    """What a tester does to see it."""
    on_violation: Literal["fail", "warn", "info", "none"] = field(repr=False)
    """How much a breach of it matters."""
    negative: Literal["hard", "soft"] | None = field(repr=False)
    """Hard: the probe sends something wrong, and an RFC says how the receiver reacts. Soft: it does not say."""
    duplicate_of: str | None = field(default=None, repr=False)
    note: str | None = field(default=None, repr=False)
    """What a later RFC changes."""
    details: tuple[str, ...] = field(default=(), repr=False)
    """The list that belongs to the sentence."""

    def __str__(self) -> str:
        return f"{self.id} ({self.level}, RFC {self.rfc} section {self.section})"

    @property
    def testable(self) -> bool:
        """Whether it requires something that can be observed from outside: what the coverage figure counts."""
        return self.kind == "requirement" and self.observable == "yes"


def _row(entry: dict[str, Any]) -> Requirement:
    lists: dict[str, Any] = {name: tuple(entry[name]) for name in ("levels", "details") if name in entry}
    return Requirement(**(entry | lists))


@functools.cache
def catalogue() -> Mapping[str, Requirement]:
    """Every requirement by its ID, in the order of the RFCs."""
    texts = (resources.files(__package__).joinpath(name).read_text("utf-8") for name in FILES)
    return {entry["id"]: _row(entry) for text in texts for entry in json.loads(text)}


def requirement(identifier: str) -> Requirement:
    """The requirement with that ID; ConfigError, which suggests the nearest ID, when there is none."""
    known = catalogue().get(identifier)
    if known is None:
        near = difflib.get_close_matches(identifier, catalogue(), n=1)
        raise ConfigError(f"no requirement has the ID {identifier!r}{f'; did you mean {near[0]}?' if near else ''}")
    return known


_SOURCE = re.compile(
    r"RFC \d{1,5}(?: (?:sections? \d+(?:\.\d+)*|appendix [A-Z](?:\.\d+)*|table \d+|figure \d+))?|CVE-\d{4}-\d{4,7}"
)
_DOCUMENTS = {"RFC": "'RFC 7296 section 2.16'", "CVE": "'CVE-2021-45079'"}
"""What a source of these letters, in any order, looks like."""


def check_source(text: str, owner: str) -> None:
    """ConfigError for a source that is meant to be a section of an RFC, or a CVE, and is none. Other documents pass."""
    for part in re.split("; |, | and ", text):
        word = re.match("[A-Za-z]*", part)
        letters = sorted(word[0].upper()) if word else []
        like = next((example for name, example in _DOCUMENTS.items() if sorted(name) == letters), None)
        if like is not None and not _SOURCE.fullmatch(part):
            raise ConfigError(f"{owner}: expected a source such as {like}, found {printable(part, 60)!r}")
