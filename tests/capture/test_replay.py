# SPDX-License-Identifier: GPL-2.0-or-later
"""Replay with an embedded peer: as recorded where the peer is the same, and every difference shown where not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fynx_scapy.capture.follow.exchanges import (
    AUTH,
    CREATE_CHILD,
    DELETE_CHILD,
    DELETE_IKE,
    INFORMATIONAL,
    INIT,
    REKEY_CHILD,
    REKEY_IKE,
)
from fynx_scapy.capture.replay import configs
from fynx_scapy.capture.replay.compare import FRESH, compare
from fynx_scapy.capture.replay.player import Player, ReplayVerdict, play, session
from fynx_scapy.capture.replay.raw import send, shots
from fynx_scapy.capture.replay.rebuild import rebuilt
from fynx_scapy.capture.replay.recording import load
from fynx_scapy.capture.replay.to_scenario import write
from fynx_scapy.cli import main
from fynx_scapy.errors import CaptureError, ConfigError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.events import MessageSent
from fynx_scapy.ike.message import notify
from fynx_scapy.keylog import KeyLog
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_AUTH, IKEv2_KE, IKEv2_Nonce
from fynx_scapy.net.memory import Network
from fynx_scapy.net.recorder import Recorder
from fynx_scapy.net.sockets import UdpPort
from fynx_scapy.session import Session
from tests.shared import shared

PSK = "a key of the test"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conversation of two of our own ends, with everything that is replayed in it."""
    path = tmp_path_factory.mktemp("replay") / "own.pcapng"
    recorder, network = Recorder(), Network(seed=1)
    recorder.watch(network, "own")
    s = Session(network=network, psk=PSK, seed=1)
    s.connect()
    s.rekey_child()
    s.rekey_ike()
    s.create_child()
    s.liveness()
    s.delete(s.child)
    s.delete()
    recorder.save_capture(path)
    recorder.keys().save(path.with_suffix(".keys"))
    return path


def lab(name: str, conversation: int = 1):
    return load(shared(f"captures/lab/{name}.pcap"), conversation=conversation)


def test_a_recording_is_a_list_of_steps(recorded: Path):
    recording = load(recorded)
    assert [step.kind for step in recording.steps] == [
        INIT, AUTH, REKEY_CHILD, DELETE_CHILD, REKEY_IKE, DELETE_IKE, CREATE_CHILD, INFORMATIONAL, DELETE_CHILD,
        DELETE_IKE,
    ]  # fmt: skip
    assert all(step.ours and step.response for step in recording.steps)
    assert recording.established


def test_the_same_peer_answers_as_recorded(recorded: Path):
    report = play(load(recorded), psk=PSK)
    assert report.differences == []
    assert {outcome.verdict for outcome in report.outcomes} == {ReplayVerdict.SAME}
    assert report.ok
    assert report.established


def test_nothing_that_is_fresh_is_sent_again(recorded: Path):
    recording = load(recorded)
    with session(recording, psk=PSK) as s:
        Player(recording, s).play()
        sent = [event for who, event in s.events if who == s.name and isinstance(event, MessageSent)]
    requests = [event for event in sent if not int(event.header.flags) & 0x20]
    assert len(requests) == len(recording.steps)
    for step, event in zip(recording.steps, requests, strict=True):
        assert event.header.init_SPI != step.request.header.init_SPI
        for layer, field in ((IKEv2_KE, "ke"), (IKEv2_Nonce, "nonce"), (IKEv2_AUTH, "load")):
            old, new = step.request.get(layer), next((p for p in event.payloads if type(p) is layer), None)
            assert (old is None) == (new is None)
            assert old is None or getattr(old, field) != getattr(new, field)
        # All else is as recorded.
        assert compare(step.request, event.header, event.payloads) == []


@pytest.mark.parametrize(
    ("name", "conversation"),
    [("psk-cbc128-sha256-modp2048", 1), ("psk-invalid-ke", 1), ("psk-childless", 1), ("psk-cookie", 4)],
)
def test_what_strongswan_said_is_said_again(name: str, conversation: int):
    """The peer is ours: of all that it answers, only what it announces about itself differs from strongSwan."""
    recording = lab(name, conversation)
    report = play(recording)
    assert report.established
    assert not [
        each for each in report.outcomes if each.verdict in (ReplayVerdict.UNANSWERED, ReplayVerdict.NOT_PLAYED)
    ]
    assert {each.payload for each in report.differences} <= {
        "N(SIGNATURE_HASH_ALGORITHMS)", "N(CHILDLESS_IKEV2_SUPPORTED)", "N(MULTIPLE_AUTH_SUPPORTED)",
    }  # fmt: skip


def test_another_configuration_shows_in_the_fields(recorded: Path):
    recording = load(recorded)
    config = configs.initiator(recording, PSK)
    other = configs.responder(recording, config) | {"childless": True}
    other["children"] = tuple(
        each.replace(local_ts="10.2.0.64/26", proposals="aes128-sha256") for each in other["children"]
    )
    with Session(config=config, peer=other) as s:
        report = Player(recording, s).play()
    assert not report.ok
    found = {(each.message, each.payload, each.field): (each.recorded, each.found) for each in report.differences}
    assert found[2, "N(CHILDLESS_IKEV2_SUPPORTED)", ""] == ("absent", "present")
    assert found[4, "TSr", "traffic_selector[1].starting_address_v4"] == ("10.2.0.0", "10.2.0.64")
    assert found[4, "TSr", "traffic_selector[1].ending_address_v4"] == ("10.2.0.255", "10.2.0.127")
    assert found[4, "SA", "prop[1].ENCR"] == ("ENCR_AES_GCM_16/128", "ENCR_AES_CBC/128")


def test_the_wrong_key_does_not_end_established(recorded: Path):
    recording = load(recorded)
    config = configs.initiator(recording, PSK)
    with Session(config=config, peer={"psk": "another"}) as s:
        report = Player(recording, s).play()
    assert (report.established, report.expected, report.ok) == (False, True, False)
    assert "AUTHENTICATION_FAILED" in report.error
    verdicts = [each.verdict for each in report.outcomes]
    assert verdicts == [ReplayVerdict.SAME, ReplayVerdict.DIFFERS] + [ReplayVerdict.NOT_PLAYED] * 8


def test_a_cookie_that_was_not_recorded_is_brought(recorded: Path):
    recording = load(recorded)
    config = configs.initiator(recording, PSK)
    with Session(config=config, peer=configs.responder(recording, config) | {"cookie_threshold": 0}) as s:
        report = Player(recording, s, keep=True).play()
        assert s.sa.established
    assert report.established
    assert not report.ok
    extra = [each for each in report.outcomes if each.verdict is ReplayVerdict.EXTRA]
    assert [each.title.startswith("IKE_SA_INIT {N(COOKIE), SA") for each in extra] == [True]
    assert report.outcomes[-2].verdict is ReplayVerdict.KEPT


def test_what_is_fresh_by_nature_is_not_compared(recorded: Path):
    message = load(recorded).steps[0].response
    assert message is not None
    others = [payload.copy() for payload in message.payloads]
    for layer in others:
        if isinstance(layer, IKEv2_KE):
            layer.ke = bytes(len(layer.ke))
        if isinstance(layer, IKEv2_Nonce):
            layer.nonce = bytes(32)
    assert compare(message, message.header, others) == []
    next(layer for layer in others if isinstance(layer, IKEv2_KE)).group = 14
    (difference,) = compare(message, message.header, others)
    assert (difference.payload, difference.field) == ("KE", "group")
    assert "KE" in FRESH
    (difference,) = compare(message, IKEv2(exch_type=37), message.payloads)
    assert (difference.field, difference.recorded, difference.found) == ("exch_type", "IKE_SA_INIT", "INFORMATIONAL")


def test_promises_that_the_engine_cannot_keep_are_left_out():
    recorded = [notify(NotifyType.USE_PPK), notify(NotifyType.REDIRECT_SUPPORTED), notify(NotifyType.COOKIE, b"old")]
    cookie = notify(NotifyType.COOKIE, b"new")
    found = rebuilt(recorded, [cookie])
    assert [(each.type, each.notify) for each in found] == [
        (NotifyType.REDIRECT_SUPPORTED, b""),
        (NotifyType.COOKIE, b"new"),
    ]
    assert found[1] is cookie
    assert rebuilt([notify(NotifyType.REDIRECT_SUPPORTED)], [cookie])[0] is cookie


def test_what_cannot_be_replayed_says_why(recorded: Path):
    with pytest.raises(ConfigError, match="expected conversation 1, the only one, found 2"):
        load(recorded, conversation=2)
    with pytest.raises(CaptureError, match="packet 3: the message cannot be decrypted"):
        load(recorded, KeyLog())
    with pytest.raises(ConfigError, match="give it with --psk"):
        configs.initiator(load(recorded))
    with pytest.raises(CaptureError, match="found EAP"):
        configs.initiator(lab("eap-tls"), PSK)
    with pytest.raises(ConfigError, match=r"give them with --cert and --key"):
        configs.initiator(lab("cert-rsa"), PSK)
    report = play(lab("psk-no-proposal"))  # nothing is signed in it: it needs no key
    assert not report.expected


# Scenarios


@pytest.mark.slow
@pytest.mark.parametrize("name", ["own", "psk-cbc128-sha256-modp2048", "psk-childless", "k-transport-gcm"])
def test_a_scenario_of_it_runs(name: str, recorded: Path, tmp_path: Path):
    path = tmp_path / "again.py"
    text = write(load(recorded) if name == "own" else lab(name), "again", f'{name}"""\n.pcap')
    path.write_text(text)
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    assert ruff is not None
    for words in (("format", "--check"), ("check", "--select", "E,F,I")):
        done = subprocess.run(
            [ruff, *words, "--line-length", "120", str(path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout[:11]) == (0, "PASS  again"), done.stdout + done.stderr
    assert PSK not in text
    assert "lab psk" not in text


def test_a_scenario_needs_an_established_conversation():
    with pytest.raises(CaptureError, match="was established"):
        write(lab("psk-no-proposal"), "x", "psk-no-proposal.pcap")


# Raw


def test_raw_octets_leave_as_they_were(recorded: Path):
    """One side's datagrams, with the recorded pauses scaled, to a port of ours."""
    chosen = shots(recorded, "initiator")
    naps: list[float] = []
    port = UdpPort("127.0.0.1", 0)
    target = str(port.address)
    volley = send(chosen, target, speed=2.0, sleep=naps.append, clock=lambda: 0.0)
    received = [datagram.data for datagram in port.receive()]
    port.close()
    assert received == [shot.payload for shot in chosen]
    assert (volley.sent, volley.answers, volley.octets) == (len(chosen), 0, sum(map(len, received)))
    assert naps[:-1] == [shot.after / 2 for shot in chosen if shot.after]
    messages = [data for data in received if len(data) >= 28]
    assert all(data[19] & 0x08 for data in messages)


def test_raw_sides_differ(recorded: Path):
    ours, theirs = shots(recorded, "initiator"), shots(recorded, "responder")
    assert len(ours) == len(theirs) == 10
    assert {shot.number for shot in ours}.isdisjoint(shot.number for shot in theirs)
    assert all(shot.payload[19] & 0x20 for shot in theirs)
    with pytest.raises(ConfigError, match="sides initiator, responder"):
        shots(recorded, "both")
    with pytest.raises(ConfigError, match="speed of 0 or more"):
        send(ours, speed=-1)


# The command line


def fynx(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["replay", *map(str, words)])
    return done.exit_code, done.output


def test_the_command_says_what_became_of_it(recorded: Path, tmp_path: Path):
    status, said = fynx(recorded, "--psk", PSK)
    assert status == 0, said
    assert "established; everything is as recorded" in said
    status, said = fynx(recorded, "--psk", PSK, "--json")
    told = json.loads(said)
    assert (status, told["ok"], len(told["messages"])) == (0, True, 10)
    assert PSK not in said
    status, said = fynx(shared("captures/lab/psk-childless.pcap"))
    assert status == 1
    assert "packet 2: N(MULTIPLE_AUTH_SUPPORTED): recorded present, found absent" in said
    status, said = fynx(recorded, "--to-scenario", tmp_path / "again.py")
    assert (status, (tmp_path / "again.py").exists()) == (0, True), said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give it with --psk"),
        (("--psk", PSK, "--conversation", "3"), "conversation 1, the only one, found 3"),
        (("--side", "responder"), "need --raw"),
        (("--raw", "--keep"), "--raw cannot be used with"),
        (("--raw", "--speed", "-1"), "speed of 0 or more"),
        (("--to-scenario", "x.py", "--json"), "--to-scenario cannot be used with"),
        (("--psk", PSK, "--target", "127.0.0.1:99999"), "a port from 1 to 65535"),
    ],
)
def test_misuse(words: tuple[str, ...], told: str, recorded: Path):
    status, said = fynx(recorded, *words)
    assert (status, told in said) == (2, True), said
