# SPDX-License-Identifier: GPL-2.0-or-later
"""``--tun`` of ``fynx connect`` and ``fynx serve``: a network device whose packets go through the tunnels."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fynx_scapy.commands.screen import Screen
from fynx_scapy.errors import TransportError
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.ipsec_session import IpsecSession
from fynx_scapy.net.tun import Tun
from fynx_scapy.net.tun_config import TunConfig
from fynx_scapy.text import counted
from fynx_scapy.tun_pump import TunPump


class Carrier:
    """A TUN device, and what carries packets between it and sessions. It opens the device when it is made."""

    def __init__(self, config: TunConfig, screen: Screen) -> None:
        self._screen = screen
        self._tun = Tun(config)
        self._pump = TunPump(self._tun)
        settings = [f"address {', '.join(config.addresses)}"] if config.addresses else []
        settings += [f"routes {', '.join(config.routes)}"] if config.routes else []
        screen.line("; ".join([f"{self._tun.name}: mtu {config.mtu}", *settings]))

    def add(self, session: IpsecSession) -> None:
        """Carry the packets of a session."""
        self._pump.add(session)

    async def wait(self) -> None:
        """Wait until the device is gone; TransportError."""
        await self._pump.wait()

    async def close(self) -> None:
        """Remove the device."""
        try:
            await self._pump.close()
        finally:
            self._tun.close()
        counts = self._tun.counts
        read = counted(counts.packets_read, "packet")
        self._screen.line(f"{self._tun.name}: {read} read, {counts.packets_written} written")


def for_client(sessions: Iterable[IpsecSession], given: Mapping[str, Any]) -> TunConfig:
    """The device for these sessions: with the addresses that were assigned, and routes to what is behind the peers."""
    sessions = list(sessions)
    inner = [_host(address) for session in sessions for address in session.addresses]
    behind = [network for session in sessions for child in session.children for network in networks(child.remote_ts)]
    return _config(given, inner, behind, [session.remote.host for session in sessions])


def for_server(configs: Iterable[IkeConfig], given: Mapping[str, Any]) -> TunConfig:
    """The device for all sessions to come: with routes to the pools, and to networks that are not everything."""
    configs = list(configs)
    behind = [network for config in configs if config.cp_reply for network in networks(config.cp_reply.pool)]
    for config in configs:
        found = [network for child in config.children for network in networks(child.remote_ts)]
        behind += [network for network in found if ipaddress.ip_network(network).prefixlen]
    return _config(given, [], behind, [])


def _config(given: Mapping[str, Any], addresses: list[str], routes: list[str], around: list[str]) -> TunConfig:
    return TunConfig(
        name=given["tun"],
        mtu=given["tun_mtu"],
        addresses=tuple(dict.fromkeys(given["tun_addresses"] or addresses)),
        routes=tuple(dict.fromkeys(given["routes"] or routes)),
        around=tuple(dict.fromkeys(around)),
        offload=not given["no_offload"],
    )


def networks(selectors: Sequence[Selector]) -> Iterator[str]:
    """The networks that traffic selectors are made of."""
    for selector in selectors:
        first, last = (ipaddress.ip_address(address) for address in selector.addresses)
        yield from map(str, ipaddress.summarize_address_range(first, last))


def _host(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


async def lost(carrier: Carrier | None) -> None:
    """Wait until the device is gone, which is an error. Without one it waits for ever, until it is cancelled."""
    if carrier is not None:
        await carrier.wait()
        raise TransportError("the TUN device has ended")
