# SPDX-License-Identifier: GPL-2.0-or-later
"""ip(8), which sets the addresses, routes and links of this machine, or of the namespace that this thread is in."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from fynx_scapy.errors import CommandFailed, NoPrivilege, TransportError
from fynx_scapy.text import printable

IpNetwork = IPv4Network | IPv6Network

_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where it may be if a user's PATH does not say so."""
_SECONDS = 10.0
"""The longest time that we wait for it."""
_FAILED = re.compile(r"^Command failed -:(\d+)$", re.MULTILINE)
_NOT_PERMITTED = "Operation not permitted"


def run(doing: str, commands: Sequence[str]) -> None:
    """Have it execute commands (``address add … dev …``) up to the first that fails.

    `CommandFailed` says which that was, and why; `NoPrivilege` if this user may not. ``doing`` is what we tried, in
    words.
    """
    _, errors = _called(doing, ["-batch", "-"], "\n".join(commands) + "\n")
    if errors is None:
        return
    failed = _FAILED.search(errors)
    number = int(failed[1]) if failed else 0
    command = commands[number - 1] if 0 < number <= len(commands) else "-batch"
    raise _error(doing, command, _FAILED.sub("", errors))


def asked(doing: str, *words: str) -> list[Any]:
    """What it says as JSON: ``asked(…, "route", "get", "192.0.2.1")``."""
    output, errors = _called(doing, ["-json", *words])
    if errors is not None:
        raise _error(doing, " ".join(words), errors)
    try:
        said = json.loads(output or "[]")
    except ValueError:
        raise CommandFailed(f"{doing}: ip {' '.join(words)}: expected JSON, found {printable(output, 80)}") from None
    return said if isinstance(said, list) else [said]


def halves(route: str) -> list[str]:
    """A route as we add it: one for all addresses as two halves, which go before a default route and let it be."""
    network = ip_network(route)
    return [str(network)] if network.prefixlen else [str(half) for half in network.subnets()]


def _called(doing: str, words: Sequence[str], text: str = "") -> tuple[str, str | None]:
    """Its output, and its complaint if it failed."""
    path = shutil.which("ip") or shutil.which("ip", path=_FOLDERS)
    if path is None:
        raise CommandFailed(f"{doing}: the command ip is missing; install it: apt-get install iproute2")
    try:
        done = subprocess.run([path, *words], input=text, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except OSError as error:
        raise CommandFailed(f"{doing}: cannot run {path}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{doing}: ip did not end within {_SECONDS:g} s") from None
    return done.stdout, (done.stderr or f"status {done.returncode}") if done.returncode else None


def _error(doing: str, command: str, complaint: str) -> TransportError:
    said = "; ".join(line.strip() for line in complaint.splitlines() if line.strip())
    text = f"{doing}: ip {command}: {printable(said, 200)}"
    if _NOT_PERMITTED in complaint:
        return NoPrivilege(f"{text}; it needs CAP_NET_ADMIN: run as root, or in a namespace: unshare -Urn")
    return CommandFailed(text)
