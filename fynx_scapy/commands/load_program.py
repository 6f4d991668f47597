# SPDX-License-Identifier: GPL-2.0-or-later
"""The program of ``fynx connect --tunnels``: puts load on a gateway, and says what it measured."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from typing import Any

from fynx_scapy.bench.figures import table
from fynx_scapy.client import IpsecClient
from fynx_scapy.commands.losses import INTERRUPTED
from fynx_scapy.commands.opening import SeveralOutputs, writing
from fynx_scapy.commands.running import Refused, Running, Stopped, failed
from fynx_scapy.commands.screen import Screen, duration
from fynx_scapy.load import Load, LoadPlan, LoadReport
from fynx_scapy.load.picture import draw
from fynx_scapy.settings import Settings


async def run_load(
    settings: Settings, ports_given: bool, plan: LoadPlan, screen: Screen, given: Mapping[str, Any]
) -> int:
    """Run it to its end, or until Ctrl-C. Returns the exit status."""
    config = settings.connection()
    async with Running(screen, {**given, "duration": None}) as run:
        try:
            async with IpsecClient(
                local=settings.local or None, endpoint=settings.endpoint if ports_given else None, network=run.network
            ) as client:
                load = Load(client, config, plan)
                with run.shown(lambda: _status(load)), contextlib.suppress(Stopped):
                    await run.unless_stopped(load.run())
        finally:
            if status := run.written():
                sys.exit(status)
        _print(load.report, screen)
        status = _write(load.report, given)
        if run.interrupted:
            return status or INTERRUPTED
        if load.report.tunnels == 0 and load.error is not None:
            return status or failed(load.error).exit_code
        return status or (0 if load.report.good else Refused.exit_code)


def _status(load: Load) -> str:
    report, plan = load.report, load.plan
    failures = sum(report.failures.values())
    parts = [duration(load.seconds), f"{report.tunnels:,} of {plan.tunnels:,} tunnels set up", f"{load.tunnels:,} up"]
    parts += [f"{failures:,} failed"] if failures else []
    if plan.rekey_every is not None:
        parts.append(f"{report.ike_rekeys.count + report.child_rekeys.count:,} rekeys")
    if plan.traffic is not None:
        parts.append(f"{report.packets_in:,} of {report.packets_out:,} pings answered")
    return " · ".join(parts)


def _print(report: LoadReport, screen: Screen) -> None:
    screen.plain(f"{report.tunnels:,} of {report.plan.tunnels:,} tunnels were set up, {report.most:,} of them at once")
    screen.show(table(report.figures()))
    rows = (
        ("could not be set up", report.failures),
        ("ended early", report.lost),
        ("rekeys failed", report.rekey_failures),
    )
    for words, counter in rows:
        for code, count in counter.most_common():
            screen.plain(f"{count:,} {words}: {report.examples[code]} [{code}]")


def _write(report: LoadReport, given: Mapping[str, Any]) -> int:
    """Write the JSON and the picture. Returns the exit status of an error among them, else 0."""
    outputs = SeveralOutputs()
    if given["json_file"] is not None:
        with outputs.each(), writing(given["json_file"]) as file:
            file.write(json.dumps(report.as_dict(), indent=1) + "\n")
    if given["plot"] is not None:
        with outputs.each(), writing(given["plot"]) as file:
            file.write(draw(report))
    return outputs.status
