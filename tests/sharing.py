# SPDX-License-Identifier: GPL-2.0-or-later
"""How the processes of pytest-xdist share the tests: a file at a time, so that each module makes things once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

ONE_BY_ONE = "tests/interop/"
"""Where each test takes seconds, as it starts a live peer: a file of them would keep one process busy to the end."""
FEW = 10
"""Files with fewer tests are shared test by test, as most of the tests that take minutes are in such files."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The scheduler of ``--dist loadgroup``; None, which means xdist's own, for any other."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadGroupScheduling

    class Files(LoadGroupScheduling):  # type: ignore[misc]
        """xdist's own hands out one test at a time, and looks at all that were done whenever one is done."""

        _tests: Counter[str] | None = None

        def _split_scope(self, nodeid: str) -> str:
            scope: str = super()._split_scope(nodeid)
            if scope != nodeid:
                return scope  # its mark says so
            if self._tests is None:
                self._tests = Counter(map(file_of, self.collection))
            return scope_of(nodeid, self._tests)

        def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
            super().mark_test_complete(node, item_index, duration)
            assigned = self.assigned_work[node]
            scope = self._split_scope(self.registered_collections[node][item_index])
            if all(assigned[scope].values()):
                del assigned[scope]

    return Files(config, log)


def file_of(nodeid: str) -> str:
    """The file of a test."""
    return nodeid.partition("::")[0]


def scope_of(nodeid: str, tests: Counter[str]) -> str:
    """What a process is given at once: the test's file, or the test alone. ``tests`` counts those of each file."""
    file = file_of(nodeid)
    return nodeid if file.startswith(ONE_BY_ONE) or tests[file] < FEW else file
