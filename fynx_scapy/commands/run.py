# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx run``: scenarios, against an embedded peer or a live one."""

from __future__ import annotations

import datetime
import json
import secrets
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from fynx_scapy import __version__
from fynx_scapy.commands.opening import console
from fynx_scapy.commands.options import JSON_FILE, STDIO, Decorator, psk_file, read_psk, writes

if TYPE_CHECKING:
    from fynx_scapy.harness import Contact, Result, Scenario
    from fynx_scapy.harness.target import Target
    from fynx_scapy.net.recorder import Recorder


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


# What a target is told by: option, its argument's form, and what it says. The key is read apart.
_TARGET = (
    ("local-id", "ID", "Who we are to the peer."),
    ("remote-id", "ID", "Who the peer has to be; by default whoever knows the key."),
    ("local-ts", "NET", "The network behind us."),
    ("remote-ts", "NET", "The network behind the peer."),
    ("ping", "ADDRESS", "An address behind the peer that answers pings."),
    ("proposals", "SUITE", "What we propose for IKE where a scenario does not care."),
    ("esp-proposals", "SUITE", "What we propose for ESP where a scenario does not care."),
    ("local", "ADDRESS", "Our own address."),
)


def _target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options that say where a live peer is, and who."""
    marker = "--marker-always/--no-marker-always"
    options: list[Decorator] = [
        click.option("--target", metavar="HOST[:PORT]", help="Run against whoever listens there, and nobody else."),
        psk_file("FYNX_PSK_FILE"),
        *(click.option(f"--{name}", metavar=form, help=text) for name, form, text in _TARGET),
        click.option("--port", type=click.IntRange(1, 65535), help="Our own port, if not 500."),
        click.option("--natt-port", type=click.IntRange(1, 65535), help="Our own port for NAT traversal, if not 4500."),
        click.option(marker, default=None, help="The non-ESP marker on every port; by default on ports of one's own."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=_complete)
@writes("--report", what="a report: one HTML page that needs nothing else")
@JSON_FILE
@writes("--junit", what="the verdicts as JUnit XML")
@click.option(
    "--pcap",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write a pcapng capture, and its key tables beside it.",
)
@click.option(
    "--save",
    "--keys",
    "keys",
    type=click.Path(file_okay=False, writable=True, path_type=Path),
    metavar="DIR",
    help="Write key tables into this folder; by default, with --pcap, into NAME.keys.",
)
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="Repeat a run to the byte, but for what ML-KEM draws. Without it one is chosen, and shown.",
)
@_target_options
def run(
    names: tuple[str, ...],
    report: Path | None,
    json_file: Path | None,
    junit: Path | None,
    pcap: Path | None,
    keys: Path | None,
    seed: int | None,
    target: str | None,
    psk_file: Path | None,
    **given: Any,
) -> None:
    """Run scenarios against an embedded peer, all or those of these NAMEs; or against a live one, with --target.

    A live peer is told by its address, the key and the identities: scenarios that ask for what only an embedded peer
    can be made to do are left out (SKIP). Exit status 0 when every verdict is PASS or SKIP and one at least is PASS,
    1 when not, 2 for misuse and for a target where nobody answers.
    """
    from fynx_scapy.harness import Tally

    began = datetime.datetime.now(datetime.UTC)
    chosen = _load(names)
    live = _target(target, psk_file, given)
    if live is not None and seed is not None:
        raise click.UsageError("a live peer repeats nothing: --seed goes with the embedded peer alone")
    if live is None and seed is None:
        seed = secrets.randbelow(1_000_000)
    results, recorder, contact = _run(chosen, seed, live)
    tally = Tally.of(results)
    with _writing():
        about = {"date": began.strftime("%Y-%m-%d %H:%M:%S UTC"), **(contact.facts if contact is not None else {})}
        command = _again(names, seed, target, psk_file, given)
        if report is not None:
            from fynx_scapy.report import render

            _write(report, render(results, seed=seed, command=command, about=about))
        if json_file is not None:
            from fynx_scapy.report.page import our_versions

            document = {
                "version": __version__,
                "versions": our_versions(),
                "about": about,
                "command": command,
                "seed": seed,
            }
            document |= tally.as_dict() | {"results": [result.as_dict() for result in results]}
            _write(json_file, json.dumps(document, indent=1) + "\n")
        if junit is not None:
            from fynx_scapy.report.junit import junit_xml
            from fynx_scapy.report.page import our_versions

            told = {**our_versions(), **about, "command": command}
            _write(junit, junit_xml(results, told if seed is None else told | {"seed": str(seed)}))
        if pcap is not None:
            pcap.parent.mkdir(parents=True, exist_ok=True)
            recorder.save_capture(pcap)
        if pcap is not None or keys is not None:
            recorder.keys().save(keys or pcap.with_suffix(".keys"))  # type: ignore[union-attr]
    if STDIO not in map(str, (report, json_file, junit)):
        _print_table(results, seed)
    sys.exit(0 if tally.good else 1)


def _again(
    names: Sequence[str], seed: int | None, target: str | None, psk_file: Path | None, given: dict[str, Any]
) -> str:
    """The command that repeats the run; the key stays in its file, and what was written is left to the next one."""
    options = {"seed": seed, "target": target, "psk_file": psk_file if target is not None else None, **given}
    words = ["fynx", "run", *names]
    for name, value in options.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif value is not None:
            words += [f"--{option}", str(value)]
    return shlex.join(words)


def _target(address: str | None, psk_file: Path | None, given: dict[str, Any]) -> Target | None:
    """The live peer that these options name; UsageError when they do not go together."""
    said = {name: value for name, value in given.items() if value is not None}
    if address is None:
        if said:
            option = next(iter(said)).replace("_", "-")
            raise click.UsageError(f"--{option} says something of a live peer: --target is missing")
        return None
    from fynx_scapy.errors import ConfigError
    from fynx_scapy.harness.target import Target
    from fynx_scapy.net.udp import resolve

    if psk_file is None:
        raise click.UsageError("expected --psk-file, or FYNX_PSK_FILE in the environment, with the key of the peer")
    key = read_psk(psk_file)
    try:
        resolve(address, 500)
        made = Target(address=address, psk=key, **said)
        made.config({})
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    return made


def _run(
    chosen: Sequence[Scenario], seed: int | None, target: Target | None
) -> tuple[list[Result], Recorder, Contact | None]:
    """Run them with a progress bar on stderr, where that is a terminal.

    Before a live run there is one exchange; where nobody answers the command ends with status 2.
    """
    from rich.console import Console
    from rich.progress import Progress

    from fynx_scapy import harness
    from fynx_scapy.net.recorder import Recorder

    recorder, results = Recorder(), []
    contact = harness.Contact(target, recorder.watch) if target is not None else None
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("reaching the peer", total=len(chosen))
        if contact is not None and any(scenario.live for scenario in chosen):
            _reach(contact)
        for scenario in chosen:
            progress.update(bar, description=scenario.name)
            watch = recorder.watch
            results.append(harness.run(scenario, seed=seed or 0, watch=watch, target=target, contact=contact))
            progress.advance(bar)
    return results, recorder, contact


class _NobodyThere(click.ClickException):
    """No peer was reached: nothing was judged."""

    exit_code = 2


def _reach(contact: Contact) -> None:
    """The first exchange with a live peer; ends the command when there is none."""
    from fynx_scapy.errors import ConfigError, TransportError
    from fynx_scapy.harness import Unreached

    try:
        contact.make()
    except Unreached as error:
        likely = "".join(f"\n  - {cause}" for cause in error.causes)
        raise _NobodyThere(
            f"nobody answers IKE_SA_INIT at {error.target}; no scenario was run. Likely causes:{likely}"
            "\n  - a wrong address or port, or a packet filter on the way"
        ) from None
    except TransportError as error:
        raise _NobodyThere(f"{error}; no scenario was run") from None
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    for words in contact.left:
        click.echo(f"left at the peer: {words}", err=True)


def _print_table(results: Sequence[Result], seed: int | None) -> None:
    """The verdicts, and why those that are not PASS are not."""
    from rich.table import Table
    from rich.text import Text

    from fynx_scapy.harness import Tally, Verdict
    from fynx_scapy.harness.tally import worst_first

    colours = {"PASS": "green", "SKIP": "dim", "FAIL": "red", "ERROR": "magenta"}
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
    screen = console()
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
        screen.print("nothing was judged: every scenario was left out", soft_wrap=True)
    screen.print(f"{tally} in {seconds:.2f} s{which}", soft_wrap=True)


@contextmanager
def _writing() -> Iterator[None]:
    """What cannot be written is a mistake in the command."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.UsageError(f"cannot write {error.filename}: {error.strerror}") from None


def _write(path: Path, text: str) -> None:
    if str(path) == STDIO:
        click.echo(text, nl=False)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
