# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx run``: run scenarios against an embedded peer or a live one."""

from __future__ import annotations

import contextlib
import datetime
import inspect
import secrets
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from fynx_scapy.commands.losses import INTERRUPTED
from fynx_scapy.commands.opening import (
    console,
    writing,
)
from fynx_scapy.commands.options import (
    Decorator,
    log_options,
    psk_file,
    read_psk,
    scenario_names,
    without,
)
from fynx_scapy.commands.outputs import Outputs, output_options
from fynx_scapy.commands.peers import PEER, peer_option, ports
from fynx_scapy.text import counted

if TYPE_CHECKING:
    from rich.console import Console

    from fynx_scapy.harness import Contact, Result, Scenario
    from fynx_scapy.harness.reachability import Watcher
    from fynx_scapy.harness.target import Target
    from fynx_scapy.net.hosts import Hosts
    from fynx_scapy.net.recorder import Recorder


def _load(names: Sequence[str]) -> list[Scenario]:
    from fynx_scapy import scenarios

    return scenarios.chosen(names, lambda text: click.echo(text, err=True))


def _target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options for the address and identity of a live peer."""
    options: list[Decorator] = [
        click.option("--target", metavar="HOST[:PORT]", help="Run against the live peer at this address."),
        psk_file("FYNX_PSK_FILE"),
        *map(peer_option, PEER),
        ports("500", "4500"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@scenario_names
@output_options
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="Repeat a run byte for byte, except for ML-KEM's random values. Default: a random seed, which is shown.",
)
@click.option("--ladders", is_flag=True, help="Print the ladder of each session, too.")
@log_options()
@_target_options
@click.pass_obj
def run(
    script: Callable[[], Scenario] | None,
    /,
    names: tuple[str, ...],
    exclude: tuple[str, ...],
    ladders: bool,
    log_level: str | None,
    log_json: bool,
    outputs: Outputs,
    seed: int | None,
    target: str | None,
    psk_file: Path | None,
    **given: Any,
) -> None:
    """Run all scenarios, or those with these NAMEs, against an embedded peer, or with --target against a live one.

    A NAME may be a pattern ('error_*'), a file of yours (mine.py), or a folder of them.

    A live peer is described by its address, the key and the identities. Scenarios that need an embedded peer are
    skipped (SKIP). Exit status 0 when every verdict is PASS or SKIP and at least one is PASS; 1 when not; 2 for misuse
    and for a target that does not answer; 130 after Ctrl-C, with what was done until then.
    """
    from fynx_scapy.harness import Tally, Verdict

    outputs.check([psk_file] if psk_file is not None else [])
    began = datetime.datetime.now(datetime.UTC)
    chosen = without(_load(names), exclude) if script is None else [script()]
    live = _target(target, psk_file, given)
    if live is not None and seed is not None:
        raise click.UsageError("--seed has no effect on a live peer: use it without --target")
    if live is None and seed is None:
        # A script is for its author, who wants the same run each time.
        seed = 0 if script is not None else secrets.randbelow(1_000_000)
    results, recorder, contact = _run(chosen, seed, live, log_level or ("info" if log_json else None), log_json)
    tally = Tally.of(results)
    about = {"date": began.strftime("%Y-%m-%d %H:%M:%S UTC"), **(contact.facts if contact is not None else {})}
    begin = ["fynx", "run", *names] if script is None else ["python", *(inspect.getfile(each.body) for each in chosen)]
    command = _again(begin, seed, target, psk_file, given | {"exclude": exclude})
    status = outputs.write(results, command=command, seed=seed, about=about, recorder=recorder)
    if outputs.text_wanted:
        with writing(outputs.output) as out:
            if script is None:
                _print_table(results, seed, console(out))
            if script is not None or ladders:
                _print_ladders(results, out)
    if missing := tally.verdicts[Verdict.NOT_RUN]:
        click.echo(f"interrupted: {missing} of {counted(len(results), 'scenario')} not run", err=True)
        sys.exit(status or INTERRUPTED)
    sys.exit(status or (0 if tally.good else 1))


def _again(
    begin: Sequence[str], seed: int | None, target: str | None, psk_file: Path | None, given: dict[str, Any]
) -> str:
    """The command that repeats the run. It names the key file, not the key, and has no output options."""
    options = {"seed": seed, "target": target, "psk_file": psk_file if target is not None else None, **given}
    words = list(begin)
    for name, value in options.items():
        option = name.replace("_", "-")
        if isinstance(value, tuple):
            words += [word for item in value for word in (f"--{option}", item)]
        elif isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif value is not None:
            words += [f"--{option}", str(value)]
    return shlex.join(words)


def _target(address: str | None, psk_file: Path | None, given: dict[str, Any]) -> Target | None:
    """The live peer that these options describe. Raises UsageError when they do not go together."""
    options = {name: value for name, value in given.items() if value is not None}
    if address is None:
        if options:
            option = next(iter(options)).replace("_", "-")
            raise click.UsageError(f"--{option} describes a live peer, but --target is missing")
        return None
    from fynx_scapy.errors import ConfigError
    from fynx_scapy.harness.target import Target
    from fynx_scapy.net.udp import resolve

    if psk_file is None:
        raise click.UsageError("expected the peer's key: give --psk-file, or set FYNX_PSK_FILE in the environment")
    key = read_psk(psk_file)
    try:
        resolve(address, 500)
        target = Target(address=address, psk=key, **options)
        target.config({})
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    return target


def _run(
    chosen: Sequence[Scenario], seed: int | None, target: Target | None, log_level: str | None, log_json: bool
) -> tuple[list[Result], Recorder, Contact | None]:
    """Run the scenarios, with a progress bar if stderr is a terminal.

    Ctrl-C ends the run; what is left has the verdict NOT RUN. A live run starts with one test exchange. If the peer
    does not answer, the command exits with status 2.
    """
    from rich.console import Console
    from rich.progress import Progress

    from fynx_scapy import harness
    from fynx_scapy.net.recorder import Recorder

    recorder, results = Recorder(), []
    watch = _watching(recorder, log_level, log_json)
    contact = harness.Contact(target, watch) if target is not None else None
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("reaching the peer", total=len(chosen))
        try:
            if contact is not None and any(scenario.live for scenario in chosen):
                _reach(contact)
            for scenario in chosen:
                progress.update(bar, description=scenario.name)
                results.append(harness.run(scenario, seed=seed or 0, watch=watch, target=target, contact=contact))
                progress.advance(bar)
        except KeyboardInterrupt:
            left = chosen[len(results) :]
            results += [harness.Result(each, harness.Verdict.NOT_RUN, "interrupted", 0.0, []) for each in left]
    return results, recorder, contact


def _watching(recorder: Recorder, log_level: str | None, log_json: bool) -> Watcher:
    """What is done with each new network: it is recorded, and logged if that was asked for."""
    if log_level is None:
        return recorder.watch
    from fynx_scapy.observe import EventLog

    def watch(network: Hosts, name: str) -> Callable[[], object]:
        ended = contextlib.ExitStack()
        ended.callback(recorder.watch(network, name))
        ended.callback(EventLog(network, level=log_level, json=log_json, session=name).close)
        return ended.close

    return watch


class _NobodyThere(click.ClickException):
    """The peer did not answer, so no scenario was judged."""

    exit_code = 2


def _reach(contact: Contact) -> None:
    """Make the first exchange with a live peer. End the command if the peer does not answer."""
    from fynx_scapy.errors import ConfigError, TransportError
    from fynx_scapy.harness import Unreached

    try:
        contact.make()
    except Unreached as error:
        likely = "".join(f"\n  - {cause}" for cause in error.causes)
        raise _NobodyThere(
            f"no answer to IKE_SA_INIT from {error.target}; no scenario was run. Likely causes:{likely}"
            "\n  - a wrong address or port, or a packet filter on the path"
        ) from None
    except TransportError as error:
        raise _NobodyThere(f"{error}; no scenario was run") from None
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    for words in contact.left:
        click.echo(f"left at the peer: {words}", err=True)


def _print_table(results: Sequence[Result], seed: int | None, screen: Console) -> None:
    """Print the verdicts, with the reason for each that is not PASS."""
    from rich.table import Table
    from rich.text import Text

    from fynx_scapy.harness import Tally, Verdict
    from fynx_scapy.harness.tally import worst_first

    colours = {"PASS": "green", "SKIP": "dim", "FAIL": "red", "ERROR": "magenta", "NOT RUN": "yellow"}
    colours |= {"XFAIL": "cyan", "XPASS": "red"}
    table = Table(box=None, pad_edge=False)
    for heading in ("verdict", "scenario", "source"):
        table.add_column(heading, no_wrap=True)
    for heading in ("sessions", "packets", "ms"):
        table.add_column(heading, no_wrap=True, justify="right")
    for result in results:
        row = result.as_dict()
        numbers = (str(row["sessions"]), str(row["packets"]), f"{result.seconds * 1000:.1f}")
        style = colours[row["verdict"]] if row["verdict"] == "SKIP" else f"bold {colours[row['verdict']]}"
        table.add_row(Text(row["verdict"], style=style), row["name"], Text(row["source"]), *numbers)
    screen.print(table)
    for result in worst_first(results):
        if result.reason:
            reason = f"{result.verdict.value} {result.scenario.name}: {result.reason}"
            screen.print(Text(reason, style=colours[result.verdict.value]), soft_wrap=True)
            if result.step:
                screen.print(Text(f"     > {result.step}", style="dim"), soft_wrap=True)
        name = result.scenario.name
        notes = [f"without {', '.join(result.left_out)}"] if result.left_out else []
        notes += [f"left at the peer: {words}" for words in result.left_behind]
        for note in notes:
            screen.print(Text(f"     {name}: {note}", style="dim"), soft_wrap=True)
    tally = Tally.of(results)
    seconds = sum(result.seconds for result in results)
    which = "" if seed is None else f", seed {seed}"
    screen.print(f"\n{tally.requirements}", soft_wrap=True)
    if not tally.verdicts[Verdict.PASS] and not tally.verdicts[Verdict.FAIL] + tally.verdicts[Verdict.ERROR]:
        screen.print("nothing was judged: every scenario was skipped", soft_wrap=True)
    screen.print(f"{tally} in {seconds:.2f} s{which}", soft_wrap=True)


def _print_ladders(results: Sequence[Result], out: TextIO) -> None:
    """Print each verdict with its reason and the ladders of its sessions."""
    for result in results:
        scenario = result.scenario
        click.echo(f"{result.verdict.value}  {scenario.name}: {scenario.title} ({scenario.source})", file=out)
        notes = [result.reason] if result.reason else []
        notes += [f"> {result.step}"] if result.step else []
        notes += [f"without {', '.join(result.left_out)}"] if result.left_out else []
        notes += [f"left at the peer: {words}" for words in result.left_behind]
        for note in notes:
            click.echo(f"      {note}", file=out)
        for stage in result.stages:
            click.echo(f"\n{stage.label}\n" if stage.label else "", file=out)
            click.echo(str(stage.ladder()), file=out)
