# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the tests find the data that lives beside the repository."""

from __future__ import annotations

import os
import pathlib

import pytest

FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent / "shared"


def shared(name: str) -> pathlib.Path:
    """A file or folder of the shared data; the test is skipped where it is absent, and fails there on CI."""
    path = FOLDER / name
    if not path.exists():
        reason = f"the shared data has no {name} beside this checkout"
        if os.environ.get("CI"):
            pytest.fail(reason + ", and CI requires it")
        pytest.skip(reason)
    return path
