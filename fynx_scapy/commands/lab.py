# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx lab``: a live peer in its own network, and the matrix of scenarios with such peers."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.capture.reading.losses import several
from fynx_scapy.commands.opening import Unusable, writing, written
from fynx_scapy.commands.options import JSON, OUTPUT, Folder, psk_file, read_psk
from fynx_scapy.errors import ConfigError, FynxError, LabError
from fynx_scapy.text import printable

if TYPE_CHECKING:
    from fynx_scapy.harness import Role, Scenario
    from fynx_scapy.lab.guest import Guest
    from fynx_scapy.report.matrix import Matrix

ROLES = ("initiator", "responder", "client", "server")
NAME = click.option("--name", default="lab", show_default=True, help="Use the lab with this name.")


@click.group()
def lab() -> None:
    """Run live peers on this machine, each in its own network; nothing else on the machine is changed."""


@lab.command()
@NAME
@click.option("--peer", default="strongswan", show_default=True, help="Start this implementation.")
@click.option("--ike", metavar="SUITE", help="Set the peer's IKE proposal, such as aes128gcm16-prfsha256-x25519.")
@click.option("--esp", metavar="SUITE", help="Set the peer's ESP proposal, such as aes128gcm16.")
@psk_file()
@click.option(
    "--auth",
    type=click.Choice(["psk", "certificate"]),
    default="psk",
    show_default=True,
    help="Let both ends authenticate by a pre-shared key, or by certificates of a throw-away authority.",
)
@click.option(
    "--to",
    "folder",
    type=Folder(),
    help="Put our certificate, its key and the authority into this folder; default: beside the lab's state.",
)
@click.option(
    "--nat", type=click.Choice(["none", "ours", "theirs"]), default="none", help="Put this side behind a NAT."
)
@click.option(
    "--half-open-limits/--no-half-open-limits",
    default=True,
    show_default=True,
    help="Let the peer refuse many half-open IKE SAs of one address. Negative cases leave many.",
)
def up(
    name: str,
    peer: str,
    ike: str | None,
    esp: str | None,
    psk_file: Path | None,
    auth: str,
    folder: Path | None,
    nat: str,
    half_open_limits: bool,
) -> None:
    """Start a peer in the background, and print how to reach it."""
    from fynx_scapy.iana import ProtocolId
    from fynx_scapy.ike.terms.proposals import Proposal
    from fynx_scapy.lab import keeper
    from fynx_scapy.lab.trial_runner import peer_named

    for option, suite, protocol in (("--ike", ike, ProtocolId.IKE), ("--esp", esp, ProtocolId.ESP)):
        try:
            if suite is not None:
                Proposal.parse(suite, protocol)
        except ConfigError as error:
            raise click.UsageError(f"{option} {suite}: {error}") from None
    if auth == "certificate" and psk_file is not None:
        raise click.UsageError("--psk-file is for --auth psk: with certificates there is no pre-shared key")
    settings: dict[str, Any] = {"peer": peer, "auth": auth, "nat": nat, "half_open_limits": half_open_limits}
    settings |= {key: value for key, value in (("ike", ike), ("esp", esp)) if value}
    if psk_file is not None:
        settings["psk"] = "0x" + read_psk(psk_file).hex()
    if folder is not None:
        settings["files"] = _room(folder, auth)
    with _reported():
        if peer_named(peer).guest:
            raise ConfigError(f"{peer} runs in a guest, which only the matrix supports: fynx lab matrix --peer {peer}")
        kept = keeper.up(name, settings)
    which = "" if name == "lab" else f" --name {name}"
    click.echo(
        f"{kept.peer} {kept.version} answers at {kept.target}: it is {kept.remote_id} and expects {kept.local_id}."
    )
    if kept.certificate:
        cert, key, ca = (os.path.relpath(path) if folder else path for path in (kept.certificate, kept.key, kept.ca))
        click.echo(f"Our certificate is in {cert}, its key in {key}, the authority of both in {ca}.")
        click.echo("The first two are beside them in client.p12, too, and its passphrase in passphrase.")
        click.echo(f"The peer's log is in {kept.folder}.")
        click.echo(f"fynx lab exec{which} -- COMMAND        runs a command on our side")
        click.echo(
            f"fynx lab exec{which} -- fynx connect {kept.target} --cert {cert} --key {key} --ca {ca} "
            f"--remote-id {kept.remote_id} --ping {kept.inner}"
        )
        click.echo(f"fynx lab initiate{which}, fynx lab status{which}, fynx lab down{which}")
        return
    click.echo(f"Its key is in {kept.psk_file}, its log in {kept.folder}.")
    click.echo(
        f"fynx lab exec{which} -- COMMAND        runs a command on our side, with FYNX_PSK_FILE set to the key's file"
    )
    manifest = peer_named(kept.peer).manifest
    shipped = f" --peer {manifest}@{kept.version}" if manifest else ""
    click.echo(
        f"fynx lab exec{which} -- fynx run negative/nonces --target {kept.target} --remote-id {kept.remote_id}{shipped}"
    )
    click.echo(f"fynx lab initiate{which}, fynx lab status{which}, fynx lab down{which}")


def _room(folder: Path, auth: str) -> str:
    """The folder for our files, which is made. UsageError if one of them is there already."""
    from fynx_scapy.lab.credential_files import OUR_FILES

    if auth != "certificate":
        raise click.UsageError("--to is for --auth certificate: with a pre-shared key there are no such files")
    for name in OUR_FILES:
        if os.path.lexists(folder / name):
            raise click.UsageError(f"--to: {printable(str(folder / name))} is there already; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder.absolute())


@lab.command()
@NAME
def initiate(name: str) -> None:
    """Have the peer of a lab set up a tunnel with us, and show its log.

    Something on our side has to answer: fynx lab exec -- fynx serve … Exit status 0 when there is a tunnel, else 2.
    """
    from fynx_scapy.lab import keeper
    from fynx_scapy.lab.charon import Charon

    with _reported():
        kept = keeper.RunningLab.read(name)
        for line in Charon.at(Path(kept.folder) / "vici").initiate("lab", kept.child):
            click.echo(line)


@lab.command()
@click.argument("wanted", metavar="[PACKAGE|SUITE]...", nargs=-1)
@click.option("--mirror", metavar="URL", help="Take a SUITE from this Debian mirror; default: that of apt's sources.")
@click.option("--remove", is_flag=True, help="Remove the roots of each SUITE, by default of all, from the cache.")
def fetch(wanted: tuple[str, ...], mirror: str | None, remove: bool) -> None:
    """Download Debian packages into a cache, and unpack them there; nothing is installed.

    Without an argument, these are all PACKAGEs that guests need. A SUITE (trixie or sid) has newer peers: mmdebstrap
    makes a root folder for strongSwan and OpenIKED, and one for libreswan. That takes one to three minutes and 400 MB,
    and can be interrupted: the next time goes on with what was downloaded.
    """
    from fynx_scapy.lab import roots
    from fynx_scapy.lab.packages import BUSYBOX, KERNEL
    from fynx_scapy.lab.packages import fetch as get
    from fynx_scapy.lab.trial_runner import PEERS

    packages = [KERNEL, BUSYBOX, *sorted({name for peer in PEERS.values() for name in peer.packages})]
    known = list(roots.SUITES) if remove else [*packages, *roots.SUITES]
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            which = "the suites" if remove else "the packages and suites"
            raise click.UsageError(f"expected one of {which} {', '.join(known)}, found {name!r}{hint}")
    if mirror is not None and (remove or not set(wanted) & set(roots.SUITES)):
        raise click.UsageError("--mirror is for a SUITE to fetch")

    def say(step: str) -> None:
        click.echo(step, err=True)

    with _reported():
        for name in wanted or (known if remove else packages):
            if remove:
                for folder in roots.remove(name, say):
                    click.echo(f"removed {folder}")
            elif name in roots.SUITES:
                for root in roots.fetch(name, say, mirror=mirror):
                    click.echo(root)
            else:
                click.echo(get(name))


@lab.command()
@NAME
def down(name: str) -> None:
    """Stop a lab."""
    from fynx_scapy.lab import keeper

    with _reported():
        keeper.down(name)


@lab.command()
@click.option("--name", help="Show the lab with this name; default: all.")
@JSON
@OUTPUT
def status(name: str | None, as_json: bool, output: Path) -> None:
    """Show the running labs and the SAs of their peers. --json prints one object per line and lab."""
    from fynx_scapy.lab import keeper
    from fynx_scapy.lab.charon import Charon

    with _reported(), writing(output) as out:
        names = keeper.names() if name is None else [name]
        if not names:
            click.echo("no lab is running; start one with: fynx lab up", err=True)
        for each in names:
            kept = keeper.RunningLab.read(each)
            sas = Charon.at(Path(kept.folder) / "vici").sas()
            if as_json:
                entry = dataclasses.asdict(kept) | {"sas": [dataclasses.asdict(sa) for sa in sas]}
                click.echo(json.dumps(entry, default=lambda octets: octets.hex()), file=out)
                continue
            count = several(len(sas), "IKE SA")
            click.echo(f"{each}: {kept.peer} {kept.version} at {kept.target}, keeper {kept.pid}, {count}", file=out)
            for sa in sas:
                spis = f"{sa.spi_i.hex()}_i {sa.spi_r.hex()}_r"
                click.echo(f"  {spis} {sa.state} {sa.ike} with {sa.remote_id} at {sa.remote}", file=out)
                for child in sa.children:
                    ts = f"{', '.join(child.local_ts)} === {', '.join(child.remote_ts)}"
                    octets = f"{child.bytes_in} octets in, {child.bytes_out} out"
                    spis = f"{child.spi_in:08x} {child.spi_out:08x}"
                    click.echo(f"    {spis} {child.state} {child.esp} {ts}, {octets}", file=out)


@lab.command(name="exec", context_settings={"ignore_unknown_options": True})
@NAME
@click.option("--peer", is_flag=True, help="Run it on the peer's side, where its kernel's sockets are.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(name: str, peer: bool, command: tuple[str, ...]) -> None:
    """Run COMMAND on our side of a lab, or with --peer on the peer's."""
    from fynx_scapy.lab import keeper
    from fynx_scapy.lab.namespace import tool

    with _reported():
        kept = keeper.RunningLab.read(name)
        words = [*kept.enter(peer=peer), *command]
        os.environ.update({} if kept.certificate else {"FYNX_PSK_FILE": kept.psk_file})
        try:
            os.execv(tool(words[0]), words)
        except OSError as error:
            raise LabError(f"cannot run {words[0]}: {error.strerror}") from None


@lab.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--peer", "peers", multiple=True, help="Use only these peers; default: all that are installed.")
@click.option("--role", type=click.Choice(ROLES), help="Use only this role.")
@click.option(
    "--to",
    "folder",
    type=Folder(),
    default=Path("matrix"),
    show_default=True,
    help="Write the pages into this folder.",
)
@click.option("--list", "only_list", is_flag=True, help="List the scenarios without running them.")
def matrix(names: tuple[str, ...], peers: tuple[str, ...], role: str | None, folder: Path, only_list: bool) -> None:
    """Run scenarios with every installed peer that needs no guest, and write a report.

    Without NAMEs they are all those that say how both ends are configured, in each of their roles; a NAME is as in
    fynx run. The folder gets index.html, matrix.json and, for each peer, scenario and role, a page with its ladder, a
    capture and the keys that decrypt it. Exit status 0 when every verdict is PASS or SKIP, and not all are SKIP; 1 when
    one is not; 2 for misuse.
    """
    from fynx_scapy import scenarios
    from fynx_scapy.harness import Role
    from fynx_scapy.lab.trial_runner import PEERS, capabilities, installed, peer_named
    from fynx_scapy.report.matrix import Matrix, Unable

    with _reported(), ExitStack() as undo:
        chosen = [each for each in scenarios.chosen(names) if names or each.configures]
        if only_list:
            width = max(len(scenario.name) for scenario in chosen)
            for scenario in chosen:
                click.echo(f"{scenario.name:{width}}  {scenario.title} ({scenario.source})")
            return
        for peer in peers:
            peer_named(peer)
        # Guests are slow, so they run only if --peer names them.
        wanted = peers or [peer for peer, made in PEERS.items() if not made.guest]
        guest = undo.enter_context(_guest_for(wanted))
        present = [peer for peer in wanted if installed(peer, guest)]
        for peer in wanted:
            if peer not in present:
                click.echo(f"left out: {peer} is not installed or cannot run here", err=True)
        cases = [
            (scenario, as_role, peer)
            for peer in present
            for scenario in chosen
            for as_role in scenario.roles
            if (role is None or as_role is Role(role)) and scenario.setting.needs <= capabilities(peer)
        ]
        unable = [
            Unable(scenario, peer, ", ".join(sorted(lacks)))
            for peer in present
            for scenario in chosen
            if (lacks := scenario.setting.needs - capabilities(peer))
        ]
        if not cases:
            raise LabError(
                "nothing to run: no peer is installed, or no installed peer can do what these scenarios need"
            )
        command = " ".join(["fynx lab matrix", *names, *(f"--peer {peer}" for peer in peers)])
        with written(folder):
            done = Matrix(folder, command, unable)
            try:
                _run(done, cases, guest)
            finally:  # Ctrl-C keeps what was run
                page = done.write()
        counts = Counter(outcome.result.verdict.value for outcome in done.outcomes)
        if missing := len(cases) - len(done.outcomes):
            counts["ERROR"] += missing
        others = "".join(f", {number} {verdict}" for verdict, number in counts.items() if verdict != "PASS")
        click.echo(f"{counts['PASS']} of {len(cases)} PASS{others}: {page}")
        if unable:
            click.echo(
                f"left out: {several(len(unable), 'scenario')} that a peer cannot do, with what it lacks", err=True
            )
    sys.exit(0 if set(counts) <= {"PASS", "SKIP"} and counts["PASS"] else 1)


def _run(matrix: Matrix, cases: Sequence[tuple[Scenario, Role, str]], guest: Guest | None) -> None:
    """Run the scenarios and print their verdicts, with a progress bar if stderr is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    from fynx_scapy.lab.trial_runner import run_trial
    from fynx_scapy.report.matrix import Unable

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("scenarios", total=len(cases))
        for scenario, as_role, peer in cases:
            progress.update(bar, description=f"{peer} {scenario.name} {as_role.value}")
            try:
                outcome = run_trial(scenario, as_role, peer, guest=guest)
            except LabError as error:  # such as a peer that does not take this configuration
                matrix.add_unable(Unable(scenario, peer, "", why=str(error)))
                click.echo(f"ERROR {peer}-{scenario.name}-{as_role.value}: {printable(str(error))}")
                progress.advance(bar)
                continue
            matrix.add(outcome)
            result = outcome.result
            click.echo(f"{result.verdict.value:5} {outcome.name}{': ' if result.reason else ''}{result.reason}")
            for words in result.left_out:
                click.echo(f"      left out: {words}")
            progress.advance(bar)


def _guest_for(peers: Sequence[str]) -> AbstractContextManager[Guest | None]:
    """One guest for all of these peers that run in one."""
    from fynx_scapy.lab.lab import guest_for
    from fynx_scapy.lab.trial_runner import peer_named

    return guest_for(map(peer_named, peers))


@contextmanager
def _reported() -> Iterator[None]:
    """Report a bad configuration as a usage error, and what the lab cannot do as one line. Both end with status 2."""
    try:
        yield
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    except FynxError as error:
        raise Unusable(str(error)) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is None:  # stdout: cli.py handles it for every command
            raise
        raise Unusable(f"{printable(str(error.filename))}: {error.strerror}") from None
