# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``fynx replay``: the same octets again, the same conversation again, or a scenario of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..options import keys_of, secret_options

if TYPE_CHECKING:
    from ...keylog import KeyLog
    from .player import Report


@click.command()
@click.argument("capture", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@secret_options
@click.option("--conversation", type=click.IntRange(1), default=1, metavar="N", help="Which one; the first by default.")
@click.option("--target", metavar="HOST[:PORT]", help="A live peer. Without it an embedded one, or 127.0.0.1 if --raw.")
@click.option("--keep", is_flag=True, help="Leave the recorded Delete of the IKE SA out.")
@click.option("--raw", is_flag=True, help="Send the recorded UDP datagrams as they are; needs no key.")
@click.option("--side", type=click.Choice(["initiator", "responder"]), help="Whose datagrams (--raw).")
@click.option("--speed", type=float, metavar="X", help="How many times as fast; 0: without a pause (--raw).")
@click.option(
    "--to-scenario",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE.py",
    help="Write a scenario of it, which runs alone, and send nothing.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def replay(
    capture: Path,
    conversation: int,
    target: str | None,
    keep: bool,
    raw: bool,
    side: str | None,
    speed: float | None,
    to_scenario: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Play a conversation of CAPTURE once more, with fresh SPIs, nonces and keys, and compare the answers.

    The initiator's requests are sent as they were recorded, message by message, signed by the pre-shared key. Exit
    status 0 when all is as recorded, 1 when it is not, 2 for misuse.
    """
    from ...errors import CaptureError, ConfigError, FynxError

    if raw and (keep or to_scenario):
        raise click.UsageError("--raw goes neither with --keep nor with --to-scenario")
    if not raw and (side is not None or speed is not None):
        raise click.UsageError("--side and --speed are for --raw")
    if to_scenario and (target or keep or as_json):
        raise click.UsageError("--to-scenario goes with none of --target, --keep and --json")
    try:
        if raw:
            _raw(capture, conversation, target or "127.0.0.1", side or "initiator", speed, as_json)
            return
        keys = keys_of(capture, given)
        if to_scenario is not None:
            _scenario(capture, keys, conversation, to_scenario)
            return
        report = _play(capture, keys, conversation, target, keep)
    except (ConfigError, CaptureError) as error:
        raise click.UsageError(str(error)) from None
    except FynxError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=1))
    else:
        _table(report)
    sys.exit(0 if report.ok else 1)


def _raw(capture: Path, conversation: int, target: str, side: str, speed: float | None, as_json: bool) -> None:
    from .raw import send, shots

    volley = send(shots(capture, side, conversation), target, speed=1.0 if speed is None else speed)
    if as_json:
        click.echo(json.dumps(volley.as_dict()))
    else:
        click.echo(
            f"{volley.sent} datagrams of {volley.octets} octets sent to {target} in {volley.seconds:.2f} s, "
            f"{volley.answers} came back"
        )


def _scenario(capture: Path, keys: KeyLog, conversation: int, path: Path) -> None:
    from .recording import load
    from .to_scenario import write

    text = write(load(capture, keys, conversation), path.stem, capture.name)
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {error.strerror}") from None
    click.echo(f"wrote {path}", err=True)


def _play(capture: Path, keys: KeyLog, conversation: int, target: str | None, keep: bool) -> Report:
    from .player import Player, session
    from .recording import load

    recording = load(capture, keys, conversation)
    with session(recording, target) as made:
        return Player(recording, made, keep=keep).play()


def _table(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ...text import LONGEST, printable
    from .player import BAD

    table = Table(box=None, pad_edge=False)
    table.add_column("packet", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("request")
    for each in report.outcomes:
        words = Text(each.verdict.value, style="bold red" if each.verdict in BAD else "green")
        request = f"{each.title} ({each.reason})" if each.reason else each.title
        table.add_row(str(each.number or "-"), words, Text(request))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for difference in report.differences:
        console.print(Text(printable(str(difference), LONGEST)), soft_wrap=True)
    for left_out in report.left_out:
        console.print(Text(f"left out, since the engine cannot do it: {left_out}"), soft_wrap=True)
    if report.error:
        console.print(Text(f"error: {report.error}"), soft_wrap=True)
    state = "established" if report.established else "not established"
    console.print(f"\nthe IKE SA was {state}; {'all is' if report.ok else 'not all is'} as recorded")
