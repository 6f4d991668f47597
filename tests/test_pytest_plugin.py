# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin for pytest, as its users have it: in a process of its own, in a folder outside the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fynx_scapy import Certificate
from fynx_scapy.capture import Capture
from fynx_scapy.pki.making import Authority
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


@fynx_cases("cookie", "psk_hand*", roles=["initiator"])
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
    '@fynx_cases("cooky")': "there is no scenario 'cooky'; did you mean cookie?",
    '@fynx_cases("cookie", roles=["initator"])': (
        "expected one of the roles initiator, responder, client, server, found 'initator'; did you mean initiator?"
    ),
    "@fynx_cases()": "expected at least one scenario with these roles, found none",
    "@fynx_cases([1])": "expected names or scenarios, found 1; cases(__name__, [...]) makes them of rows",
}


@pytest.mark.slow
def test_wrong_cases_are_one_line(tmp_path: Path) -> None:
    for number, line in enumerate(WRONG):
        test = f"from fynx_scapy.pytest_plugin import fynx_cases\n{line}\ndef test(fynx_case): pass\n"
        (tmp_path / f"test_wrong_{number}.py").write_text(test)
    status, text = pytest_in(tmp_path)
    assert status == 2
    assert re.findall("^fynx_cases: (.*)$", text, re.MULTILINE) == list(WRONG.values())
    assert "Traceback" not in text


WRONG_ARGUMENTS = """
import pytest

@pytest.mark.fynx(proposal="aes128")
def test_argument(session): pass

@pytest.mark.fynx(initator={"proposals": "aes128"})
def test_end(endpoint_pair): pass

@pytest.mark.fynx(responder={"propsals": "aes128"})
def test_field(endpoint_pair): pass

@pytest.mark.fynx(proposals="aes127")
def test_value(session): pass

@pytest.mark.fynx(peer={"cookie_treshold": 0})
def test_peer(session): pass
"""


@pytest.mark.slow
def test_wrong_arguments_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "test_wrong.py").write_text(WRONG_ARGUMENTS)
    status, text = pytest_in(tmp_path, "--tb=short")
    assert status == 1
    assert "Traceback" not in text
    assert "During handling" not in text
    lines = [line for line in text.partition("short test summary")[0].splitlines() if "did you mean" in line]
    assert [line.partition("found ")[2] or line for line in lines] == [
        "'proposal'; did you mean proposals?",
        "'initator'; did you mean initiator?",
        "'propsals'; did you mean proposals?",
        "IkeConfig.proposals: 'aes127' is not a known algorithm; did you mean aes192 or aes128 or aes256?",
        "cookie_treshold; did you mean cookie_threshold?",
    ]


EXPECTED = """
from fynx_scapy.harness.cases import Case, cases, silent
from fynx_scapy.harness.verbs import set_header
from fynx_scapy.pytest_plugin import fynx_cases

MINE = cases(__name__, [
    Case("version_3", base="init", do=set_header(version=0x30), then=silent(), requirements=("7296-2.5-02",)),
])

@fynx_cases(MINE, "cookie", "psk_handshake", roles=["initiator"])
def test_mine(fynx_case):
    fynx_case.check()
"""
MANIFEST = """
[[expected]]
scenario = "version_3"
reason = "it answers, as it may"
requirement = "7296-2.5-02"

[[expected]]
scenario = "cookie"
reason = "it has no cookies"
sentence = "RFC 7296 section 2.6"

[[expected]]
scenario = "psk_handshake"
role = "initiator"
verdict = "ERROR"
reason = "it fails at times"
sentence = "RFC 7296 section 1.2"
sometimes = true

[[expected]]
scenario = "negative/esp/*"
reason = "nobody asked"
sentence = "RFC 4303 section 3.4"
"""
WORKERS = [(), ("-p", "xdist", "-n", "2")]


@pytest.mark.slow
@pytest.mark.parametrize("workers", WORKERS, ids=["alone", "distributed"])
def test_a_manifest_says_what_is_expected(workers: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(EXPECTED)
    (tmp_path / "peer.toml").write_text(MANIFEST)
    status, text = pytest_in(tmp_path, "--fynx-manifest", "peer.toml", *workers)
    assert status == 1
    assert "1 failed, 1 passed, 1 xfailed" in text
    assert "XFAIL test_mine.py::test_mine[version_3-initiator] - it answers, as it may (7296-2.5-02)" in text
    assert "XPASS: it passed, but a manifest expects FAIL: it has no cookies" in text
    assert "the row of the manifest: peer.toml line 7" in text
    said = text.partition("= fynx manifests =")[2].splitlines()[1:3]
    assert said[0] == "peer.toml line 20: the row about negative/esp/* fitted no test"
    assert "short test summary" in said[1]


@pytest.mark.slow
@pytest.mark.parametrize("workers", WORKERS, ids=["alone", "distributed"])
def test_a_row_about_nothing_is_one_line(workers: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(EXPECTED)
    (tmp_path / "peer.toml").write_text(MANIFEST.replace('"version_3"', '"version_4"'))
    status, text = pytest_in(tmp_path, "--fynx-manifest", "peer.toml", *workers)
    assert status == 4
    assert "ERROR: peer.toml: line 2: there is no scenario 'version_4'; did you mean version_3?" in text
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


@fynx_cases("psk_handshake", "cookie", roles=["initiator"])
def test_ours(fynx_case):
    fynx_case.check()
"""


DYING = """
from pathlib import Path
from fynx_scapy.harness import Scenario
from fynx_scapy.pytest_plugin import fynx_cases

def first(run):
    \"\"\"Ends the peer.\"\"\"
    s = run.session()
    s.sa_init()
    Path("end").write_text("now")
    assert Path("ended").read_text() == "done"
    s.auth()

def then(run):
    \"\"\"Comes too late.\"\"\"
    run.session().connect()

@fynx_cases([Scenario(body.__name__, "RFC 7296", (), body, __name__, live=True) for body in (first, then)])
def test_it(fynx_case):
    fynx_case.check()

def test_more(session):
    session.connect()
"""


@pytest.mark.slow
def test_a_target_that_dies_gets_no_more(tmp_path: Path) -> None:
    (tmp_path / "test_dying.py").write_text(DYING)
    (tmp_path / "psk").write_text(f"{KEY}\n")
    for name in ("end", "ended"):
        os.mkfifo(tmp_path / name)
    with bob() as peer:

        def end() -> None:
            (tmp_path / "end").read_text()
            peer.close()
            (tmp_path / "ended").write_text("done")

        ending = threading.Thread(target=end, daemon=True)
        ending.start()
        words = ("--fynx-target", f"127.0.0.1:{peer.port}", "--fynx-psk-file", "psk", "--fynx-remote-id", "bob")
        status, text = pytest_in(tmp_path, *words, "--fynx-patience", 0)
        ending.join(10)
    assert status == 1
    assert "1 failed, 2 skipped" in text, text
    assert "FAIL: the peer stopped answering: " in text
    assert "the peer stopped answering after first" in text


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
    for workers in WORKERS:
        status, text = pytest_in(tmp_path, *words, *workers)
        assert status == 2
        assert f"no answer to IKE_SA_INIT from 127.0.0.1:{peer.port}" in text
        assert "Traceback" not in text
        assert KEY not in text


@pytest.mark.slow
def test_with_a_target_that_has_a_certificate(tmp_path: Path) -> None:
    (tmp_path / "test_live.py").write_text(LIVE)
    root = Authority.root("CN=root")
    (tmp_path / "ca.pem").write_bytes(root.pem)
    issued = {name: root.issue(f"CN={name}", [f"dns:{name}"]) for name in ("alice", "bob")}
    (tmp_path / "alice.p12").write_bytes(issued["alice"].pkcs12(KEY))
    (tmp_path / "pw").write_text(KEY)
    proof = Certificate(issued["bob"].cert, issued["bob"].key)
    with bob(auth=proof, trust=root.cert, local_id=None) as peer:
        words = ("--fynx-target", f"127.0.0.1:{peer.port}", "--fynx-cert", "alice.p12", "--fynx-ca", "ca.pem")
        more = ("--fynx-passphrase-file", "pw", "--fynx-remote-id", "bob", "--fynx-ping", "10.2.0.1")
        status, text = pytest_in(tmp_path, *words, *more)
        assert status == 0, text
        assert "2 passed, 2 skipped" in text
        status, text = pytest_in(tmp_path, *words)
        assert status == 4
        assert "alice.p12: cannot open PKCS #12: it needs a passphrase" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--fynx-ca", "psk"), "--fynx-ca describes a live peer, but --fynx-target is missing"),
        (("--fynx-target", "127.0.0.1", "--fynx-ca", "psk"), "expected --fynx-cert and --fynx-ca, found one of them"),
        (("--fynx-remote-id", "bob"), "--fynx-remote-id describes a live peer, but --fynx-target is missing"),
        (("--fynx-target", "127.0.0.1"), "expected the target's key: give --fynx-psk-file, or set FYNX_PSK_FILE"),
        (("--fynx-target", "127.0.0.1", "--fynx-psk-file", "none"), "none: cannot be read: No such file"),
        (("--fynx-target", "127.0.0.1", "--fynx-psk-file", "psk", "--fynx-proposals", "aes127"), "aes127"),
        (("--fynx-peer", "strongswam"), "found 'strongswam'; did you mean strongswan?"),
        (("--fynx-manifest", "none.toml"), "none.toml: cannot be read"),
        (("--fynx-manifest", "psk"), "psk: end of document: Expected '='"),
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
    parts = {f"fynx_scapy.pytest_{name}" for name in ("plugin", "state", "cases", "arguments")}
    assert ours == {"fynx_scapy.text", *parts}
    assert not {"scapy", "cryptography", "rich", "jinja2", "asyncio"} & sys.modules.keys()
"""
    (tmp_path / "test_modules.py").write_text(test)
    status, text = pytest_in(tmp_path)
    assert status == 0, text
