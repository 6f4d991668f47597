# SPDX-License-Identifier: GPL-2.0-or-later
"""The scenarios, one per file. Each runs as a script, in ``fynx run`` and in the tests.

A scenario has the name of its file, and is imported on first use.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from typing import TYPE_CHECKING

from fynx_scapy.errors import ConfigError

if TYPE_CHECKING:
    from fynx_scapy.harness import Scenario

if __name__ != "fynx_scapy.scenarios":
    raise ImportError("import the scenarios as fynx_scapy.scenarios, not as scenarios, so that each is registered once")


def names() -> list[str]:
    """The names of all scenarios, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def load(name: str) -> Scenario:
    """The scenario with this name. Raises ConfigError for an unknown name, with the nearest one."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.4)
        raise ConfigError(f"there is no scenario {name!r}{f'; did you mean {near[0]}?' if near else ''}")
    importlib.import_module(f"{__name__}.{name}")
    from fynx_scapy.harness.scenario import registered

    found = registered(name)
    if found is None:
        raise ConfigError(f"expected the file of the scenario {name} to register one, found none")
    return found
