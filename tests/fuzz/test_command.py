# SPDX-License-Identifier: GPL-2.0-or-later
"""`fynx fuzz`: exit status, what is written, misuse, and a live peer on loopback."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fynx_scapy import cli
from fynx_scapy.capture import Capture
from fynx_scapy.fuzz import Edit, EmbeddedWorld, Fuzzer, LiveWorld, Step, Talk
from fynx_scapy.fuzz.growth import Resident, alive, resident
from fynx_scapy.fuzz.playing import perform
from fynx_scapy.fuzz.trial import held
from fynx_scapy.fuzz.worlds import not_taken
from fynx_scapy.ike.config import Retransmission
from fynx_scapy.ike.events import IkeSaRekeyed
from fynx_scapy.ike.message import Datagram
from tests.fuzz import planted
from tests.harness.peers import KEY, Bob, bob, target

pytestmark = pytest.mark.usefixtures("small_heap")  # `fynx fuzz` looks at every container that there is


def fynx(*words: object) -> Result:
    return CliRunner().invoke(cli.main, ["fuzz", *map(str, words)])


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "psk"
    path.write_text(KEY)
    return path


def test_nothing_found_is_status_0_and_the_json_says_what_was_done(tmp_path: Path) -> None:
    done = fynx("--cases", 6, "--seed", 5, "--to", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["cases"], found["seed"], found["findings"], found["interrupted"]) == (6, 5, [], False)
    assert sum(found["exchanges"].values()) == 6
    assert found["command"] == "fynx fuzz --cases 6 --seed 5 --role both"
    again = fynx("--cases", 6, "--seed", 5, "--to", tmp_path / "other", "--json")
    timing = {"seconds", "cases_per_second"}
    assert {k: v for k, v in json.loads(again.stdout).items() if k not in timing} == {
        k: v for k, v in found.items() if k not in timing
    }


def test_a_finding_is_status_1_and_a_case_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.crash(monkeypatch)
    folder = tmp_path / "out"
    edit = Edit("set", "SA.prop[0].trans[0].attributes[0].type", 9)
    talk = Talk((Step("create_child", "request", (edit,)),))

    def conversation(fuzzer: Fuzzer, world: EmbeddedWorld, end: int) -> bool:
        """What the run comes upon sooner or later."""
        fuzzer.progress.cases = end
        for fault in held(world, talk, slow=60):
            fuzzer._report(fault, [talk])
        return True

    monkeypatch.setattr(Fuzzer, "conversation", conversation)
    done = fynx("--cases", 6, "--seed", 5, "--to", folder, "--captures")
    assert done.exit_code == 1, done.output
    assert f"crash: PlantedError at {planted.__name__}" not in done.output  # only our own modules are named
    assert re.search(r"crash: PlantedError at \S+ in \w+ in the peer, while it handled a datagram\n", done.output)
    names = {"README.md", "crash_1.py", "crash_1.pcapng", "crash_1.keys", "state.json"}
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == names
    again = CliRunner().invoke(cli.main, ["run", str(folder / "crash_1.py")])
    assert again.exit_code == 1
    assert "PlantedError" in again.output
    capture = Capture(folder / "crash_1.pcapng")
    assert any("CREATE_CHILD_SA" in str(message) for message in capture.messages)


def test_ctrl_c_keeps_what_is_done_and_resume_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = Fuzzer.block

    def interrupted(fuzzer: Fuzzer) -> None:
        if fuzzer.progress.blocks == 1:
            raise KeyboardInterrupt
        block(fuzzer)

    folder = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr("fynx_scapy.fuzz.fuzzer.Plan.__init__", small_blocks())
        patched.setattr(Fuzzer, "block", interrupted)
        first = fynx("--cases", 8, "--seed", 5, "--to", folder)
        assert first.exit_code == 130
        assert "interrupted: 4 of 8 cases run" in first.stderr
        patched.setattr(Fuzzer, "block", block)
        second = fynx("--cases", 8, "--to", folder, "--resume", "--json")
    assert second.exit_code == 0, second.output
    assert json.loads(second.stdout)["cases"] == 8
    wrong = fynx("--cases", 8, "--seed", 6, "--to", folder, "--resume")
    assert wrong.exit_code == 2
    assert "--resume goes on with the seed 5, found --seed 6" in wrong.output


def small_blocks() -> object:
    """The constructor of a plan with blocks of four cases."""
    from fynx_scapy.fuzz.fuzzer import Plan

    init = Plan.__init__
    return lambda self, **given: init(self, **(given | {"block": 4}))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--cases", "0"], "--cases"),
        (["--role", "initiatr"], "--role"),
        (["--local-id", "me"], "--local-id describes a live peer, but --target is missing"),
        (["--pid", "1"], "--pid describes a live peer, but --target is missing"),
        (["--target", "127.0.0.1"], "expected the peer's key"),
        (["--target", "127.0.0.1", "--psk-file", "KEY", "--role", "both"], "--role both is for an embedded peer"),
        (["--target", "127.0.0.1", "--psk-file", "KEY", "--pid", "4194305"], "the process 4194305 cannot be read"),
        (["--resume", "--to", "nowhere"], "--resume needs the folder of an earlier run"),
    ],
)
def test_misuse_is_one_error_with_status_2(key: Path, words: list[str], told: str) -> None:
    done = fynx(*[str(key) if word == "KEY" else word for word in words])
    assert done.exit_code == 2
    assert told in done.output
    assert "Traceback" not in done.output


def test_memory_of_a_process() -> None:
    assert resident(os.getpid()) > 1000
    assert alive(os.getpid())
    assert not alive(4194305)
    meter = Resident(os.getpid(), 1 << 30)
    meter.begin(None)
    assert list(meter.grown()) == []
    assert [suspect.key for suspect in Resident(os.getpid(), 1).grown()] == [f"process {os.getpid()}"]


# A live peer


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bob]:
    """Bob, and little patience with him."""
    monkeypatch.setattr("fynx_scapy.fuzz.worlds.LIVE", Retransmission(timeout=0.15, base=1.2, tries=1))
    monkeypatch.setattr("fynx_scapy.fuzz.worlds.PAUSE", 0.05)
    with bob() as made:
        yield made


@pytest.mark.slow
def test_a_live_peer_is_fuzzed_and_nothing_is_left_there(peer: Bob, key: Path, tmp_path: Path) -> None:
    where = ["--target", f"127.0.0.1:{peer.port}", "--psk-file", key, "--rate", 200]
    done = fynx(
        *where, "--cases", 12, "--seed", 1, "--to", tmp_path / "out", "--json", "--pid", os.getpid(), "--growth", 999999
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["cases"] == 12
    assert all(name.endswith("request") for name in found["exchanges"])
    assert not [sa for sa in peer.established() if sa.established]
    assert found["left_behind"] == []


@pytest.mark.slow
def test_an_ike_sa_whose_delete_was_edited_is_deleted_at_the_end(peer: Bob) -> None:
    world = LiveWorld(target(peer.port), 100)
    # HDR, SK {}  -->   instead of a Delete, to which the peer answers   <--  HDR, SK {}
    talk = Talk((Step("delete_ike", "request", (Edit("empty", "message"),)),))
    for doubtful in (False, True):
        session = world.open()
        list(perform(session, talk))
        assert not session.sa.established
        world.close(session, doubtful=doubtful)
        # What the first conversation left there shows that the second one's Delete is what makes the difference.
        assert len([sa for sa in peer.established() if sa.established]) == 1


@pytest.mark.slow
def test_an_ike_sa_that_our_end_did_not_take_over_is_named(peer: Bob) -> None:
    world = LiveWorld(target(peer.port), 100)
    session = world.open()
    list(perform(session, Talk((Step("rekey_ike", "request"),))))
    assert not_taken(session) == []
    session.network.events[:] = [entry for entry in session.network.events if not isinstance(entry[1], IkeSaRekeyed)]
    (told,) = not_taken(session)
    assert "set up in a rekey that our end did not complete" in told
    world.close(session)


@pytest.mark.slow
def test_a_live_peer_that_dies_is_found(peer: Bob, key: Path, tmp_path: Path) -> None:
    receive = peer.endpoint.receive

    def received(datagram: Datagram, now: float) -> None:
        """It dies of a Child SA that is rekeyed or created: message ID 2 of a CREATE_CHILD_SA."""
        if datagram.data[18] == 36:
            peer.endpoint.receive = lambda *_: None  # type: ignore[method-assign]
        receive(datagram, now)

    peer.endpoint.receive = received  # type: ignore[method-assign]
    where = ["--target", f"127.0.0.1:{peer.port}", "--psk-file", key, "--rate", 200]
    done = fynx(*where, "--cases", 60, "--seed", 1, "--to", tmp_path / "out")
    assert done.exit_code == 1, done.output
    assert "nothing answers at" in done.output
    assert "not seen again" in done.output  # it does not come back, so nothing could be tried
    assert "fynx run crash_1.py --target HOST" in (tmp_path / "out" / "crash_1.py").read_text()


@pytest.mark.slow
def test_a_target_that_does_not_answer_is_status_2(peer: Bob, key: Path, tmp_path: Path) -> None:
    peer.close()
    done = fynx("--target", f"127.0.0.1:{peer.port}", "--psk-file", key, "--to", tmp_path / "out")
    assert done.exit_code == 2
    assert "no case was run" in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_live_peer_that_lives_takes_part(peer: Bob) -> None:
    world = LiveWorld(target(peer.port), 100)
    assert world.gone() is None
    assert world.left == []
