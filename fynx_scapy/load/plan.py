# SPDX-License-Identifier: GPL-2.0-or-later
"""What load to put on a gateway: how many tunnels, how fast, and what happens in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from fynx_scapy.checks import Checked, flag, kind, number, optional, seconds, setting, text, whole
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.load.echoes import LEAST

NUMBER = "{n}"
"""What stands for the number of a tunnel in an identity, from 1 on."""
_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic(Checked):
    """Echo requests over all tunnels together, in turns. What answers them is behind the gateway."""

    packets: float = setting(100.0, number(0.001, 1e9, "packets a second"))
    """How many a second."""
    size: int = setting(64, whole(LEAST, 65535, "octets"))
    """The size of each inner packet in octets, with its IP header."""

    if TYPE_CHECKING:

        def replace(self, **changes: Any) -> Self: ...

    @classmethod
    def parse(cls, text: str) -> Traffic:
        """Read ``1000/64`` (1000 packets a second of 64 octets) or ``200M/1400`` (200 Mbit/s). ConfigError."""
        found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)([kMG]?)/(\d{1,5})", text)
        if found is None:
            raise ConfigError(f"expected RATE/SIZE such as 1000/64 or 200M/1400, found {text!r}")
        rate, size = float(found[1]) * _UNITS[found[2]], int(found[3])
        return cls(packets=rate / (8 * size) if found[2] else rate, size=size)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan(Checked):
    """The load: tunnels are set up at a rate, then they are held while rekeys and traffic go on, then closed."""

    tunnels: int = setting(1, whole(1, 100_000, "tunnels"))
    """How many tunnels to set up, each an IKE SA with the Child SA of its configuration."""
    rate: float | None = setting(None, optional(number(0.001, 1e6, "tunnels a second")))
    """How many handshakes to begin a second; None for as fast as ``at_once`` allows."""
    at_once: int = setting(64, whole(1, 10_000, "handshakes"))
    """How many handshakes may be under way. With more to do, the rate is not kept."""
    hold: float = setting(0.0, seconds(zero=True))
    """How many seconds to hold the tunnels that are up, once the last handshake has ended."""
    rekey_every: float | None = setting(None, optional(seconds()))
    """Seconds between two rekeys of a tunnel while it is held: of its Child SA and of its IKE SA in turns."""
    traffic: Traffic | None = setting(None, optional(kind(Traffic)))
    """Pings while the tunnels are held."""
    target: str | None = setting(None, optional(text()))
    """The inner address to ping; by default the first host behind the gateway."""
    first_packet: bool = setting(False, flag())
    """Whether to ping through each tunnel as soon as it is up, for the time to the first packet."""

    if TYPE_CHECKING:

        def replace(self, **changes: Any) -> Self: ...

    @property
    def pings(self) -> bool:
        """Whether anything is sent through the tunnels."""
        return self.first_packet or self.traffic is not None


def numbered(config: IkeConfig, number: int, total: int) -> IkeConfig:
    """The configuration of tunnel ``number``, from 1 on.

    ``{n}`` in its identity is the number. Of a network in local_ts that has an address for each of ``total`` tunnels,
    it takes its own one.
    """
    changes: dict[str, Any] = {}
    identity = config.local_id
    if NUMBER.encode() in identity.data:
        changes["local_id"] = Identity(identity.type, identity.data.replace(NUMBER.encode(), str(number).encode()))
    children = [child.replace(local_ts=_share(child.local_ts, number, total)) for child in config.children]
    return config.replace(children=children, **changes) if total > 1 else config.replace(**changes)


def _share(selectors: tuple[Selector, ...], number: int, total: int) -> tuple[Selector, ...]:
    first = selectors[0]
    size = first.end - first.start + 1
    whole_internet = size == 1 << (32 if first.version == 4 else 128)
    if whole_internet or size < total + 1:
        return selectors
    own = first.start + number
    return (Selector(first.version, own, own, first.protocol, first.start_port, first.end_port),)
