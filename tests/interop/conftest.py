# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything here starts real peers: it is slow, and skipped where a peer is missing (CI lets nothing be missing)."""

from __future__ import annotations

from pathlib import Path

import pytest

from fynx_scapy.errors import LabError
from fynx_scapy.lab.lab import Lab

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what lies in this folder, and deselect what needs a guest unless it is asked for by its marker."""
    files = {path for path in {item.path for item in items} if HERE in path.parents}
    here = [item for item in items if item.path in files]
    for item in here:
        item.add_marker(pytest.mark.interop)
        item.add_marker(pytest.mark.slow)
    if "kernel" not in config.option.markexpr:
        guests = {item for item in here if item.get_closest_marker("kernel")}
        items[:] = [item for item in items if item not in guests]
        config.hook.pytest_deselected(items=[item for item in here if item in guests])


@pytest.fixture(scope="session")
def strongswan() -> str:
    """Its version; tests that ask for it are skipped where a lab with it cannot stand."""
    try:
        with Lab() as lab:
            return lab.peer.version
    except LabError as error:
        pytest.skip(f"no live peer: {error}")
