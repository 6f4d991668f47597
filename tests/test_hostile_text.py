# SPDX-License-Identifier: GPL-2.0-or-later
"""A peer whose text speaks to the terminal: nothing of it comes out of events, ladders, pages, commands or errors."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
import traceback
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click.testing
import pytest

from fynx_scapy.capture import Capture
from fynx_scapy.capture.reading.frames import frames
from fynx_scapy.cli import main
from fynx_scapy.commands import opening
from fynx_scapy.errors import AuthenticationError, FynxError
from fynx_scapy.harness import Result, Run, Scenario, run
from fynx_scapy.ike import events as ike_events
from fynx_scapy.ike.auth.psk import PskAuthenticator
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import Event, IkeSaEstablished, IkeSaFailed, MessageDropped, MessageReceived
from fynx_scapy.ike.message import Address, Message
from fynx_scapy.ike.terms.cp import Settings
from fynx_scapy.lab.charon import _plain
from fynx_scapy.ladder import STYLE, Ladder
from fynx_scapy.layers.ikev2 import (
    ConfigurationAttribute,
    IKEv2_CERT,
    IKEv2_CERTREQ,
    IKEv2_CP,
    IKEv2_IDr,
    IKEv2_Notify,
    IKEv2_Payload,
    IKEv2_VendorID,
)
from fynx_scapy.net.recorder import Recorder
from fynx_scapy.net.udp import UdpNetwork, free_ports
from fynx_scapy.report.page import render
from fynx_scapy.session import Session
from fynx_scapy.text import LONGEST
from tests.capture.build import ethernet, ike, ipv4, pcap, udp
from tests.hostile import OCTETS, TEXT, unprintable

NAME = "\x1b[31m[red][" + "bold]<script>alert(1)<\u202e[" + "\x9b31m"
"""A file name that Linux takes."""


def insert(message: Message) -> None:
    """Hostile text in every payload that an exchange lets pass."""
    message.payloads += [
        IKEv2_VendorID(vendorID=OCTETS),
        IKEv2_VendorID(vendorID=b"[red][/]<script>alert(1)</script>"),
        IKEv2_Notify(type=40000, notify=OCTETS),
        IKEv2_Notify(type="COOKIE2", notify=OCTETS),
        IKEv2_Payload(payload_type=200, load=OCTETS),
    ]
    if message.encrypted:
        attributes = [ConfigurationAttribute(type=kind, value=OCTETS) for kind in (7, 25, 16384)]
        message.payloads += [
            IKEv2_CERT(cert_encoding=12, cert_data=bytes(20) + OCTETS),
            IKEv2_CERT(cert_encoding=4, cert_data=OCTETS),
            IKEv2_CERTREQ(cert_encoding=4, cert_authority=OCTETS),
            IKEv2_CP(CFGType="CFG_SET", attributes=attributes),
        ]


def pose(message: Message) -> None:
    """Somebody else than who was asked for."""
    for payload in message.payloads:
        if isinstance(payload, IKEv2_IDr):
            payload.ID = OCTETS


def hostile(run: Run) -> None:
    """Two hostile ends."""
    s = run.session("one", psk="secret", local_id="x" + TEXT, remote_id=None, peer={"local_id": "y" + TEXT})
    for end in (s.client, s.peer):
        end.taps.add("payloads", insert)
    s.connect()
    s.ping()
    s.request("INFORMATIONAL")
    s.delete()
    two = run.session("two", psk="secret", remote_id="bob")
    two.peer.taps.add("payloads", pose)
    two.connect()


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def result(recorder: Recorder) -> Result:
    return run(Scenario("hostile", "RFC 7296", (), hostile, __name__), seed=1, watch=recorder.watch)


@pytest.fixture(scope="module")
def capture(result: Result, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The conversations as a capture with its keys, under a hostile name."""
    path = tmp_path_factory.mktemp("captures") / f"{NAME}.pcapng"
    recorder.save_capture(path)
    recorder.keys().save(path.with_suffix(".keys"))
    return path


@pytest.fixture(scope="module")
def clear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every type of payload, its text in the clear, short and long."""
    found = []
    for kind in range(33, 55):
        long = OCTETS + b"A" * 60_000
        for body in (OCTETS, b"\2\0\0\0" + OCTETS, b"\2\0\0\0\0\x19\0" + bytes((len(OCTETS),)) + OCTETS, long):
            found.append(ike(body=bytes(2) + (4 + len(body)).to_bytes(2) + body, kind=kind))
    path = tmp_path_factory.mktemp("clear") / f"{NAME}.pcap"
    path.write_bytes(pcap([ethernet(ipv4(17, udp(500, 500, each))) for each in found]))
    return path


def markup(page: str) -> None:
    """No element of the peer's in a page."""
    assert not unprintable(page)
    assert "<script>alert" not in page
    assert "</text>[red]" not in page


def test_the_hostile_peer_is_heard(result: Result) -> None:
    one, two = result.stages
    assert any(isinstance(event, IkeSaEstablished) for _, event in one.events)
    inside = [event for _, event in one.events if isinstance(event, MessageReceived) and event.encrypted]
    assert any(IKEv2_CP in [type(layer) for layer in event.payloads] for event in inside)
    assert any(isinstance(event, IkeSaFailed) and "EVIL" in event.reason for _, event in two.events)
    assert "EVIL" in result.reason


def test_events_and_reasons(result: Result) -> None:
    assert not unprintable(result.reason)
    for stage in result.stages:
        for _, event in stage.events:
            assert not unprintable(repr(event))
            for name in ("reason", "remote_id", "local_id", "name"):
                assert not unprintable(getattr(event, name, ""))


EVENTS = [kind for kind in vars(ike_events).values() if isinstance(kind, type) and issubclass(kind, Event)]
TEXTS = {kind: {field.name for field in fields(kind) if field.type in ("str", str)} for kind in EVENTS}
TOLD = [kind for kind, texts in TEXTS.items() if texts]


@pytest.mark.parametrize("kind", TOLD, ids=lambda kind: kind.__name__)
def test_every_text_of_every_event(kind: type[Event]) -> None:
    texts = TEXTS[kind]
    needed: dict[str, Any] = {field.name: None for field in fields(kind) if field.default is MISSING}
    values = needed | dict.fromkeys(texts, TEXT + "A" * 100_000)
    if "data" in values:
        values["data"] = b""
    event = kind(**values)
    for name in texts:
        text = getattr(event, name)
        assert "EVIL" in text
        assert not unprintable(text)
        assert len(text) < 2 * LONGEST


def test_ladders(result: Result) -> None:
    for stage in result.stages:
        ladder = stage.ladder()
        assert not unprintable(str(ladder))
        assert "EVIL" in str(ladder)
        assert not unprintable(repr(ladder.rows))
        markup(ladder.html())
        markup(ladder._repr_html_().removeprefix(f"<style>{STYLE}</style>"))
        picture = ladder.svg()
        markup(picture)
        assert "EVIL" in "".join(ElementTree.fromstring(picture).itertext())


def test_a_row_of_whatever_anybody_says() -> None:
    event = IkeSaFailed(time=0.0, code="x", reason=TEXT)
    dropped = MessageDropped(
        time=0.0,
        code=DropReason.MALFORMED,
        reason=TEXT + "A" * 100_000,
        data=bytes(28),
        remote=Address("192.0.2.1", 500),
    )
    ladder = Ladder([("alice", event), ("bob", dropped)])
    for picture in (str(ladder), ladder.html(), ladder.svg()):
        assert not unprintable(picture)
        assert "EVIL" in picture
        assert "octets)" in picture
        assert len(picture) < 10 * LONGEST
    markup(ladder.html())
    markup(ladder.svg())


def test_the_report(result: Result) -> None:
    page = render([result], seed=1, command="fynx run")
    markup(page)
    assert "EVIL" in page
    assert not unprintable(json.dumps(result.as_dict()))


def test_comments_of_a_capture(capture: Path) -> None:
    comments = [frame.comment for frame in frames(capture)]
    assert all(comments)
    assert not any(map(unprintable, comments))
    assert not unprintable(b"".join(re.findall(rb"[ -~]{4,}", capture.read_bytes())).decode())


def test_a_message_of_thousands_of_payloads_is_recorded(tmp_path: Path) -> None:
    """A comment of pcapng has at most 65,535 octets."""
    many = [IKEv2_Notify(type="NAT_DETECTION_DESTINATION_IP")] * 4000
    with Session(seed=1) as s:
        watched = Recorder()
        watched.watch(s.network, "many")
        s.client.taps.add("payloads", lambda message: message.payloads.extend(many))
        with contextlib.suppress(FynxError):  # a peer need not take it
            s.sa_init()
    assert len(str(s.ladder())) < 3 * LONGEST * len(s.ladder().rows)
    watched.save_capture(tmp_path / "many.pcapng")
    first = next(frames(tmp_path / "many.pcapng"))
    assert "octets)" in first.comment
    assert len(first.comment) < 2 * LONGEST


def test_a_comment_that_a_stranger_wrote() -> None:
    from tests.capture.build import enhanced, interface, option, section

    frame = ethernet(ipv4(17, udp(500, 500, ike())))
    octets = section() + interface() + enhanced(frame, 1, options=option("<", 1, OCTETS) + bytes(4))
    (found,) = frames(io.BytesIO(octets), "a.pcapng")
    assert "EVIL" in found.comment
    assert not unprintable(found.comment)


COMMANDS = {
    "dissect": ["dissect", "{}"],
    "dissect --json": ["dissect", "{}", "--json"],
    "capture": ["capture", "{}", "--ladder"],
    "capture --json": ["capture", "{}", "--json"],
    "capture FOLDER": ["capture", "{folder}", "--workers", "1"],
    "audit": ["audit", "{}", "--all", "--html", "{out}.html", "--json", "{out}.json"],
    "follow": ["follow", "{}"],
    "decrypt": ["decrypt", "{}", "-o", "{out}.pcapng"],
    "replay": ["replay", "{}", "--psk", "secret"],
    "replay --json": ["replay", "{}", "--psk", "secret", "--json"],
    "replay --to-scenario": ["replay", "{}", "--psk", "secret", "--to-scenario", "{out}.py"],
}


@pytest.mark.sample(3)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("which", ["capture", "clear"])
def test_commands(command: str, which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path: Path = request.getfixturevalue(which)
    out = tmp_path / "out"
    words = {"{}": str(path), "{folder}": str(path.parent)}
    arguments = [words.get(word, word.replace("{out}", str(out))) for word in COMMANDS[command]]
    done = click.testing.CliRunner().invoke(main, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert not unprintable(done.stdout)
    assert not unprintable(done.stderr)
    if command in ("dissect", "capture", "audit"):
        assert max(map(len, done.stdout.splitlines())) < 5 * LONGEST
    for written in tmp_path.iterdir():
        if written.suffix == ".html":
            markup(written.read_text())
        elif written.suffix != ".pcapng":
            assert not unprintable(written.read_text())


def test_a_capture_in_python(capture: Path, clear: Path) -> None:
    for path in (capture, clear):
        with Capture(path) as found:
            assert not unprintable(repr(found))
            markup(found._repr_html_())
            assert not unprintable(str(found.ladder()))
            for conversation in found.conversations:
                markup(conversation._repr_html_())
                assert not unprintable(repr(conversation))
            for name in ("messages", "exchanges"):
                pandas = pytest.importorskip("pandas")
                with pandas.option_context("display.max_colwidth", None):
                    table = found.to_pandas(name)
                    assert not unprintable(table.to_string())
                    markup(table.to_html())


def test_the_name_of_a_capture_is_no_markup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    path = tmp_path / "[" / "red]\u202e.pcap"
    path.parent.mkdir()
    path.write_bytes(b"")
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    with opening._progress(path) as progress:
        assert progress is not None
        progress(0)
    assert r"red]\u202e.pcap" in shown.getvalue()


@pytest.mark.parametrize("kind", [7, 25])
def test_settings_of_a_configuration_payload(kind: int) -> None:
    settings = Settings.read([(kind, OCTETS)])
    for text in (repr(settings), *settings.domains, settings.version or ""):
        assert not unprintable(text)
    assert "EVIL" in repr(settings)


def test_what_a_strongswan_says_of_its_peers() -> None:
    assert not unprintable(_plain({"remote-id": OCTETS})["remote-id"])


# -- before anybody is authenticated ----------------------------------------------------------------------------------


def test_the_initiators_error() -> None:
    with Session(seed=1) as s:
        s.peer.taps.add("payloads", pose)
        with pytest.raises(AuthenticationError, match="EVIL") as caught:
            s.connect()
    assert not unprintable(str(caught.value))
    assert not unprintable("".join(traceback.format_exception(caught.value)))


def test_the_responders_event() -> None:
    with Session(seed=1, local_id=TEXT, peer={"remote_id": "alice"}) as s:
        s.connect()
        reasons = [getattr(event, "reason", "") for _, event in s.events]
    assert any("no configuration for" in reason and "EVIL" in reason for reason in reasons)
    assert not any(map(unprintable, reasons))


def test_over_udp(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer has no idea of the key: its identity is compared before its AUTH is verified."""
    port, natt_port = free_ports("127.0.0.1")
    config = IkeConfig(
        auth="another key", local_id="bob", children=(ChildConfig(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24"),)
    )
    settings = EndpointConfig(port=port, natt_port=natt_port, marker_always=True)
    network = UdpNetwork()
    mallory = Endpoint("127.0.0.1", [config], config=settings)
    mallory.taps.add("payloads", pose)
    network.add(mallory, "mallory")
    monkeypatch.setattr(PskAuthenticator, "verify", lambda *_: None)
    network.attend()
    try:
        with Session(f"127.0.0.1:{port}", psk="secret", remote_id="bob") as s:
            with pytest.raises(FynxError, match=r"expected the peer to be bob, found .*EVIL") as caught:
                s.connect()
            texts = [str(caught.value), str(s.ladder()), *(repr(event) for _, event in s.events)]
    finally:
        network.close()
    assert not any(map(unprintable, texts))
