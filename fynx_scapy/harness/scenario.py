# SPDX-License-Identifier: GPL-2.0-or-later
"""A scenario: one function that reads like a test, and its registry.

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
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.requirements import Requirement, requirement
from fynx_scapy.harness.role import Role, roles_of
from fynx_scapy.harness.setting import PLAIN, OurFields, Setting
from fynx_scapy.ike.terms.endpoint_config import EndpointFields
from fynx_scapy.text import printable, printable_lines

if TYPE_CHECKING:
    from fynx_scapy.harness.stage import Run

Body = Callable[["Run"], None]
Live = bool | Literal["in part"]
Severity = Literal["low", "medium", "high", "critical"]
HARMFUL = frozenset({"cve", "crash"})
"""The suites of scenarios that may end a peer: with one that is neither embedded nor of a lab they run if asked for."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario: a function, or a row of data that was made into one."""

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
    setting: Setting = PLAIN
    """How both ends are configured, and what the peer must be able to do."""

    @property
    def configures(self) -> bool:
        """Whether it is for peers that it configures, such as those of a lab."""
        return self.setting != PLAIN or any(role.asynchronous for role in self.roles)

    @property
    def harmful(self) -> bool:
        """Whether it may end a peer that has a known fault."""
        return bool(self.suites & HARMFUL)

    @property
    def path(self) -> str:
        """Topic and name: ``rekey/rekey_child``."""
        return f"{self.topic}/{self.name}" if self.topic else self.name

    @property
    def file(self) -> str:
        """The file that it is written in."""
        return getattr(sys.modules.get(self.module), "__file__", None) or inspect.getfile(self.body)

    @property
    def title(self) -> str:
        """The first line of the docstring."""
        return self.description.partition("\n")[0]

    @property
    def description(self) -> str:
        """The whole docstring."""
        return printable_lines(inspect.getdoc(self.body) or "")


_NAME = re.compile(r"\w[\w.-]{0,199}")
_REGISTRY: dict[tuple[str, str], Scenario] = {}
"""Module and name -> the scenario."""
_SCRIPT: list[Scenario] = []
"""The scenarios of the file that runs as a script."""


def scenario(
    source: str,
    *,
    name: str | None = None,
    requirements: Sequence[str] = (),
    live: Live = False,
    roles: Sequence[Role | str] = (Role.INITIATOR,),
    severity: Severity = "medium",
    suites: Collection[str] = (),
    needs: Collection[str] = (),
    config: Mapping[str, Any] | None = None,
    ours: OurFields | None = None,
    endpoint: EndpointFields | None = None,
    site: Mapping[str, Any] | None = None,
) -> Callable[[Body], Scenario]:
    """Register a function as a scenario, by default under the function's name; several may share one function.

    ``source`` is the RFC section that it is about, ``requirements`` are the IDs of the sentences that it checks;
    ``live``, ``roles``, ``severity`` and ``suites`` as in `Scenario`, all others as in `Setting`.
    ConfigError for an unknown ID, for a function without a docstring and for a second scenario with the same name.
    Those of a file that runs as a script are kept apart, for `main`.
    """
    checked = tuple(requirement(identifier) for identifier in requirements)
    setting = Setting(
        needs=frozenset(needs), config=dict(config or {}), ours=ours or {}, endpoint=endpoint or {},
        site=dict(site or {}),
    )  # fmt: skip

    def made(body: Body) -> Scenario:
        called, module = name or body.__name__, body.__module__
        if not body.__doc__:
            raise ConfigError(f"expected a docstring in the scenario {called}: its first line is the title")
        return register(
            Scenario(
                called, source, checked, body, module, live, roles=roles_of(roles, called), topic=topic_of(module),
                severity=severity, suites=frozenset(suites), setting=setting,
            )
        )  # fmt: skip

    return made


def register(made: Scenario) -> Scenario:
    """Register a scenario; returns it. ConfigError for an unknown severity, and for a name that its module has.

    ConfigError also for a name that is no word, and for a source that is not printable.
    """
    if not _NAME.fullmatch(made.name):
        found = printable(repr(made.name), 80)
        raise ConfigError(f"expected the name of a scenario to be letters, digits, _, - and ., found {found}")
    if not made.source.isprintable():
        raise ConfigError(f"{made.name}: expected a source on one line, found {printable(repr(made.source), 80)}")
    if made.severity not in (known := get_args(Severity)):
        raise ConfigError(f"{made.name}: expected severity to be one of {', '.join(known)}, found {made.severity!r}")
    if made.module == "__main__":
        _SCRIPT.append(made)
        return made
    earlier = _REGISTRY.get((made.module, made.name))
    if earlier is not None and not _again(earlier, made):
        raise ConfigError(f"expected one scenario with the name {made.name}, found a second one in {made.file}")
    _REGISTRY[made.module, made.name] = made
    return made


def _again(known: Scenario, made: Scenario) -> bool:
    """Whether it is the same function, of a module that is loaded again. What is made of data has a closure."""
    return known.body.__code__ == made.body.__code__ and made.body.__closure__ is None


def topic_of(module: str) -> str:
    """The topic of the scenarios of a module: its folder, in the catalogue the file too; empty outside the package."""
    home, catalogue = "fynx_scapy.scenarios.", "negative"
    if not module.startswith(home):
        return ""
    folder, _, file = module.removeprefix(home).partition(".")
    return f"{folder}/{file}" if folder == catalogue else folder


def of_module(module: str) -> list[Scenario]:
    """The scenarios of a module that was imported, in their order."""
    return [made for (where, _), made in _REGISTRY.items() if where == module]


def registered(name: str, module: str | None = None) -> Scenario | None:
    """The scenario with that name, of that module or of any, if its file was imported."""
    found = (made for (where, known), made in _REGISTRY.items() if known == name and module in (None, where))
    return next(found, None)


def of_script(file: str) -> list[Scenario]:
    """The scenarios of the file that runs as a script, if it is this one."""
    return [made for made in _SCRIPT if Path(made.file).resolve() == Path(file).resolve()]
