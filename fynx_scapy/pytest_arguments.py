# SPDX-License-Identifier: GPL-2.0-or-later
"""The arguments of our fixtures: those of the marker ``fynx``, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from fynx_scapy.pytest_cases import nearest

PAIR = ("initiator", "responder")


def arguments(request: pytest.FixtureRequest, fixture: str) -> dict[str, Any]:
    """The arguments that the marker ``fynx`` has for a fixture; of several markers the nearest counts.

    The test fails for a name that no fixture knows, and the text names the nearest one.
    """
    known = _known()
    every = {name for names in known.values() for name in names}
    found: dict[str, Any] = {}
    for mark in request.node.iter_markers("fynx"):
        if mark.args:
            pytest.fail(f"expected arguments by name for @pytest.mark.fynx, found {mark.args[0]!r}", pytrace=False)
        _check("an argument of Session or PeerConfig, initiator or responder", mark.kwargs, every)
        found = mark.kwargs | found
    for name in PAIR:
        _check(f"a dict of fields of IkeConfig for {name}", found.get(name, {}), _fields())
    if fixture == "endpoint_pair":
        return {name: found[name] for name in PAIR if name in found}
    taken = {name: value for name, value in found.items() if name not in PAIR}
    for name in taken:
        if name not in known[fixture]:
            pytest.fail(f"@pytest.mark.fynx: {name} is no argument of the fixture {fixture}"
                        f"{nearest(name, known[fixture])}", pytrace=False)  # fmt: skip
    return taken


def _known() -> Mapping[str, Iterable[str]]:
    """What each fixture may be given."""
    from fynx_scapy.harness import PeerConfig
    from fynx_scapy.session_setup import SessionFields

    return {
        "session": SessionFields.__annotations__,
        "lab": PeerConfig.__dataclass_fields__,
        "endpoint_pair": PAIR,
    }


def _fields() -> Iterable[str]:
    from fynx_scapy import IkeConfig

    return IkeConfig.__dataclass_fields__


def _check(expected: str, given: Any, known: Iterable[str]) -> None:
    if not isinstance(given, Mapping):
        pytest.fail(f"@pytest.mark.fynx: expected {expected}, found {given!r}", pytrace=False)
    for name in given:
        if name not in known:
            pytest.fail(
                f"@pytest.mark.fynx: expected {expected}, found {name!r}{nearest(str(name), known)}", pytrace=False
            )
