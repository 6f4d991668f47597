# SPDX-License-Identifier: GPL-2.0-or-later
"""Results as JSON and back, compared with a baseline, and as a picture; all with figures made by hand."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fynx_scapy.bench.compare import compare
from fynx_scapy.bench.figures import Figure, at_least, at_most
from fynx_scapy.bench.plot import draw
from fynx_scapy.bench.results import LARGEST, Results, Topic
from fynx_scapy.bench.topics import topics
from fynx_scapy.errors import MalformedError

ROOT = Path(__file__).resolve().parent.parent.parent
MACHINE = {"processor": "an abacus", "system": "Linux 6.1", "Python": "3.11"}


def results(*figures: Figure, topic: str = "esp", **reasons: str) -> Results:
    return Results([Topic(topic, "What packets cost.", list(figures), 1.5, **reasons)], machine=MACHINE)


def seal(ratio: float, bare: float = 1000.0) -> Figure:
    return Figure("seal", ratio * bare, "/s", floor=Figure("bare", bare, "/s"), bound=at_least(0.42))


def send(ratio: float, bare: float = 1.0) -> Figure:
    return Figure("send", ratio * bare, "µs", floor=Figure("seal", bare, "µs"))


def test_file_and_back(tmp_path: Path) -> None:
    made = results(seal(0.5), Figure.skip("libipsec", "Mbit/s", "charon is not installed"), failed="the peer went away")
    path = tmp_path / "baseline.json"
    path.write_text(made.text())
    read = Results.load(path)
    assert read.text() == made.text()
    assert read.topics[0].failed == "the peer went away"
    assert [figure.skipped for _, figure in read.figures()] == ["", "charon is not installed"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is not the JSON of one"),
        ("[]", "it is not the JSON of one"),
        ("{}", "'format' is missing"),
        ('{"format": 2}', "expected format 1, found 2"),
        ('{"format": 1, "quick": 0, "machine": {}, "topics": {"x": {}}}', "'title' is missing"),
        ("[" * 100_000, "it is not the JSON of one"),
        ("\xff", "it is not the JSON of one"),
        (" " * (LARGEST + 1), "more than 16 MB"),
    ],
    ids=["empty", "list", "nothing", "version", "topic", "nested", "not UTF-8", "large"],
)
def test_file_that_is_no_baseline(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(MalformedError, match=f"baseline.json: expected results.*{re.escape(told)}"):
        Results.load(path)


def test_a_slower_machine_is_no_change() -> None:
    (change,) = compare(results(seal(0.5, bare=10.0)), results(seal(0.5, bare=1000.0))).changes
    assert change.worse == 1.0


@pytest.mark.parametrize(
    ("now", "then", "worse"),
    [
        (seal(0.4), seal(0.5), 1.25),  # a rate: more is better
        (seal(0.5), seal(0.4), 0.8),
        (send(3.0), send(2.0), 1.5),  # a time: less is better
        (Figure("growth", 3.0, "MiB"), Figure("growth", 2.0, "MiB"), 1.5),
        (Figure("lost", 1, "lost"), Figure("lost", 0, "lost"), math.inf),
        (Figure("lost", 0, "lost"), Figure("lost", 0, "lost"), 1.0),
        # Below half of their bound amounts are all the same.
        (Figure("growth", 0.4, "MiB", bound=at_most(1)), Figure("growth", -0.1, "MiB", bound=at_most(1)), 1.0),
        (Figure("growth", 1.0, "MiB", bound=at_most(1)), Figure("growth", 0.0, "MiB", bound=at_most(1)), 2.0),
        # A bound says which way is better.
        (
            Figure("times Scapy", 400, "×", bound=at_least(450)),
            Figure("times Scapy", 500, "×", bound=at_least(450)),
            1.25,
        ),
    ],
)
def test_how_much_worse(now: Figure, then: Figure, worse: float) -> None:
    (change,) = compare(results(now), results(then)).changes
    assert change.worse == pytest.approx(worse)


def test_worse_beyond_the_tolerance_only_and_the_worst_first() -> None:
    before = results(seal(0.5), send(2.0), Figure("growth", 1.0, "MiB"))
    now = results(seal(0.45), send(4.0), Figure("growth", 5.0, "MiB"))
    found = compare(now, before, 0.2)
    assert [str(change) for change in found.worse] == [
        "esp: growth: 1.00 MiB before, 5.00 MiB now, 5.00 × as bad",
        "esp: send: 2.00 × before, 4.00 × now, 2.00 × as bad",
    ]
    assert [change.figure for change in compare(before, now, 0.2).better] == ["growth", "send"]


def test_what_is_worse_once_only_was_load() -> None:
    before = results(seal(0.5), send(2.0))
    found = compare(results(seal(0.2), send(4.0)), before).milder(compare(results(seal(0.49), send(5.0)), before))
    assert [(change.figure, change.worse) for change in found.worse] == [("send", 2.0)]


@pytest.mark.parametrize(
    "figure",
    [Figure("bare", 1000.0, "/s"), Figure.skip("TUN", "MiB", "no device"), Figure("new", 1.0, "MiB")],
    ids=["of the machine", "skipped", "new"],
)
def test_what_cannot_be_compared_is_not(figure: Figure) -> None:
    before = results(Figure("bare", 10.0, "/s"), Figure("TUN", 1.0, "MiB"))
    assert compare(results(figure), before).changes == []


def test_what_is_gone_is_told_if_its_topic_was_measured() -> None:
    before = Results([*results(seal(0.5)).topics, *results(send(2.0), topic="datapath").topics], machine=MACHINE)
    assert compare(results(), before).gone == ["esp: seal"]
    assert compare(results(skipped="no charon"), before).gone == []


def test_picture_has_every_figure_and_its_bound() -> None:
    wide = [Figure("a & b", 1e6, "/s"), Figure("slow", 10.0, "/s", floor=Figure("fast", 1e5, "/s"))]
    skipped = Figure.skip("TUN", "MiB", "no /dev/net/tun")
    root = ElementTree.fromstring(draw(results(seal(0.5), seal(0.4), *wide, skipped, Figure("none", 0, "lost"))))
    texts = [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "an abacus · Linux 6.1 · Python 3.11" in texts
    assert "a & b" in texts
    assert "500 /s · 0.500 × (≥ 0.42)" in texts
    assert "skipped: no /dev/net/tun" in texts
    kinds = [shape.get("class") for shape in root if shape.tag.endswith("rect") and float(shape.get("y", 0)) > 100]
    assert [kind for kind in kinds if kind != "track"] == ["met", "missed", "plain", "plain", "plain"]
    ends = [float(shape.get("x", 0)) + float(shape.get("width", 0)) for shape in root if shape.tag.endswith("rect")]
    assert max(ends) <= 860


def test_picture_says_what_was_skipped_or_failed() -> None:
    assert "skipped: no charon" in draw(results(skipped="no charon"))
    assert "the peer went away" in draw(results(failed="the peer went away"))


def test_the_stored_baseline_is_of_the_topics_that_there_are() -> None:
    baseline = Results.load(ROOT / "benchmarks" / "baseline.json")
    assert {topic.name for topic in baseline.topics} == topics().keys()
    assert not baseline.quick
    assert not [topic.name for topic in baseline.topics if topic.failed or topic.skipped]
    assert not compare(baseline, baseline, 0.0).worse
