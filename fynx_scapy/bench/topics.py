# SPDX-License-Identifier: GPL-2.0-or-later
"""The topics: every file of this room that has a ``measure``. None is imported before it is measured."""

from __future__ import annotations

import ast
import importlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, cast

from fynx_scapy.bench.figures import Figure, SkippedError
from fynx_scapy.bench.results import Topic
from fynx_scapy.errors import ConfigError, FynxError
from fynx_scapy.text import printable

_FOLDER = Path(__file__).parent


class _Module(Protocol):
    def measure(self, quick: bool) -> list[Figure]: ...


def topics() -> dict[str, str]:
    """Every topic by name, with what it measures: the first line of its file."""
    found = {}
    for path in sorted(_FOLDER.glob("*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "measure" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def chosen(names: Iterable[str]) -> list[str]:
    """The topics with these names, each once, or all of them. Raises ConfigError for a name that there is none of."""
    known = topics()
    for name in names:
        if name not in known:
            raise ConfigError(f"expected a topic: {', '.join(known)}; found {printable(name)}")
    return list(dict.fromkeys(names)) or list(known)


def measured(name: str, *, quick: bool = False) -> Topic:
    """Measure a topic. One that cannot be measured here says why; so does one that failed."""
    start = time.monotonic()
    figures: list[Figure] = []
    skipped = failed = ""
    try:
        module = cast(_Module, importlib.import_module(f"fynx_scapy.bench.{name}"))
        figures = module.measure(quick)
    except SkippedError as error:
        skipped = str(error)
    except FynxError as error:
        failed = str(error)
    return Topic(name, topics()[name], figures, time.monotonic() - start, skipped, failed)
