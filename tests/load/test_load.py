# SPDX-License-Identifier: GPL-2.0-or-later
"""Load on a server in virtual time: how many tunnels, how fast, what happens in them, and what is measured."""

from __future__ import annotations

import asyncio
import json
import math
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from fynx_scapy import ChildConfig, IkeConfig, IpsecClient, IpsecServer, Psk
from fynx_scapy.errors import ConfigError, FynxError
from fynx_scapy.load import Load, LoadPlan, LoadReport, Quantiles, Traffic
from fynx_scapy.load.picture import draw
from fynx_scapy.load.plan import numbered
from fynx_scapy.load.report import MOST_SAMPLES
from fynx_scapy.net.echo import echo_reply
from tests.aio import BOB, alice, run, serving


async def answer(server: IpsecServer) -> None:
    """Answer the pings of all sessions, as a host behind the gateway does."""

    async def echo(session: Any) -> None:
        while True:
            try:
                for packet in await session.recv_packets():
                    await session.send_packet(echo_reply(packet))
            except FynxError:
                return

    async with asyncio.TaskGroup() as tasks:
        async for session in server:
            tasks.create_task(echo(session))


def loaded(*, server: IkeConfig = BOB, answered: bool = True, **plan: Any) -> LoadReport:
    """What a load measures with a server of this configuration, of which nothing is left in the end."""
    found: list[LoadReport] = []

    async def main() -> None:
        async with serving(server) as gateway, IpsecClient(native=False) as client, asyncio.TaskGroup() as tasks:
            if answered:
                tasks.create_task(answer(gateway))
            config = alice(gateway, local_id="client-{n}")
            found.append(await Load(client, config, LoadPlan(**plan)).run())
            assert client.sessions == ()
            await gateway.close()
            assert not any(sa.established for sa in gateway.endpoint.sas.values())

    run(main)
    return found[0]


def test_tunnels_are_begun_at_the_rate_that_was_asked_for() -> None:
    report = loaded(tunnels=5, rate=2.0)
    assert (report.attempts, report.tunnels, report.most, report.good) == (5, 5, 5, True)
    assert report.setup_seconds == pytest.approx(2.0)
    assert report.setup_rate == pytest.approx(2.5)
    assert report.setups.count == 5
    assert report.points[-1].set_up == 5
    assert report.hold_seconds == 0


def test_traffic_and_rekeys_while_the_tunnels_are_held() -> None:
    report = loaded(
        tunnels=3, hold=10.0, rekey_every=2.0, traffic=Traffic(packets=30, size=100), target="10.2.0.9",
        first_packet=True,
    )  # fmt: skip
    assert report.good
    assert report.hold_seconds == pytest.approx(10.0)
    assert report.packets_out == report.packets_in == pytest.approx(300, abs=3)
    assert report.throughput == pytest.approx(300 * 800 / 10, rel=0.02)
    assert report.lost_packets == 0
    assert report.first_packets.count == 3
    assert report.child_rekeys.count + report.ike_rekeys.count == pytest.approx(15, abs=3)
    assert report.child_rekeys.count >= report.ike_rekeys.count > 0
    assert report.rekey_rate == pytest.approx(1.5, abs=0.3)


def test_pings_without_an_answer_are_lost() -> None:
    report = loaded(tunnels=1, hold=1.0, traffic=Traffic(packets=10), answered=False)
    assert report.packets_out == pytest.approx(10, abs=1)
    assert (report.packets_in, report.lost_packets, report.good) == (0, 100.0, False)


def test_what_the_gateway_refuses_counts_by_code() -> None:
    report = loaded(server=BOB.replace(auth=Psk("another")), tunnels=2)
    assert dict(report.failures) == {"peer.authentication-failed": 2}
    assert "AUTHENTICATION_FAILED" in report.examples["peer.authentication-failed"]
    assert (report.tunnels, report.good) == (0, False)
    assert math.isnan(report.rekey_rate)


def test_tunnels_that_the_gateway_ends() -> None:
    async def main() -> None:
        async with serving() as gateway, IpsecClient(native=False) as client:
            load = Load(client, alice(gateway, local_id="client-{n}"), LoadPlan(tunnels=2, hold=60.0))
            running = asyncio.ensure_future(load.run())
            await (await gateway.accept()).close()
            await (await gateway.accept()).close()
            report = await running
            assert dict(report.lost) == {"closed.by-peer": 2}
            assert (report.tunnels, report.good) == (2, False)
            assert report.hold_seconds < 1  # nothing was left to be held

    run(main)


def test_a_load_that_is_cancelled_leaves_nothing_and_has_measured() -> None:
    async def main() -> None:
        async with serving() as gateway, IpsecClient(native=False) as client:
            load = Load(client, alice(gateway), LoadPlan(tunnels=100, rate=1.0))
            running = asyncio.ensure_future(load.run())
            await asyncio.sleep(2.5)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert load.report.tunnels == 3
            assert client.sessions == ()

    run(main)


# -- the plan


def test_each_tunnel_has_its_number_and_its_address() -> None:
    config = IkeConfig(auth="x", local_id="c{n}@example.org", children=ChildConfig(local_ts="10.1.0.0/24"))
    third = numbered(config, 3, 10)
    assert str(third.local_id) == "c3@example.org"
    assert str(third.children[0].local_ts[0]) == "10.1.0.3/32"
    for unchanged in (numbered(config, 3, 300), numbered(config, 1, 1)):  # too many for it, and one alone
        assert unchanged.children == config.children
    everything = config.replace(children=ChildConfig(local_ts=["0.0.0.0/0", "::/0"]))
    assert numbered(everything, 3, 10).children == everything.children


@pytest.mark.parametrize(
    ("text", "packets", "size"), [("1000/64", 1000, 64), ("0.5/1400", 0.5, 1400), ("112M/1400", 10_000, 1400)]
)
def test_traffic_as_text(text, packets, size):
    assert Traffic.parse(text) == Traffic(packets=packets, size=size)


@pytest.mark.parametrize("text", ["", "64", "1000/", "x/64", "1000/64/2", "1000/20", "1T/64", "-1/64", "0/64"])
def test_what_is_no_traffic(text):
    with pytest.raises(ConfigError):
        Traffic.parse(text)


# -- what was measured


def test_quantiles_are_exact_to_one_percent() -> None:
    times = Quantiles()
    assert math.isnan(times.at(0.5))
    assert times.as_dict() == {"count": 0}
    for number in range(1, 1001):
        times.add(number / 1000)
    assert [times.at(share) for share in (0.5, 0.9, 0.99)] == pytest.approx([0.5, 0.9, 0.99], rel=0.011)
    assert (times.least, times.most, times.at(1.0)) == (0.001, 1.0, 1.0)
    assert times.mean == pytest.approx(0.5005)
    times.add(0.0)
    assert times.least == 0


def test_a_report_as_json_figures_and_picture() -> None:
    report = LoadReport(LoadPlan(tunnels=2, rate=1.0, traffic=Traffic()))
    report.sample(0.0, 0)
    for seconds in (0.01, 0.02):
        report.setups.add(seconds)
    report.tunnels, report.setup_seconds, report.hold_seconds, report.packets_out, report.packets_in = 2, 1.0, 2.0, 9, 8
    report.fail(report.failures, "timeout", "nobody <answers>")
    report.sample(1.0, 2)
    told = json.loads(json.dumps(report.as_dict()))
    assert told["setup_rate"] == 2
    assert told["failures"] == {"timeout": 1}
    assert told["throughput_bits_per_second"] == 8 * 8 * 64 / 2
    names = [figure.name for figure in report.figures()]
    assert {"IPsec tunnel setup rate", "IPsec tunnel setup time, 99 %", "IPsec throughput"} <= set(names)
    picture = draw(report)
    ET.fromstring(picture)
    assert "failed: timeout" in picture
    ET.fromstring(draw(LoadReport(LoadPlan())))  # of nothing


def test_samples_have_a_ceiling() -> None:
    report = LoadReport(LoadPlan())
    for number in range(3 * MOST_SAMPLES):
        report.sample(float(number), 1)
    assert len(report.points) <= MOST_SAMPLES
    assert (report.points[0].seconds, report.points[-1].seconds) == (0, 3 * MOST_SAMPLES - 1)
