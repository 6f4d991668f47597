# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx replay``: resend recorded datagrams, replay a conversation with new keys, or write it as a scenario."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from fynx_scapy.commands.losses import Losses, look
from fynx_scapy.commands.opening import as_file, check_outputs, console, misuse, opened, writing
from fynx_scapy.commands.options import (
    CAPTURE,
    JSON,
    OUTPUT,
    STDIO,
    any_given,
    keys_of,
    read_passphrase,
    reads_capture,
    writes,
)

if TYPE_CHECKING:
    from fynx_scapy.capture.replay.player import Report
    from fynx_scapy.capture.replay.recording import Recording
    from fynx_scapy.ike.credentials.certificates import Certificate


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@CAPTURE
@reads_capture
@JSON
@OUTPUT
@click.option(
    "--conversation", type=click.IntRange(1), metavar="N", help="Replay this one; default: the first possible."
)
@click.option(
    "--target", metavar="HOST[:PORT]", help="Send to this live peer; default: embedded, or 127.0.0.1 with --raw."
)
@click.option("--keep", is_flag=True, help="Skip the recorded Delete of the IKE SA.")
@click.option("--raw", is_flag=True, help="Send the recorded UDP datagrams unchanged; needs no keys.")
@click.option("--side", type=click.Choice(["initiator", "responder"]), help="Send this side's datagrams (--raw).")
@click.option("--speed", type=float, metavar="X", help="Send X times as fast; 0: without pauses (--raw).")
@click.option(
    "--cert",
    metavar="FILE",
    type=_FILE,
    help="Sign AUTH anew with this certificate and its chain, where it was signed.",
)
@click.option("--key", "key_file", metavar="FILE", type=_FILE, help="Its private key, in PEM or DER.")
@click.option("--passphrase-file", metavar="FILE", type=_FILE, help="The file with the passphrase of the private key.")
@click.option(
    "--ca",
    "authorities",
    metavar="FILE",
    type=_FILE,
    multiple=True,
    help="Who certifies the peer of --target; may be repeated.",
)
@writes("--to-scenario", what="it as a scenario that runs on its own, and send nothing", metavar="FILE.py")
def replay(
    capture: Path,
    ports: tuple[int, ...],
    as_json: bool,
    output: Path,
    conversation: int | None,
    target: str | None,
    keep: bool,
    raw: bool,
    side: str | None,
    speed: float | None,
    to_scenario: Path | None,
    cert: Path | None,
    key_file: Path | None,
    passphrase_file: Path | None,
    authorities: tuple[Path, ...],
    **given: Any,
) -> None:
    """Replay a conversation of CAPTURE with fresh SPIs, nonces and keys, and compare the responses.

    CAPTURE is pcap or pcapng, optionally gzipped; - is stdin. Conversations are numbered as fynx capture shows them.
    The initiator's requests are sent as recorded, one by one, authenticated with the pre-shared key, or with --cert and
    --key where the recorded initiator signed. --json prints one document.

    Exit status 0 when everything is as recorded; 1 when it is not, or when something in CAPTURE could not be read, as
    listed on stderr; 2 for misuse.
    """
    from fynx_scapy.capture.replay.recording import load
    from fynx_scapy.errors import CaptureError, ConfigError, FynxError

    if raw and (keep or to_scenario):
        raise click.UsageError("--raw cannot be used with --keep or --to-scenario")
    if raw and any_given(given):
        raise click.UsageError("--raw uses no keys: omit the key options")
    if not raw and (side is not None or speed is not None):
        raise click.UsageError("--side and --speed need --raw")
    if to_scenario and (target or keep or as_json or str(output) != STDIO):
        raise click.UsageError("--to-scenario cannot be used with --target, --keep, --json or --output")
    signs = cert or key_file or passphrase_file or authorities
    if signs and (raw or to_scenario):
        raise click.UsageError(
            "--cert, --key, --passphrase-file and --ca cannot be used with --raw, which signs nothing, or "
            "--to-scenario, which writes no private key into a file"
        )
    if (cert is None) != (key_file is None) or (passphrase_file is not None and key_file is None):
        raise click.UsageError("--cert and --key go together, and --passphrase-file goes with them")
    check_outputs({"--output": output, "--to-scenario": to_scenario}, [capture], given)
    losses = Losses()
    with misuse(), as_file(capture) as path:
        keys = None if raw else keys_of(capture, given)
        with opened(path, None, ports) as found:
            look(found, losses, inside=False)
        try:
            if keys is None:
                _raw(path, ports, conversation, target or "127.0.0.1", side or "initiator", speed, as_json, output)
            elif to_scenario is not None:
                _scenario(load(path, keys, conversation, ports=ports), capture.name, to_scenario)
            else:
                recording = load(path, keys, conversation, ports=ports)
                done = _play(recording, target, keep, _certificate(cert, key_file, passphrase_file), authorities)
                with writing(output) as out:
                    if as_json:
                        click.echo(json.dumps(done.as_dict(), indent=1), file=out)
                    else:
                        _table(done, out)
                losses.count += not done.ok
        except (ConfigError, CaptureError):
            raise
        except FynxError as error:
            losses.add(str(error))
    losses.finish(capture)
    sys.exit(losses.status)


def _raw(
    capture: Path,
    ports: tuple[int, ...],
    conversation: int | None,
    target: str,
    side: str,
    speed: float | None,
    as_json: bool,
    output: Path,
) -> None:
    from fynx_scapy.capture.reading.losses import several
    from fynx_scapy.capture.replay.raw import send, shots

    volley = send(shots(capture, side, conversation, ports=ports), target, speed=1.0 if speed is None else speed)
    with writing(output) as out:
        if as_json:
            click.echo(json.dumps(volley.as_dict()), file=out)
            return
        left_out = f"; {several(volley.left_out, 'packet')} not in UDP left out" if volley.left_out else ""
        click.echo(
            f"{several(volley.sent, 'datagram')} of {several(volley.octets, 'octet')} sent to {target} in "
            f"{volley.seconds:.2f} s, {several(volley.answers, 'datagram')} received{left_out}",
            file=out,
        )


def _scenario(recording: Recording, source: str, path: Path) -> None:
    from fynx_scapy.capture.replay.to_scenario import write

    text = write(recording, "recorded" if str(path) == STDIO else path.stem, "stdin" if source == STDIO else source)
    with writing(path, secret=True) as out:  # it holds the pre-shared key
        out.write(text)
    if str(path) != STDIO:
        click.echo(f"wrote {path}", err=True)


def _certificate(cert: Path | None, key: Path | None, passphrase: Path | None) -> Certificate | None:
    """The certificate that signs AUTH. ConfigError for files that do not fit."""
    from fynx_scapy.ike.credentials.certificates import Certificate

    if cert is None or key is None:
        return None
    word = None if passphrase is None else read_passphrase(passphrase)
    return Certificate(cert, key, passphrase=word)


def _play(
    recording: Recording, target: str | None, keep: bool, certificate: Certificate | None, authorities: tuple[Path, ...]
) -> Report:
    from fynx_scapy.capture.replay.player import Player, session
    from fynx_scapy.pki.trust import Trust

    trust = Trust(authorities) if authorities else None
    with session(recording, target, None, certificate, trust) as made:
        return Player(recording, made, keep=keep).play()


def _table(done: Report, out: TextIO) -> None:
    from rich.table import Table
    from rich.text import Text

    from fynx_scapy.capture.replay.player import BAD
    from fynx_scapy.text import LONGEST, printable

    table = Table(box=None, pad_edge=False)
    table.add_column("packet", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("request")
    for outcome in done.outcomes:
        verdict = Text(outcome.verdict.value, style="bold red" if outcome.verdict in BAD else "green")
        request = f"{outcome.title} ({outcome.reason})" if outcome.reason else outcome.title
        table.add_row(str(outcome.number or "-"), verdict, Text(request))
    screen = console(out)
    screen.print(table)
    for difference in done.differences:
        screen.print(Text(printable(str(difference), LONGEST)), soft_wrap=True)
    for left_out in done.left_out:
        screen.print(Text(f"left out, because a replay does without it: {left_out}"), soft_wrap=True)
    if done.error:
        screen.print(Text(f"error: {done.error}"), soft_wrap=True)
    state = "established" if done.established else "not established"
    screen.print(f"\nthe IKE SA was {state}; {'everything' if done.ok else 'not everything'} is as recorded")
