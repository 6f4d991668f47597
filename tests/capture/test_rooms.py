# SPDX-License-Identifier: GPL-2.0-or-later
"""The rooms of capture/: imports between them run one way, those for types and those inside functions included."""

from __future__ import annotations

import ast
import functools
import graphlib
from collections import Counter
from pathlib import Path

import fynx_scapy

ROOT = Path(fynx_scapy.__file__).parent / "capture"
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
    if path != ROOT / "__init__.py"
}
FLOORS = {"headers": -1, "reading": 0, "index": 1, "follow": 2, "transcript": 3, "showing": 4, "audit": 6, "replay": 6}
"""Each may import those below it. What is in no room lies on floor 5; commands may import everything."""

MOST_LINES, MOST_FILES = 390, 16


def floor(module: str) -> int:
    """Where a module lies."""
    if module == "showing.summary":  # the tables of `fynx capture`, for commands alone
        return 7
    return FLOORS.get(module.partition(".")[0], 5)


@functools.cache
def imports(module: str) -> frozenset[str]:
    """The modules of capture/ that one imports, wherever and whatever for."""
    path = FILES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = (node.module or "").split(".") if node.module else []
        if node.level:
            if node.level > len(package) + 1:
                continue  # out of capture/
            base = [*package[: len(package) - node.level + 1], *base]
        elif base[:2] == ["fynx_scapy", "capture"]:
            base = base[2:]
        else:
            continue
        for alias in node.names:
            for name in (".".join([*base, alias.name]), ".".join(base)):
                if name in FILES:
                    found.add(name)
                    break
    return frozenset(found - {module})


def test_a_room_imports_those_below_it() -> None:
    def above(module: str, other: str) -> bool:
        inside = module.partition(".")[0] == other.partition(".")[0]
        return floor(other) > floor(module) or (floor(other) == floor(module) not in (5, 7) and not inside)

    assert [(module, other) for module in FILES for other in imports(module) if above(module, other)] == []


def test_no_circle() -> None:
    assert list(graphlib.TopologicalSorter({module: imports(module) for module in FILES}).static_order())


def test_rooms_are_no_larger_than_a_person_overlooks() -> None:
    assert {name for name, path in FILES.items() if len(path.read_text().splitlines()) >= MOST_LINES} == set()
    folders = Counter(path.parent.name for path in FILES.values())
    assert {folder for folder, count in folders.items() if count > MOST_FILES} == set()


def test_everything_that_is_public_has_its_home() -> None:
    from fynx_scapy import capture

    assert set(capture.__all__) == set(capture._HOME)
    for name, home in capture._HOME.items():
        assert getattr(capture, name).__module__.startswith(home)
