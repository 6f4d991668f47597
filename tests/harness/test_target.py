# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios against a live peer, here an endpoint of our own on loopback: those that say so run, others do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from fynx_scapy import cli, scenarios
from fynx_scapy.errors import OutOfReach
from fynx_scapy.harness import Run, Verdict, expect, run
from fynx_scapy.harness.scenario import Scenario
from fynx_scapy.harness.target import Target
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig, Retransmission
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.net.udp import UdpNetwork, free_ports

KEY = "a key that no report shows"
PROPOSALS = (
    "aes128gcm16-prfsha256-x25519", "aes256gcm16-prfsha384-ecp384", "aes128-sha256-prfsha256-x25519-modp2048",
)  # fmt: skip
LIVE = [name for name in scenarios.names() if scenarios.load(name).live]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where Bob listens, whom a thread serves: he allows what the scenarios' peers are configured for."""
    number, natt_port = free_ports("127.0.0.1")
    children = (
        ChildConfig(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24", proposals=("aes128gcm16", "aes128gcm16-x25519")),
    )
    bob = IkeConfig(
        auth=KEY, local_id="bob", proposals=PROPOSALS, children=children, childless=True, force_encapsulation=True
    )
    with UdpNetwork() as network:
        settings = EndpointConfig(port=number, natt_port=natt_port, marker_always=True)
        network.add(Endpoint("127.0.0.1", [bob], config=settings), "bob", echo=True)
        network.attend()
        yield number


def target(port: int) -> Target:
    quick = Retransmission(timeout=0.1, base=1.3, tries=3)
    where = f"127.0.0.1:{port}"
    return Target(address=where, psk=KEY, remote_id="bob", ping="10.2.0.1", error_wait=0.05, retransmission=quick)


@pytest.mark.slow  # time is real, and several wait for answers that must not come
@pytest.mark.parametrize("name", LIVE)
def test_a_scenario_runs_live(name: str, port: int) -> None:
    result = run(scenarios.load(name), target=target(port))
    assert (result.verdict, result.reason) in ((Verdict.PASS, ""), (Verdict.SKIP, result.reason))
    if result.verdict is Verdict.SKIP:
        assert result.reason.startswith("not run: ")


def test_most_of_them_really_run(port: int) -> None:
    sample = [name for name in LIVE if not name.startswith(("error_", "fragment", "natt"))]
    verdicts = [run(scenarios.load(name), target=target(port)).verdict for name in sample[:8]]
    assert verdicts.count(Verdict.PASS) >= 6
    assert len(LIVE) >= 45


@pytest.mark.parametrize("name", ["cookie", "nat_port_change", "flood", "dpd_actions"])
def test_a_scenario_of_an_embedded_peer_does_not(name: str, port: int) -> None:
    result = run(scenarios.load(name), target=target(port))
    assert result.verdict is Verdict.SKIP
    assert result.reason.startswith("not run: ")


def made(body) -> Scenario:
    return Scenario(body.__name__, "RFC 7296", (), body, __name__, live=True)


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


def fynx(*words: object, key: Path | None = None):
    environment = {"FYNX_PSK_FILE": str(key)} if key else {}
    return CliRunner().invoke(cli.main, [str(word) for word in words], env=environment)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "psk"
    path.write_text(KEY + "\n")
    return path


def test_the_command_runs_against_a_target(port: int, key: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / f"out.{name}" for name in ("html", "json", "pcapng")}
    done = fynx(
        "run", "psk_handshake", "liveness", "cookie", "--target", f"127.0.0.1:{port}", "--remote-id", "bob",
        "--report", files["html"], "--json", files["json"], "--pcap", files["pcapng"], key=key,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "2 PASS, 1 SKIP" in done.output
    assert "SKIP cookie: not run" in done.output
    told = json.loads(files["json"].read_text())
    assert [result["verdict"] for result in told["results"]] == ["PASS", "PASS", "SKIP"]
    assert told["seed"] is None
    assert f"fynx run psk_handshake liveness cookie --target 127.0.0.1:{port}" in files["html"].read_text()
    assert all(KEY.encode() not in path.read_bytes() for path in files.values())
    assert KEY not in done.output
    assert fynx("dissect", files["pcapng"]).exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--target", "127.0.0.1:1"), "--psk-file"),
        (("--remote-id", "bob"), "--target is missing"),
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


@pytest.mark.slow
def test_nobody_there_is_no_pass(key: Path) -> None:
    nobody = free_ports("127.0.0.1")[0]
    done = fynx("run", "psk_handshake", "--target", f"127.0.0.1:{nobody}", key=key)
    assert done.exit_code == 1
    assert "ERROR" in done.output


def test_the_list_marks_them() -> None:
    lines = fynx("list", "--json").output.splitlines()
    assert [entry["name"] for entry in map(json.loads, lines) if entry["live"]] == LIVE
    assert "* Two peers who share a key" in fynx("list").output
