# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything here starts real peers: it is slow, and skipped where a peer is missing (CI lets nothing be missing)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from fynx_scapy.errors import LabError
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.peer import Peer
from fynx_scapy.lab.strongswan import StrongSwan

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


@functools.cache
def version_of(kind: type[Peer]) -> tuple[str, str]:
    """The version of a peer, and an empty text or why there is none here."""
    try:
        with Lab(peer=kind) as lab:
            return lab.peer.version, ""
    except LabError as error:
        return "", str(error)


@pytest.fixture(scope="session")
def versions() -> Callable[[type[Peer]], str]:
    """Asks for the version of a peer; the test is skipped where a lab with that peer cannot be set up."""

    def asked(kind: type[Peer]) -> str:
        version, fault = version_of(kind)
        return version or pytest.skip(f"no live peer: {fault}")

    return asked


@pytest.fixture(scope="session")
def strongswan(versions: Callable[[type[Peer]], str]) -> str:
    """The version of this machine's strongSwan; tests that ask for it are skipped without."""
    return versions(StrongSwan)
