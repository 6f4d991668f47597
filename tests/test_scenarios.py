# SPDX-License-Identifier: GPL-2.0-or-later
"""Every scenario under pytest, and alone as a script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fynx_scapy import scenarios
from fynx_scapy.errors import ConfigError
from fynx_scapy.harness import Role, Scenario, Verdict, run
from tests.plain import PLAIN
from tests.samples import in_sample

FOLDER = Path(scenarios.__file__).resolve().parent


RUNS = [(made, role) for made in PLAIN for role in made.roles if not role.asynchronous]
IN_A_LAB = {
    "several_clients", "nat_before_us", "nat_before_peer", "path_mtu", "own_ports", "esp_in_udp",
    "traffic_through_rekeys",
}  # fmt: skip
"""What needs a peer that an embedded one cannot be: behind a NAT, with several clients, in real time."""


def _marks(made: Scenario, role: Role) -> list[pytest.MarkDecorator]:
    """The fast tests try each scenario in one role, half of them as the responder: both ends are ours in either."""
    roles = [each for each in made.roles if not each.asynchronous]
    fast = roles[-1] if in_sample(made.name, 2) else roles[0]
    return [] if role is fast else [pytest.mark.slow]


@pytest.mark.parametrize(
    ("scenario", "role"),
    [pytest.param(made, role, id=f"{made.path}-{role.value}", marks=_marks(made, role)) for made, role in RUNS],
)
def test_scenario(scenario: Scenario, role: Role) -> None:
    result = run(scenario, seed=0, role=role)
    if scenario.name in IN_A_LAB:
        assert (result.verdict, result.reason.split(":")[0]) == (Verdict.SKIP, "not run")
        return
    assert (result.verdict, result.reason) == (Verdict.PASS, "")
    assert result.stages
    assert result.scenario.requirements or result.scenario.suites or result.scenario.configures
    assert result.scenario.source.startswith(("RFC ", "NIAP "))


def test_every_file_has_scenarios_and_every_folder_is_a_topic() -> None:
    files = [path for path in FOLDER.glob("*/*.py") if path.stem != "__init__"]
    assert {Path(made.file).resolve() for made in scenarios.everything().values()} == set(files)
    assert not [path for path in FOLDER.glob("*.py") if path.stem != "__init__"]
    for made in PLAIN:
        assert made.topic == Path(made.file).parent.name
    assert scenarios.names() == [scenario.name for scenario in scenarios.chosen(())]
    assert set(scenarios.names()) >= {
        "psk_handshake", "cipher_suites", "esp_ping", "cookie", "invalid_ke", "no_proposal_chosen", "wrong_psk",
        "ts_narrowing", "ts_unacceptable", "liveness", "delete_child", "delete_ike",
    }  # fmt: skip


def test_the_matrix_of_suites_is_one() -> None:
    from fynx_scapy.scenarios.handshake.cipher_suites import SUITES

    assert len(set(SUITES)) == len(SUITES) >= 12


def test_a_seed_repeats_a_scenario_whatever_ran_before() -> None:
    def wires(name: str, seed: int) -> list[bytes]:
        stages = run(scenarios.load(name), seed=seed).stages
        return [octets for stage in stages for row in stage.ladder().packets for octets in row.octets]

    first = wires("esp_ping", 7)
    wires("cookie", 7)
    assert wires("esp_ping", 7) == first
    assert wires("esp_ping", 8) != first
    assert not set(first) & set(wires("delete_ike", 7))


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"psk_handshaek.*did you mean psk_handshake\?"):
        scenarios.load("psk_handshaek")
    with pytest.raises(ConfigError, match=r"there is no scenario '0000'$"):
        scenarios.load("0000")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["transport/transport_mode"], ["transport_mode"]),
        (["window"], ["invalid_message_id", "window_promise_malformed", "window_size"]),
        (["window/"], ["invalid_message_id", "window_promise_malformed", "window_size"]),
        (["window/*", "window_size"], ["invalid_message_id", "window_promise_malformed", "window_size"]),
        (["negative/*/major_version_3"], ["major_version_3"]),
    ],
)
def test_words_name_scenarios_and_topics(words: list[str], found: list[str]) -> None:
    assert [scenario.name for scenario in scenarios.chosen(words)] == found


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("config_payloat", r"did you mean config_payload\?"),
        ("rekey/rekey_chidl", r"did you mean rekey_child\?"),
        ("esp/rekey_child", r"there is no scenario 'rekey_child'"),
        ("suite:cvx", "no scenario is in a suite 'cvx'"),
        ("rekey/*zzz", "no scenario has a name like"),
    ],
)
def test_a_word_that_names_nothing_suggests_the_nearest(word: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        scenarios.chosen([word])


def test_a_scenario_runs_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / "handshake" / "psk_handshake.py")],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("PASS  psk_handshake: Two peers with a pre-shared key")
    assert "HDR, SK {IDi, IDr, AUTH, SA, TSi, TSr}  -->" in done.stdout


def test_scenarios_have_one_name() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import scenarios"],
        cwd=FOLDER.parent, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "fynx_scapy.scenarios" in done.stderr.splitlines()[-1]
