# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx run``: run scenarios against an embedded peer or a live one."""

from __future__ import annotations

import contextlib
import datetime
import functools
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.commands.campaigning import run_campaign, targets_of
from fynx_scapy.commands.choice import Choice, campaign_options
from fynx_scapy.commands.choosing import scenario_names, without
from fynx_scapy.commands.credentials import FLAGS, files_of, taken, used, words_of
from fynx_scapy.commands.eap import check_role
from fynx_scapy.commands.laboratory import started
from fynx_scapy.commands.losses import INTERRUPTED
from fynx_scapy.commands.opening import (
    console,
    writing,
)
from fynx_scapy.commands.options import log_options, read_psk
from fynx_scapy.commands.outputs import Outputs, output_options
from fynx_scapy.commands.peers import target_options
from fynx_scapy.commands.verdicts import print_ladders, print_table
from fynx_scapy.text import counted

if TYPE_CHECKING:
    from fynx_scapy.harness import Result, Scenario
    from fynx_scapy.harness.reachability import Watcher


def _load(names: Sequence[str], folders: Sequence[Path]) -> list[Scenario]:
    from fynx_scapy import scenarios

    return scenarios.chosen(names, lambda text: click.echo(text, err=True), folders)


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
@click.option("-q", "--quiet", is_flag=True, help="Print no PASS, SKIP and NOT RUN, but count them.")
@log_options()
@campaign_options
@target_options(
    click.option(
        "--target", "targets", multiple=True, metavar="HOST[:PORT]",
        help="Run against the live peer at this address. Repeatable: several at once.",
    ),
)  # fmt: skip
@click.pass_obj
def run(
    script: Callable[[], list[Scenario]] | None,
    /,
    names: tuple[str, ...],
    exclude: tuple[str, ...],
    folders: tuple[Path, ...],
    ladders: bool,
    quiet: bool,
    log_level: str | None,
    log_json: bool,
    outputs: Outputs,
    seed: int | None,
    targets: tuple[str, ...],
    **given: Any,
) -> None:
    """Run all scenarios, or those with these NAMEs, against an embedded peer, with --target against a live one, or
    with --lab against one that is started for it.

    A NAME may be a topic ('rekey'), a pattern ('error_*', 'negative/*'), a suite ('suite:cve'), a file of yours
    (mine.py), or a folder of them.

    A live peer is described by its address, the key or certificates, and the identities. Scenarios that need an
    embedded peer are skipped (SKIP), and so are those that may end a peer, unless you give their own name or suite. A
    manifest says which failures are expected of a peer (XFAIL, or XPASS if it passes).

    Exit status 0 when every verdict is PASS, XFAIL or SKIP and at least one is not SKIP; 1 when not; 2 for misuse and
    for a target that does not answer; 130 after Ctrl-C or SIGTERM, with what was done until then.
    """
    from fynx_scapy.harness import Tally, Verdict
    from fynx_scapy.harness.registry import asked_for

    credentials = taken(given)
    outputs.check(files_of(credentials))
    began = datetime.datetime.now(datetime.UTC)
    choice = Choice.take(given)
    chosen = without(_load(names, folders), exclude) if script is None else script()
    _check_credentials(choice, targets, used(credentials))
    check_role(credentials, choice.roles)
    _check_lab(choice, targets)
    live = targets_of(targets, credentials, given)
    if (live or choice.lab) and seed is not None:
        raise click.UsageError("--seed has no effect on a live peer: use it without --target")
    for option, value in (("--rate", choice.rate), ("--wait", choice.wait)):
        if value is not None and not (live or choice.lab):
            raise click.UsageError(f"{option} is about a live peer, but --target is missing")
    # A script is for its author, who wants the same run each time.
    log = _log(log_level or ("info" if log_json else None), log_json)
    psk_file = credentials["psk_file"]
    psk = read_psk(psk_file) if psk_file is not None and choice.recording is not None and not live else None
    words = (*names, *(f"suite:{suite}" for suite in choice.suites))
    with contextlib.ExitStack() as ends:
        labs = ends.enter_context(started(choice.lab, choice.jobs)) if choice.lab is not None else []
        ran = run_campaign(
            chosen, [labs[0].target] if labs else live, choice, seed, log, fixed=script is not None, psk=psk,
            asked=lambda scenario: script is not None or asked_for(scenario, words), labs=labs,
        )  # fmt: skip
    results, unmatched, seed = ran.campaign.results(), ran.campaign.unmatched(), ran.seed
    tally = Tally.of(results)
    about = {"date": began.strftime("%Y-%m-%d %H:%M:%S UTC"), **ran.about}
    begin = ["fynx", "run", *names] if script is None else ["python", chosen[0].file]
    command = _again(
        begin,
        seed,
        targets,
        words_of(credentials) if live or psk is not None else {},
        given | {"exclude": exclude, "from": tuple(map(str, folders))} | choice.again(),
    )
    status = outputs.write(
        results, command=command, seed=seed, about=about, recorder=ran.gathered, unmatched=unmatched,
        alone=functools.partial(_alone, seed=seed, lab=choice.lab, wait=choice.wait, given=given),
    )  # fmt: skip
    if outputs.text_wanted:
        with writing(outputs.output) as out:
            if script is None:
                print_table(results, seed, console(out), unmatched, quiet=quiet)
            if script is not None or ladders:
                print_ladders(results, out)
    missing = tally.verdicts[Verdict.NOT_RUN]
    if ran.interrupted:
        click.echo(f"interrupted: {missing} of {counted(len(results), 'scenario')} not run", err=True)
        if choice.resume is not None:
            click.echo(f"go on with --resume {choice.resume}", err=True)
        sys.exit(status or INTERRUPTED)
    sys.exit(status or (0 if tally.good and not missing else 1))


def _check_lab(choice: Choice, targets: Sequence[str]) -> None:
    """UsageError for options that do not go with --lab."""
    if choice.lab is None:
        return
    for option, value in (
        ("--target", targets), ("--recording", choice.recording), ("--wait", choice.wait),
    ):  # fmt: skip
        if value:
            raise click.UsageError(f"--lab starts the peer, and tells it when to begin: leave out {option}")


def _check_credentials(choice: Choice, targets: Sequence[str], typed: Sequence[str]) -> None:
    """UsageError for credentials that nobody asks for."""
    beside = [word for word in typed if word != "psk-file"]
    if choice.recording is not None and beside:
        raise click.UsageError(f"--{beside[0]}: a recording is played with a pre-shared key alone")
    if typed and not targets and choice.recording is None:
        about = (
            f"--{beside[0]} is about a live peer" if beside else "--psk-file is the key of a live peer or a recording"
        )
        raise click.UsageError(f"{about}, but there is no --target")


def _again(
    begin: Sequence[str], seed: int | None, targets: Sequence[str], credentials: dict[str, Any], given: dict[str, Any]
) -> str:
    """The command that repeats the run. It names files, not what is in them, and has no output options."""
    options = {"seed": seed, "target": tuple(targets), **credentials, **given}
    return shlex.join([*begin, *_words(options)])


def _alone(
    result: Result, *, seed: int | None, lab: str | None, wait: float | None, given: dict[str, Any]
) -> tuple[list[str], list[str]]:
    """The words that run one result alone, and those for its peer or seed. The key file is nobody else's."""
    options = {"role": result.role.value, "wait": wait, **given}
    where = {"lab": lab} if lab else {"target": result.peer} if result.peer else {"seed": seed}
    return ["run", result.scenario.name, *_words(options)], _words(where)


def _words(options: Mapping[str, Any]) -> list[str]:
    """These options as on a command line."""
    words: list[str] = []
    for name, value in options.items():
        option = name.replace("_", "-")
        if isinstance(value, tuple):
            words += [word for item in value for word in (f"--{option}", str(item))]
        elif name in FLAGS:
            words.append(f"--{option}")
        elif isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif value is not None:
            words += [f"--{option}", str(value)]
    return words


def _log(level: str | None, as_json: bool) -> Watcher | None:
    """What logs each new network; None where that was not asked for."""
    if level is None:
        return None
    from fynx_scapy.observe import EventLog

    return lambda network, name: EventLog(network, level=level, json=as_json, session=name).close
