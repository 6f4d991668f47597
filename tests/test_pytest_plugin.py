# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin for pytest, as its users have it: in a process of its own, in a folder outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fynx_scapy.capture import Capture
from tests.harness.peers import KEY, bob

MINE = '''
import pytest
from fynx_scapy.harness import Role, Scenario, scenario
from fynx_scapy.layers.ikev2 import IKEv2_Notify
from fynx_scapy.pytest_plugin import fynx_cases


def test_session(session):
    session.connect()
    assert session.ping()


@pytest.mark.fynx(peer={"cookie_threshold": 0})
def test_fails(session):
    session.sa_init()
    assert session.sa.established, "because I say so"


def test_network(session, network):
    assert session.network is network
    session.sa_init()
    assert network.now > 0


@pytest.mark.fynx(responder={"auth": "another key"})
class TestPair:
    def test_refuses(self, endpoint_pair):
        assert not endpoint_pair.connect().established

    @pytest.mark.fynx(initiator={"auth": "another key"})
    def test_agrees(self, endpoint_pair):
        assert endpoint_pair.connect().established


def test_target(target):
    pass


@fynx_cases("cookie", "psk_*", roles=["initiator"])
def test_ours(fynx_case):
    assert fynx_case.check().verdict.value == "PASS"


def broken(run):
    """Cannot be met."""
    run.session().sa_init()
    raise AssertionError("expected more")


def unreachable(run):
    """Needs something."""
    run.needs(False, "it has none")


THEIRS = [Scenario(body.__name__, "RFC 7296", (), body, __name__) for body in (broken, unreachable)]


@fynx_cases(THEIRS)
def test_theirs(fynx_case):
    fynx_case.check()


@fynx_cases(THEIRS[0])
def test_verdict(fynx_case):
    assert fynx_case.run().reason.startswith("expected more")


def test_without(fynx_case):
    pass
'''


def pytest_in(folder: Path, *words: object, plugin: bool = True) -> tuple[int, str]:
    """The exit status and the output of pytest in a folder. Our plugin is named: it may not be installed."""
    named = ["-p", "fynx_scapy.pytest_plugin"] if plugin else []
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-rA", "--strict-markers", *named, *map(str, words)],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder and the output of a run of those tests."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "test_mine.py").write_text(MINE)
    status, text = pytest_in(folder, "--fynx-save", "saved", "--junitxml", "junit.xml")
    assert status == 1, text
    return folder, text


def test_outcomes(mine: tuple[Path, str]) -> None:
    lines = mine[1].partition("short test summary info")[2].splitlines()[1:-1]
    found = {line.split(" - ")[0].split("::", 1)[-1]: line.split()[0] for line in lines if "::" in line}
    assert found == {
        "test_session": "PASSED",
        "test_fails": "FAILED",
        "test_network": "PASSED",
        "TestPair::test_refuses": "PASSED",
        "TestPair::test_agrees": "PASSED",
        "test_ours[cookie-initiator]": "PASSED",
        "test_ours[psk_handshake-initiator]": "PASSED",
        "test_theirs[broken-initiator]": "FAILED",
        "test_theirs[unreachable-initiator]": "FAILED",
        "test_verdict[broken-initiator]": "PASSED",
        "test_without": "ERROR",
    }
    assert [line for line in lines if line.startswith("SKIPPED")] == [
        f"SKIPPED [1] test_mine.py:{1 + MINE.splitlines().index('def test_target(target):')}: "
        "it needs a live peer: --fynx-target HOST"
    ]


def test_a_failure_shows_its_ladder_and_its_reason(mine: tuple[Path, str]) -> None:
    text = mine[1]
    assert "- ladder: test_mine.py::test_fails -" in text
    assert "HDR, N(COOKIE)" in text
    assert "- ladder: broken -" in text
    assert "FAIL: expected more (test_mine.py:" in text
    assert '> raise AssertionError("expected more")' in text
    assert "expected @fynx_cases(...) on a test that takes fynx_case, found none" in text


def test_what_failed_is_saved(mine: tuple[Path, str]) -> None:
    saved = mine[0] / "saved"
    names = {"test_mine.py_test_fails", "test_mine.py_test_theirs_broken-initiator_"}
    assert names <= {path.name for path in saved.iterdir()}
    assert not {path.name for path in saved.iterdir()} & {"test_mine.py_test_session", "test_mine.py_test_network"}
    for name in names:
        with Capture(saved / name / "test.pcapng") as capture:
            assert capture.conversations
        assert (saved / name / "test.keys" / "keys.json").is_file()
        assert "IKE_SA_INIT request 0" in (saved / name / "ladder.txt").read_text()


def test_junit_has_the_requirements(mine: tuple[Path, str]) -> None:
    suite = ElementTree.parse(mine[0] / "junit.xml").getroot()
    (case,) = (each for each in suite.iter("testcase") if each.get("name") == "test_ours[cookie-initiator]")
    found = {each.get("name"): each.get("value") or "" for each in case.iter("property")}
    assert found["source"] == "RFC 7296 section 2.6"
    assert "7296-2.6-i02" in found["requirements"].split()


WRONG = {
    "a name": ('@fynx_cases("cooky")', "fynx_cases: there is no scenario 'cooky'; did you mean cookie?"),
    "a role": ('@fynx_cases("cookie", roles=["observer"])', "fynx_cases: 'observer' is not a valid Role"),
    "nothing": ("@fynx_cases()", "fynx_cases: expected at least one scenario with these roles, found none"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("line", "error"), WRONG.values(), ids=WRONG)
def test_wrong_cases_are_one_line(line: str, error: str, tmp_path: Path) -> None:
    test = f"from fynx_scapy.pytest_plugin import fynx_cases\n{line}\ndef test(fynx_case): pass\n"
    (tmp_path / "test_wrong.py").write_text(test)
    status, text = pytest_in(tmp_path)
    assert status == 2
    assert f"\n{error}\n" in text
    assert "Traceback" not in text


LIVE = """
import pytest
from fynx_scapy.pytest_plugin import fynx_cases


def test_target(session, target):
    session.connect()
    assert session.live
    assert str(session.sa.remote_id) == "bob"


@pytest.mark.fynx(peer={"cookie_threshold": 0})
def test_embedded(session):
    pass


@fynx_cases("psk_handshake", "cookie")
def test_ours(fynx_case):
    fynx_case.check()
"""


@pytest.mark.slow
def test_with_a_target(tmp_path: Path) -> None:
    (tmp_path / "test_live.py").write_text(LIVE)
    (tmp_path / "psk").write_text(f"{KEY}\n")
    with bob() as peer:
        words = ("--fynx-target", f"127.0.0.1:{peer.port}", "--fynx-psk-file", "psk", "--fynx-remote-id", "bob")
        status, text = pytest_in(tmp_path, *words, "--fynx-ping", "10.2.0.1")
        assert status == 0, text
        assert f"fynx: target 127.0.0.1:{peer.port}" in text
        assert "2 passed, 2 skipped" in text
        assert "not with a live peer: the scenario configures the embedded peer: cookie_threshold" in text
        assert not peer.established()
    status, text = pytest_in(tmp_path, *words)
    assert status == 2
    assert f"no answer to IKE_SA_INIT from 127.0.0.1:{peer.port}" in text
    assert KEY not in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--fynx-remote-id", "bob"), "--fynx-remote-id describes a live peer, but --fynx-target is missing"),
        (("--fynx-target", "127.0.0.1"), "expected the target's key: give --fynx-psk-file, or set FYNX_PSK_FILE"),
        (("--fynx-target", "127.0.0.1", "--fynx-psk-file", "none"), "none: cannot be read: No such file"),
        (("--fynx-target", "127.0.0.1", "--fynx-psk-file", "psk", "--fynx-proposals", "aes127"), "aes127"),
    ],
)
def test_wrong_options_are_one_line(words: tuple[str, ...], error: str, tmp_path: Path) -> None:
    (tmp_path / "psk").write_text("secret")
    status, text = pytest_in(tmp_path, *words)
    assert status == 4
    assert error in text
    assert len(text.strip().splitlines()) == 1


@pytest.mark.slow
def test_it_costs_nothing_where_it_is_not_used(tmp_path: Path) -> None:
    """It is loaded into every run of pytest in its environment."""
    test = """
import sys

def test_modules():
    ours = {name for name in sys.modules if name.startswith("fynx_scapy.")}
    assert ours == {"fynx_scapy.text", "fynx_scapy.pytest_state", "fynx_scapy.pytest_plugin"}
    assert not {"scapy", "cryptography", "rich", "jinja2", "asyncio"} & sys.modules.keys()
"""
    (tmp_path / "test_modules.py").write_text(test)
    status, text = pytest_in(tmp_path)
    assert status == 0, text
