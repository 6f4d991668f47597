# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx serve``: answer peers that set up tunnels."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from fynx_scapy.commands.eap import EAP_GATEWAY
from fynx_scapy.commands.opening import check_outputs, check_places
from fynx_scapy.commands.options import STDIO
from fynx_scapy.commands.peers import check_tun, described, peer_option, ports, tun
from fynx_scapy.commands.running import ends_with, inputs, running, telling
from fynx_scapy.commands.screen import Screen


@click.command()
@described(*EAP_GATEWAY)
@click.option(
    "--pool", "pools", multiple=True, metavar="NET", help="Assign inner addresses from this network. Repeatable."
)
@peer_option("local", "Serve at this local address. Repeatable. Default: all addresses of this machine.", multiple=True)
@ports("500", "4500, or --port")
@tun
@click.option("--workers", type=click.IntRange(1, 1024), default=1, metavar="N", help="Serve with so many processes.")
@running
def serve(pools: tuple[str, ...], local: tuple[str, ...], workers: int, **given: Any) -> None:
    """Serve peers that connect, as --config or the options say, until Ctrl-C.

    Rekeys, dead peer detection and keepalives happen by themselves. With --tun, packets go through a network device;
    without it, pings through a tunnel are answered and other packets dropped. SIGHUP reads the connections of --config
    again, for peers that connect from then on; a file with a mistake changes nothing. Ctrl-C or SIGTERM deletes SAs.

    Exit status: 0 it was ended by Ctrl-C, SIGTERM or --duration; 2 misuse, or an error of the system.
    """
    outputs = {"--pcap": given["pcap"], "--save": given["save"]}
    check_outputs(outputs, [], {"psk_files": inputs(given)})
    check_places(outputs)
    from fynx_scapy.commands.serving import read, run_server

    if workers > 1:
        check_workers(workers, given)
    check_tun(given)
    given |= {"name": "serve", "pools": pools, "local": local}
    with telling():
        settings = read(given, pools, local)
    out = sys.stderr if STDIO in map(str, (given["pcap"], given["save"])) else sys.stdout
    screen = Screen(out, quiet=given["quiet"])
    if workers > 1:
        from fynx_scapy.commands.workers import run_workers

        with telling():
            sys.exit(run_workers(settings, workers, screen, given))
    ends_with(partial(run_server, settings, screen, given))


def check_workers(workers: int, given: dict[str, Any]) -> None:
    """Raises UsageError for what several processes cannot share."""
    if given["metrics"] is not None and given["metrics"][1] + workers - 1 > 65535:
        raise click.UsageError(f"--metrics: each of {workers} workers takes the next port, and the last is 65535")
    names = ("pcap", "save", "tun")
    used = next((name for name in names if given[name] is not None), None)
    if used is not None:
        raise click.UsageError(f"--{used} works with one process only: leave --workers out")
    if str(given["psk_file"]) == STDIO:
        raise click.UsageError("every worker reads the key: name a file for --psk-file instead of stdin")
