# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx connect``: set up tunnels with a peer and keep them."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from fynx_scapy.commands.eap import EAP_CLIENT
from fynx_scapy.commands.load_options import check_load, loading, plan_of
from fynx_scapy.commands.opening import check_outputs, check_places
from fynx_scapy.commands.options import STDIO
from fynx_scapy.commands.peers import check_tun, described, inner_address, peer_option, ports, settings_of, tun
from fynx_scapy.commands.running import ends_with, inputs, running, telling
from fynx_scapy.commands.screen import Screen


@click.command()
@click.argument("host", required=False, metavar="[HOST[:PORT]]")
@described(*EAP_CLIENT)
@click.option(
    "--vip",
    "vips",
    multiple=True,
    metavar="ADDRESS",
    help="Request this inner address; 0.0.0.0 or :: for any. Repeatable.",
)
@peer_option("ping", "Ping this address behind the peer once a second.", callback=inner_address)
@peer_option("local", "Send from this local address; default: the one that the system picks.", multiple=True)
@ports("a free one", "a free one, or --port")
@tun
@click.option("--reconnect", is_flag=True, help="Set a tunnel up again when its peer was lost, until it comes back.")
@running
@loading
def connect(
    host: str | None, vips: tuple[str, ...], ping: str | None, local: tuple[str, ...], tunnels: int | None, **given: Any
) -> None:
    """Set up a tunnel with the peer at HOST, or every tunnel of --config, and keep it until Ctrl-C.

    Rekeys, dead peer detection and keepalives happen by themselves. With --tun, packets go through a network device;
    without it, pings from the peer's side are answered and other packets dropped. Ctrl-C, SIGTERM, or
    the end of the terminal (SIGHUP) deletes the SAs.

    With --tunnels it puts load on a gateway: N tunnels, begun at a rate, held for --duration seconds with rekeys and
    traffic, then closed. {n} in --local-id is the number of a tunnel. It prints how fast tunnels were set up and
    rekeyed, how long that took, and what became of the traffic.

    Exit status: 0 it was ended by Ctrl-C, SIGTERM or --duration; 1 the peer refused or ended it, is dead, or answered
    no ping (with --tunnels: anything failed); 2 misuse, an error of the system, or nobody who answers; 130 after Ctrl-C
    before anything was set up, or with --tunnels.
    """
    outputs = {f"--{name.partition('_')[0]}": given[name] for name in ("pcap", "save", "json_file", "plot")}
    check_outputs(outputs, [], {"psk_files": inputs(given)})
    check_places(outputs)
    if (host is None) == (given["config"] is None):
        raise click.UsageError("expected the HOST of a peer, or --config with connections: one of the two")
    check_load(tunnels, given)
    check_tun(given, ("--tunnels", tunnels), ("--ping", ping))
    with telling():
        settings, ports_given = settings_of(given, local, **_peer(host, vips, given, tunnels))
        plan = plan_of(tunnels, ping, given)
    if all(config.remote is None for config in settings.connections.values()):
        name = next(iter(settings.connections))
        raise click.UsageError(
            f"{given['config']}: expected an address of the peer, connections.{name}.remote; found none"
        )
    out = sys.stderr if STDIO in map(str, outputs.values()) else sys.stdout
    screen = Screen(out, quiet=given["quiet"])
    if plan is not None:
        from fynx_scapy.commands.load_program import run_load

        ends_with(partial(run_load, settings, ports_given, plan, screen, {**given, "name": "load"}))
    from fynx_scapy.commands.connecting import run_client

    ends_with(partial(run_client, settings, ports_given, ping, screen, {**given, "name": "connect"}))


def _peer(host: str | None, vips: tuple[str, ...], given: dict[str, Any], tunnels: int | None) -> dict[str, Any]:
    """What HOST and --vip say of the connection; and its identity where there are many."""
    from fynx_scapy.ike.config import ConfigRequest
    from fynx_scapy.net.udp import resolve

    found: dict[str, Any] = {}
    if host is not None:
        found["remote"] = resolve(host, 500)
    if vips:
        found["cp_request"] = ConfigRequest(addresses=vips)
    if tunnels is not None and host is not None and all(not given[name] for name in ("local_id", "cert", "eaps")):
        given["local_id"] = "client-{n}"
    return found
