# SPDX-License-Identifier: GPL-2.0-or-later
"""The options of ``fynx connect`` that put load on a gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.commands.options import JSON_FILE, POSITIVE, Decorator, writes

if TYPE_CHECKING:
    from fynx_scapy.load import LoadPlan

_ONLY = {
    "rate": "--rate",
    "rekey_every": "--rekey-every",
    "traffic": "--traffic",
    "json_file": "--json",
    "plot": "--plot",
}
"""Those that mean nothing without --tunnels."""


def loading(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options of a load. Their values go to `plan_of`."""
    options: list[Decorator] = [
        click.option(
            "--tunnels", type=click.IntRange(1, 100_000), metavar="N", help="Set up so many tunnels, and measure."
        ),
        click.option(
            "--rate",
            type=POSITIVE,
            metavar="R",
            help="Begin so many handshakes a second; default: as fast as it can.",
        ),
        click.option(
            "--rekey-every",
            type=POSITIVE,
            metavar="SECONDS",
            help="Rekey each tunnel so often while it is held, its Child SA and its IKE SA in turns.",
        ),
        click.option(
            "--traffic",
            metavar="RATE/SIZE",
            help="Ping through the tunnels in turns while they are held: 1000/64 for 1000 packets a "
            "second of 64 octets, 200M/1400 for 200 Mbit/s.",
        ),
        JSON_FILE,
        writes("--plot", what="what was measured over time as a picture (SVG)"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def check_load(tunnels: int | None, given: Mapping[str, Any]) -> None:
    """Raises UsageError for an option that means nothing without --tunnels, or does not go with it."""
    used = next((name for name in _ONLY if given[name] is not None), None)
    if tunnels is None and used is not None:
        option = "--" + used.removesuffix("_file").replace("_", "-")
        raise click.UsageError(f"{option} is about the load of --tunnels, which is missing")
    if tunnels is not None and given["duration"] is None and (given["traffic"] or given["rekey_every"]):
        raise click.UsageError("--traffic and --rekey-every go on while the tunnels are held: give --duration")


def plan_of(tunnels: int | None, ping: str | None, given: Mapping[str, Any]) -> LoadPlan | None:
    """The load that these options ask for, or None. Raises ConfigError."""
    if tunnels is None:
        return None
    from fynx_scapy.load import LoadPlan, Traffic

    traffic = Traffic.parse(given["traffic"]) if given["traffic"] is not None else None
    return LoadPlan(
        tunnels=tunnels,
        rate=given["rate"],
        hold=given["duration"] or 0.0,
        rekey_every=given["rekey_every"],
        traffic=traffic,
        target=ping,
        first_packet=ping is not None or traffic is not None,
    )
