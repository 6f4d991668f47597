# SPDX-License-Identifier: GPL-2.0-or-later
"""The catalogue of requirements."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.requirements import Requirement, catalogue, requirement
from tests.shared import shared


def test_ours_is_the_shared_catalogue() -> None:
    theirs = json.loads(shared("requirements/requirements.json").read_text())
    shared_rfcs = {entry["rfc"] for entry in theirs}
    assert [entry["id"] for entry in theirs] == [one.id for one in catalogue().values() if one.rfc in shared_rfcs]
    names = [field.name for field in dataclasses.fields(Requirement)]
    for entry in theirs:
        assert set(entry) <= set(names)
        ours = requirement(entry["id"])
        for name in names:
            found = getattr(ours, name)
            assert (list(found) if isinstance(found, tuple) else found) == entry.get(
                name, [] if isinstance(found, tuple) else None
            )


KEYWORDS = re.compile(
    r"\b(MUST NOT|MUST|SHALL NOT|SHALL|SHOULD NOT|SHOULD|NOT RECOMMENDED|RECOMMENDED|MAY|OPTIONAL|REQUIRED)\b"
)


def text_of(rfc: str) -> str:
    """An RFC on one line, without the breaks of its pages; a word that a line's end cuts is joined."""
    text = re.sub(r"\n.*\f\n.*\n", "", shared(f"rfc/rfc{rfc}.txt").read_text("utf-8", "replace"))
    text = re.sub(r"\n.*\[Page \d+\]", "", text)
    return " ".join(text.split()).replace("- ", "-")


@pytest.mark.parametrize(("rfc", "first", "last"), [
    ("8784", "2. Assumptions We assume", "7. IANA Considerations This"),
    ("7427", "3. Authentication Payload This", "8. References 8.1. Normative"),
    ("7619", "2. Using the NULL Authentication Method In", "Acknowledgments"),
    ("8420", "2. The \"Identity\" Hash Identifier This", "5. Normative References"),
    ("9593", "3. Protocol Details", "7. References"),
    ("4806", "3. Extension Definition With", "9. Normative References"),
    ("4739", "2. Solution 2.1.", "7. References 7.1. Normative"),
    ("4478", "2. Authentication Lifetime The Responder", "7. Normative References"),
    ("4945", "", ""),
    ("5280", "", ""),
    *((rfc, "", "") for rfc in ("3748", "1994", "2759", "4187", "5216", "5281", "5998", "9048", "9190")),
])  # fmt: skip
def test_every_sentence_is_in_the_rfc_word_by_word(rfc: str, first: str, last: str) -> None:
    """And each keyword of the whole texts is in a sentence of the catalogue."""
    text = text_of(rfc)
    ours = [one for one in catalogue().values() if one.rfc == rfc]
    assert [one.id for one in ours if one.sentence.replace("- ", "-") not in text] == []
    for one in ours:
        assert list(one.levels) == KEYWORDS.findall(one.sentence), one.id
    if first:
        body = text[text.rindex(first) : text.rindex(last)]
        assert Counter(KEYWORDS.findall(body)) == Counter(word for one in ours for word in one.levels)


def test_what_the_catalogue_counts() -> None:
    every = catalogue().values()
    assert len(every) == 987
    assert sum(one.testable for one in every) == 684
    assert {one.duplicate_of for one in every} - {None} <= catalogue().keys()
    assert [one.id for one in every if (one.kind == "duplicate") is not (one.duplicate_of is not None)] == []


def test_a_requirement_is_short_to_look_at() -> None:
    assert str(requirement("7296-1.4-04")) == "7296-1.4-04 (MUST, RFC 7296 section 1.4)"
    assert len(repr(requirement("7296-1.4-04"))) < 400


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'7296-1.4-4'; did you mean 7296-1.4-0\d\?"):
        requirement("7296-1.4-4")
