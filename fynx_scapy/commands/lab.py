# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx lab``: a live peer in a network of its own, trials with it, and the matrix of all of them."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from fynx_scapy.commands.options import JSON, psk_file, read_psk
from fynx_scapy.errors import ConfigError, FynxError, LabError

NAME = click.option("--name", default="lab", show_default=True, help="One of several labs.")


@click.group()
def lab() -> None:
    """Live peers on this machine, in networks of their own: nothing else of it is touched."""


@lab.command()
@NAME
@click.option("--peer", default="strongswan", show_default=True, help="Which implementation.")
@click.option("--ike", metavar="SUITE", help="Its IKE proposal, such as aes128gcm16-prfsha256-x25519.")
@click.option("--esp", metavar="SUITE", help="Its ESP proposal, such as aes128gcm16.")
@psk_file()
@click.option("--nat", type=click.Choice(["none", "ours", "theirs"]), default="none", help="Who is behind a NAT.")
def up(name: str, peer: str, ike: str | None, esp: str | None, psk_file: Path | None, nat: str) -> None:
    """Start a peer in the background, and say how to reach it."""
    from fynx_scapy.lab import keeper

    settings: dict[str, Any] = {"peer": peer, "nat": nat}
    settings |= {key: value for key, value in (("ike", ike), ("esp", esp)) if value}
    if psk_file is not None:
        settings["psk"] = "0x" + read_psk(psk_file).hex()
    with _reported():
        kept = keeper.up(name, settings)
    which = "" if name == "lab" else f" --name {name}"
    click.echo(f"{kept.peer} {kept.version} answers at {kept.target}, as {kept.remote_id} with {kept.local_id}.")
    click.echo(f"Its key is in {kept.psk_file}, its log in {kept.folder}.")
    click.echo(
        f"fynx lab exec{which} -- COMMAND        runs a command on our side of it; FYNX_PSK_FILE names the key there"
    )
    click.echo(f"fynx lab status{which}, fynx lab down{which}")


@lab.command()
def fetch() -> None:
    """Download what guests are made of: Debian's packages, unpacked into a cache and never installed."""
    from fynx_scapy.lab.packages import BUSYBOX, KERNEL
    from fynx_scapy.lab.packages import fetch as get
    from fynx_scapy.lab.trial_runner import PEERS

    names = {name for peer in PEERS.values() for name in peer.packages}
    with _reported():
        for name in (KERNEL, BUSYBOX, *sorted(names)):
            click.echo(get(name))


@lab.command()
@NAME
def down(name: str) -> None:
    """Take a lab down."""
    from fynx_scapy.lab import keeper

    with _reported():
        keeper.down(name)


@lab.command()
@JSON
def status(as_json: bool) -> None:
    """Show the labs that stand, and what their peers have. With --json, one object per lab and line."""
    from fynx_scapy.lab import keeper
    from fynx_scapy.lab.charon import Charon

    with _reported():
        names = keeper.names()
        if not names:
            click.echo("no lab is up; start one: fynx lab up", err=True)
        for name in names:
            kept = keeper.Kept.read(name)
            sas = Charon.at(Path(kept.folder) / "vici").sas()
            if as_json:
                entry = dataclasses.asdict(kept) | {"sas": [dataclasses.asdict(sa) for sa in sas]}
                click.echo(json.dumps(entry, default=lambda octets: octets.hex()))
                continue
            click.echo(f"{name}: {kept.peer} {kept.version} at {kept.target}, keeper {kept.pid}, {len(sas)} IKE SAs")
            for sa in sas:
                click.echo(
                    f"  {sa.spi_i.hex()}_i {sa.spi_r.hex()}_r {sa.state} {sa.ike} with {sa.remote_id} at {sa.remote}"
                )
                for child in sa.children:
                    ts = f"{', '.join(child.local_ts)} === {', '.join(child.remote_ts)}"
                    octets = f"{child.bytes_in} octets in, {child.bytes_out} out"
                    click.echo(f"    {child.spi_in:08x} {child.spi_out:08x} {child.state} {child.esp} {ts}, {octets}")


@lab.command(name="exec", context_settings={"ignore_unknown_options": True})
@NAME
@click.option("--peer", is_flag=True, help="On the peer's side, where its kernel's sockets are.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(name: str, peer: bool, command: tuple[str, ...]) -> None:
    """Run a COMMAND on our side of a lab, or on the peer's."""
    from fynx_scapy.lab import keeper
    from fynx_scapy.lab.namespace import tool

    with _reported():
        kept = keeper.Kept.read(name)
        words = [*kept.enter(peer=peer), *command]
        os.environ["FYNX_PSK_FILE"] = kept.psk_file
        try:
            os.execv(tool(words[0]), words)
        except OSError as error:
            raise LabError(f"cannot run {words[0]}: {error.strerror}") from None


@lab.command()
@click.argument("trials", nargs=-1, metavar="[TRIAL]...")
@click.option("--peer", "peers", multiple=True, help="With these peers only; by default with all that are installed.")
@click.option("--role", type=click.Choice(["initiator", "responder"]), help="In one role only.")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("matrix"),
    show_default=True,
    help="Where the pages go.",
)
@click.option("--list", "only_list", is_flag=True, help="List the trials, and hold none.")
def matrix(trials: tuple[str, ...], peers: tuple[str, ...], role: str | None, folder: Path, only_list: bool) -> None:
    """Hold trials with every installed peer that needs no guest, all or those of these names, and write them up.

    The folder then holds index.html, matrix.json, and for each peer, trial and role a page with its ladder, a capture
    and the keys that open it. Exit status 0 when every verdict is PASS, 1 when one is not, 2 for misuse.
    """
    from rich.console import Console
    from rich.progress import Progress

    from fynx_scapy.lab.trial_runner import PEERS, capabilities, good, installed, peer_named, run_trial
    from fynx_scapy.lab.trials import Role
    from fynx_scapy.report.matrix import Matrix
    from fynx_scapy.scenarios.interop import trials as load

    with _reported():
        chosen = load(trials)
        if only_list:
            width = max(len(trial.name) for trial in chosen)
            for trial in chosen:
                click.echo(f"{trial.name:{width}}  {trial.scenario.title} ({trial.scenario.source})")
            return
        for peer in peers:
            peer_named(peer)
        # Guests take their time, so they are asked for by name.
        wanted = peers or [peer for peer, made in PEERS.items() if not made.guest]
        present = [peer for peer in wanted if installed(peer)]
        for peer in set(wanted) - set(present):
            click.echo(f"left out: {peer} cannot be started here", err=True)
        cases = [
            (trial, each, peer)
            for peer in present
            for trial in chosen
            for each in trial.roles
            if (role is None or each is Role(role)) and trial.needs <= capabilities(peer)
        ]
        if not cases:
            raise LabError("nothing to hold: no peer is installed, or none can what these trials need")
        written = Matrix(folder, " ".join(["fynx lab matrix", *trials, *(f"--peer {peer}" for peer in peers)]))
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
            bar = progress.add_task("trials", total=len(cases))
            for trial, each, peer in cases:
                progress.update(bar, description=f"{peer} {trial.name} {each.value}")
                outcome = run_trial(trial, each, peer)
                written.add(outcome)
                result = outcome.result
                click.echo(f"{result.verdict.value:5} {outcome.name}{': ' if result.reason else ''}{result.reason}")
                progress.advance(bar)
        click.echo(f"{sum(map(good, written.outcomes))} of {len(cases)} PASS: {written.write()}")
    sys.exit(0 if all(map(good, written.outcomes)) else 1)


@contextmanager
def _reported() -> Iterator[None]:
    """What is wrong with the command is misuse, what is wrong with the lab an error of one line."""
    try:
        yield
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    except FynxError as error:
        raise click.ClickException(str(error)) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'the system'}: {error.strerror}") from None
