# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases become scenarios: rows by `cases`, functions by `case`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.cases.case import Case
from fynx_scapy.harness.cases.play import play
from fynx_scapy.harness.requirements import requirement
from fynx_scapy.harness.role import Role, roles_of
from fynx_scapy.harness.scenario import Body, Live, Scenario, Severity, register, topic_of
from fynx_scapy.harness.stage import Run


def scenario_of(row: Case, module: str) -> Scenario:
    """A row as a scenario of that module."""
    checked = row.checked

    def body(run: Run) -> None:
        play(row, run)

    body.__doc__ = row.title
    return Scenario(
        row.name,
        row.source or f"RFC {checked[0].rfc} section {checked[0].section}",
        checked,
        body,
        module,
        live=True,
        roles=row.possible_roles,
        topic=topic_of(module),
        severity=row.severity,
        suites=frozenset(row.suites),
    )


def cases(module: str, rows: Iterable[Case]) -> list[Scenario]:
    """Register the rows of a file: ``cases(__name__, [Case(...), ...])``. ConfigError for a name that is taken."""
    return [register(scenario_of(row, module)) for row in rows]


def case(
    *,
    requirements: Sequence[str] = (),
    source: str = "",
    severity: Severity = "medium",
    roles: Sequence[Role | str] = (Role.INITIATOR,),
    suites: Iterable[str] = (),
    live: Live = True,
) -> Callable[[Body], Scenario]:
    """Register a function as a case, under the function's name, where a row does not do.

    Its docstring says what is sent and what must follow. ConfigError for an unknown requirement and for none.
    """
    checked = tuple(requirement(identifier) for identifier in requirements)
    if not (checked or source):
        raise ConfigError("expected requirements=, the IDs of sentences, or source=, the RFC section, found neither")

    def made(body: Body) -> Scenario:
        if not body.__doc__:
            raise ConfigError(f"expected a docstring in the case {body.__name__}: its first line is the title")
        where = source or f"RFC {checked[0].rfc} section {checked[0].section}"
        return register(
            Scenario(
                body.__name__,
                where,
                checked,
                body,
                body.__module__,
                live=live,
                roles=roles_of(roles, body.__name__),
                topic=topic_of(body.__module__),
                severity=severity,
                suites=frozenset(suites),
            )
        )

    return made
