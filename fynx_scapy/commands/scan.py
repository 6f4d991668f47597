# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx scan``: find out what a responder accepts, says of itself, and does with wrong requests."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.commands.credentials import BESIDE_PSK, credentials_of, files_of, taken, words_of
from fynx_scapy.commands.eap import EAP_CLIENT
from fynx_scapy.commands.ending import like_ctrl_c
from fynx_scapy.commands.losses import INTERRUPTED
from fynx_scapy.commands.opening import SeveralOutputs, Unusable, check_outputs, writing, writing_octets, written
from fynx_scapy.commands.options import JSON_FILE, OUTPUT, POSITIVE, PROFILES, STDIO, Decorator, psk_file, writes
from fynx_scapy.commands.peers import EVERYTHING, peer_option, ports

if TYPE_CHECKING:
    from fynx_scapy.ike.terms.proposals import Proposal
    from fynx_scapy.net.recorder import Recorder
    from fynx_scapy.net.udp import UdpNetwork
    from fynx_scapy.scan import Scan
    from fynx_scapy.scan.answer import Answer
    from fynx_scapy.session import Session

_AUTHENTICATED: tuple[Decorator, ...] = (
    psk_file(),
    *BESIDE_PSK,
    *EAP_CLIENT,
    peer_option("local-id", "In the IKE SA, use this identity for our side."),
    peer_option("remote-id", "In the IKE SA, require this identity of the host."),
    peer_option("local-ts", "In the IKE SA, ask for this network behind us; default: whatever the host allows."),
    peer_option("remote-ts", "In the IKE SA, ask for this network behind the host; default: whatever it allows."),
    click.option(
        "--listen", type=POSITIVE, metavar="SECONDS",
        help="In the IKE SA, answer nothing for so long at the end: when does the host repeat its own requests?",
    ),
)  # fmt: skip
"""The options about the IKE SA that is set up, if there is something to authenticate with."""


def _authenticated(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_AUTHENTICATED):
        command = option(command)
    return command


SEVERITIES = ("info", "low", "medium", "high")


@click.command()
@click.argument("host", metavar="HOST[:PORT]")
@click.option("--offer", metavar="PROPOSAL", help="Ask one question: whether the host accepts this IKE proposal.")
@JSON_FILE
@OUTPUT
@writes("--pcap", what="a pcapng capture of what was sent and received")
@click.option(
    "--resume",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the answers in this file. If it has answers of this host, they are not asked for again.",
)
@click.option(
    "--rate", type=POSITIVE, default=20.0, show_default=True, metavar="N", help="Datagrams a second, at most."
)
@click.option(
    "--half-open",
    type=click.IntRange(1, 1000),
    default=4,
    show_default=True,
    metavar="N",
    help="Leave at most so many half-open IKE SAs at the host within 30 seconds, and wait otherwise.",
)
@click.option(
    "--checks",
    type=click.IntRange(0, 4096),
    default=24,
    show_default=True,
    metavar="N",
    help="Try so many combinations of each proposal that was found.",
)
@click.option(
    "--wrong-requests/--no-wrong-requests",
    default=True,
    help="Whether to send wrong requests too. A host may keep each for a while: with --half-open 4 they take minutes.",
)
@click.option("--profile", type=click.Choice(PROFILES), default="rfc", show_default=True, help="Judge by these tables.")
@click.option(
    "--fail-on", type=click.Choice(SEVERITIES), help="Exit with status 1 if a weakness is at least this severe."
)
@_authenticated
@peer_option("local")
@ports("500 if it is free", "4500 if it is free")
def scan(
    host: str,
    offer: str | None,
    json_file: Path | None,
    output: Path,
    pcap: Path | None,
    resume: Path | None,
    rate: float,
    half_open: int,
    checks: int,
    wrong_requests: bool,
    profile: str,
    fail_on: str | None,
    local_id: str | None,
    remote_id: str | None,
    local_ts: str | None,
    remote_ts: str | None,
    listen: float | None,
    **given: Any,
) -> None:
    """Find out which IKE proposals the responder at HOST accepts, what it says of itself, and how it takes errors.

    It sends to HOST alone. Scan only hosts that you may scan. Most questions leave nothing at the host; a few leave
    half-open IKE SAs, which it forgets by itself. With --psk-file, or --cert and --ca, it also sets up an IKE SA and
    asks for ESP; each accepted question sets up a Child SA, which is deleted at once.

    Exit status: 0 the scan came to its end; 1 it did not, or with --fail-on a weakness is that severe, or the answer
    to --offer was no acceptance; 2 misuse, or a host that does not answer; 130 after Ctrl-C or SIGTERM,
    with what was found until then.
    """
    from fynx_scapy.errors import ConfigError, TransportError
    from fynx_scapy.harness import Unreached
    from fynx_scapy.net.recorder import Recorder
    from fynx_scapy.net.udp import UdpNetwork
    from fynx_scapy.scan import Scan, ScanLimits
    from fynx_scapy.scan.line import open_line

    outputs = {"--output": output, "--json": json_file, "--pcap": pcap}
    credentials = taken(given)
    check_outputs(outputs | {"--resume": resume}, [], {"psk_files": files_of(credentials)})
    whose = {"local_id": local_id, "remote_id": remote_id, "local_ts": local_ts, "remote_ts": remote_ts}
    behind = {name: value for name, value in whose.items() if value is not None}
    for option in [*behind, *(["listen"] if listen is not None else [])]:
        if not words_of(credentials):
            raise click.UsageError(f"--{option.replace('_', '-')} is about an IKE SA, and --psk-file is missing")
    if offer is not None and words_of(credentials):
        raise click.UsageError(
            f"--offer asks one question without an IKE SA: leave out --{next(iter(words_of(credentials)))}"
        )
    recorder, interrupted, answer = Recorder(), False, None
    try:
        proofs = credentials_of(credentials) if words_of(credentials) else None
        limits = ScanLimits(rate=rate, half_open=half_open, checks=checks)
        with UdpNetwork() as network:
            line = open_line(host, network, **given)
            recorder.watch(network, "scan")
            with (
                written(resume or Path(STDIO)),
                Scan(
                    line,
                    limits=limits,
                    profile=profile,
                    resume=resume,
                    wrong_requests=wrong_requests,
                    authenticate=_session(host, proofs, behind, network, given) if proofs is not None else None,
                    listen=listen or 0.0,
                    told=_telling(),
                ) as scanning,
            ):
                try:
                    with like_ctrl_c():
                        if offer is None:
                            scanning.run()
                        else:
                            answer = scanning.offer(offer)
                except KeyboardInterrupt:
                    interrupted, scanning.result.stopped = True, "interrupted"
    except Unreached as error:
        likely = "".join(f"\n  - {cause}" for cause in error.causes)
        raise Unusable(
            f"no answer to IKE_SA_INIT from {error.target}. Likely causes:{likely}"
            "\n  - a wrong address or port, or a packet filter on the path"
        ) from None
    except (ConfigError, TransportError) as error:
        raise Unusable(str(error)) from None
    status = _write(scanning, offer, answer, outputs, recorder)
    if interrupted:
        click.echo("interrupted: the result has what was found until then", err=True)
        sys.exit(status or INTERRUPTED)
    sys.exit(status or _judged(scanning, offer, answer, fail_on))


def _session(
    host: str, proofs: dict[str, Any], behind: dict[str, str], network: UdpNetwork, given: dict[str, Any]
) -> Callable[[tuple[Proposal, ...]], Session]:
    """What makes the session that asks for ESP, from ports of its own. ConfigError for credentials that do not fit."""
    from fynx_scapy.ike.config import ChildConfig, IkeConfig

    named: dict[str, Any] = {name: behind[name] for name in ("local_id", "remote_id") if name in behind}
    if not any(hasattr(proofs["auth"], name) for name in ("identities", "own_identity")):
        named.setdefault("local_id", "alice")
    ours = IkeConfig(**proofs, **named)

    def make(proposals: tuple[Proposal, ...]) -> Session:
        from fynx_scapy.scan.esp import FIRST
        from fynx_scapy.session import Session
        from fynx_scapy.session_setup import LIVE

        local_ts, remote_ts = (behind.get(side, EVERYTHING) for side in ("local_ts", "remote_ts"))
        child = ChildConfig(proposals=FIRST, local_ts=local_ts, remote_ts=remote_ts)
        return Session(
            host,
            config=ours.replace(proposals=proposals, children=child, retransmission=LIVE),
            network=network,
            local=given["local"],
            marker_always=given["marker_always"],
        )

    return make


def _telling() -> Callable[[str], object] | None:
    """What says on a terminal what is being done."""
    if not sys.stderr.isatty():
        return None
    return lambda text: click.echo(f"… {text}", err=True)


def _judged(scanning: Scan, offer: str | None, answer: Answer | None, fail_on: str | None) -> int:
    from fynx_scapy.capture.audit import Severity

    result = scanning.result
    if offer is not None:
        from fynx_scapy.scan.answer import Kind

        return 0 if answer is not None and answer.kind is Kind.ACCEPTED else 1
    if not result.complete:
        return 1
    severe = fail_on is not None and any(
        Severity[each.severity] >= Severity[fail_on.upper()] for each in result.weaknesses
    )
    return 1 if severe else 0


def _write(
    scanning: Scan, offer: str | None, answer: Answer | None, outputs: dict[str, Path | None], recorder: Recorder
) -> int:
    """Write the outputs; returns the exit status if one cannot be written."""
    from fynx_scapy.scan import text
    from fynx_scapy.scan.result import offer_as_dict

    done = SeveralOutputs()
    json_file, pcap, output = outputs["--json"], outputs["--pcap"], outputs["--output"]
    one = offer is not None and answer is not None
    if json_file is not None and (one or offer is None):
        document = offer_as_dict(scanning.result, offer, answer) if offer and answer else scanning.result.as_dict()
        with done.each(), writing(json_file) as out:
            out.write(json.dumps(document, indent=1) + "\n")
    if pcap is not None:
        with done.each(), writing_octets(pcap) as file:
            recorder.write_capture(file)
    if output is not None and STDIO not in (str(json_file), str(pcap)):
        shown = text.offered(offer, answer) if offer and answer else text.lines(scanning.result)
        with done.each(), writing(output) as out:
            out.writelines(f"{line}\n" for line in shown)
    return done.status
