# SPDX-License-Identifier: GPL-2.0-or-later
"""Metrics and logs of a client and a server in one event loop, on real sockets."""

from __future__ import annotations

import asyncio
import io
import json
import urllib.request

import pytest

from fynx_scapy import IpsecClient
from fynx_scapy.errors import PeerError
from fynx_scapy.observe import EventLog, Metrics, MetricsServer
from tests.aio import PING, alice, run, serving


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])  # a thread scrapes, which virtual time does not wait for
def test_a_tunnel_is_counted_logged_and_scraped(loop):
    async def steps() -> None:
        file = io.StringIO()
        async with serving() as server, IpsecClient(alice(server), native=False) as client:
            with Metrics(server.network) as metrics, EventLog(server.network, json=True, file=file):
                async with MetricsServer(metrics.snapshot, port=0) as web:
                    with pytest.raises(PeerError) as refused:
                        await client.connect(alice(server, auth="another"))
                    ours = await client.connect()
                    theirs = await server.accept()
                    for _ in range(3):
                        await ours.send_packet(PING)
                        await theirs.recv_packet()
                    await ours.rekey()
                    await server.network.until(lambda: metrics.snapshot().value("fynx_rekeys_total") == 2)
                    url = f"http://{web.address}/metrics"
                    text = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read().decode())
        code = refused.value.code
        assert code == "peer.authentication-failed"
        lines = set(text.splitlines())
        assert lines >= {
            f'fynx_handshakes_total{{role="responder",result="{code}"}} 1',
            'fynx_handshakes_total{role="responder",result="established"} 1',
            'fynx_esp_packets_total{direction="in"} 3',
            'fynx_rekeys_total{sa="ike",by="peer"} 1',
            'fynx_rekeys_total{sa="child",by="peer"} 1',
            "fynx_child_sas 1",
            "fynx_internal_errors_total 0",
        }
        (duration,) = metrics.snapshot().family("fynx_handshake_duration_seconds").matching({"role": "responder"})
        assert duration.value.count == 1
        assert 0 < duration.value.sum < 5
        entries = [json.loads(line) for line in file.getvalue().splitlines()]
        assert {entry["code"] for entry in entries if entry["event"] == "ike_sa_failed"} == {code}
        assert sum(entry["event"] == "child_sa_rekeyed" for entry in entries) == 1
        assert not server.endpoint.esp_events

    run(steps, loop, seconds=20)
