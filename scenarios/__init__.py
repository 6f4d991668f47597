# SPDX-License-Identifier: GPL-2.0-or-later
"""What two peers do with each other, one scenario a file; each runs alone, in ``fynx run`` and in the tests.

Nothing is imported before it is asked for: the names are those of the files.
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
    raise ImportError("the scenarios are imported as fynx_scapy.scenarios, so that each is registered once")


def names() -> list[str]:
    """The names of all scenarios, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def load(name: str) -> Scenario:
    """The scenario of that name; ConfigError, with the nearest name, when there is none."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.4)
        raise ConfigError(f"there is no scenario {name!r}{f'; did you mean {near[0]}?' if near else ''}")
    importlib.import_module(f"{__name__}.{name}")
    from fynx_scapy.harness.scenario import registered

    found = registered(name)
    if found is None:
        raise ConfigError(f"expected the file of the scenario {name} to register one, found none")
    return found
