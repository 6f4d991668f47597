# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorded world: a case changes one request of a recorded conversation, with an embedded peer and a live one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fynx_scapy import Session, scenarios
from fynx_scapy.capture.replay import RecordedWorld, Recording, load
from fynx_scapy.events import MessageSent
from fynx_scapy.harness import Role, Verdict, run
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.layers.ikev2 import IKEv2_Notify, IKEv2_VendorID
from tests.harness.peers import KEY, Bob, bob, fynx, target

MARK = b"only in the recording"


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A handshake, a request with a vendor ID, a rekey, and a Delete."""
    s = Session(psk=KEY, seed=26)
    s.connect()
    s.request("INFORMATIONAL", IKEv2_VendorID(vendorID=MARK))
    s.rekey_child()
    s.delete()
    file = tmp_path_factory.mktemp("recorded") / "run.pcapng"
    s.save(file, psk=True)
    return file


@pytest.fixture(scope="module")
def recording(capture: Path) -> Recording:
    return load(capture)


@pytest.fixture
def peer() -> Iterator[Bob]:
    with bob() as made:
        yield made


@pytest.mark.parametrize(
    "name", ["major_version_3", "reserved_flags_inside", "datagram_cut", "id_with_nul", "delete_ike_lost_once"]
)
def test_a_case_changes_one_request_of_the_recording(recording: Recording, name: str) -> None:
    result = run(scenarios.load(name), world=RecordedWorld(recording))
    assert (result.verdict, result.reason) == (Verdict.PASS, "")
    assert result.details is not None
    assert result.details.changes


def test_what_is_not_changed_is_as_recorded_and_comes_before(recording: Recording) -> None:
    result = run(scenarios.load("reserved_flags_inside"), world=RecordedWorld(recording))
    (stage,) = result.stages
    sent = [event for who, event in stage.events if who == "initiator" and isinstance(event, MessageSent)]
    marked = [event for event in sent if any(getattr(each, "vendorID", b"") == MARK for each in event.payloads)]
    assert len(marked) == 1
    assert marked[0].header.exch_type == ExchangeType.INFORMATIONAL
    notifies = [each.type for event in sent for each in event.payloads if isinstance(each, IKEv2_Notify)]
    assert NotifyType.REKEY_SA not in notifies, "the recording goes no further than the request that was changed"


@pytest.mark.parametrize(
    ("name", "role", "why"),
    [
        ("major_version_3", Role.RESPONDER, "a recording is played as its initiator"),
        ("create_child_sa_before_auth", Role.INITIATOR, "the case has steps of its own"),
        ("ike_rekey_foreign_cipher", Role.INITIATOR, "the recording has no request of rekey_ike that fits"),
    ],
)
def test_what_a_recording_cannot_show_is_skipped(recording: Recording, name: str, role: Role, why: str) -> None:
    result = run(scenarios.load(name), world=RecordedWorld(recording), role=role)
    assert result.verdict is Verdict.SKIP
    assert why in result.reason


def test_a_recording_is_played_to_a_live_peer(recording: Recording, peer: Bob) -> None:
    result = run(scenarios.load("reserved_flags_inside"), world=RecordedWorld(recording, target(peer.port)))
    assert (result.verdict, result.reason) == (Verdict.PASS, "")
    assert not peer.established(), "nothing is left behind"


def test_the_command_plays_a_recording(capture: Path, tmp_path: Path) -> None:
    done = fynx("run", "major_version_3", "id_with_nul", "--role", "initiator", "--recording", capture, "--json")
    document = json.loads(done.stdout)
    assert [entry["verdict"] for entry in document["results"]] == ["PASS", "PASS"]
    assert f"--recording {capture}" in document["command"]
    for words, error in (
        (["--recording-keys", capture.with_suffix(".keys")], "--recording is missing"),
        (["--recording", capture, "-j", "2"], "one session at a time"),
        (["--recording", capture, "--recording-keys", capture], "cannot be decrypted"),
    ):
        wrong = fynx("run", "major_version_3", *words)
        assert (wrong.exit_code, error in wrong.output) == (2, True), wrong.output
