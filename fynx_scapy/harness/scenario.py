# SPDX-License-Identifier: GPL-2.0-or-later
"""A scenario: one file with one function that reads like a test. Its name is the name of the file.

@scenario("RFC 7296 section 1.2", requirements=("7296-1.2-02",))
def psk_handshake(run: Run) -> None:
    \"""Two peers who share a key set up an IKE SA and a Child SA.\"""
    s = run.session()
    expect(s.sa_init()).has(IKEv2_SA, IKEv2_KE, IKEv2_Nonce)

if __name__ == "__main__":
    main(__file__)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.requirements import Requirement, requirement
from fynx_scapy.harness.role import Role

if TYPE_CHECKING:
    from fynx_scapy.harness.stage import Run

Body = Callable[["Run"], None]
Live = bool | Literal["in part"]
Severity = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario of a file in scenarios/."""

    name: str
    source: str
    """The RFC section that it is about."""
    requirements: tuple[Requirement, ...]
    """The requirements that it checks."""
    body: Body = field(repr=False)
    module: str = field(repr=False)
    live: Live = False
    """Whether it runs against a live peer too, because it expects only what the RFC requires of every peer. ``"in
    part"``: some checks look into the embedded peer, so with a live one its requirements count as checked in part."""
    roles: tuple[Role, ...] = (Role.INITIATOR,)
    """Which end of the IKE SA we may be in it."""
    topic: str = ""
    """The folder that it is in, such as ``negative/header``; empty for a file of a user's."""
    severity: Severity = "medium"
    """How much it matters when it fails."""
    suites: frozenset[str] = frozenset()
    """The suites that it belongs to, such as ``cve``."""

    @property
    def title(self) -> str:
        """The first line of the docstring."""
        return self.description.partition("\n")[0]

    @property
    def description(self) -> str:
        """The whole docstring."""
        return inspect.getdoc(self.body) or ""


_REGISTRY: dict[tuple[str, str], Scenario] = {}
"""Module and name -> the scenario."""
_SCRIPT: list[Scenario] = []
"""The scenarios of the file that runs as a script."""


def scenario(source: str, *, requirements: Sequence[str] = (), live: Live = False) -> Callable[[Body], Scenario]:
    """Register a function as the scenario of its file.

    ``source`` is the RFC section that it is about, ``requirements`` are the IDs of the sentences that it checks;
    ``live`` as in `Scenario`.
    ConfigError for an unknown ID, for a function without a docstring and for a second scenario in the same file. Those
    of a file that runs as a script are kept apart, for `main`.
    """
    checked = tuple(requirement(identifier) for identifier in requirements)

    def register(body: Body) -> Scenario:
        name = Path(inspect.getfile(body)).stem
        made = Scenario(name, source, checked, body, body.__module__, live)
        if not made.description:
            raise ConfigError(f"expected a docstring in the scenario {name}: its first line is the title")
        if body.__module__ == "__main__":
            _SCRIPT.append(made)
            return made
        known = _REGISTRY.get((made.module, name))
        if known is not None and known.body.__code__ != body.__code__:
            raise ConfigError(
                f"expected one scenario with the name {name}, found {known.body.__name__} and {body.__name__}: give "
                "each a file of its own"
            )
        _REGISTRY[made.module, name] = made
        return made

    return register


def register(made: Scenario) -> Scenario:
    """Register a scenario that is made of data; returns it. ConfigError when its name is taken."""
    known = _REGISTRY.get((made.module, made.name))
    if known is not None and known != made:
        raise ConfigError(f"expected one scenario with the name {made.name}, found a second in {made.module}")
    if made.module == "__main__":
        _SCRIPT.append(made)
    _REGISTRY[made.module, made.name] = made
    return made


def topic_of(module: str) -> str:
    """The topic of the scenarios of a module: ``negative/header``; empty outside the package."""
    home = "fynx_scapy.scenarios."
    return module.removeprefix(home).replace(".", "/") if module.startswith(home) else ""


def of_module(module: str) -> list[Scenario]:
    """The scenarios of a module that was imported, in their order."""
    return [made for (where, _), made in _REGISTRY.items() if where == module]


def registered(name: str, module: str | None = None) -> Scenario | None:
    """The scenario with that name, of that module or of any, if its file was imported."""
    found = (made for (where, known), made in _REGISTRY.items() if known == name and module in (None, where))
    return next(found, None)


def of_script(file: str) -> list[Scenario]:
    """The scenarios of the file that runs as a script, if it is this one."""
    return [made for made in _SCRIPT if Path(inspect.getfile(made.body)).resolve() == Path(file).resolve()]
