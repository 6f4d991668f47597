# SPDX-License-Identifier: GPL-2.0-or-later
"""The exposition for Prometheus: its text, as promtool and a real Prometheus read it, and the server behind it."""

from __future__ import annotations

import asyncio
import json
import math
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from fynx_scapy.errors import AddressInUse, AddressUnknown, LocalError
from fynx_scapy.observe import (
    Distribution,
    Family,
    Kind,
    Metric,
    Metrics,
    MetricsServer,
    Sample,
    Snapshot,
    exposition,
    prometheus,
)
from tests.ike.pair import Pair
from tests.observe.test_dashboard import QUERIES

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
HTTP = re.compile(rb"HTTP/1\.1 (\d+) [\w ]+\r\n(.*?)\r\n\r\n(.*)", re.DOTALL)


def run(steps: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(steps(), 30))


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Pair, MetricsServer]]:
    """Two endpoints whose metrics are served at a free port."""
    pair = Pair()
    with Metrics(pair.network) as metrics:
        async with MetricsServer(metrics.snapshot, port=0) as server:
            yield pair, server


async def ask(server: MetricsServer, request: bytes) -> tuple[int, bytes, bytes]:
    """Send octets; the status, the headers and the body of the answer."""
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    found = HTTP.fullmatch(answer)
    assert found is not None
    return int(found[1]), found[2], found[3]


async def ended(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the server has ended a connection without an answer."""
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    with suppress(ConnectionResetError, BrokenPipeError):
        await writer.wait_closed()


# -- the text ---------------------------------------------------------------------------------------------------------


def test_the_text_of_each_kind():
    buckets = Distribution(((0.5, 1), (2.5, 1), (math.inf, 2)), 3.25, 2)
    families = (
        Family(Metric("a_total", Kind.COUNTER, "How many.", ("reason", "by")), (Sample(("x", "us"), 3),)),
        Family(Metric("b", Kind.GAUGE, "Now."), (Sample((), 0),)),
        Family(Metric("c_seconds", Kind.HISTOGRAM, "How long.", ("sa",)), (Sample(("ike",), buckets),)),
        Family(Metric("d_total", Kind.COUNTER, "None yet.", ("reason",)), ()),
    )
    assert exposition(Snapshot(0.0, families)).splitlines() == [
        "# HELP a_total How many.",
        "# TYPE a_total counter",
        'a_total{reason="x",by="us"} 3',
        "# HELP b Now.",
        "# TYPE b gauge",
        "b 0",
        "# HELP c_seconds How long.",
        "# TYPE c_seconds histogram",
        'c_seconds_bucket{sa="ike",le="0.5"} 1',
        'c_seconds_bucket{sa="ike",le="2.5"} 1',
        'c_seconds_bucket{sa="ike",le="+Inf"} 2',
        'c_seconds_sum{sa="ike"} 3.25',
        'c_seconds_count{sa="ike"} 2',
        "# HELP d_total None yet.",
        "# TYPE d_total counter",
    ]


def test_a_label_cannot_end_its_line():
    family = Family(Metric("a_total", Kind.COUNTER, "How many.", ("reason",)), (Sample(('\\"\n} 9',), 1),))
    assert exposition(Snapshot(0.0, (family,))).splitlines()[2:] == [r'a_total{reason="\\\"\n} 9"} 1']


@pytest.mark.slow
@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool_has_nothing_to_say():
    pair = Pair()
    metrics = Metrics(pair.network)
    sa = pair.connect()
    sa.rekey()
    pair.network.run()
    text = exposition(metrics.snapshot())
    done = subprocess.run([str(PROMTOOL), "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# -- the server -------------------------------------------------------------------------------------------------------


def test_get_has_the_metrics_of_now():
    async def steps() -> None:
        async with serving() as (pair, server):
            for number in range(2):
                status, headers, body = await ask(server, b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
                assert status == 200
                assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n" in headers
                assert b"Connection: close" in headers
                line = f'fynx_handshakes_total{{role="initiator",result="established"}} {number}\n'
                assert line.encode() in body
                pair.connect()

    run(steps)


def test_head_has_the_length_alone():
    async def steps() -> None:
        async with serving() as (_, server):
            _, _, body = await ask(server, b"GET /metrics HTTP/1.0\r\n\r\n")
            status, headers, nothing = await ask(server, b"HEAD /metrics?x=1 HTTP/1.1\r\n\r\n")
            assert (status, nothing) == (200, b"")
            assert f"Content-Length: {len(body)}".encode() in headers

    run(steps)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics/../secret HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"\x16\x03\x01\x02\x00 \xff\r\n\r\n", 400),
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET /metrics HTTP/2.0\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_no_question_for_metrics_is_answered_and_ended(request_, status):
    async def steps() -> None:
        async with serving() as (_, server):
            found, headers, _ = await ask(server, request_)
            assert found == status
            assert (b"Allow: GET, HEAD" in headers) == (status == 405)

    run(steps)


def test_a_client_that_says_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr(prometheus, "_SECONDS", 0.05)

    async def steps() -> None:
        async with serving() as (_, server):
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(b"GET /metr")
            await ended(reader, writer)

    run(steps)


def test_many_clients_that_hold_on_are_bounded_and_the_next_one_is_served_after_them(monkeypatch):
    monkeypatch.setattr(prometheus, "_CONNECTIONS", 2)

    async def steps() -> None:
        async with serving() as (_, server):
            held = [await asyncio.open_connection(*server.address) for _ in range(2)]
            late, writer = await asyncio.open_connection(*server.address)
            writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
            await ended(late, writer)
            for reader, other in held:
                other.write_eof()
                await ended(reader, other)
            while server._clients:
                await asyncio.sleep(0)
            assert (await ask(server, b"GET /metrics HTTP/1.1\r\n\r\n"))[0] == 200

    run(steps)


def test_closing_ends_clients_that_hold_on():
    async def steps() -> None:
        async with serving() as (_, server):
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(b"GET")
            while not server._clients:
                await asyncio.sleep(0)
        await ended(reader, writer)
        assert not server._clients

    run(steps)


def test_a_snapshot_that_fails_is_an_answer_too():
    def broken() -> Snapshot:
        raise KeyError("a secret")

    async def steps() -> None:
        async with MetricsServer(broken, port=0) as server:
            status, _, body = await ask(server, b"GET /metrics HTTP/1.1\r\n\r\n")
            assert (status, body) == (500, b"KeyError in the snapshot\n")

    run(steps)


def test_an_address_that_cannot_be_had_says_why():
    async def steps() -> None:
        async with serving() as (pair, server):
            with pytest.raises(
                AddressInUse, match=f"TCP port {server.address.port} on 127.0.0.1.*another program uses"
            ):
                await MetricsServer(Metrics(pair.network).snapshot, port=server.address.port).start()
            with pytest.raises(LocalError, match="expected a server that does not listen yet"):
                await server.start()
        with pytest.raises(AddressUnknown, match="expected an address of this machine"):
            await MetricsServer(Metrics(pair.network).snapshot, host="198.51.100.7", port=0).start()
        with pytest.raises(LocalError, match="await start"):
            assert server.address

    run(steps)


# -- a real Prometheus ------------------------------------------------------------------------------------------------


def free_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def queried(port: int, query: str) -> list[Any]:
    """What Prometheus answers to a query; nothing while it is starting."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={query}", timeout=5) as answer:
            result: list[Any] = json.load(answer)["data"]["result"]
            return result
    except OSError:
        return []


def status(port: int, query: str) -> str:
    words = urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{words}", timeout=5) as answer:
        return str(json.load(answer)["status"])


@pytest.mark.slow
@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed")
def test_a_real_prometheus_scrapes_it(tmp_path):
    async def steps() -> None:
        async with serving() as (pair, server):
            sa = pair.connect()
            sa.rekey()
            pair.network.run()
            config = tmp_path / "prometheus.yml"
            config.write_text(
                "global: {scrape_interval: 1s}\n"
                f"scrape_configs: [{{job_name: fynx, static_configs: [{{targets: ['{server.address}']}}]}}]\n"
            )
            port = free_tcp_port()
            arguments = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data"]
            scraper = await asyncio.create_subprocess_exec(
                str(PROMETHEUS), *arguments, f"--web.listen-address=127.0.0.1:{port}",
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            try:
                while not (up := await asyncio.to_thread(queried, port, "up==1")):
                    await asyncio.sleep(0.1)
                assert up[0]["metric"]["job"] == "fynx"
                (rekeys,) = await asyncio.to_thread(queried, port, "fynx_rekeys_total{sa='ike',by='us'}")
                assert rekeys["value"][1] == "1"
                (median,) = await asyncio.to_thread(
                    queried, port, "histogram_quantile(0.5,fynx_handshake_duration_seconds_bucket{role='initiator'})"
                )
                assert 0 < float(median["value"][1]) < 1
                for query in QUERIES:  # of the dashboard: Prometheus understands them all
                    whole = query.replace("$__rate_interval", "1m").replace("$job", "fynx")
                    assert await asyncio.to_thread(status, port, whole) == "success", query
            finally:
                scraper.terminate()
                await scraper.wait()

    run(steps)
