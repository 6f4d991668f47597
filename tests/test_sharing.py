# SPDX-License-Identifier: GPL-2.0-or-later
"""How processes share the tests: a file at a time, live peers and small files test by test, marked groups together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.sharing import FEW, file_of, pytest_xdist_make_scheduler

LARGE = [f"tests/ike/test_a.py::test_one[{number}]" for number in range(FEW)]
SMALL = ["tests/test_b.py::test_one", "tests/test_b.py::test_two"]
LIVE = [f"tests/interop/test_c.py::test_one[{number}@{number}]" for number in range(FEW)]
GROUP = ["tests/test_d.py::test_one@browser", "tests/test_e.py::test_two@browser"]


class Node:
    """A process, as a scheduler sees it."""

    def __init__(self, name: str) -> None:
        self.gateway, self.shutting_down = SimpleNamespace(id=name), False
        self.given: list[list[int]] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given.append(indices)

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduler(dist: str = "loadgroup") -> Any:
    values = {"dist": dist, "tx": ["2*popen"], "px": []}
    config = SimpleNamespace(getvalue=values.__getitem__, option=SimpleNamespace(loadscopereorder=True))
    log = SimpleNamespace(loadscopesched=lambda *words: None, loadgroupsched=lambda *words: None)
    return pytest_xdist_make_scheduler(config, log)  # type: ignore[arg-type]


def test_every_test_is_given_once_and_in_its_unit() -> None:
    shared, nodes, tests = scheduler(), [Node("one"), Node("two")], [*LARGE, *SMALL, *LIVE, *GROUP]
    for node in nodes:
        shared.add_node(node)
        shared.add_node_collection(node, tests)
    shared.schedule()
    done = [0, 0]
    while not shared.tests_finished:
        for number, node in enumerate(nodes):
            given = [index for unit in node.given for index in unit]
            for index in given[done[number] : done[number] + 1]:
                shared.mark_test_complete(node, index)
                done[number] += 1
                assert len(shared.assigned_work[node]) <= 3, "what is done is forgotten"
    units = [[tests[index] for index in unit] for node in nodes for unit in node.given]
    assert sorted(units) == sorted([LARGE, GROUP, *([test] for test in SMALL + LIVE)])


@pytest.mark.parametrize("dist", ["load", "loadfile", "worksteal"])
def test_another_way_of_sharing_is_left_to_xdist(dist: str) -> None:
    assert scheduler(dist) is None


def test_the_file_of_a_test() -> None:
    assert file_of("tests/test_b.py::test_one[a::b]") == "tests/test_b.py"
