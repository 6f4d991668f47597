# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios against a live peer, here an endpoint of our own on loopback: those that say so run, others do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fynx_scapy import scenarios
from fynx_scapy.errors import OutOfReach
from fynx_scapy.harness import Run, Verdict, expect, run
from fynx_scapy.harness.target import Target
from tests.harness.peers import KEY, PROPOSALS, bob, fynx, made, target
from tests.plain import LIVE_NAMES, PLAIN_NAMES

SKIPPED = {
    "error_auth_unknown_identity": "the peer accepts any identity",
    "error_childless_unannounced": "the peer announces CHILDLESS_IKEV2_SUPPORTED",
}
"""What Bob is not configured for."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where Bob listens."""
    with bob() as peer:
        yield peer.port


def test_there_are_enough_scenarios_for_live_peers() -> None:
    assert len(LIVE_NAMES) >= 40


@pytest.mark.slow
@pytest.mark.parametrize("name", LIVE_NAMES)
def test_a_scenario_passes_unless_bob_is_not_configured_for_it(name: str, port: int) -> None:
    result = run(scenarios.load(name), target=target(port))
    assert result.verdict is (Verdict.SKIP if name in SKIPPED else Verdict.PASS), result.reason
    assert SKIPPED.get(name, "") in result.reason
    assert result.left_behind == ()


@pytest.mark.parametrize("name", ["cookie", "nat_port_change", "flood", "dpd_actions"])
def test_a_scenario_of_an_embedded_peer_does_not(name: str, port: int) -> None:
    result = run(scenarios.load(name), target=target(port))
    assert result.verdict is Verdict.SKIP
    assert result.reason.startswith("not run: ")


def test_what_the_peer_gets_wrong_is_a_failure(port: int) -> None:
    def demanding(run: Run) -> None:
        """Expects the impossible."""
        expect(run.session().sa_init()).notifies("COOKIE")

    def curious(run: Run) -> None:
        """Looks into the peer."""
        s = run.session()
        s.connect()
        assert s.peer

    result = run(made(demanding), target=target(port))
    assert (result.verdict, "expected N(COOKIE)" in result.reason) == (Verdict.FAIL, True)
    assert run(made(curious), target=target(port)).verdict is Verdict.SKIP
    # The same in an embedded run is a mistake of the scenario.
    assert run(made(demanding)).verdict is Verdict.FAIL


def test_settings_of_an_embedded_peer_are_out_of_reach() -> None:
    with pytest.raises(OutOfReach, match="childless"):
        Target(address="127.0.0.1").config({"peer": {"childless": True}})
    config = Target(address="127.0.0.1", psk="x", local_ts="10.9.0.0/24").config({"proposals": PROPOSALS[1]})
    assert [str(ts) for ts in config.children[0].local_ts] == ["10.9.0.0/24"]
    assert len(config.proposals) == 1


# The command


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "psk"
    path.write_text(KEY + "\n")
    return path


def test_the_command_runs_against_a_target(port: int, key: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / f"out.{name}" for name in ("html", "json", "pcapng", "xml")}
    done = fynx(
        "run", "psk_handshake", "liveness", "cookie", "--target", f"127.0.0.1:{port}", "--remote-id", "bob",
        "--ping", "10.2.0.1", "--junit", files["xml"], "--report", files["html"], "--json", files["json"],
        "--pcap", files["pcapng"], key=key,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "2 PASS, 3 SKIP" in done.output
    assert "SKIP cookie (initiator), cookie (responder): not run" in done.output
    told = json.loads(files["json"].read_text())
    assert [result["verdict"] for result in told["results"]] == ["PASS", "SKIP", "PASS", "SKIP", "SKIP"]
    assert told["seed"] is None
    command = (
        f"fynx run psk_handshake liveness cookie --target 127.0.0.1:{port} --psk-file {key} --remote-id bob "
        "--ping 10.2.0.1"
    )
    html, xml = files["html"].read_text(), files["xml"].read_text()
    assert all(command in found for found in (html, xml))
    assert told["command"] == command
    assert {"date", "target", "our address", "our identity", "the peer's identity"} <= told["about"].keys()
    for words in (*told["about"].values(), *told["versions"].values(), *told["versions"]):
        assert words in html
        assert words in xml
    cookie = {needed.id for needed in scenarios.load("cookie").requirements}
    passed = {needed.id for name in ("psk_handshake", "liveness") for needed in scenarios.load(name).requirements}
    # Both look into an embedded peer for the rest.
    assert (told["requirements"]["checked"], set(told["requirements"]["in_part"])) == ([], passed)
    assert set(told["requirements"]["not_checked"]) == cookie - passed
    words = f"0 of 987 requirements checked, {len(passed)} in part, {len(cookie - passed)} named but not checked"
    assert words in done.output
    assert all(KEY.encode() not in path.read_bytes() for path in files.values())
    assert KEY not in done.output
    assert fynx("dissect", files["pcapng"]).exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--target", "127.0.0.1:1"), "--psk-file"),
        (("--remote-id", "bob"), "--target is missing"),
        (("--peer", "strongswan@old"), "expected a version such as strongswan@5.9.8, found 'old'"),
        (("--target", "127.0.0.1:x", "--psk-file", "KEY"), "expected a port"),
        (("--target", "no host", "--psk-file", "KEY"), "expected a host"),
        (("--target", "127.0.0.1:9", "--psk-file", "KEY", "--seed", "1"), "--seed"),
        (("--target", "127.0.0.1:9", "--psk-file", "KEY", "--local-ts", "nonsense"), "traffic selector"),
        (("--target", "127.0.0.1:9", "--psk-file", "/nowhere"), "does not exist"),
    ],
)
def test_misuse(words: tuple[str, ...], told: str, key: Path) -> None:
    done = fynx("run", "psk_handshake", *(key if word == "KEY" else word for word in words))
    assert done.exit_code == 2
    assert told in done.output


def test_the_list_marks_them() -> None:
    lines = fynx("list", "--json").output.splitlines()
    marked = [entry["name"] for entry in map(json.loads, lines) if entry["live"]]
    assert [name for name in marked if name in PLAIN_NAMES] == LIVE_NAMES
    assert "* Two peers with a pre-shared key" in fynx("list").output
