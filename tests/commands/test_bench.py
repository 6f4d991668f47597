# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx bench``: topics, outputs, and the exit status, with topics made by hand; the real ones in a slow test."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest

from fynx_scapy.bench import topics
from fynx_scapy.bench.figures import Figure, SkippedError, at_least, at_most
from fynx_scapy.bench.results import Results
from fynx_scapy.errors import LabError
from tests.test_cli import fynx

BARE = Figure("bare", 1000.0, "/s")


class Measures(dict[str, object]):
    """The only topics that there are: name -> its figures, or the exception that its measure raises."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        patch.setattr(topics, "topics", lambda: dict.fromkeys(self, "What it costs."))

    def __setitem__(self, name: str, found: object) -> None:
        def measure(quick: bool) -> object:
            if isinstance(found, BaseException):
                raise found
            return found() if callable(found) else found

        super().__setitem__(name, found)
        self.patch.setitem(sys.modules, f"fynx_scapy.bench.{name}", types.SimpleNamespace(measure=measure))


@pytest.fixture
def measures(monkeypatch: pytest.MonkeyPatch):
    return Measures(monkeypatch)


def test_topics_are_the_files_with_a_measure() -> None:
    found = topics.topics()
    assert "rekey" in found
    assert not {"figures", "results", "topics", "compare", "plot", "ends"} & found.keys()
    assert all(title.endswith(".") for title in found.values())


def test_list() -> None:
    done = fynx("bench", "--list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(topics.topics())


def test_unknown_topic_is_misuse(measures: Measures) -> None:
    measures["esp"] = []
    done = fynx("bench", "espresso")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == "Error: expected a topic: esp; found espresso"


@pytest.mark.parametrize(
    ("measured", "status"),
    [
        ([BARE], 0),
        ([Figure("seal", 500.0, "/s", floor=BARE, bound=at_least(0.42))], 0),
        ([Figure("seal", 300.0, "/s", floor=BARE, bound=at_least(0.42))], 1),
        (SkippedError("charon is not installed"), 0),
        (LabError("the peer does not answer"), 1),
        (KeyboardInterrupt(), 130),
    ],
    ids=["no bound", "met", "missed", "skipped", "failed", "interrupted"],
)
def test_exit_status(measures: Measures, measured: object, status: int) -> None:
    measures["esp"] = measured
    done = fynx("bench", "esp")
    assert done.exit_code == status
    assert ("MISSED" in done.stdout) == (status == 1 and isinstance(measured, list))
    if isinstance(measured, SkippedError):
        assert "SKIP esp: charon is not installed" in done.stdout
    if isinstance(measured, LabError):
        assert "FAIL esp: the peer does not answer" in done.stdout
    if isinstance(measured, KeyboardInterrupt):
        assert done.stderr.splitlines()[-1] == "interrupted: 0 of 1 topics measured"


def test_outputs(measures: Measures, tmp_path: Path) -> None:
    measures["esp"], measures["tun"] = [BARE], SkippedError("no /dev/net/tun")
    done = fynx("bench", "--quick", "--json", tmp_path / "new" / "x.json", "--plot", tmp_path / "x.svg")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[2] == "esp: What it costs."
    results = Results.load(tmp_path / "new" / "x.json")
    assert [(topic.name, topic.skipped) for topic in results.topics] == [("esp", ""), ("tun", "no /dev/net/tun")]
    assert results.quick
    assert "OpenSSL" in results.machine
    assert (tmp_path / "x.svg").read_text().startswith("<svg")


def test_json_on_stdout_is_alone_there(measures: Measures) -> None:
    measures["esp"] = [BARE]
    done = fynx("bench", "--json")
    assert json.loads(done.stdout)["topics"]["esp"]["figures"] == [BARE.as_dict()]
    assert "esp: What it costs." in done.stderr


@pytest.mark.parametrize(
    ("ratio", "options", "status", "told"),
    [
        (0.5, [], 0, "1 figures"),
        (0.3, [], 1, "WORSE"),
        (0.3, ["--tolerance", 100], 0, "1 figures"),
        (0.9, [], 0, "BETTER"),
    ],
)
def test_compare(
    measures: Measures, tmp_path: Path, ratio: float, options: list[object], status: int, told: str
) -> None:
    measures["esp"] = [Figure("seal", 500.0, "/s", floor=BARE)]
    assert fynx("bench", "--json", tmp_path / "base.json").exit_code == 0
    measures["esp"] = [Figure("seal", ratio * 1000, "/s", floor=BARE)]
    done = fynx("bench", "--compare", tmp_path / "base.json", *options)
    assert (done.exit_code, told in done.stdout) == (status, True)


def test_what_became_worse_is_measured_once_more(measures: Measures, tmp_path: Path) -> None:
    measures["esp"], measures["tun"] = [Figure("seal", 500.0, "/s", floor=BARE)], [BARE]
    assert fynx("bench", "--json", tmp_path / "base.json").exit_code == 0
    turns = iter((100.0, 480.0))
    measures["esp"] = lambda: [Figure("seal", next(turns), "/s", floor=BARE)]
    done = fynx("bench", "--compare", tmp_path / "base.json")
    assert (done.exit_code, "WORSE" in done.stdout) == (0, False)
    assert [line for line in done.stderr.splitlines() if line.startswith("measuring ") and "once" not in line] == [
        "measuring esp", "measuring tun", "measuring esp",
    ]  # fmt: skip


def test_a_baseline_that_is_none_ends_before_anything_is_measured(measures: Measures, tmp_path: Path) -> None:
    measures["esp"] = AssertionError("measured")
    (tmp_path / "base.json").write_text("{}")
    done = fynx("bench", "--compare", tmp_path / "base.json")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "expected results that fynx bench --json wrote: 'format' is missing" in done.stderr


def test_the_baseline_is_not_overwritten(measures: Measures, tmp_path: Path) -> None:
    measures["esp"] = [BARE]
    (tmp_path / "base.json").write_text("{}")
    done = fynx("bench", "--compare", tmp_path / "base.json", "--json", tmp_path / "base.json")
    assert (done.exit_code, (tmp_path / "base.json").read_text()) == (2, "{}")


def test_growth_without_a_floor_is_judged_by_its_value(measures: Measures) -> None:
    measures["memory"] = [Figure("growth", 2.0, "MiB", bound=at_most(1))]
    assert fynx("bench").exit_code == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", list(topics.topics()))
def test_every_topic_measures_quickly(name: str) -> None:
    topic = topics.measured(name, quick=True)
    assert not topic.failed
    assert topic.figures or topic.skipped
    names = [figure.name for figure in topic.figures]
    assert len(set(names)) == len(names)
    assert topic.seconds < 120
