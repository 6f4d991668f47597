# SPDX-License-Identifier: GPL-2.0-or-later
"""The scenarios, a folder per topic. Each runs as a script, in ``fynx run`` and in the tests.

A topic is the name of a folder (``rekey``); in the catalogue of negative cases each file is one (``negative/header``).
A scenario is imported on first use.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fynx_scapy.harness import Scenario

if __name__ != "fynx_scapy.scenarios":
    raise ImportError("import the scenarios as fynx_scapy.scenarios, not as scenarios, so that each is registered once")

CATALOGUE = "negative"
"""The folder whose topics come last."""


@functools.cache
def modules() -> tuple[str, ...]:
    """The modules that have scenarios, in the order of their topics."""
    found = [
        f"{__name__}.{folder.name}.{module.name}"
        for folder in pkgutil.iter_modules(__path__)
        if folder.ispkg
        for place in __path__
        for module in pkgutil.iter_modules([str(Path(place) / folder.name)])
    ]
    return tuple(sorted(found, key=lambda name: (name.split(".")[2] == CATALOGUE, name)))


@functools.cache
def everything() -> dict[str, Scenario]:
    """All scenarios by name, in the order of their topics. ConfigError when two have one name."""
    from fynx_scapy.harness.registry import by_name
    from fynx_scapy.harness.scenario import of_module

    for module in modules():
        importlib.import_module(module)
    return by_name([scenario for module in modules() for scenario in of_module(module)])


def names() -> list[str]:
    """The names of all scenarios, in the order of their topics."""
    return list(everything())


def load(name: str) -> Scenario:
    """The scenario with this name. Raises ConfigError for an unknown name, with the nearest one."""
    from fynx_scapy.harness.registry import unknown
    from fynx_scapy.harness.scenario import registered

    for module in modules():  # so that one alone is found without importing all
        if module.rpartition(".")[2] == name:
            importlib.import_module(module)
            if (found := registered(name, module)) is not None:
                return found
    if name not in everything():
        raise unknown(name, everything())
    return everything()[name]


def chosen(words: Sequence[str], tell: Callable[[str], object] = print, folders: Sequence[Path] = ()) -> list[Scenario]:
    """The scenarios that these words name, each once; without words all of ``folders``, else all of ours.

    A word is a name (``rekey_child``, ``rekey/rekey_child``), a topic (``rekey``), a pattern of either (``error_*``,
    ``negative/*``), a suite (``suite:cve``), a Python file, or a folder of them; ``folders`` have more of them.
    ``tell`` is called with a text for each file of a folder that has no scenario. ConfigError for a word that names
    nothing, and for two scenarios with one name.
    """
    from fynx_scapy.harness.registry import choose

    return choose(words, tell, folders, everything, load)
