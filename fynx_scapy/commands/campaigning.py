# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``fynx run`` does with its options: the plan, the live peers with their manifests, and the run itself."""

from __future__ import annotations

import contextlib
import functools
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.commands.opening import misuse
from fynx_scapy.commands.options import POSITIVE, Decorator, read_psk
from fynx_scapy.text import counted

if TYPE_CHECKING:
    from fynx_scapy.capture.replay import Recording
    from fynx_scapy.harness import Manifest, Scenario, Target
    from fynx_scapy.harness.campaign import Campaign
    from fynx_scapy.harness.journal import Journal
    from fynx_scapy.harness.plan import Job
    from fynx_scapy.harness.reachability import Watcher
    from fynx_scapy.harness.subject import Subject
    from fynx_scapy.net.hosts import Hosts
    from fynx_scapy.net.recorder import Recorder

SEVERITIES = ("low", "medium", "high", "critical")
ROLES = ("initiator", "responder")

_OPTIONS: Sequence[Decorator] = (
    click.option(
        "--role", "roles", multiple=True, type=click.Choice(ROLES),
        help="Be this end of the IKE SA only. Repeatable. Default: every role that a scenario has.",
    ),
    click.option("--suite", "suites", multiple=True, metavar="NAME", help="Take scenarios of this suite. Repeatable."),
    click.option("--severity", type=click.Choice(SEVERITIES), help="Take scenarios of this severity and above."),
    click.option(
        "--manifest", "manifests", multiple=True, metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Read expected failures from this TOML file. Repeatable. They count before those that we ship.",
    ),
    click.option(
        "--peer", metavar="NAME[@VERSION]",
        help="Use the manifest that we ship for this peer. Default: by its vendor ID, if it sends one; none is none.",
    ),
    click.option(
        "--wait", type=POSITIVE, metavar="SECONDS",
        help="Wait so long for a live peer to connect to us, in each scenario in which we are the responder.",
    ),
    click.option(
        "--resume", metavar="FILE", type=click.Path(dir_okay=False, writable=True, path_type=Path),
        help="Keep a journal of the run in this file, and if there is one, go on where it ends.",
    ),
    click.option(
        "--rate", type=POSITIVE, metavar="N",
        help="Send each live peer at most N datagrams a second.",
    ),
    click.option(
        "-j", "--jobs", type=click.IntRange(1, 64), metavar="N", default=1,
        help="Run N scenarios at a time with each live peer, which must permit so many sessions with one identity.",
    ),
    click.option(
        "--recording", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Play the conversation of this capture, and have each negative case change one of its requests.",
    ),
    click.option(
        "--recording-keys", metavar="PATH", multiple=True, type=click.Path(exists=True, path_type=Path),
        help="Open the recording with the keys of this file or folder. Repeatable. Default: those beside it.",
    ),
)  # fmt: skip


def campaign_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: what runs, against what is expected, how fast. `Choice` takes them from the arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The values of `campaign_options`."""

    roles: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    severity: str | None = None
    manifests: tuple[Path, ...] = ()
    peer: str | None = None
    wait: float | None = None
    resume: Path | None = None
    rate: float | None = None
    jobs: int = 1
    recording: Path | None = None
    recording_keys: tuple[Path, ...] = ()

    @classmethod
    def take(cls, given: dict[str, Any]) -> Choice:
        """Take the values out of the arguments of the command."""
        return cls(**{name: given.pop(name) for name in cls.__slots__})

    def again(self) -> dict[str, Any]:
        """The options that repeat the run, by name. How fast it was, and its journal, are left out."""
        return {
            "role": self.roles, "suite": self.suites, "severity": self.severity, "peer": self.peer,
            "manifest": tuple(map(str, self.manifests)), "wait": self.wait,
            "recording": None if self.recording is None else str(self.recording),
            "recording-keys": tuple(map(str, self.recording_keys)),
        }  # fmt: skip


@dataclass(slots=True)
class Ran:
    """A run that is over, or was interrupted."""

    campaign: Campaign
    recorder: Recorder
    seed: int | None
    interrupted: bool = False
    about: dict[str, str] = field(default_factory=dict)
    """What live peers say of themselves."""


def run_campaign(
    scenarios: Sequence[Scenario],
    targets: Sequence[Target],
    choice: Choice,
    seed: int | None,
    log: Watcher | None,
    *,
    fixed: bool = False,
) -> Ran:
    """Run the scenarios, with a progress bar if stderr is a terminal. UsageError for options that do not go together.

    Ctrl-C ends the run. Live runs start with one exchange; if a peer does not answer, the command exits with status 2.
    ``fixed`` makes 0 the default seed, otherwise it is random.
    """
    from fynx_scapy.net.recorder import Recorder

    if len(targets) * choice.jobs > 1 and any(target.port or target.natt_port for target in targets):
        raise click.UsageError("--port and --natt-port are for one session at a time: leave them out, or -j and more "
                               "than one --target")  # fmt: skip
    recorder = Recorder()
    watch = _both(recorder, log)
    jobs = _planned(scenarios, choice, [target.address for target in targets])
    with misuse():
        manifest = _manifest(choice.manifests, scenarios)
        journal = _journal(choice.resume)
    if not targets and seed is None:
        seed = journal.seed if journal is not None else None
        seed = seed if seed is not None else 0 if fixed else secrets.randbelow(1_000_000)
    program, version = _peer(choice.peer)
    subjects = _subjects(targets, choice, watch)
    recording = _recording(choice)
    if program and not targets:
        manifest = _with_shipped(manifest, program)
    with misuse():
        campaign = _campaign(jobs, subjects, seed, manifest, watch, choice, journal)
    if recording is not None:
        from fynx_scapy.capture.replay import RecordedWorld

        campaign.embedded = functools.partial(RecordedWorld, recording)
        for subject in subjects:
            subject.world = RecordedWorld(recording, subject.target)
    for note in journal.notes if journal is not None else ():
        click.echo(f"{choice.resume}: {note}", err=True)
    _meet(campaign, manifest, program, version, asked=choice.peer is not None)
    ran = Ran(campaign, recorder, seed)
    try:
        _go(campaign)
    except KeyboardInterrupt:
        ran.interrupted = True
    for words in campaign.remarks:
        click.echo(words, err=True)
    for subject in subjects:
        prefix = f"{subject.name}: " if len(subjects) > 1 else ""
        ran.about |= {f"{prefix}{name}": value for name, value in subject.contact.facts.items()}
        if subject.manifest.source:
            ran.about[f"{prefix}manifest"] = " ".join(filter(None, (subject.manifest.source, subject.version)))
    return ran


def _campaign(
    jobs: Sequence[Job],
    subjects: Sequence[Subject],
    seed: int | None,
    manifest: Manifest,
    watch: Watcher,
    choice: Choice,
    journal: Journal | None,
) -> Campaign:
    from fynx_scapy.harness.campaign import Campaign

    try:
        return Campaign(
            jobs,
            subjects,
            seed=seed,
            manifest=manifest,
            watch=watch,
            at_once=choice.jobs,
            wait=choice.wait,
            journal=journal,
        )
    except OSError as error:
        raise click.UsageError(f"--resume {choice.resume}: {error.strerror or error}") from None


def _both(recorder: Recorder, log: Watcher | None) -> Watcher:
    """What is done with each new network: it is recorded, and logged if that was asked for."""
    if log is None:
        return recorder.watch

    def watch(network: Hosts, name: str) -> Callable[[], object]:
        ended = contextlib.ExitStack()
        ended.callback(recorder.watch(network, name))
        if (stop := log(network, name)) is not None:
            ended.callback(stop)
        return ended.close

    return watch


def _planned(scenarios: Sequence[Scenario], choice: Choice, addresses: Sequence[str]) -> list[Job]:
    """The plan. UsageError when nothing is left of it."""
    from fynx_scapy.harness import Role
    from fynx_scapy.harness.plan import EMBEDDED, plan

    if twice := {address for address in addresses if addresses.count(address) > 1}:
        raise click.UsageError(f"--target {twice.pop()} was given more than once")
    kept = list(scenarios)
    if choice.suites:
        known = {suite for scenario in kept for suite in scenario.suites}
        for suite in choice.suites:
            if suite not in known:
                told = f"there are {', '.join(sorted(known))}" if known else "none has a suite"
                raise click.UsageError(f"--suite {suite!r}: none of the chosen scenarios is in it; {told}")
        kept = [scenario for scenario in kept if scenario.suites & set(choice.suites)]
    if choice.severity is not None:
        least = SEVERITIES.index(choice.severity)
        kept = [scenario for scenario in kept if SEVERITIES.index(scenario.severity) >= least]
    roles = frozenset(map(Role, choice.roles)) or None
    jobs = plan(kept, addresses or (EMBEDDED,), roles)
    if not jobs:
        raise click.UsageError("--role, --suite and --severity leave no scenario")
    if roles is not None and (without := sum(not roles & set(scenario.roles) for scenario in kept)):
        click.echo(f"{counted(without, 'scenario')} left out: not for us as {' or '.join(choice.roles)}", err=True)
    return jobs


def _manifest(paths: Sequence[Path], scenarios: Sequence[Scenario]) -> Manifest:
    from fynx_scapy import scenarios as ours
    from fynx_scapy.harness import Manifest

    made = Manifest()
    for path in paths:
        read = Manifest.from_file(path)
        read.check_names([*map(ours.load, ours.names()), *scenarios])
        made += read
    return made


def _journal(path: Path | None) -> Journal | None:
    from fynx_scapy.harness.journal import Journal

    return Journal.open(path) if path is not None else None


def _peer(text: str | None) -> tuple[str, str]:
    """The program and its version. UsageError for a name without a manifest, which names the nearest."""
    from fynx_scapy.harness import Manifest

    program, _, version = (text or "").partition("@")
    if program and program != "none":
        with misuse():
            Manifest.shipped(program)
    return ("" if program == "none" else program), version


def _with_shipped(manifest: Manifest, program: str) -> Manifest:
    from fynx_scapy.harness import Manifest

    return manifest + Manifest.shipped(program)


def _recording(choice: Choice) -> Recording | None:
    """The recorded conversation. UsageError for a capture without one, and for options that do not go with it."""
    if choice.recording is None:
        if choice.recording_keys:
            raise click.UsageError("--recording-keys opens a recording, but --recording is missing")
        return None
    if choice.jobs > 1 or choice.wait is not None:
        raise click.UsageError("--recording is played one session at a time, by the initiator: leave out -j and --wait")
    from fynx_scapy.capture.replay import load
    from fynx_scapy.keylog import KeyLog

    with misuse():
        keys = KeyLog.beside(choice.recording) if not choice.recording_keys else KeyLog()
        for path in choice.recording_keys:
            keys.add(path)
        return load(choice.recording, keys)


def _subjects(targets: Sequence[Target], choice: Choice, watch: Watcher) -> list[Subject]:
    from fynx_scapy.harness.subject import Subject

    return [Subject(target, rate=choice.rate or 0.0, watch=watch) for target in targets]


def _meet(campaign: Campaign, manifest: Manifest, program: str, version: str, *, asked: bool) -> None:
    """Reach the live peers, and find the manifest of each. Ends the command if one does not answer."""
    from fynx_scapy.errors import ConfigError, TransportError
    from fynx_scapy.harness import Unreached
    from fynx_scapy.harness.manifest import shipped_names
    from fynx_scapy.harness.recognition import recognised

    try:
        campaign.meet()
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
    for subject in campaign.subjects.values():
        for words in subject.contact.left:
            click.echo(f"left at the peer: {words}", err=True)
        known = (program, version) if asked else recognised(subject.contact.facts, shipped_names())
        subject.manifest = _with_shipped(manifest, known[0]) if known[0] else manifest
        subject.version = known[1]


class _NobodyThere(click.ClickException):
    """The peer did not answer, so no scenario was judged."""

    exit_code = 2


def _go(campaign: Campaign) -> None:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        done = len(campaign.jobs) - len(campaign.remaining)
        bar = progress.add_task("", total=len(campaign.jobs), completed=done)
        campaign.starting = lambda job: progress.update(bar, description=job.scenario.name)
        with contextlib.closing(campaign.run()) as results:
            for _ in results:
                progress.advance(bar)


def targets_of(addresses: Sequence[str], psk_file: Path | None, given: Mapping[str, Any]) -> list[Target]:
    """The live peers that these options describe. Raises UsageError when they do not go together."""
    options = {name: value for name, value in given.items() if value is not None}
    if not addresses:
        if options:
            option = next(iter(options)).replace("_", "-")
            raise click.UsageError(f"--{option} describes a live peer, but --target is missing")
        return []
    from fynx_scapy.errors import ConfigError
    from fynx_scapy.harness.target import Target
    from fynx_scapy.net.udp import resolve

    if psk_file is None:
        raise click.UsageError("expected the peer's key: give --psk-file, or set FYNX_PSK_FILE in the environment")
    key = read_psk(psk_file)
    try:
        for address in addresses:
            resolve(address, 500)
        targets = [Target(address=address, psk=key, **options) for address in addresses]
        targets[0].config({})
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    return targets
