# SPDX-License-Identifier: GPL-2.0-or-later
"""A host behind the peer: real sockets in its kernel, which the thread of our endpoint serves too.

Packets sent here go through the peer's policy and ESP; packets received here have passed them.
"""

from __future__ import annotations

import contextlib
import functools
import socket

from fynx_scapy.lab.probe import ECHO_PORT, Probe, serve_echo
from fynx_scapy.lab.topology import Site
from fynx_scapy.net.ports import SocketHosts


class InnerHost:
    """The host with the peer's inner addresses. It answers UDP echo; its kernel answers ICMP echo."""

    def __init__(self, site: Site, network: SocketHosts) -> None:
        self._site, self._network = site, network
        self._undo = contextlib.ExitStack()
        for address in (site.inner, site.inner6):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            served = site.namespace.socket(family, socket.SOCK_DGRAM)
            self._undo.callback(served.close)
            served.setblocking(False)
            served.bind((address, ECHO_PORT))
            self._undo.callback(network.watch(served, functools.partial(_answer, served)))

    def probe(self, target: str, *, icmp: bool = True, size: int = 56, source: str | None = None) -> Probe:
        """Echo requests from an inner address (``source``, by default the site's) to ``target``, by ICMP or UDP."""
        address = source or (self._site.inner6 if ":" in target else self._site.inner)
        probe = Probe.open(self._site.namespace.socket, address, target, icmp=icmp, size=size)
        self._undo.callback(probe.socket.close)
        self._undo.callback(self._network.watch(probe.socket, probe.read))
        return probe

    def close(self) -> None:
        """Close its sockets."""
        self._undo.close()


def _answer(served: socket.socket, _flags: int) -> None:
    serve_echo(served)
