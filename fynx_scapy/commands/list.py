# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx list``: list the scenarios, or the requirements with their tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

import click

from fynx_scapy.commands.choosing import SEVERITY, SUITE, narrowed, overview, role, scenario_names, without
from fynx_scapy.commands.opening import writing
from fynx_scapy.commands.options import JSON, OUTPUT

LONGEST = 200
"""A longer title is cut: that of a case has all octets that it sends."""


@click.command("list")
@scenario_names
@role("Take scenarios in which we are this end of the IKE SA. Repeatable.")
@SUITE
@SEVERITY
@click.option("--topics", is_flag=True, help="List the topics and suites instead, with the number of their scenarios.")
@click.option(
    "--rfc", metavar="[NUMBER]", is_flag=False, flag_value="",
    help="List the requirements instead, with their tests: all, or those of an RFC, a section (7296-2.5), an area or "
    "an ID.",
)  # fmt: skip
@JSON
@OUTPUT
def list_(
    names: tuple[str, ...],
    exclude: tuple[str, ...],
    folders: tuple[Path, ...],
    roles: tuple[str, ...],
    suites: tuple[str, ...],
    severity: str | None,
    topics: bool,
    rfc: str | None,
    as_json: bool,
    output: Path,
) -> None:
    """List the scenarios: what each shows, and its RFC section. * marks those that also run against a live peer.

    With NAMEs only those: names, topics ('rekey'), patterns ('error_*', 'negative/*'), suites ('suite:cve'), files of
    yours, or folders of them. --topics says what there is to choose from.

    --json prints one object per line and scenario.
    """
    if rfc is not None:
        if names or exclude or folders or roles or suites or severity or topics:
            raise click.UsageError("expected --rfc alone, or names of scenarios, found both")
        with writing(output) as out:
            show_requirements(rfc, as_json, out)
        return
    from fynx_scapy import scenarios

    loaded = without(scenarios.chosen(names, lambda text: click.echo(text, err=True), folders), exclude)
    loaded = narrowed(loaded, suites, severity)
    if roles:
        loaded = [scenario for scenario in loaded if {role.value for role in scenario.roles} & set(roles)]
    if not loaded:
        raise click.UsageError("--role, --suite and --severity leave no scenario")
    if topics:
        if as_json:
            raise click.UsageError("--topics has no JSON: --json has the topic and the suites of each scenario")
        with writing(output) as out:
            for line in overview(loaded):
                click.echo(line, file=out)
        click.echo("the number of scenarios; * how many also run against a live peer", err=True)
        return
    width = max(len(scenario.name) for scenario in loaded)
    wide = max(len(scenario.topic) for scenario in loaded)
    with writing(output) as out:
        for scenario in loaded:
            entry: dict[str, Any] = {
                "name": scenario.name, "topic": scenario.topic, "title": scenario.title, "source": scenario.source,
                "roles": [role.value for role in scenario.roles], "suites": sorted(scenario.suites),
                "severity": scenario.severity,
            }  # fmt: skip
            if as_json:
                requirements = [requirement.id for requirement in scenario.requirements]
                click.echo(json.dumps(entry | {"requirements": requirements, "live": bool(scenario.live)}), file=out)
                continue
            mark = "*" if scenario.live else " "
            click.echo(
                f"{scenario.name:{width}}  {scenario.topic:{wide}} {mark} {_cut(scenario.title)} ({scenario.source})",
                file=out,
            )
    if not as_json:
        click.echo("* also runs against a live peer: fynx run NAME --target HOST", err=True)


def _cut(title: str) -> str:
    """A title of which a line is not filled by octets; --json has all of it."""
    return title if len(title) <= LONGEST else f"{title[: LONGEST - 1]}…"


def show_requirements(word: str, as_json: bool, out: TextIO) -> None:
    """Print the requirements that a word names, with their tests; one alone in full."""
    from fynx_scapy import scenarios
    from fynx_scapy.harness.ledger import Coverage, chosen, ledger

    entries = ledger(scenarios.chosen(()))
    found = chosen(entries, word)
    for entry in found:
        text = entry.in_full() if len(found) == 1 else entry.in_one_line()
        click.echo(json.dumps(entry.as_dict()) if as_json else text, file=out)
    if not as_json:
        click.echo(f"covered: {Coverage.over(found)} of those that can be observed", err=True)
