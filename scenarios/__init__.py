# SPDX-License-Identifier: GPL-2.0-or-later
"""The scenarios, one per file. Each runs as a script, in ``fynx run`` and in the tests.

A scenario has the name of its file, and is imported on first use.
"""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fynx_scapy.errors import ConfigError
from fynx_scapy.text import printable

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

    found = registered(name, f"{__name__}.{name}")
    if found is None:
        raise ConfigError(f"expected the file of the scenario {name} to register one, found none")
    return found


def chosen(words: Sequence[str], tell: Callable[[str], object] = print) -> list[Scenario]:
    """The scenarios that these words name, each once; all of ours if there are no words.

    A word is a name, a pattern such as ``error_*``, a Python file, or a folder of them. ``tell`` is called with a text
    for each file of a folder that has no scenario. ConfigError for a word that names nothing, and for two scenarios
    with one name.
    """
    found: dict[str, Scenario] = {}
    for each in (scenario for word in words or ("*",) for scenario in _named(word, tell)):
        other = found.setdefault(each.name, each)
        if other.module != each.module:
            places = " and ".join(printable(inspect.getfile(scenario.body)) for scenario in (other, each))
            raise ConfigError(f"two scenarios have the name {each.name}: {places}")
    return list(found.values())


def _named(word: str, tell: Callable[[str], object]) -> Iterator[Scenario]:
    from fynx_scapy.harness.loading import load_file, load_folder

    path, known = Path(word), names()
    if not word:
        raise ConfigError("expected the name of a scenario, found an empty one")
    if path.suffix == ".py":
        yield load_file(path)
    elif word not in known and path.is_dir():
        folder = load_folder(path)
        for other in folder.others:
            tell(f"{printable(str(other))} was not run: it has no scenario")
        yield from folder.scenarios
    elif os.sep in word:
        raise ConfigError(f"{printable(word)}: expected a Python file or a folder of scenarios, found neither")
    elif any(char in word for char in "*?["):
        if not (matching := fnmatch.filter(known, word)):
            raise ConfigError(f"no scenario has a name like {word!r}")
        yield from map(load, matching)
    elif word not in known and path.with_suffix(".py").is_file():
        raise ConfigError(f"there is no scenario {word!r}; did you mean the file {printable(word)}.py?")
    else:
        yield load(word)
