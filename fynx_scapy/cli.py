# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``fynx``. What a command needs is imported when it runs: help and version answer without Scapy."""

from __future__ import annotations

import importlib
import json
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click
from click.shell_completion import CompletionItem, get_completion_class

from fynx_scapy import __version__

if TYPE_CHECKING:
    from fynx_scapy.harness import Result, Scenario
    from fynx_scapy.net.recorder import Recorder

SHELLS = ("bash", "zsh", "fish")


class Fynx(click.Group):
    """The group of commands; those of ``LAZY`` live in a module of their own."""

    LAZY: ClassVar[Mapping[str, str]] = {
        "capture": "fynx_scapy.capture.overview:capture",
        "decrypt": "fynx_scapy.capture.overview:decrypt",
        "dissect": "fynx_scapy.capture.command:dissect",
        "follow": "fynx_scapy.capture.follow_command:follow",
        "lab": "fynx_scapy.commands.lab:lab",
        "replay": "fynx_scapy.capture.replay.command:replay",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in alphabetical order."""
        return sorted({*super().list_commands(ctx), *self.LAZY})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported if need be."""
        if cmd_name not in self.LAZY:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.LAZY[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=Fynx, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fynx")
def main() -> None:
    """IKEv2 and ESP on Scapy: run scenarios, look into captures."""


# -- scenarios --------------------------------------------------------------------------------------------------------


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from fynx_scapy import scenarios

    return [CompletionItem(name) for name in scenarios.names() if name.startswith(incomplete)]


def _load(names: Sequence[str]) -> list[Scenario]:
    """The scenarios of these names, each once; all when there are none. UsageError for a name that does not exist."""
    from fynx_scapy import scenarios
    from fynx_scapy.errors import ConfigError

    try:
        return [scenarios.load(name) for name in dict.fromkeys(names or scenarios.names())]
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)
_FOLDER = click.Path(file_okay=False, writable=True, path_type=Path)


@main.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=_complete)
@click.option("--report", type=_FILE, metavar="FILE", help="Write a report: one HTML page that needs nothing else.")
@click.option("--json", "json_file", type=_FILE, metavar="FILE", help="Write the verdicts as JSON.")
@click.option("--pcap", type=_FILE, metavar="FILE", help="Write a pcapng capture, and its key tables beside it.")
@click.option("--keys", type=_FOLDER, metavar="DIR", help="Where the key tables go, if not to NAME.keys.")
@click.option("--seed", type=int, metavar="N", help="Repeat a run to the byte. Without it one is chosen, and shown.")
def run(
    names: tuple[str, ...],
    report: Path | None,
    json_file: Path | None,
    pcap: Path | None,
    keys: Path | None,
    seed: int | None,
) -> None:
    """Run scenarios against an embedded peer, all or those of these NAMEs.

    Exit status 0 when every verdict is PASS, 1 when one is not, 2 for misuse.
    """
    chosen = _load(names)
    if seed is None:
        seed = secrets.randbelow(1_000_000)
    results, recorder = _run(chosen, seed)
    with _writing():
        if report is not None:
            from fynx_scapy.report import render

            command = " ".join(["fynx run", *names, f"--seed {seed}"])
            _write(report, render(results, seed=seed, command=command))
        if json_file is not None:
            document = {"version": __version__, "seed": seed, "results": [result.as_dict() for result in results]}
            _write(json_file, json.dumps(document, indent=1) + "\n")
        if pcap is not None:
            pcap.parent.mkdir(parents=True, exist_ok=True)
            recorder.save_capture(pcap)
        if pcap is not None or keys is not None:
            recorder.keys().save(keys or pcap.with_suffix(".keys"))  # type: ignore[union-attr]
    _table(results, seed)
    sys.exit(0 if all(result.verdict.value == "PASS" for result in results) else 1)


def _run(chosen: Sequence[Scenario], seed: int) -> tuple[list[Result], Recorder]:
    """Run them with a progress bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    from fynx_scapy import harness
    from fynx_scapy.net.recorder import Recorder

    recorder, results = Recorder(), []
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("scenarios", total=len(chosen))
        for scenario in chosen:
            progress.update(bar, description=scenario.name)
            results.append(harness.run(scenario, seed=seed, watch=recorder.watch))
            progress.advance(bar)
    return results, recorder


def _table(results: Sequence[Result], seed: int) -> None:
    """The verdicts, and why those that are not PASS are not."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"PASS": "green", "FAIL": "red", "ERROR": "magenta"}
    table = Table(box=None, pad_edge=False)
    for heading in ("verdict", "scenario", "source"):
        table.add_column(heading, no_wrap=True)
    for heading in ("sessions", "packets", "ms"):
        table.add_column(heading, no_wrap=True, justify="right")
    for result in results:
        row = result.as_dict()
        numbers = (str(row["sessions"]), str(row["packets"]), f"{result.seconds * 1000:.1f}")
        style = f"bold {colours[row['verdict']]}"
        table.add_row(Text(row["verdict"], style=style), row["name"], Text(row["source"]), *numbers)
    # Where nobody looks on, no terminal's width cuts the columns.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for result in results:
        if result.reason:
            reason = f"{result.verdict.value} {result.scenario.name}: {result.reason}"
            console.print(Text(reason, style=colours[result.verdict.value]), soft_wrap=True)
    counts = {verdict: sum(result.verdict.value == verdict for result in results) for verdict in colours}
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    seconds = sum(result.seconds for result in results)
    console.print(f"\n{summary} in {seconds:.2f} s, seed {seed}", soft_wrap=True)


@contextmanager
def _writing() -> Iterator[None]:
    """What cannot be written is a mistake in the command."""
    try:
        yield
    except OSError as error:
        raise click.UsageError(f"cannot write {error.filename}: {error.strerror}") from None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per scenario and line.")
def list_(as_json: bool) -> None:
    """List the scenarios: what each shows, and the RFC section that it is about."""
    found = _load(())
    if as_json:
        for scenario in found:
            entry: dict[str, Any] = {"name": scenario.name, "title": scenario.title, "source": scenario.source}
            click.echo(json.dumps(entry | {"requirements": [needed.id for needed in scenario.requirements]}))
        return
    width = max(len(scenario.name) for scenario in found)
    for scenario in found:
        click.echo(f"{scenario.name:{width}}  {scenario.title} ({scenario.source})")


# -- the shell --------------------------------------------------------------------------------------------------------


@main.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that completes fynx on the command line of a SHELL.

    \b
    bash:  eval "$(fynx completion bash)"      in ~/.bashrc
    zsh:   eval "$(fynx completion zsh)"       in ~/.zshrc
    fish:  fynx completion fish | source       in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(main, {}, "fynx", "_FYNX_COMPLETE").source())


if __name__ == "__main__":
    main()
