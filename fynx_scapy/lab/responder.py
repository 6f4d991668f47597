# SPDX-License-Identifier: GPL-2.0-or-later
"""An OCSP responder (RFC 6960 appendix A) for a peer of a lab: strongSwan sends only answers that it has fetched."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer

HOST = "127.0.0.1"
MOST = 65536
"""The most octets of a request that are read."""


class Responder:
    """Answers each request with the same octets, at a port of `HOST` in the namespace of the socket.

    ``open_socket`` opens a TCP socket there. OSError when it cannot listen.
    """

    def __init__(self, open_socket: Callable[[int, int], socket.socket], answer: bytes) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "0")
                self.rfile.read(min(int(length) if length.isdecimal() else 0, MOST))
                self.send_response(200)
                self.send_header("Content-Type", "application/ocsp-response")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # it would write to stderr
                pass

        self._server = HTTPServer((HOST, 0), Handler, bind_and_activate=False)
        with contextlib.ExitStack() as undo:
            undo.callback(self._server.server_close)
            self._server.socket.close()
            self._server.socket = open_socket(socket.AF_INET, socket.SOCK_STREAM)
            self._server.server_bind()
            self._server.server_activate()
            undo.pop_all()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def uri(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self._server.server_address[1]}/"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
