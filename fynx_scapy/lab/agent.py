# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent inside a guest. It executes the requests that the lab sends over the guest's management network.

A connection carries one request, a line of JSON, and its answer, another line. ``probe`` keeps the connection: for each
octet received it sends an echo request, and for each echo reply it returns the number as four octets. The agent also
answers UDP echo.
"""

from __future__ import annotations

import json
import os
import select
import socket
import socketserver
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fynx_scapy.lab.probe import ECHO_PORT, Probe

PORT = 4000
READY = "ready"

_children: dict[int, subprocess.Popen[bytes]] = {}


class Request(socketserver.StreamRequestHandler):
    """One connection from the lab."""

    def handle(self) -> None:
        """Execute its request."""
        request: dict[str, Any] = json.loads(self.rfile.readline())
        try:
            OPERATIONS[request.pop("op")](self, **request)
        except (OSError, subprocess.TimeoutExpired) as error:
            self.say(error=str(error))

    def say(self, **values: Any) -> None:
        """Send the answer."""
        self.wfile.write(json.dumps(values).encode() + b"\n")


def _with(env: dict[str, str] | None) -> dict[str, str]:
    """The guest's environment with ``env`` added; PATH stays the guest's."""
    return os.environ | (env or {}) | {"PATH": os.environ["PATH"]}


def run(request: Request, words: list[str], text: str | None, env: dict[str, str] | None, seconds: float) -> None:
    """Run a command and wait for it."""
    done = subprocess.run(
        words,
        input=text,
        env=_with(env),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )
    request.say(status=done.returncode, output=done.stdout, errors=done.stderr)


def start(request: Request, words: list[str], env: dict[str, str] | None, output: str) -> None:
    """Start a command in the background."""
    with open(output, "ab") as file:
        child = subprocess.Popen(
            words, env=_with(env), stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    _children[child.pid] = child
    request.say(pid=child.pid)


def alive(request: Request, pid: int) -> None:
    """Whether a started command still runs."""
    request.say(alive=_children[pid].poll() is None)


def kill(request: Request, pid: int) -> None:
    """Kill a started command, and wait for it."""
    if _children[pid].poll() is None:
        os.killpg(pid, 9)
        _children[pid].wait()
    request.say()


def probe(request: Request, source: str, target: str, icmp: bool, size: int) -> None:
    """Send echo requests on demand, and report the replies."""
    sending = Probe.open(socket.socket, source, target, icmp=icmp, size=size)
    with sending.socket:
        request.say()
        reported: set[int] = set()
        while True:
            ready, _, _ = select.select([request.connection, sending.socket], [], [])
            if request.connection in ready:
                wanted = request.connection.recv(4096)
                if not wanted:
                    return
                for _ in wanted:
                    sending.send()
            sending.read()
            for number in sorted(sending.answered - reported):
                request.connection.sendall(struct.pack("!I", number))
            reported |= sending.answered


OPERATIONS: dict[str, Callable[..., None]] = {
    "run": run,
    "start": start,
    "alive": alive,
    "kill": kill,
    "probe": probe,
}


def _serve_echo(address: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as served:
        served.bind((address, ECHO_PORT))
        while True:
            data, sender = served.recvfrom(65535)
            try:
                served.sendto(data, sender)
            except OSError:  # no route back any more
                continue


class Server(socketserver.ThreadingTCPServer):
    """A server with one thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


def main() -> None:
    """Serve until the guest is switched off. Arguments: FOLDER ADDRESS INNER…"""
    folder, address, *inner = sys.argv[1:]
    for inner_address in inner:
        threading.Thread(target=_serve_echo, args=(inner_address,), daemon=True).start()
    with Server((address, PORT), Request) as server:
        (Path(folder) / READY).write_text(os.uname().release)
        server.serve_forever()


if __name__ == "__main__":
    main()
