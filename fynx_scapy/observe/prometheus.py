# SPDX-License-Identifier: GPL-2.0-or-later
"""Metrics for Prometheus: its text format, version 0.0.4, and a small HTTP server for ``GET /metrics``.

https://prometheus.io/docs/instrumenting/exposition_formats/. The server is for one scraper that is trusted to read; it
holds little for one that is not: few connections, small requests, little time, and no request after the first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from http import HTTPStatus

from fynx_scapy.errors import LocalError, TransportError
from fynx_scapy.ike.message import Address
from fynx_scapy.net import guard
from fynx_scapy.observe.families import Distribution, Family, Sample, Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PORT = 9464
"""The port by default, the one that OpenTelemetry's exporters for Prometheus have."""

_CONNECTIONS = 16
_REQUEST = 8192
"""The most octets of a request's head."""
_SECONDS = 5.0
"""How long a client may take to send its request, and then to read the answer."""
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def exposition(snapshot: Snapshot) -> str:
    """A snapshot in Prometheus' text format."""
    return "".join(line for family in snapshot.families for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    metric = family.metric
    yield f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"
    for sample in family.samples:
        labels = list(zip(metric.labels, sample.labels, strict=True))
        yield from _values(metric.name, labels, sample)


def _values(name: str, labels: list[tuple[str, str]], sample: Sample) -> Iterator[str]:
    if not isinstance(sample.value, Distribution):
        yield f"{name}{_labels(labels)} {sample.value}\n"
        return
    for bound, count in sample.value.buckets:
        yield f"{name}_bucket{_labels([*labels, ('le', '+Inf' if bound == float('inf') else f'{bound:g}')])} {count}\n"
    yield f"{name}_sum{_labels(labels)} {sample.value.sum!r}\n{name}_count{_labels(labels)} {sample.value.count}\n"


def _labels(labels: list[tuple[str, str]]) -> str:
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


class MetricsServer:
    """Answers ``GET /metrics`` with what ``snapshot()`` gives, on the running event loop.

    >>> async with MetricsServer(metrics.snapshot) as server:
    ...     print(server.address)

    ``host`` is an address of this machine; port 0 takes any free one. The answer has counters and no secrets, but it
    tells how busy the gateway is: open it to your scraper alone.
    """

    def __init__(self, snapshot: Callable[[], Snapshot], host: str = "127.0.0.1", port: int = PORT) -> None:
        self._snapshot, self._host, self._port = snapshot, host, port
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> Address:
        """Where it listens; LocalError before `start`."""
        if self._server is None:
            raise LocalError("expected a server that was started: await start(), or use it in `async with`")
        host, port, *_ = self._server.sockets[0].getsockname()
        return Address(host, port)

    async def start(self) -> None:
        """Listen. TransportError when the address cannot be used, LocalError when it listens already."""
        if self._server is not None:
            raise LocalError(f"expected a server that does not listen yet, found one at {self.address}")
        try:
            self._server = await asyncio.start_server(
                self._accept, self._host, self._port, limit=_REQUEST, backlog=_CONNECTIONS
            )
        except (OSError, OverflowError) as error:
            where = Address(self._host, self._port)
            raise TransportError.of(f"cannot open TCP port {where.port} on {where.host}", error) from None

    async def close(self) -> None:
        """Stop listening, and end what is under way."""
        if self._server is None:
            return
        self._server.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> MetricsServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= _CONNECTIONS:
            writer.transport.abort()
            return
        client = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that is gone, or too slow, is no matter of ours.
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            try:
                async with asyncio.timeout(_SECONDS):
                    answer = await self._answer(reader)
                async with asyncio.timeout(_SECONDS):
                    writer.write(answer)
                    await writer.drain()
                    writer.write_eof()
                    # Until it has read all: closing while it still sends would reset the connection.
                    while await reader.read(_REQUEST):
                        pass
            finally:
                writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        words = head.partition(b"\r\n")[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return _response(HTTPStatus.BAD_REQUEST)
        method, target = words[0], words[1].partition(b"?")[0]
        body = method != b"HEAD"
        if target != b"/metrics":
            return _response(HTTPStatus.NOT_FOUND, body=body)
        if method not in (b"GET", b"HEAD"):
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, headers="Allow: GET, HEAD\r\n")
        text, error = guard.attempt(lambda: exposition(self._snapshot()))
        if text is None:
            return _response(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__} in the snapshot\n", body=body)
        return _response(HTTPStatus.OK, text, body=body)


def _response(status: HTTPStatus, text: str | None = None, *, headers: str = "", body: bool = True) -> bytes:
    content = (f"{status.phrase}\n" if text is None else text).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"Content-Length: {len(content)}\r\n{headers}Connection: close\r\n\r\n"
    )
    return head.encode() + (content if body else b"")
