# SPDX-License-Identifier: GPL-2.0-or-later
"""strongSwan with kernel ESP (kernel-netlink), in a guest. It is configured and driven as the one in a namespace."""

from __future__ import annotations

import functools
from typing import ClassVar

from fynx_scapy.lab.charon import Charon
from fynx_scapy.lab.guest import Guest
from fynx_scapy.lab.strongswan import StrongSwan
from fynx_scapy.lab.topology import GUEST

_VICI_PORT = 4502


class KernelStrongSwan(StrongSwan):
    """A charon in a guest, with what the kernel supports: ESN, transport mode, protocol 50, AES-GMAC, TFC padding."""

    name = "strongswan-kernel"
    guest = True
    esp: ClassVar[str] = "kernel-netlink"
    capabilities = frozenset(
        {
            *StrongSwan.capabilities - {"encapsulated", "nat", "ports"},
            "esn",
            "gmac",
            "ipv6",
            "kernel",
            "protocol50",
            "tfc",
            "transport",
        }
    )

    def _vici(self) -> tuple[Charon, str]:
        assert isinstance(self._machine, Guest)
        return Charon(functools.partial(self._machine.connect, _VICI_PORT)), f"tcp://{GUEST}:{_VICI_PORT}"
