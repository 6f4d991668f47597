# SPDX-License-Identifier: GPL-2.0-or-later
"""The options that describe a peer and ourselves, with one spelling in every command, and the settings they make."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.commands.credentials import CREDENTIALS, credentials_of, used
from fynx_scapy.commands.eap import EAP_EITHER
from fynx_scapy.commands.options import Decorator

if TYPE_CHECKING:
    from fynx_scapy.ike.config import IkeConfig
    from fynx_scapy.settings import Settings

# Option: form of the argument, help. The key is read separately.
PEER: Mapping[str, tuple[str, str]] = {
    "local-id": ("ID", "Use this identity for our side."),
    "remote-id": ("ID", "Require this identity of the peer; default: accept any that knows the key or is certified."),
    "local-ts": ("NET", "Use this network behind us."),
    "remote-ts": ("NET", "Use this network behind the peer."),
    "ping": ("ADDRESS", "Ping this address behind the peer."),
    "proposals": ("SUITE", "Propose this for IKE unless a scenario sets its own."),
    "esp-proposals": ("SUITE", "Propose this for ESP unless a scenario sets its own."),
    "local": ("ADDRESS", "Send from this local address."),
}
_OURS = ("local-id", "remote-id", "local-ts", "remote-ts", "proposals", "esp-proposals")
"""Those that make a connection."""

EVERYTHING = ("0.0.0.0/0", "::/0")
"""Traffic selectors where none are given: the peer narrows them to what it allows."""
MARKED = "on custom ports, except those of a file"
"""Where IKE has the non-ESP marker unless the options say."""
_IKE, _NATT = 500, 4500


def peer_option(name: str, text: str = "", **more: Any) -> Decorator:
    """One option of the table; ``text`` says more than its help."""
    form, told = PEER[name]
    return click.option(f"--{name}", metavar=form, help=text or told, **more)


def inner_address(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """An IP address behind the peer."""
    try:
        return None if value is None else str(ipaddress.ip_address(value))
    except ValueError:
        raise click.BadParameter(f"expected an IP address such as 10.2.0.1, found {value!r}") from None


def ports(port: str, natt_port: str) -> Decorator:
    """Decorator: our UDP ports, whose defaults these texts say, and the non-ESP marker on them."""
    number, marker = click.IntRange(1, 65535), "--marker-always/--no-marker-always"
    options: list[Decorator] = [
        click.option("--port", type=number, help=f"Use this local port; default: {port}."),
        click.option("--natt-port", type=number, help=f"Use this local port for NAT-T; default: {natt_port}."),
        click.option(marker, default=None, help=f"Send the non-ESP marker on every port; default: {MARKED}."),
    ]
    return lambda command: _decorated(command, options)


def target_options(address: Decorator, *more: Decorator) -> Decorator:
    """Decorator: the option ``address`` for a live peer, credentials, both ends' settings, our ports, and ``more``."""
    options = [address, *CREDENTIALS, *EAP_EITHER, *map(peer_option, PEER), ports("500", "4500"), *more]
    return lambda command: _decorated(command, options)


def tun(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a TUN device. Their values go to `carrying`."""
    options: list[Decorator] = [
        click.option("--tun", metavar="NAME", help="Carry the packets of a new TUN device; %d at the end is a number."),
        click.option(
            "--tun-address", "tun_addresses", multiple=True, metavar="ADDR/N",
            help="Give the device this address. Repeatable. Default: those that the peer assigns to us, if any.",
        ),
        click.option(
            "--route", "routes", multiple=True, metavar="NET",
            help="Route this network into the device. Repeatable. Default: what is behind the peers.",
        ),
        click.option(
            "--tun-mtu", type=click.IntRange(68, 65535), default=1400, show_default=True, metavar="OCTETS",
            help="The largest inner packet.",
        ),
    ]  # fmt: skip
    return _decorated(command, options)


def check_tun(given: Mapping[str, Any], *other: tuple[str, object]) -> None:
    """Raises UsageError for options that mean nothing without --tun, or do not go with it."""
    used = [option for option, name in (("--tun-address", "tun_addresses"), ("--route", "routes")) if given[name]]
    if used and given["tun"] is None:
        raise click.UsageError(f"{used[0]} is about the device of --tun, which is missing")
    for option, value in other:
        if value and given["tun"] is not None:
            raise click.UsageError(f"{option} does not go with --tun")


def described(*eap: Decorator) -> Decorator:
    """Decorator: a file with connections, or the options that describe one, with those about EAP.

    Their values go to `settings_of`.
    """
    options: list[Decorator] = [
        click.option(
            "--config",
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Read the connections and ports from this TOML file or swanctl.conf (docs/settings.md).",
        ),
        click.option(
            "--connection", "names", multiple=True, metavar="NAME", help="Take this connection of --config. Repeatable."
        ),
        *CREDENTIALS,
        *eap,
        peer_option("local-id"),
        peer_option("remote-id"),
        peer_option("local-ts", "Use this network behind us; default: whatever the peer allows."),
        peer_option("remote-ts", "Use this network behind the peer; default: whatever the peer allows."),
        peer_option("proposals", "Propose or accept this for IKE."),
        peer_option("esp-proposals", "Propose or accept this for ESP."),
    ]
    return lambda command: _decorated(command, options)


def _decorated(command: Callable[..., Any], options: Sequence[Decorator]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


def settings_of(given: Mapping[str, Any], local: Sequence[str], **config: Any) -> tuple[Settings, bool]:
    """The settings that these options give, and whether our ports are chosen by them or by the file.

    ``config`` are more arguments of the `IkeConfig` that options describe. Warnings about the file go to stderr.
    Raises UsageError for options that do not go together, ConfigError for what they say.
    """
    from fynx_scapy.ike.config import EndpointConfig
    from fynx_scapy.settings import Settings

    if given["config"] is None:
        if given["names"]:
            raise click.UsageError("--connection chooses a connection of --config, which is missing")
        settings = Settings(connections={"peer": _described(given, **config)})
    else:
        found = [name for name in _OURS if given[name.replace("-", "_")] is not None] + used(given)
        if found or config:
            raise click.UsageError(
                f"--{(*found, *config)[0]} describes a peer, and --config has the connections: use one"
            )
        settings = Settings.from_file(given["config"])
        for warning in settings.warnings:
            click.echo(f"warning: {warning}", err=True)
        if given["names"]:
            settings = settings.replace(connections={name: settings.connection(name) for name in given["names"]})
    if not settings.connections:
        raise click.UsageError(f"{given['config']}: expected a connection, found none")
    changes = _ports(given)
    chosen = bool(changes) or settings.endpoint != EndpointConfig()
    return settings.replace(local=local or settings.local, endpoint=settings.endpoint.replace(**changes)), chosen


def _described(given: Mapping[str, Any], **config: Any) -> IkeConfig:
    """The connection that the options describe."""
    from fynx_scapy.ike.config import ChildConfig, IkeConfig

    credentials = credentials_of(given, "--config")
    child: dict[str, Any] = {side: given[side] or EVERYTHING for side in ("local_ts", "remote_ts")}
    if given["esp_proposals"]:
        child["proposals"] = given["esp_proposals"]
    named = {name: given[name] for name in ("local_id", "remote_id", "proposals") if given[name] is not None}
    return IkeConfig(**credentials, children=ChildConfig(**child), **named, **config)


def _ports(given: Mapping[str, Any]) -> dict[str, Any]:
    """Our ports. One port other than 500 serves for everything, unless another is given for NAT-T."""
    changes: dict[str, Any] = {}
    port, natt_port, marker = given["port"], given["natt_port"], given["marker_always"]
    if port is not None:
        changes = {"port": port, "natt_port": natt_port or (_NATT if port == _IKE else port)}
    elif natt_port is not None:
        changes = {"natt_port": natt_port}
    if marker is not None or changes:
        custom = (changes.get("port", _IKE), changes.get("natt_port", _NATT)) != (_IKE, _NATT)
        changes["marker_always"] = custom if marker is None else marker
    return changes
