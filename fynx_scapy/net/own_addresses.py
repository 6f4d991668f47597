# SPDX-License-Identifier: GPL-2.0-or-later
"""The IP addresses of this machine, as Linux's kernel lists them in /proc."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from pathlib import Path

IPV4, IPV6 = Path("/proc/net/fib_trie"), Path("/proc/net/if_inet6")
_LOCAL = re.compile(r"\|-- ([\d.]+)\n\s+/32 host LOCAL")
_LINK = "20"
"""The scope of a link-local address, which means nothing without its interface."""


def own_addresses() -> tuple[str, ...]:
    """The addresses of all interfaces that are up, IPv4 first; link-local ones are left out."""
    found: dict[str, None] = {}
    with contextlib.suppress(OSError):
        found |= dict.fromkeys(_LOCAL.findall(IPV4.read_text()))
    with contextlib.suppress(OSError):
        for line in IPV6.read_text().splitlines():
            digits, _, _, scope, *_ = line.split()
            if scope != _LINK:
                found[str(ipaddress.IPv6Address(int(digits, 16)))] = None
    return tuple(found)
