# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures: ratios, bounds, JSON and back, and calls measured in turns by a clock of the test's own."""

from __future__ import annotations

import gc
import io
import json
import math

import pytest
from rich.console import Console

from fynx_scapy.bench.figures import Fed, Figure, at_least, at_most, interleaved, number, row, table
from fynx_scapy.errors import LocalError, MalformedError

pytestmark = pytest.mark.usefixtures("small_heap")  # what measures collects garbage first

BARE = Figure("bare", 1000.0, "/s")


class Clock:
    """A clock that moves only when a call says how long it took."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now

    def takes(self, name: str, *times: float):
        """A call that takes each of these times in turn, the last one ever after."""
        left = list(times)

        def call(_item: object = None) -> None:
            assert not gc.isenabled()
            self.calls.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return call


def test_ratio_is_value_to_floor() -> None:
    seal = Figure("seal", 420.0, "/s", floor=BARE, bound=at_least(0.42))
    assert (seal.ratio, seal.met) == (0.42, True)
    assert Figure("seal", 410.0, "/s", floor=BARE, bound=at_least(0.42)).met is False


@pytest.mark.parametrize(("value", "met"), [(1.0, True), (1.1, False)])
def test_bound_of_a_figure_without_floor_is_on_its_value(value: float, met: bool) -> None:
    assert Figure("growth", value, "MiB", bound=at_most(1)).met is met


def test_what_has_no_bound_is_not_judged() -> None:
    assert BARE.met is None
    assert BARE.ratio is None


def test_what_was_skipped_is_not_judged() -> None:
    skipped = Figure.skip("libipsec", "Mbit/s", "charon is not installed")
    ours = Figure("TUN", 400, "Mbit/s", floor=skipped, bound=at_least(2))
    assert (skipped.met, ours.ratio, ours.met) == (None, None, None)
    assert row(skipped) == ("libipsec", "SKIP", "", "", "", "", "charon is not installed")


@pytest.mark.parametrize(("unit", "floor"), [("furlongs", None), ("ms", BARE)])
def test_units_are_known_and_those_of_the_floor(unit: str, floor: Figure | None) -> None:
    with pytest.raises(LocalError, match="expected a"):
        Figure("x", 1, unit, floor=floor)


@pytest.mark.parametrize(
    "figure",
    [
        BARE,
        Figure("seal", 420.0, "/s", floor=BARE, bound=at_least(0.42)),
        Figure("send", 3.0, "µs", floor=Figure("seal", 1.0, "µs"), bound=at_most(2.5)),
    ],
    ids=lambda figure: figure.name,
)
def test_json_and_back(figure: Figure) -> None:
    assert Figure.from_dict(json.loads(json.dumps(figure.as_dict()))) == figure


def test_json_of_a_skipped_figure_has_no_number() -> None:
    data = json.loads(json.dumps(Figure.skip("TUN", "Mbit/s", "no /dev/net/tun").as_dict(), allow_nan=False))
    assert Figure.from_dict(data).skipped == "no /dev/net/tun"
    assert math.isnan(Figure.from_dict(data).value)


@pytest.mark.parametrize("data", [None, [], {}, {"name": "x", "value": "y", "unit": "s"}, {"name": "x", "value": 1}])
def test_json_that_is_no_figure(data: object) -> None:
    with pytest.raises(MalformedError, match="expected a figure"):
        Figure.from_dict(data)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.01234, "0.0123"), (1.5, "1.50"), (123456.7, "123,457"), (-2.0, "-2.00")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_table_is_plain_text_off_a_terminal() -> None:
    out = io.StringIO()
    figures = [BARE, Figure("seal", 300.0, "/s", floor=BARE, bound=at_least(0.42))]
    Console(file=out, width=100).print(table(figures))
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["figure", "value", "floor", "ratio", "bound"]
    assert lines[-1].split() == ["seal", "300", "/s", "1,000", "0.300", "≥", "0.42", "MISSED"]


def test_calls_take_turns_and_the_median_counts() -> None:
    clock = Clock()
    times = interleaved(
        {"slow": clock.takes("slow", 1.0, 2.0, 9.0, 3.0), "fast": clock.takes("fast", 0.5)},
        rounds=3,
        seconds=1.0,
        clock=clock,
    )
    assert times == {"slow": 3.0, "fast": 0.5}
    assert clock.calls == ["slow", "fast", *["slow", "fast", "fast"] * 3]  # once each to find how many fit


def test_what_is_fed_is_prepared_outside_the_time() -> None:
    clock = Clock()

    def feed(count: int) -> list[int]:
        clock.now += 100.0
        return list(range(count))

    times = interleaved({"open": Fed(clock.takes("open", 0.25), feed)}, rounds=3, seconds=1.0, clock=clock)
    assert times == {"open": 0.25}
    assert len(clock.calls) == 1 + 3 * 4


def test_collector_is_back_after_a_call_that_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        interleaved({"wrong": lambda: 1 // 0})
    assert gc.isenabled()


def test_what_the_caller_has_frozen_stays_frozen() -> None:
    gc.freeze()
    before = gc.get_freeze_count()
    interleaved({"one": lambda: None}, rounds=1, seconds=0.0001)
    assert gc.get_freeze_count() >= before > 0


def test_what_the_caller_has_not_frozen_is_not_frozen_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 0)
    monkeypatch.setattr(gc, "freeze", lambda: done.append("freeze"))
    monkeypatch.setattr(gc, "unfreeze", lambda: done.append("unfreeze"))
    interleaved({"one": lambda: None}, rounds=1, seconds=0.0001)
    assert done == ["freeze", "unfreeze"]


def test_real_clock_and_real_calls() -> None:
    times = interleaved({"one": lambda: sum(range(100)), "ten": lambda: sum(range(1000))}, rounds=3, seconds=0.001)
    assert 0 < times["one"] < times["ten"] < 0.01
