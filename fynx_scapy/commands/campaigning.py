# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``fynx run`` does with its options: the plan, the live peers with their manifests, and the run itself."""

from __future__ import annotations

import contextlib
import functools
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.commands.choice import Choice
from fynx_scapy.commands.choosing import narrowed
from fynx_scapy.commands.credentials import credentials_of
from fynx_scapy.commands.ending import like_ctrl_c
from fynx_scapy.commands.opening import misuse
from fynx_scapy.commands.origins import say_unread
from fynx_scapy.text import counted, printable

if TYPE_CHECKING:
    from fynx_scapy.capture.replay import Recording
    from fynx_scapy.harness import Manifest, Scenario, Target
    from fynx_scapy.harness.campaign import Campaign
    from fynx_scapy.harness.journal import Journal
    from fynx_scapy.harness.parallel import Processes
    from fynx_scapy.harness.plan import Job
    from fynx_scapy.harness.reachability import Watcher
    from fynx_scapy.harness.subject import Subject
    from fynx_scapy.lab.world import LabWorld
    from fynx_scapy.net.hosts import Hosts
    from fynx_scapy.net.recorder import Recorder

DRAW_EVERY = 0.1
"""Seconds between two pictures of the progress bar, where no thread draws it."""


@dataclass(slots=True)
class Ran:
    """A run that is over, or was interrupted."""

    campaign: Campaign
    recorder: Recorder
    """What was recorded in this process."""
    seed: int | None
    interrupted: bool = False
    about: dict[str, str] = field(default_factory=dict)
    """What live peers say of themselves."""

    def gathered(self) -> Recorder:
        """What was recorded, also in other processes."""
        if self.campaign.processes is not None:
            self.campaign.processes.tell(self.campaign.jobs, self.recorder.add)
        return self.recorder


def run_campaign(
    scenarios: Sequence[Scenario],
    targets: Sequence[Target],
    choice: Choice,
    seed: int | None,
    log: Watcher | None,
    *,
    asked: Callable[[Scenario], bool] = lambda scenario: True,
    fixed: bool = False,
    psk: bytes | None = None,
    labs: Sequence[LabWorld] = (),
) -> Ran:
    """Run the scenarios, with a progress bar if stderr is a terminal. UsageError for options that do not go together.

    Ctrl-C ends the run. Live runs start with one exchange; if a peer does not answer, the command exits with status 2.
    ``asked`` says whether a scenario that may end a live peer was asked for. ``fixed`` makes 0 the default seed,
    otherwise it is random. ``psk`` is the key of a recording without a target.
    ``labs`` are the worlds of the only target, if it is a lab's: several have the same peer and share the scenarios.
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
    subjects = _subjects(targets, choice, watch, asked, labs)
    recording = _recording(choice, targets[0].psk if targets else psk)
    if program and not targets:
        manifest = _with_shipped(manifest, program)
    processes = _processes(choice, log) if not targets else None
    with misuse():
        at_once = 1 if labs else choice.jobs
        campaign = _campaign(jobs, subjects, seed, manifest, watch, at_once, choice, journal, processes)
    if recording is not None:
        from fynx_scapy.capture.replay import RecordedWorld

        campaign.embedded = functools.partial(RecordedWorld, recording, psk=psk)
        for subject in subjects:
            subject.world = RecordedWorld(recording, subject.target)
    for note in journal.notes if journal is not None else ():
        click.echo(f"{choice.resume}: {note}", err=True)
    if labs and choice.peer is None:
        program, version = _shipped_for(labs[0])
    _meet(campaign, manifest, program, version, asked=choice.peer is not None or bool(labs))
    ran = Ran(campaign, recorder, seed)
    try:
        with like_ctrl_c():
            _go(campaign, exit_first=choice.exit_first)
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
    at_once: int,
    choice: Choice,
    journal: Journal | None,
    processes: Processes | None,
) -> Campaign:
    from fynx_scapy.harness.campaign import Campaign

    try:
        return Campaign(
            jobs,
            subjects,
            seed=seed,
            manifest=manifest,
            watch=watch,
            at_once=at_once,
            processes=processes,
            wait=choice.wait,
            journal=journal,
        )
    except OSError as error:
        raise click.UsageError(f"--resume {choice.resume}: {error.strerror or error}") from None


def _processes(choice: Choice, log: Watcher | None) -> Processes | None:
    from fynx_scapy.harness.parallel import Processes

    return Processes(choice.jobs, log) if choice.jobs > 1 else None


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
    kept = narrowed(scenarios, choice.suites, choice.severity)
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
    from fynx_scapy.harness.versions import parsed

    program, at, version = (text or "").partition("@")
    if program and program != "none":
        with misuse():
            Manifest.shipped(program)
    if at and not parsed(version):
        raise click.UsageError(f"--peer: expected a version such as {program}@5.9.8, found {printable(repr(version))}")
    return ("" if program == "none" else program), version


def _with_shipped(manifest: Manifest, program: str) -> Manifest:
    from fynx_scapy.harness import Manifest

    return manifest + Manifest.shipped(program)


def _recording(choice: Choice, psk: bytes | str | None) -> Recording | None:
    """The recorded conversation. UsageError for a capture without one, without its key, and for options that do not go
    with it.
    """
    if choice.recording is None:
        if choice.recording_keys:
            raise click.UsageError("--recording-keys opens a recording, but --recording is missing")
        return None
    if choice.jobs > 1 or choice.wait is not None:
        raise click.UsageError("--recording is played one session at a time, by the initiator: leave out -j and --wait")
    from fynx_scapy.capture.replay import configs, load
    from fynx_scapy.keylog import KeyLog

    with misuse():
        keys = KeyLog.beside(choice.recording) if not choice.recording_keys else KeyLog()
        for path in choice.recording_keys:
            keys.add(path)
        if choice.recording_keys:
            say_unread(KeyLog.places_beside(choice.recording), choice.recording_keys, option="--recording-keys")
        recording = load(choice.recording, keys)
        configs.initiator(recording, psk)
        return recording


def _subjects(
    targets: Sequence[Target],
    choice: Choice,
    watch: Watcher,
    asked: Callable[[Scenario], bool],
    labs: Sequence[LabWorld] = (),
) -> list[Subject]:
    from fynx_scapy.harness.subject import Subject

    made = functools.partial(Subject, rate=choice.rate or 0.0, watch=watch, asked=asked)
    if labs:  # a lab's peer that does not answer is started again, without patience
        twins = [made(lab.target, world=lab) for lab in labs[1:]]
        return [made(labs[0].target, world=labs[0], twins=twins)]
    return [made(target, patience=choice.patience) for target in targets]


def _shipped_for(lab: LabWorld) -> tuple[str, str]:
    """The peer of a lab and its version, if we ship a manifest for it."""
    peer = lab.lab.peer
    return (peer.manifest, peer.version) if peer.manifest else ("", "")


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
        for each in subject.each:
            each.manifest = _with_shipped(manifest, known[0]) if known[0] else manifest
            each.version = known[1]


class _NobodyThere(click.ClickException):
    """The peer did not answer, so no scenario was judged."""

    exit_code = 2


def _go(campaign: Campaign, *, exit_first: bool) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from fynx_scapy.harness.tally import BAD

    # Without a thread that draws: a fork must not come while one writes.
    alone, hidden = campaign.processes is None, not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=hidden, auto_refresh=alone) as progress:
        done, drawn_at = len(campaign.jobs) - len(campaign.remaining), 0.0
        bar = progress.add_task("", total=len(campaign.jobs), completed=done)
        campaign.starting = lambda job: progress.update(bar, description=job.scenario.name)
        with contextlib.closing(campaign.run()) as results:
            for result in results:
                progress.advance(bar)
                if exit_first and result.verdict in BAD:
                    campaign.halted = f"the run ended at the first failure: {result.scenario.name}"
                    break
                if not alone and time.monotonic() - drawn_at >= DRAW_EVERY:
                    progress.refresh()
                    drawn_at = time.monotonic()


def targets_of(addresses: Sequence[str], credentials: Mapping[str, Any], given: Mapping[str, Any]) -> list[Target]:
    """The live peers that these options describe. Raises UsageError when they do not go together.

    ``credentials`` are the values of `CREDENTIALS`.
    """
    options = {name: value for name, value in given.items() if value is not None}
    if not addresses:
        if options:
            option = next(iter(options)).replace("_", "-")
            raise click.UsageError(f"--{option} describes a live peer, but --target is missing")
        return []
    from fynx_scapy.errors import ConfigError
    from fynx_scapy.harness.target import Target
    from fynx_scapy.net.udp import resolve

    try:
        proofs = credentials_of(credentials)
        for address in addresses:
            resolve(address, 500)
        targets = [Target(address=address, **proofs, **options) for address in addresses]
        targets[0].config({})
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    return targets
