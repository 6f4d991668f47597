# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdicts of a run as text: a table, then each reason; or the ladders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

import click

from fynx_scapy.text import counted

if TYPE_CHECKING:
    from rich.console import Console

    from fynx_scapy.harness import Result
    from fynx_scapy.harness.expectations import Unmatched

COLOURS = {
    "PASS": "green",
    "SKIP": "dim",
    "FAIL": "red",
    "ERROR": "magenta",
    "NOT RUN": "yellow",
    "XFAIL": "cyan",
    "XPASS": "red",
}


ALIKE = frozenset({"SKIP", "NOT RUN"})
"""Verdicts of which many have the same reason: it is printed once."""
NAMED = 3
"""How many scenarios are named beside a reason that many have."""


def print_table(
    results: Sequence[Result],
    seed: int | None,
    screen: Console,
    unmatched: Sequence[Unmatched] = (),
    *,
    quiet: bool = False,
) -> None:
    """Print the verdicts, with the reason for each that is not PASS, and rows of a manifest that fitted nothing.

    ``quiet`` leaves out every PASS, SKIP and NOT RUN; the numbers at the end count them all.
    """
    from rich.text import Text

    from fynx_scapy.harness import Tally, Verdict
    from fynx_scapy.harness.tally import BAD, worst_first

    named = _names(results)
    shown = [result for result in results if not quiet or result.verdict.value not in ALIKE | {"PASS"}]
    if shown:
        _rows(shown, screen)
    alike: dict[tuple[str, str], list[str]] = {}
    for result in worst_first(shown):
        if result.verdict.value in ALIKE:
            alike.setdefault((result.verdict.value, result.reason), []).append(named(result))
            continue
        colour = COLOURS[result.verdict.value]
        if result.reason:
            screen.print(Text(f"{result.verdict.value} {named(result)}: {result.reason}", style=colour),
                         soft_wrap=True)  # fmt: skip
            if result.step:
                screen.print(Text(f"     > {result.step}", style="dim"), soft_wrap=True)
        for note in notes(result):
            screen.print(Text(f"     {named(result)}: {note}", style="dim"), soft_wrap=True)
    for (verdict, reason), names in alike.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        screen.print(Text(f"{verdict} {', '.join(names[:NAMED])}{more}: {reason}", style=COLOURS[verdict]),
                     soft_wrap=True)  # fmt: skip
    for text in _told(unmatched):
        screen.print(Text(text, style="yellow"), soft_wrap=True)
    tally = Tally.of(results)
    seconds = sum(result.seconds for result in results)
    which = "" if seed is None else f", seed {seed}"
    screen.print(f"\n{tally.requirements}", soft_wrap=True)
    if not any(tally.verdicts[verdict] for verdict in (*BAD, Verdict.PASS, Verdict.XFAIL)):
        screen.print("nothing was judged: every scenario was skipped", soft_wrap=True)
    screen.print(f"{tally} in {seconds:.2f} s{which}", soft_wrap=True)


def _rows(results: Sequence[Result], screen: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    roles, peers = len({result.role for result in results}) > 1, len({result.peer for result in results}) > 1
    table = Table(box=None, pad_edge=False)
    for heading in ("verdict", "scenario", *(["role"] if roles else []), *(["peer"] if peers else []), "source"):
        table.add_column(heading, no_wrap=True)
    for heading in ("sessions", "packets", "ms"):
        table.add_column(heading, no_wrap=True, justify="right")
    for result in results:
        row = result.as_dict()
        texts = [row["name"], *([row["role"]] if roles else []), *([row["peer"]] if peers else []), row["source"]]
        numbers = (str(row["sessions"]), str(row["packets"]), f"{result.seconds * 1000:.1f}")
        style = COLOURS[row["verdict"]] if row["verdict"] == "SKIP" else f"bold {COLOURS[row['verdict']]}"
        table.add_row(Text(row["verdict"], style=style), *map(Text, texts), *numbers)
    screen.print(table)


def _names(results: Sequence[Result]) -> Callable[[Result], str]:
    """Names a result: the scenario, with our role and the peer where it ran in more than one, or with more than one."""
    roles = Counter(name for name, _ in {(result.scenario.name, result.role) for result in results})
    peers = len({result.peer for result in results})

    def name(result: Result) -> str:
        words = [result.role.value] if roles[result.scenario.name] > 1 else []
        words += [result.peer] if peers > 1 else []
        return f"{result.scenario.name} ({', '.join(words)})" if words else result.scenario.name

    return name


def notes(result: Result) -> list[str]:
    """What else there is to say of a result, in words; the reason of an XPASS names the row's."""
    found = [f"without {', '.join(result.left_out)}"] if result.left_out else []
    found += [f"left at the peer: {words}" for words in result.left_behind]
    if result.retried:
        found.append(f"try {len(result.retried) + 1}; before: {'; '.join(result.retried)}")
    row = result.expected_failure
    if row is not None:
        about = ", ".join(filter(None, (row.requirement, row.sentence, row.cve, row.versions and f"in {row.versions}")))
        if result.verdict.value == "XPASS":
            found += [f"the row is about {about}"] if about else []
        else:
            found.append(f"the manifest expects {row.verdict}: {row.reason}{f' ({about})' if about else ''}")
    return found


def _told(unmatched: Sequence[Unmatched]) -> list[str]:
    """The rows of manifests that fitted nothing: those of other scenarios by their number."""
    elsewhere = [each for each in unmatched if not each.chosen]
    told = [f"row of the manifest about {each.row.scenario}: {each.why}" for each in unmatched if each.chosen]
    if elsewhere:
        told.append(f"{counted(len(elsewhere), 'row')} of the manifest are about scenarios that were not chosen")
    return told


def print_ladders(results: Sequence[Result], out: TextIO) -> None:
    """Print each verdict with its reason and the ladders of its sessions."""
    for result in results:
        scenario = result.scenario
        click.echo(f"{result.verdict.value}  {scenario.name}: {scenario.title} ({scenario.source})", file=out)
        lines = [result.reason] if result.reason else []
        lines += [f"> {result.step}"] if result.step else []
        for line in (*lines, *notes(result)):
            click.echo(f"      {line}", file=out)
        for stage in result.stages:
            click.echo(f"\n{stage.label}\n" if stage.label else "", file=out)
            click.echo(str(stage.ladder()), file=out)
