# SPDX-License-Identifier: GPL-2.0-or-later
"""The catalogue of negative cases, one file per area (`fynx_scapy.harness.cases`)."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fynx_scapy.harness import Scenario


def areas() -> list[str]:
    """The names of the files of the catalogue, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def catalogue() -> list[Scenario]:
    """Every case, in the order of the files."""
    from fynx_scapy.harness.scenario import of_module

    found: list[Scenario] = []
    for area in areas():
        importlib.import_module(f"{__name__}.{area}")
        found += of_module(f"{__name__}.{area}")
    return found
