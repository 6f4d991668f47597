# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx fuzz``: edit messages inside SK field by field, and see what the peer does."""

from __future__ import annotations

import json
import secrets
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.commands.credentials import credentials_of, taken, used, words_of
from fynx_scapy.commands.eap import check_role
from fynx_scapy.commands.ending import like_ctrl_c
from fynx_scapy.commands.losses import INTERRUPTED
from fynx_scapy.commands.opening import misuse, save_keys, writing, writing_octets
from fynx_scapy.commands.options import JSON_FILE, STDIO, Folder
from fynx_scapy.commands.peers import target_options
from fynx_scapy.text import counted

if TYPE_CHECKING:
    from fynx_scapy.fuzz import Finding, Fuzzer, Plan, Store
    from fynx_scapy.fuzz.fuzzer import MakeWorld
    from fynx_scapy.fuzz.growth import Meter
    from fynx_scapy.harness.target import Target

TELL_EVERY = 1.0
_LEFT = 5
"""How many of the IKE SAs that may be left at a peer are named."""
TRIES, SECONDS = 60, 300.0
"""How much the reduction of a finding may cost with a live peer."""


@click.command()
@click.option("--cases", type=click.IntRange(1), default=1000, show_default=True, metavar="N", help="Run N cases.")
@click.option(
    "--seed",
    type=click.IntRange(0, (1 << 63) - 1),
    metavar="N",
    help="Make the same cases again; with an embedded peer to the byte. Default: a random seed, which is shown.",
)
@click.option(
    "--role",
    type=click.Choice(("initiator", "responder", "both")),
    help="Which end of the IKE SA we are. Default: both with an embedded peer, initiator with a live one.",
)
@click.option(
    "--to",
    "folder",
    type=Folder(),
    default="fuzz-findings",
    show_default=True,
    metavar="DIR",
    help="Write findings, and the state to resume from, into this folder.",
)
@click.option("--resume", is_flag=True, help="Go on with the run whose state is in the folder of --to.")
@click.option(
    "--slow",
    type=click.FloatRange(0.001),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="An answer that takes longer is a finding, if it does so each time.",
)
@click.option(
    "--captures", is_flag=True, help="Run each minimised case once more, and write a capture and keys beside its file."
)
@JSON_FILE
@target_options(
    click.option("--target", metavar="HOST[:PORT]", help="Fuzz the live peer at this address."),
    click.option(
        "--rate", type=click.FloatRange(0.01, 1000), default=5.0, show_default=True, metavar="N",
        help="Run at most N cases a second with a live peer.",
    ),
    click.option(
        "--pid", type=click.IntRange(1), metavar="N",
        help="The live peer's process on this machine: see whether it ends, or its memory grows.",
    ),
    click.option(
        "--growth", type=click.IntRange(1), default=4096, show_default=True, metavar="KIB",
        help="How much the memory of --pid may grow in a block of cases.",
    ),
    click.option(
        "--wait", type=click.FloatRange(0.1), default=30.0, show_default=True, metavar="SECONDS",
        help="With --role responder: how long to wait for a live peer to connect.",
    ),
)  # fmt: skip
def fuzz(
    cases: int,
    seed: int | None,
    role: str | None,
    folder: Path,
    resume: bool,
    slow: float,
    captures: bool,
    json_file: Path | None,
    target: str | None,
    rate: float,
    pid: int | None,
    growth: int,
    wait: float,
    **given: Any,
) -> None:
    """Fuzz an embedded peer, or with --target a live one, inside its established IKE SAs.

    After a correct handshake, and in it, our messages are edited field by field, by the descriptions of their layers:
    numbers, lengths, lists, octets, the order of payloads, the header, fragments. The ICV stays correct. What changed
    the peer's behaviour is tried more often. A peer that crashes, does not answer a correct conversation any more,
    grows, or is slow is a finding: it is made as small as possible and saved as a case that fynx run runs.

    Fuzz only what is yours. Exit status 0 when nothing was found, 1 when something was, 2 for misuse and for a target
    that does not answer, 130 after Ctrl-C or SIGTERM; what was done until then stays, and --resume goes on.
    """
    from fynx_scapy.fuzz import Budget, Fuzzer, Hunt, Plan, Store
    from fynx_scapy.fuzz.saving import read_state

    credentials = taken(given)
    check_role(credentials, [role] if role is not None else [])
    live = _target(target, credentials, pid, given)
    with misuse():
        if resume:
            stored = read_state(folder)["plan"]
            if seed not in (None, stored["seed"]):
                raise click.UsageError(f"--resume goes on with the seed {stored['seed']}, found --seed {seed}")
            seed, role = stored["seed"], role or stored["roles"]
        seed = secrets.randbelow(1_000_000) if seed is None else seed
        roles = role or ("both" if live is None else "initiator")
        if live is not None and roles == "both":
            raise click.UsageError("--role both is for an embedded peer: run a live one in one role at a time")
        block = 400 if live is None else 25
        plan = Plan(cases=cases, seed=seed, roles=roles, block=block, slow=slow, wait=wait)
    options = {"cases": cases, "seed": seed, "role": roles, "target": target}
    store = Store(folder, plan, target=target, command=_command(options, credentials))
    make, meter = _world(plan, live, rate, pid, growth)
    screen = _Screen(plan, live, captures=captures)
    budget = Budget if live is None else (lambda: Budget(TRIES, SECONDS))
    hunt = Hunt(store, make, meter=meter, budget=budget, tell=screen.finding)
    fuzzer = Fuzzer(
        plan, make, found=hunt.found, meter=meter() if meter is not None else None, tell=screen.tell, after=store.save
    )
    if resume:
        with misuse():
            store.load(fuzzer)
    interrupted = _run(fuzzer, make, live)
    screen.clear()
    left = list(dict.fromkeys(fuzzer.world.left if fuzzer.world is not None else ()))
    document = _document(fuzzer, store, left, interrupted=interrupted)
    if json_file is not None:
        with writing(json_file) as out:
            out.write(json.dumps(document, indent=1) + "\n")
    if str(json_file) != STDIO:
        _print(fuzzer, store)
    for words in left[:_LEFT]:
        click.echo(f"left at the peer: {words}", err=True)
    if len(left) > _LEFT:
        click.echo(f"left at the peer: {len(left) - _LEFT} more; --json has them all", err=True)
    if interrupted:
        click.echo(f"interrupted: {fuzzer.progress.cases} of {counted(plan.cases, 'case')} run", err=True)
    sys.exit(INTERRUPTED if interrupted else 1 if store.findings else 0)


def _target(address: str | None, credentials: dict[str, Any], pid: int | None, given: dict[str, Any]) -> Target | None:
    """The live peer that these options describe. Raises UsageError when they do not go together."""
    options = {name: value for name, value in given.items() if value is not None}
    if address is None:
        beside = [*options, *(["pid"] if pid is not None else []), *used(credentials)]
        if beside:
            raise click.UsageError(f"--{beside[0].replace('_', '-')} describes a live peer, but --target is missing")
        return None
    from fynx_scapy.errors import ConfigError, LocalError
    from fynx_scapy.fuzz.growth import resident
    from fynx_scapy.harness.target import Target
    from fynx_scapy.net.udp import resolve

    try:
        proofs = credentials_of(credentials)
        if pid is not None:
            resident(pid)
        resolve(address, 500)
        target = Target(address=address, **proofs, **options)
        target.config({})
    except (ConfigError, LocalError) as error:
        raise click.UsageError(str(error)) from None
    return target


def _world(
    plan: Plan, live: Target | None, rate: float, pid: int | None, growth: int
) -> tuple[MakeWorld, Callable[[], Meter] | None]:
    """With whom, and how the peer's memory is measured."""
    from fynx_scapy.fuzz import Containers, EmbeddedWorld, LiveWorld, Resident

    if live is None:
        return lambda number: EmbeddedWorld(f"{plan.seed} {number}"), Containers
    waits = plan.wait if plan.roles == "responder" else None
    world = LiveWorld(live, rate, pid=pid, waits=waits)
    return lambda number: world, None if pid is None else lambda: Resident(pid, growth)


def _command(options: dict[str, Any], credentials: dict[str, Any]) -> str:
    """The command that repeats the run. It names files, not what is in them."""
    if options["target"] is not None:
        options = options | words_of(credentials)
    words: list[str] = []
    for name, value in options.items():
        for each in value if isinstance(value, tuple) else (value,):
            words += [] if each is None else [f"--{name}"] if each is True else [f"--{name}", str(each)]
    return shlex.join(["fynx", "fuzz", *words])


class _NobodyThere(click.ClickException):
    """The peer did not answer, so no case was run."""

    exit_code = 2


def _run(fuzzer: Fuzzer, make: MakeWorld, live: Target | None) -> bool:
    """Run to the end, or until Ctrl-C. Returns whether it was interrupted. A live peer must answer first."""
    from fynx_scapy.errors import ConfigError, FynxError, TransportError

    try:
        if live is not None and (fault := make("first").gone()) is not None:
            raise _NobodyThere(f"{fault.text}; no case was run")
        with like_ctrl_c():
            fuzzer.run()
    except KeyboardInterrupt:
        return True
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    except TransportError as error:
        raise _NobodyThere(str(error)) from None
    except FynxError as error:
        if not fuzzer.progress.cases:
            raise _NobodyThere(f"{error}; no case was run") from None
        click.echo(f"ended early: {error}", err=True)
    return False


class _Screen:
    """The line that shows how far it is, on a terminal, and a line for each finding."""

    def __init__(self, plan: Plan, live: Target | None, *, captures: bool) -> None:
        self._plan, self._live, self._captures, self._shown = plan, live, captures, sys.stderr.isatty()
        self._due, self._findings = 0.0, 0

    def tell(self, fuzzer: Fuzzer) -> None:
        """Show how far it is, about once a second."""
        if not self._shown or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + TELL_EVERY
        progress = fuzzer.progress
        click.echo(
            f"\r\x1b[K{progress.cases} of {counted(self._plan.cases, 'case')}, {progress.rate:.0f} a second, "
            f"{counted(len(fuzzer.weights.behaviours), 'behaviour')}, {counted(self._findings, 'finding')}",
            nl=False,
            err=True,
        )

    def finding(self, finding: Finding, path: Path) -> None:
        """Tell of a finding, and record it if that is wanted."""
        self._findings += 1
        self.clear()
        doubt = "" if finding.minimised else " (not seen again when it was repeated)"
        click.echo(f"{finding.fault.kind}: {finding.fault.text}{doubt}\n  {path}", err=True)
        if self._captures and finding.minimised:
            click.echo(f"  {_recorded(path, self._live)}", err=True)

    def clear(self) -> None:
        """Remove the line."""
        if self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)


def _recorded(path: Path, live: Target | None) -> Path:
    """Run a case file, and write the capture and its keys beside it."""
    from fynx_scapy import harness
    from fynx_scapy.harness.loading import load_file
    from fynx_scapy.keylog import KeyLog
    from fynx_scapy.net.recorder import Recorder

    recorder, pcap = Recorder(), path.with_suffix(".pcapng")
    harness.run(load_file(path)[0], watch=recorder.watch, target=live)
    with writing_octets(pcap, secret=True) as file:
        recorder.write_capture(file)
    save_keys(recorder.keys(), KeyLog.folder_for(pcap))
    return pcap


def _document(fuzzer: Fuzzer, store: Store, left: list[str], *, interrupted: bool) -> dict[str, Any]:
    from fynx_scapy import __version__

    progress, plan = fuzzer.progress, fuzzer.plan
    return {
        "version": __version__,
        "command": store.command,
        "seed": plan.seed,
        "target": store.target,
        "cases": progress.cases,
        "cases_wanted": plan.cases,
        "interrupted": interrupted,
        "conversations": progress.talks,
        "unsent": progress.unsent,
        "seconds": round(progress.seconds, 3),
        "cases_per_second": round(progress.rate, 1),
        "behaviours": len(fuzzer.weights.behaviours),
        "exchanges": dict(progress.bases.most_common()),
        "edits": dict(progress.edits.most_common()),
        "answers": dict(progress.answers.most_common(50)),
        "left_behind": left,
        "findings": [finding.as_dict() for finding in store.findings],
    }


def _print(fuzzer: Fuzzer, store: Store) -> None:
    progress = fuzzer.progress
    click.echo(
        f"{counted(progress.cases, 'case')} in {counted(progress.talks, 'conversation')}, {progress.seconds:.0f} s, "
        f"{progress.rate:.0f} a second, seed {fuzzer.plan.seed}; {counted(progress.unsent, 'case')} could not be sent"
    )
    click.echo(f"{counted(len(fuzzer.weights.behaviours), 'behaviour')} of the peer")
    for base, count in sorted(progress.bases.items()):
        click.echo(f"  {count:7} {base}")
    for finding in store.findings:
        click.echo(f"{finding.fault.kind}: {finding.fault.text}\n  {store.folder / finding.name}.py")
    click.echo(f"{counted(len(store.findings), 'finding')}" if store.findings else "nothing found")
