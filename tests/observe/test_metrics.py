# SPDX-License-Identifier: GPL-2.0-or-later
"""Metrics: what each counts, at both ends, and that no peer can make them many."""

from __future__ import annotations

import json

import pytest

from fynx_scapy import Endpoint, EndpointConfig
from fynx_scapy.errors import Closing, LocalError
from fynx_scapy.events import Reconnecting
from fynx_scapy.ike.message import Address, Datagram
from fynx_scapy.net import Network, UdpNetwork, free_ports
from fynx_scapy.observe import Kind, Metrics
from fynx_scapy.observe.metrics import ALL
from tests.ike.pair import ALICE, BOB, Pair, alice, bob

PING = bytes.fromhex("45000054000040004001249b0a0100010a0200010800") + bytes(62)


def watched(*configs, **options) -> tuple[Pair, Metrics]:
    """Two endpoints, and the metrics of both together."""
    pair = Pair(*configs, **options)
    return pair, Metrics(pair.network)


def test_a_handshake_counts_at_both_ends():
    pair, metrics = watched()
    pair.network.wire.delay = 0.02
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, SAr1, KEr, Nr   HDR, SK {…}  -->   <--  HDR, SK {…}
    pair.connect()
    now = metrics.snapshot()
    for role in ("initiator", "responder"):
        assert now.value("fynx_handshakes_total", role=role, result="established") == 1
    assert now.value("fynx_ike_sas", state="established") == now.value("fynx_child_sas") == 2
    (ours, theirs) = now.family("fynx_handshake_duration_seconds").samples
    assert ours.value.sum == pytest.approx(0.08)
    assert theirs.value.sum == pytest.approx(0.04)
    assert dict(ours.value.buckets)[0.1] == ours.value.count == 1
    assert dict(ours.value.buckets)[0.05] == 0


def test_a_half_open_one_is_counted_and_then_failed():
    pair, metrics = watched(bob(half_open_lifetime=5))
    pair.alice.connect(alice(), 0.0, authenticate=False)
    pair.network.run(1.0)
    assert metrics.snapshot().value("fynx_half_open_ike_sas") == 1
    pair.network.run(10.0)
    now = metrics.snapshot()
    assert now.value("fynx_half_open_ike_sas") == 0
    assert now.value("fynx_handshakes_total", role="responder", result="timeout.half-open") == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [({"proposals": "aes256gcm16-prfsha384-ecp384"}, "peer.no-proposal-chosen"),
     ({"auth": "another"}, "peer.authentication-failed")],
)  # fmt: skip
def test_a_handshake_that_fails_counts_once_at_each_end(change, code):
    pair, metrics = watched(bob(**change))
    pair.connect(alice(proposals="aes128gcm16-prfsha256-x25519") if "proposals" in change else None)
    now = metrics.snapshot()
    for role in ("initiator", "responder"):
        assert now.value("fynx_handshakes_total", role=role, result=code) == 1
    assert now.value("fynx_handshakes_total") == 2
    assert now.value("fynx_refused_requests_total", reason=code) == 1


def test_another_group_is_a_retry_and_no_failure():
    pair, metrics = watched(bob(proposals="aes128gcm16-prfsha256-ecp256"))
    # <--  HDR, N(INVALID_KE_PAYLOAD)
    pair.connect(alice(proposals="aes128gcm16-prfsha256-x25519-ecp256"))
    now = metrics.snapshot()
    assert now.value("fynx_refused_requests_total", reason="peer.invalid-ke-payload") == 1
    assert now.value("fynx_handshakes_total") == now.value("fynx_handshakes_total", result="established") == 2


def test_rekeys_count_by_kind_and_by_whom():
    pair, metrics = watched()
    sa = pair.connect()
    pair.network.wire.delay = 0.01
    sa.rekey_child(next(iter(sa.children.values())))
    pair.network.run()
    sa.rekey()
    pair.network.run()
    now = metrics.snapshot()
    for kind in ("ike", "child"):
        for by in ("us", "peer"):
            assert now.value("fynx_rekeys_total", sa=kind, by=by) == 1
        (sample,) = now.family("fynx_rekey_duration_seconds").matching({"sa": kind})
        assert sample.value.sum == pytest.approx(0.02)
        assert now.value("fynx_sas_closed_total", sa=kind, reason="closed.replaced") == 2


def test_a_dead_peer_counts_with_its_retransmissions():
    pair, metrics = watched()
    sa = pair.connect()
    pair.network.wire.loss = 1.0
    sa.liveness()
    pair.network.run()
    now = metrics.snapshot()
    assert now.value("fynx_dpd_timeouts_total") == 1
    assert now.value("fynx_retransmissions_total", message="request") == sa.config.retransmission.tries
    assert now.value("fynx_sas_closed_total", sa="child", reason="closed.with-ike-sa") == 1


def test_a_client_that_sets_a_lost_session_up_again_is_counted_by_why():
    pair, metrics = watched()
    pair.alice.emit(Reconnecting(time=0.0, attempt=1, wait=1.0, code=Closing.PEER_DEAD, reason="no answer"))
    pair.network.run()
    assert metrics.snapshot().value("fynx_reconnects_total", reason="closed.peer-dead") == 1


def test_esp_counts_without_an_event_for_each_packet():
    pair, metrics = watched(network=Network(history=0))
    pair.connect()
    seen: list[Datagram] = []
    pair.network.observe(lambda time, datagram, fate: seen.append(datagram))
    assert pair.alice.esp_events is False
    for _ in range(3):
        pair.alice.send(PING, pair.network.now)
    pair.network.run()
    now = metrics.snapshot()
    # Bob answers each ping.
    assert [now.value("fynx_esp_packets_total", direction=way) for way in ("in", "out")] == [6, 6]
    assert now.value("fynx_esp_bytes_total", direction="in") == sum(len(datagram.data) for datagram in seen)
    # One of them once more, and one that was changed.
    pair.network.inject(seen[0])
    forged = seen[0].data[:4] + (1000).to_bytes(4) + seen[0].data[8:]
    pair.network.inject(Datagram(forged, seen[0].local, seen[0].remote, seen[0].kind))
    pair.network.run()
    now = metrics.snapshot()
    assert now.value("fynx_esp_replays_total") == now.value("fynx_drops_total", reason="esp-replay") == 1
    assert now.value("fynx_integrity_failures_total") == now.value("fynx_drops_total", reason="esp-integrity") == 1


def test_what_a_stranger_sends_makes_no_new_label():
    pair, metrics = watched(endpoint=EndpointConfig(cookie_threshold=None))
    before = {(f.metric.name, s.labels) for f in metrics.snapshot().families for s in f.samples}
    for octets in (b"", b"\x1b[31m" * 20, bytes(28), bytes(range(64)) * 4):
        pair.network.inject(Datagram(octets, Address(ALICE, 500), Address(BOB, 500)))
    pair.network.run()
    now = metrics.snapshot()
    assert {(f.metric.name, s.labels) for f in now.families for s in f.samples} == before
    assert now.value("fynx_drops_total") == 4


def test_a_snapshot_is_frozen_and_goes_into_json():
    pair, metrics = watched()
    pair.connect()
    now = metrics.snapshot()
    first = json.dumps(now.as_dict())
    pair.connect()
    assert json.dumps(now.as_dict()) == first
    rows = json.loads(first)["metrics"]
    assert {"labels": {"role": "initiator", "result": "established"}, "value": 1} in rows["fynx_handshakes_total"]
    assert rows["fynx_handshake_duration_seconds"][0]["buckets"]["inf"] == 1
    assert rows["fynx_info"][0]["value"] == 1


def test_a_metric_that_is_not_there_is_our_error():
    _, metrics = watched()
    with pytest.raises(LocalError, match=r"expected one of the metrics fynx_info, .*, found 'fynx_nonsense'"):
        metrics.snapshot().value("fynx_nonsense")


def test_every_metric_is_named_by_the_rules_and_starts_at_zero():
    _, metrics = watched()
    now = metrics.snapshot()
    assert [family.metric for family in now.families] == list(ALL)
    for metric in ALL:
        assert metric.help.endswith(".")
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
        assert (metric.kind is Kind.HISTOGRAM) == metric.name.endswith("_seconds")
        if metric.name != "fynx_info":
            assert now.value(metric.name) == 0


def test_after_closing_nothing_more_is_counted_from_events():
    pair, metrics = watched()
    with metrics:
        pair.connect()
    pair.connect()
    assert metrics.snapshot().value("fynx_handshakes_total", role="initiator") == 1


def test_what_a_removed_host_counted_stays():
    port, natt_port = free_ports("127.0.0.1")
    endpoint = Endpoint("127.0.0.1", [bob()], config=EndpointConfig(port=port, natt_port=natt_port))
    with UdpNetwork(history=0) as network, Metrics(network) as metrics:
        network.add(endpoint, "bob", native=False)
        endpoint.counts.esp_packets_out = 7
        network.remove("bob")
        assert metrics.snapshot().value("fynx_esp_packets_total", direction="out") == 7
