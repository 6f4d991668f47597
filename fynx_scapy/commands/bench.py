# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx bench``: measure what the toolkit costs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
from click.shell_completion import CompletionItem

from fynx_scapy.commands.losses import INTERRUPTED
from fynx_scapy.commands.opening import SeveralOutputs, check_outputs, console, writing
from fynx_scapy.commands.options import JSON_FILE, STDIO, writes

if TYPE_CHECKING:
    from fynx_scapy.bench.compare import Comparison
    from fynx_scapy.bench.results import Results, Topic


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from fynx_scapy.bench.topics import topics

    return [CompletionItem(name, help=title) for name, title in topics().items() if name.startswith(incomplete)]


@click.command()
@click.argument("topic", nargs=-1, shell_complete=_complete)
@click.option("--list", "listing", is_flag=True, help="List the topics, and measure nothing.")
@click.option("--quick", is_flag=True, help="Measure less, and for a shorter time: figures are rough.")
@click.option(
    "--compare",
    "baseline",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Say what became slower or larger than in this file, which --json wrote. Ratios to floors are compared.",
)
@click.option(
    "--tolerance",
    metavar="PERCENT",
    type=click.FloatRange(0, 1000),
    default=25,
    show_default=True,
    help="How much worse than in the baseline a figure may be.",
)
@JSON_FILE
@writes("--plot", what="the figures as a picture (SVG)")
def bench(
    topic: tuple[str, ...],
    listing: bool,
    quick: bool,
    baseline: Path | None,
    tolerance: float,
    json_file: Path | None,
    plot: Path | None,
) -> None:
    """Measure what ESP packets, handshakes, tunnels and SAs cost, beside what they are compared with.

    With TOPICs only those; --list names them. Each figure is measured alternately with its floor (the bare cipher call,
    another implementation) in the same run, and judged by the ratio where it has one.

    Exit status: 0 every bound is met; 1 a bound is missed, a topic failed, or a figure became worse than --compare
    allows; 2 misuse. What cannot be measured here is skipped, with the reason.
    """
    from fynx_scapy.bench.results import Results
    from fynx_scapy.bench.topics import chosen, topics

    names = chosen(topic)
    if listing:
        for name in names:
            click.echo(f"{name:12} {topics()[name]}")
        return
    check_outputs({"--json": json_file, "--plot": plot}, [baseline] if baseline else [])
    before = Results.load(baseline) if baseline is not None else None
    out = sys.stderr if STDIO in map(str, (json_file, plot)) else sys.stdout
    results = Results(quick=quick)
    click.echo(" · ".join(f"{name} {text}" for name, text in results.machine.items()), file=out)
    interrupted = not _measure(results, names, out)
    comparison = None
    if before is not None:
        from fynx_scapy.bench.compare import compare

        comparison = compare(results, before, tolerance / 100)
        worse = list(dict.fromkeys(change.topic for change in comparison.worse))
        if worse and not interrupted:
            click.echo("measuring once more what became worse: only what does so twice counts", err=True)
            again = Results(quick=quick)
            interrupted = not _measure(again, worse, out)
            comparison = comparison.milder(compare(again, before, tolerance / 100))
        _print_comparison(comparison, out)
    written = SeveralOutputs()
    if json_file is not None:
        with written.each(), writing(json_file) as file:
            file.write(results.text())
    if plot is not None:
        from fynx_scapy.bench.plot import draw

        with written.each(), writing(plot) as file:
            file.write(draw(results))
    bad = sum(len(topic.missed) + bool(topic.failed) for topic in results.topics)
    if interrupted:
        click.echo(f"interrupted: {len(results.topics)} of {len(names)} topics measured", err=True)
        sys.exit(written.status or INTERRUPTED)
    sys.exit(written.status or (1 if bad or (comparison is not None and comparison.worse) else 0))


def _measure(results: Results, names: list[str], out: TextIO) -> bool:
    """Measure topics, and print each as soon as it is there. Returns whether all are; Ctrl-C ends it."""
    from fynx_scapy.bench.topics import measured

    out.flush()
    for name in names:
        click.echo(f"measuring {name}", err=True)
        try:
            topic = measured(name, quick=results.quick)
        except KeyboardInterrupt:
            return False
        results.topics.append(topic)
        _print_topic(topic, out)
    return True


def _print_topic(topic: Topic, out: TextIO) -> None:
    from rich.text import Text

    from fynx_scapy.bench.figures import table

    screen = console(out)
    screen.print(Text(f"\n{topic.name}: {topic.title}", style="bold"), soft_wrap=True)
    if topic.figures:
        screen.print(table(topic.figures))
    if topic.skipped:
        screen.print(Text(f"SKIP {topic.name}: {topic.skipped}", style="dim"), soft_wrap=True)
    if topic.failed:
        screen.print(Text(f"FAIL {topic.name}: {topic.failed}", style="bold red"), soft_wrap=True)


def _print_comparison(comparison: Comparison, out: TextIO) -> None:
    click.echo(f"\ncompared with the baseline: {len(comparison.changes)} figures", file=out)
    for heading, changes in (("worse", comparison.worse), ("better", comparison.better)):
        for change in changes:
            click.echo(f"{heading.upper():6}  {change}", file=out)
    for name in comparison.gone:
        click.echo(f"GONE    {name}: in the baseline only", file=out)
