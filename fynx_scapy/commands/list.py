# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx list``: list the scenarios."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from fynx_scapy.commands.opening import writing
from fynx_scapy.commands.options import JSON, OUTPUT, scenario_names, without


@click.command("list")
@scenario_names
@JSON
@OUTPUT
def list_(names: tuple[str, ...], exclude: tuple[str, ...], as_json: bool, output: Path) -> None:
    """List the scenarios: what each shows, and its RFC section. * marks those that also run against a live peer.

    With NAMEs only those: names, patterns ('error_*'), files of yours, or folders of them.

    --json prints one object per line and scenario.
    """
    from fynx_scapy import scenarios

    loaded = without(scenarios.chosen(names, lambda text: click.echo(text, err=True)), exclude)
    width = max(len(scenario.name) for scenario in loaded)
    with writing(output) as out:
        for scenario in loaded:
            entry: dict[str, Any] = {"name": scenario.name, "title": scenario.title, "source": scenario.source}
            if as_json:
                requirements = [requirement.id for requirement in scenario.requirements]
                click.echo(json.dumps(entry | {"requirements": requirements, "live": bool(scenario.live)}), file=out)
                continue
            mark = "*" if scenario.live else " "
            click.echo(f"{scenario.name:{width}} {mark} {scenario.title} ({scenario.source})", file=out)
    if not as_json:
        click.echo("* also runs against a live peer: fynx run NAME --target HOST", err=True)
