# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx list``: list the scenarios."""

from __future__ import annotations

import json
from typing import Any

import click

from fynx_scapy.commands.options import JSON


@click.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List the scenarios: what each shows, and its RFC section. * marks those that also run against a live peer.

    --json prints one object per line and scenario.
    """
    from fynx_scapy import scenarios

    loaded = [scenarios.load(name) for name in scenarios.names()]
    if as_json:
        for scenario in loaded:
            entry: dict[str, Any] = {"name": scenario.name, "title": scenario.title, "source": scenario.source}
            requirements = [requirement.id for requirement in scenario.requirements]
            click.echo(json.dumps(entry | {"requirements": requirements, "live": bool(scenario.live)}))
        return
    width = max(len(scenario.name) for scenario in loaded)
    for scenario in loaded:
        mark = "*" if scenario.live else " "
        click.echo(f"{scenario.name:{width}} {mark} {scenario.title} ({scenario.source})")
    click.echo("* also runs against a live peer: fynx run NAME --target HOST", err=True)
