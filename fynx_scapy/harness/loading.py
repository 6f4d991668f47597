# SPDX-License-Identifier: GPL-2.0-or-later
"""Loads the scenarios of a user's own files, from any folder."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import hashlib
import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.scenario import Scenario, of_module
from fynx_scapy.net import guard
from fynx_scapy.text import printable

PACKAGE = "fynx_scapy.scenarios"

MAKERS = {"scenario", "case", "cases"}
"""The functions that make scenarios."""

_IMPORTED = re.compile("cannot import name '([^']+)'")
_ARGUMENT = re.compile(r"Case\.__init__\(\) got an unexpected keyword argument '([^']+)'")

loading: list[Path] = []
"""The files that are being run to find their scenarios."""


class Found(NamedTuple):
    """The scenarios of a folder, and its other Python files, which were not run."""

    scenarios: list[Scenario]
    others: list[Path]


def load_file(path: Path) -> list[Scenario]:
    """The scenarios of a file. ConfigError when it cannot be read or run, or has none."""
    name = _in_package(path)
    module = importlib.import_module(f"{PACKAGE}.{name}") if name else _load(path)
    found = of_module(module.__name__)
    if not found:
        raise ConfigError(f"{_shown(path)}: expected a function with @scenario(...), found none")
    return found


def load_folder(folder: Path) -> Found:
    """The scenarios of the Python files in a folder, and in the folders in it. Files without @scenario are not run.

    Hidden folders and virtual environments are left out. ConfigError as in `load_file`, when there is no such folder,
    and when there is no scenario.
    """
    if not folder.is_dir():
        raise ConfigError(f"{_shown(folder)}: there is no such folder")
    files = [path for path in sorted(_files(folder)) if path.name != "__init__.py"]
    having = [path for path in files if _has_scenario(path)]
    if not having:
        raise ConfigError(f"{_shown(folder)}: expected Python files with @scenario(...), found none")
    found = [scenario for path in having for scenario in load_file(path)]
    return Found(found, [path for path in files if path not in having])


def _files(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """The Python files below a folder. A symbolic link to a folder that it is in is not followed."""
    here = folder.resolve()
    if here in above:
        return
    above |= {here}
    for path in folder.iterdir():
        if path.name.startswith((".", "__pycache__")):
            continue
        if path.is_dir() and not (path / "pyvenv.cfg").exists():
            yield from _files(path, above)
        elif path.suffix == ".py":
            yield path


def _in_package(path: Path) -> str:
    """The module of a file that is ours, so that it is not run a second time; empty for any other file."""
    spec = importlib.util.find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec is not None else None
    for place in places or ():
        home, file = Path(place).resolve(), path.resolve()
        if path.suffix == ".py" and file.is_file() and file.is_relative_to(home) and file.parent != home:
            return ".".join(file.relative_to(home).with_suffix("").parts)
    return ""


def _has_scenario(path: Path) -> bool:
    """Whether it calls ``scenario``, ``case`` or ``cases``. True for what is no Python: running it says why."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return True
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
    return not names.isdisjoint(MAKERS)


def _load(path: Path) -> ModuleType:
    """Run a file as a module of its own. Its folder is on the path, as with ``python FILE``."""
    file = path.resolve()
    name = f"fynx_scenario_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    if not file.is_file():
        raise ConfigError(f"{_shown(path)}: there is no such file")
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{_shown(path)}: expected a Python file whose name ends with .py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    loading.append(path)
    try:
        _, error = guard.attempt(spec.loader.exec_module, module)
    except SystemExit:
        error = ConfigError('it ends the program: put that under if __name__ == "__main__"')
    finally:
        loading.remove(path)
    if error is not None:
        del sys.modules[name]
        raise ConfigError(_fault(path, file, error)) from None
    return module


def _fault(path: Path, file: Path, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{_shown(path)}:{error.lineno or 0}: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    place = f":{lines[-1]}" if lines else ""
    text = str(error) if isinstance(error, ConfigError) else f"it raised {type(error).__name__}: {error}"
    near = "" if isinstance(error, ConfigError) else _nearest(error)
    return f"{_shown(path)}{place}: {printable(text)}{near}"


def _nearest(error: Exception) -> str:
    """What a misspelt verb, outcome or argument was probably meant to be."""
    from fynx_scapy.harness import cases, verbs

    name, known = getattr(error, "name", None) or "", [*verbs.__all__, *cases.__all__]
    if isinstance(error, ImportError) and (found := _IMPORTED.match(str(error))):
        name = found[1]
    elif isinstance(error, TypeError) and (found := _ARGUMENT.match(str(error))):
        name, known = found[1], [field.name for field in dataclasses.fields(cases.Case)]
    elif not isinstance(error, NameError):
        return ""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near and near[0] != name else ""


def _shown(path: Path) -> str:
    return printable(str(path))
