# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of commands share: one capture of our own, and copies of it with something wrong."""

from __future__ import annotations

import pytest

from tests.commands.files import READERS, Files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("rule"))


@pytest.fixture(params=READERS)
def command(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
