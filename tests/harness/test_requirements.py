# SPDX-License-Identifier: GPL-2.0-or-later
"""The catalogue of requirements."""

from __future__ import annotations

import dataclasses
import json

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.requirements import Requirement, catalogue, requirement
from tests.shared import shared


def test_ours_is_the_shared_catalogue() -> None:
    theirs = json.loads(shared("requirements/requirements.json").read_text())
    assert [entry["id"] for entry in theirs] == list(catalogue())
    names = [field.name for field in dataclasses.fields(Requirement)]
    for entry in theirs:
        assert set(entry) <= set(names)
        ours = requirement(entry["id"])
        for name in names:
            found = getattr(ours, name)
            assert (list(found) if isinstance(found, tuple) else found) == entry.get(
                name, [] if isinstance(found, tuple) else None
            )


def test_what_the_catalogue_counts() -> None:
    every = catalogue().values()
    assert len(every) == 673
    assert sum(one.testable for one in every) == 427
    assert {one.duplicate_of for one in every} - {None} <= catalogue().keys()
    assert [one.id for one in every if (one.kind == "duplicate") is not (one.duplicate_of is not None)] == []


def test_a_requirement_is_short_to_look_at() -> None:
    assert str(requirement("7296-1.4-04")) == "7296-1.4-04 (MUST, RFC 7296 section 1.4)"
    assert len(repr(requirement("7296-1.4-04"))) < 400


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'7296-1.4-4'; did you mean 7296-1.4-0\d\?"):
        requirement("7296-1.4-4")
