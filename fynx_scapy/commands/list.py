# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx list``: the scenarios there are."""

from __future__ import annotations

import json
from typing import Any

import click

from fynx_scapy.commands.options import JSON


@click.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List the scenarios: what each shows, and the RFC section that it is about. * runs against a live peer too.

    With --json, one object per scenario and line.
    """
    from fynx_scapy import scenarios

    found = [scenarios.load(name) for name in scenarios.names()]
    if as_json:
        for scenario in found:
            entry: dict[str, Any] = {"name": scenario.name, "title": scenario.title, "source": scenario.source}
            needed = [each.id for each in scenario.requirements]
            click.echo(json.dumps(entry | {"requirements": needed, "live": bool(scenario.live)}))
        return
    width = max(len(scenario.name) for scenario in found)
    for scenario in found:
        mark = "*" if scenario.live else " "
        click.echo(f"{scenario.name:{width}} {mark} {scenario.title} ({scenario.source})")
    click.echo("* runs against a live peer too: fynx run NAME --target HOST", err=True)
