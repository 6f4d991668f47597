# SPDX-License-Identifier: GPL-2.0-or-later
"""Structured logs: what they say of each event, what strangers can do to them, and that no key gets into one."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import io
import ipaddress
import json
import re
from typing import Any

import pytest
import structlog

import fynx_scapy.events
from fynx_scapy import ChildConfig, Endpoint, EndpointConfig, Identity, Psk, Session
from fynx_scapy.commands.options import LOG_LEVELS
from fynx_scapy.errors import ConfigError
from fynx_scapy.events import ChildSaInstalled, Event, IkeSaEstablished, KeysDerived, SaDeleted
from fynx_scapy.ike.message import Address, Datagram
from fynx_scapy.net import Network, UdpNetwork, free_ports
from fynx_scapy.observe import EventLog, plain, redact, structured
from fynx_scapy.observe.entries import LEVELS, ROWS, name
from fynx_scapy.observe.log import BURST
from tests.hostile import TEXT, unprintable
from tests.ike.pair import ALICE, BOB, Pair, alice, bob


def logged(pair: Pair, **options: Any) -> io.StringIO:
    """What is written of a pair from now on."""
    file = io.StringIO()
    EventLog(pair.network, file=file, **options)
    return file


def entries(file: io.StringIO, event: str | None = None) -> list[dict[str, Any]]:
    """The lines of a log in JSON, those of one event."""
    found = [json.loads(line) for line in file.getvalue().splitlines()]
    return [entry for entry in found if event in (None, entry["event"])]


# -- what is said -----------------------------------------------------------------------------------------------------


def test_every_event_has_a_row():
    known = {getattr(fynx_scapy.events, kind) for kind in fynx_scapy.events.__all__}
    assert ROWS.keys() == known - {Event, fynx_scapy.events.MessageEvent}
    assert {row.level for row in ROWS.values()} == set(LEVELS) == set(LOG_LEVELS)


def test_a_life_in_lines():
    pair = Pair()
    file = logged(pair, json=True)
    sa = pair.connect()
    sa.delete_ike()
    pair.network.run()
    spis = {"spi_i": sa.spi_i.hex(), "spi_r": sa.spi_r.hex()}
    mine = [entry for entry in entries(file) if entry["host"] == "alice"]
    assert all(entry.items() >= spis.items() for entry in mine)
    assert [(entry["event"], entry.get("from"), entry.get("to")) for entry in mine] == [
        ("state_changed", "connecting", "established"),
        ("ike_sa_established", None, None),
        ("child_sa_installed", None, None),
        ("state_changed", "established", "deleting"),
        ("state_changed", "deleting", "closed"),
        ("sa_deleted", None, None),
        ("sa_deleted", None, None),
    ]
    assert mine[1].items() >= {"local_id": "alice", "remote_id": "bob", "role": "initiator", "level": "info"}.items()
    assert mine[2].items() >= {"encr": "aes128gcm16", "mode": "tunnel", "remote": f"{BOB}:500"}.items()
    assert [entry["code"] for entry in mine[-2:]] == ["closed.with-ike-sa", "closed.by-us"]


def test_a_failure_says_its_code():
    pair = Pair(bob(auth="another"))
    file = logged(pair, level="warning", json=True)
    pair.connect()
    found = {(entry["host"], entry["event"], entry["code"]) for entry in entries(file)}
    code = "peer.authentication-failed"
    assert found == {
        ("alice", "ike_sa_failed", code), ("bob", "ike_sa_failed", code), ("bob", "request_refused", code),
    }  # fmt: skip


def test_debug_has_each_message_and_each_esp_packet():
    s = Session(psk="secret")
    file = io.StringIO()
    with EventLog(s.network, level="debug", json=True, file=file):
        s.connect()
        s.ping("10.2.0.1")
    (sent, _) = entries(file, "esp_sent")
    assert (sent["spi"], sent["seq"], sent["length"]) == (f"{s.child.outbound.spi:08x}", 1, 84)
    messages = [(entry["exchange"], entry["message"], entry["payloads"]) for entry in entries(file, "message_sent")]
    assert messages[-1] == ("IKE_AUTH", "response", "HDR, SK {IDr, AUTH, SA, TSi, TSr}")


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_has_what_is_at_least_as_grave(level):
    pair = Pair()
    file = logged(pair, level=level, json=True)
    sa = pair.connect()
    pair.network.wire.loss = 1.0
    sa.liveness()
    pair.network.run()
    found = {entry["level"] for entry in entries(file)}
    assert found == set(LEVELS[LEVELS.index(level) :]) - {"error"}


def test_only_debug_makes_events_of_esp_packets():
    pair = Pair(network=Network(history=0))
    with EventLog(pair.network, level="info", file=io.StringIO()):
        assert not pair.alice.esp_events
    with EventLog(pair.network, level="debug", file=io.StringIO()):
        assert pair.alice.esp_events
    assert not pair.alice.esp_events


def test_lines_are_logfmt_and_each_begins_alike():
    pair = Pair()
    file = logged(pair, session="two words")
    pair.connect()
    for line in file.getvalue().splitlines():
        assert re.match(r"timestamp=0\.0\d+ level=info event=[a-z_]+ host=(alice|bob) spi_i=[0-9a-f]{16} ", line)
        assert line.endswith(' session="two words"')


def test_real_time_is_a_date():
    port, natt_port = free_ports("127.0.0.1")
    endpoint = Endpoint("127.0.0.1", [bob()], config=EndpointConfig(port=port, natt_port=natt_port))
    file = io.StringIO()
    with UdpNetwork() as network, EventLog(network, json=True, file=file):
        network.add(endpoint, "bob", native=False)
        endpoint.emit(SaDeleted(time=network.now))
        network.run(network.now)
    moment = datetime.datetime.fromisoformat(entries(file)[0]["timestamp"])
    assert abs((datetime.datetime.now(datetime.UTC) - moment).total_seconds()) < 60


def test_a_logger_of_the_user_gets_the_same_with_his_processors():
    kept = structlog.testing.LogCapture()
    pair = Pair()
    with EventLog(pair.network, logger=structlog.wrap_logger(None, processors=[kept]), session="mine"):
        pair.connect()
    assert kept.entries[0]["event"] == "state_changed"
    assert {entry["log_level"] for entry in kept.entries} == {"info"}
    assert {entry["session"] for entry in kept.entries} == {"mine"}


def test_wrong_arguments_are_our_errors():
    network = Network()
    with pytest.raises(ConfigError, match="expected one of the log levels debug, info, warning, error, found 'loud'"):
        EventLog(network, level="loud")
    with pytest.raises(ConfigError, match="expected either a logger, or a file and json, found both"):
        EventLog(network, json=True, logger=structlog.get_logger())


def test_an_event_that_nobody_knows_is_its_name_alone():
    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class HeartbeatMissed(Event):
        key: bytes

    pair = Pair()
    file = logged(pair, json=True)
    pair.alice.emit(HeartbeatMissed(time=0.0, key=b"secret"))
    pair.network.run()
    assert entries(file) == [{"timestamp": "0.000000", "level": "info", "event": "heartbeat_missed", "host": "alice"}]


# -- strangers --------------------------------------------------------------------------------------------------------


def test_a_flood_is_a_few_lines_and_a_number():
    pair = Pair()
    file = logged(pair, json=True)
    for _ in range(4 * BURST):
        pair.network.inject(Datagram(b"\xff" * 40, Address(ALICE, 500), Address(BOB, 500)))
    pair.network.run()
    assert len(entries(file, "message_dropped")) == BURST
    pair.network.run(pair.network.now + 10)
    pair.network.inject(Datagram(b"\xff" * 40, Address(ALICE, 500), Address(BOB, 500)))
    pair.network.run()
    assert entries(file, "message_dropped")[-1]["suppressed"] == 3 * BURST


def test_what_strangers_do_not_cause_is_never_suppressed():
    pair = Pair()
    file = logged(pair, json=True)
    for _ in range(BURST + 10):
        pair.alice.emit(IkeSaEstablished(time=0.0, local_id="alice", remote_id="bob", initiator=True))
    pair.network.run()
    assert len(entries(file, "ike_sa_established")) == BURST + 10


@pytest.mark.parametrize("as_json", [False, True], ids=["logfmt", "JSON"])
def test_no_text_of_a_peer_ends_its_line_or_its_field(as_json):
    evil = f'{TEXT}\nlevel=error event=forged {{"x": 1}} \\" host=trusted'
    pair = Pair()
    file = logged(pair, json=as_json, level="debug")
    pair.alice.emit(IkeSaEstablished(time=0.0, local_id=evil, remote_id='" level=error', initiator=True))
    pair.network.run()
    (line,) = file.getvalue().splitlines()
    assert not unprintable(line)
    if as_json:
        assert json.loads(line)["level"] == "info"
    else:
        fields = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line)
        assert [key for key, _ in fields][:4] == ["timestamp", "level", "event", "host"]
        assert dict(fields)["level"] == "info"
        assert len(fields) == len({key for key, _ in fields})


# -- secrets ----------------------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = object()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"\x01" * 16, "<16 octets>"),
        (bytearray(3), "<3 octets>"),
        (Psk("secret"), "<Psk>"),
        (alice(), "<IkeConfig>"),
        (ValueError("secret"), "<ValueError>"),
        ([b"secret", {"k": b"secret"}], ["<6 octets>", {"k": "<6 octets>"}]),
        ("two\nlines\x1b", r"two\nlines\x1b"),
        (True, True),
        (1.5, 1.5),
        (None, None),
        (Colour.RED, "RED"),
        (Address("192.0.2.1", 500), "192.0.2.1:500"),
        (Identity.of("alice"), "alice"),
        (ipaddress.ip_address("2001:db8::1"), "2001:db8::1"),
    ],
)
def test_a_value_shows_what_is_plain_and_else_its_type(value, shown):
    assert plain(value) == shown


def test_the_processor_makes_a_line_of_the_user_safe():
    assert redact(None, "info", {"event": "x\n", "key": b"secret"}) == {"event": r"x\n", "key": "<6 octets>"}
    file = io.StringIO()
    structured(file).info("mine", config=alice(auth=Psk("a very secret secret")))
    assert file.getvalue() == "level=info event=mine config=<IkeConfig>\n"


def secrets_of(events: list[Event]) -> set[bytes]:
    """Every key that events hold, and the secrets that they come from."""
    found: set[bytes] = set()
    for event in events:
        if isinstance(event, KeysDerived):
            found |= {value for value in dataclasses.asdict(event.keys).values() if isinstance(value, bytes)}
            found |= set(event.ke_secrets)
        if isinstance(event, ChildSaInstalled):
            found |= {event.encr_key_in, event.encr_key_out, event.integ_key_in, event.integ_key_out}
            found |= set(event.ke_secrets)
    return {secret for secret in found if len(secret) >= 4}


@pytest.mark.parametrize("as_json", [False, True], ids=["logfmt", "JSON"])
def test_no_piece_of_a_key_is_in_the_log_of_a_whole_life(as_json):
    psk = "correct horse battery staple"
    child = ChildConfig(proposals="aes256-sha256-x25519", local_ts="10.1.0.0/24", remote_ts="10.2.0.0/24")
    config = alice(auth=psk, children=(child,), proposals="aes256-sha256-prfsha256-x25519")
    s = Session(config=config, seed=7, peer={"psk": psk, "esp_proposals": "aes256-sha256-x25519"})
    file = io.StringIO()
    with EventLog(s.network, level="debug", json=as_json, file=file):
        s.connect()
        s.ping("10.2.0.1")
        s.rekey_child()
        s.rekey_ike()
        s.ping("10.2.0.1")
        s.delete()
    text = file.getvalue()
    secrets = secrets_of([event for _, event in s.events])
    assert len(secrets) > 20
    assert psk not in text
    digits = re.sub(r"[^0-9a-f]", "", text.lower())
    pieces = {key.hex()[at : at + 8] for key in secrets for at in range(2 * len(key) - 7)}
    assert not {piece for piece in pieces if piece in text or piece in text.lower()}
    assert not [key for key in secrets if key.hex() in digits]
    shown = [repr(key)[2:-1] for key in secrets]
    assert not any(piece[:12] in text for piece in shown)


def test_names_are_words():
    assert [name(kind) for kind in (ChildSaInstalled, SaDeleted)] == ["child_sa_installed", "sa_deleted"]
