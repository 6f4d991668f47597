# SPDX-License-Identifier: GPL-2.0-or-later
"""The section ``pools`` of swanctl.conf: the addresses and other attributes that a connection assigns."""

from __future__ import annotations

from collections.abc import Sequence

from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.terms.cp_config import ConfigReply
from fynx_scapy.settings.swanctl.keys import POOL, LeftOut, Notes
from fynx_scapy.settings.swanctl.sections import Section
from fynx_scapy.text import LONGEST, printable


def read_reply(names: Sequence[str], pools: Section | None, notes: Notes) -> ConfigReply:
    """What the pools of these names assign. LeftOut for a mistake in one of them, ConfigError for an unknown name."""
    addresses: list[str] = []
    dns: list[str] = []
    subnets: list[str] = []
    more: list[tuple[int | str, str]] = []
    netmask = None
    for name in names:
        pool = pools.sections.get(name) if pools else None
        if pool is None:
            raise ConfigError(f"no pool is called {printable(name, LONGEST)}")
        owner = f"pools.{printable(name, LONGEST)}"
        values = notes.values(pool, POOL, owner, free=True)
        addresses += values.pop("addrs", ())
        dns += values.pop("dns", ())
        subnets += values.pop("subnet", ())
        netmask = next(iter(values.pop("netmask", ())), netmask)
        more += [("INTERNAL_IP4_NBNS", item) for item in values.pop("nbns", ())]
        more += [("INTERNAL_IP4_DHCP", item) for item in values.pop("dhcp", ())]
        for key, text in values.items():
            if not key.isdecimal():
                raise LeftOut(f"{pool.place}: {owner}.{printable(key, LONGEST)}: unknown key")
            more.append((int(key), text))
    return ConfigReply(pool=addresses, dns=dns, subnets=subnets, netmask=netmask, more=more)
