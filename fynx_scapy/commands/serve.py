# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx serve``: answer peers that set up tunnels."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from fynx_scapy.commands.opening import check_outputs
from fynx_scapy.commands.options import STDIO
from fynx_scapy.commands.peers import described, peer_option, ports
from fynx_scapy.commands.running import ends_with, inputs, running, telling
from fynx_scapy.commands.screen import Screen


@click.command()
@described
@click.option(
    "--pool", "pools", multiple=True, metavar="NET", help="Assign inner addresses from this network. Repeatable."
)
@peer_option("local", "Serve at this local address. Repeatable. Default: all addresses of this machine.", multiple=True)
@ports("500", "4500, or --port")
@running
def serve(pools: tuple[str, ...], local: tuple[str, ...], **given: Any) -> None:
    """Serve peers that connect, as --config or the options say, until Ctrl-C.

    Rekeys, dead peer detection and keepalives happen by themselves. Pings through a tunnel are answered, other packets
    are dropped. SIGHUP reads the connections of --config again, for peers that connect from then on; a file with a
    mistake changes nothing. Ctrl-C or SIGTERM deletes the SAs.

    Exit status: 0 it was ended by Ctrl-C, SIGTERM or --duration; 2 misuse, or an error of the system.
    """
    check_outputs({"--pcap": given["pcap"], "--save": given["save"]}, [], {"psk_files": inputs(given)})
    from fynx_scapy.commands.serving import read, run_server

    with telling():
        settings = read(given, pools, local)
    out = sys.stderr if STDIO in map(str, (given["pcap"], given["save"])) else sys.stdout
    screen = Screen(out, quiet=given["quiet"])
    ends_with(partial(run_server, settings, screen, {**given, "name": "serve", "pools": pools, "local": local}))
