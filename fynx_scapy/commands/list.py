# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx list``: list the scenarios."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from fynx_scapy.commands.opening import writing
from fynx_scapy.commands.options import JSON, OUTPUT


@click.command("list")
@JSON
@OUTPUT
def list_(as_json: bool, output: Path) -> None:
    """List the scenarios: what each shows, and its RFC section. * marks those that also run against a live peer.

    --json prints one object per line and scenario.
    """
    from fynx_scapy import scenarios

    loaded = [scenarios.load(name) for name in scenarios.names()]
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
