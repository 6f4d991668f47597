# SPDX-License-Identifier: GPL-2.0-or-later
"""What chooses scenarios, and narrows the choice, for ``fynx run`` and ``fynx list``; and what there is to choose."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from fynx_scapy.commands.options import Decorator

if TYPE_CHECKING:
    from fynx_scapy.harness import Scenario

SEVERITIES = ("low", "medium", "high", "critical")
ROLES = ("initiator", "responder")

SUITES = {
    "suite:crash": "What has ended a live peer. With --target only if it is named.",
    "suite:cve": "What published vulnerabilities were about. With --target only if it is named.",
    "suite:niap": "FCS_IPSEC_EXT.1 of NIAP's PP-Module for VPN clients, as seen from the wire.",
}

SUITE = click.option(
    "--suite", "suites", multiple=True, metavar="NAME", help="Take scenarios of this suite. Repeatable."
)
SEVERITY = click.option("--severity", type=click.Choice(SEVERITIES), help="Take scenarios of this severity and above.")


def role(text: str) -> Decorator:
    """The option --role, with its help."""
    return click.option("--role", "roles", multiple=True, type=click.Choice(ROLES), help=text)


def narrowed(scenarios: Sequence[Scenario], suites: Sequence[str], severity: str | None) -> list[Scenario]:
    """Those in these suites, of this severity and above. UsageError for a suite that none of them is in."""
    kept = list(scenarios)
    known = {suite for scenario in kept for suite in scenario.suites}
    for suite in suites:
        if suite not in known:
            told = f"there are {', '.join(sorted(known))}" if known else "none has a suite"
            raise click.UsageError(f"--suite {suite!r}: none of the chosen scenarios is in it; {told}")
    if suites:
        kept = [scenario for scenario in kept if scenario.suites & set(suites)]
    if severity is not None:
        least = SEVERITIES.index(severity)
        kept = [scenario for scenario in kept if SEVERITIES.index(scenario.severity) >= least]
    return kept


def overview(scenarios: Sequence[Scenario]) -> Iterator[str]:
    """What may be named to run these scenarios: topics and suites, with their numbers and what they are about."""
    groups: dict[str, list[Scenario]] = {}
    for scenario in scenarios:
        above = [parent.as_posix() for parent in PurePosixPath(scenario.topic).parents][-2::-1]
        for name in (*above, scenario.topic or "(your own)"):
            groups.setdefault(name, []).append(scenario)
    for suite in sorted({suite for scenario in scenarios for suite in scenario.suites}):
        groups[f"suite:{suite}"] = [scenario for scenario in scenarios if suite in scenario.suites]
    width = max(map(len, groups))
    for name in sorted(groups, key=lambda name: (name.startswith("suite:"), name)):
        group = groups[name]
        live = sum(bool(scenario.live) for scenario in group)
        yield f"{name:{width}}  {len(group):5}  {live:5} *  {SUITES.get(name) or _about(group)}".rstrip()


def _about(group: Sequence[Scenario]) -> str:
    """The first sentence of the file that has all of them, or of its package."""
    modules = {scenario.module for scenario in group}
    if len(modules) > 1:
        modules = {module.rpartition(".")[0] for module in modules}
    found = sys.modules.get(modules.pop()) if len(modules) == 1 else None
    return ((found.__doc__ if found is not None else None) or "").partition("\n")[0]


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from fynx_scapy import scenarios

    words = dict.fromkeys(word for each in scenarios.everything().values() for word in (each.name, each.topic))
    names = [CompletionItem(word) for word in words if word.startswith(incomplete)]
    return names or click.Path().shell_complete(ctx, param, incomplete)


def scenario_names(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the arguments that choose scenarios."""
    exclude = click.option(
        "--exclude", multiple=True, metavar="PATTERN", help="Leave out scenarios with this name. Repeatable."
    )
    more = click.option(
        "--from",
        "folders",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Take scenarios of your own from this folder too; without NAMEs only these. Repeatable.",
    )
    return click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=_complete)(exclude(more(command)))


def _fits(scenario: Scenario, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(text, pattern) for text in (scenario.name, scenario.path))


def without(chosen: Sequence[Scenario], exclude: Sequence[str]) -> list[Scenario]:
    """The scenarios without those that these patterns name. UsageError for a pattern that names none."""
    kept = list(chosen)
    for pattern in exclude:
        if not any(_fits(each, pattern) for each in chosen):
            raise click.UsageError(f"--exclude {pattern!r} leaves out none of the chosen scenarios")
        kept = [each for each in kept if not _fits(each, pattern)]
    if exclude and not kept:
        raise click.UsageError("--exclude leaves no scenario")
    return kept
