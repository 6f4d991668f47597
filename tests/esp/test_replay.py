# SPDX-License-Identifier: GPL-2.0-or-later
"""The anti-replay window against a model that keeps every number in a set (RFC 4303 section 3.4.3, appendix A)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fynx_scapy.errors import ConfigError, ReplayError
from fynx_scapy.esp.replay import LIMIT_64, ReplayWindow
from tests.examples import examples

WRAP = 1 << 32


class Model:
    """What section 3.4.3 says, said with a set: no duplicate, nothing left of the window."""

    def __init__(self, size: int, highest: int):
        self.size, self.highest = size, highest
        self.received: set[int] = set()
        self.start = highest  # all up to here counts as received

    def accepts(self, seq: int) -> bool:
        return seq > self.highest - self.size and seq > self.start and seq not in self.received

    def receive(self, seq: int) -> None:
        self.received.add(seq)
        self.highest = max(self.highest, seq)


def accepts(window: ReplayWindow, seql: int) -> int | None:
    try:
        return window.check(seql)
    except ReplayError:
        return None


# Steps relative to the highest number: most near the window's edges, some far ahead.
STEPS = st.lists(st.one_of(st.integers(-140, 140), st.sampled_from([1, 1, 1, 1000, 70_000])), max_size=60)


@settings(max_examples=examples(80), deadline=None)
@given(size=st.sampled_from([1, 2, 31, 32, 64, 65, 128]), start=st.sampled_from([0, 5, 63, 64, 1 << 31]), steps=STEPS)
@pytest.mark.requirements("4303-2.2-03", "4303-3.4.3-05", "4303-3.4.3-i01", negative=True)
def test_window_of_32_bit_numbers_agrees_with_the_model(size: int, start: int, steps: list[int]) -> None:
    window, model = ReplayWindow(size, highest=start), Model(size, start)
    for step in steps:
        seq = max(0, model.highest + step)
        assert (accepts(window, seq) == seq) == model.accepts(seq)
        if model.accepts(seq):
            window.accept(seq)
            model.receive(seq)
        assert window.highest == model.highest
        assert window.seen(seq) == (not model.accepts(seq))


@given(size=st.sampled_from([0, 1, 2, 64, 65]), steps=STEPS, packets=st.integers(0, 150))
def test_a_run_is_accepted_as_one_by_one(size: int, steps: list[int], packets: int) -> None:
    window, other = ReplayWindow(size), ReplayWindow(size)
    for each in (window, other):
        for step in steps:
            seq = each.highest + step
            if step > 0 or accepts(each, max(0, seq)) == seq:
                each.accept(seq)
    window.accept_next(packets)
    for _ in range(packets):
        other.accept(other.highest + 1)
    assert (window.highest, window.missing) == (other.highest, other.missing)


@settings(max_examples=examples(80), deadline=None)
@given(
    size=st.sampled_from([1, 32, 64, 128, 1024]),
    start=st.sampled_from([0, WRAP - 70, WRAP - 1, WRAP, WRAP + 3, 5 * WRAP - 30, 7 * WRAP + 200]),
    steps=STEPS,
)
@pytest.mark.requirements("4303-3.4.3-i02")
def test_esn_window_agrees_with_the_model_across_the_wrap(size: int, start: int, steps: list[int]) -> None:
    """Only 32 bits are on the wire; within reach of the window the receiver finds the others (appendix A2.2)."""
    window, model = ReplayWindow(size, esn=True, highest=start), Model(size, start)
    for step in steps:
        seq = model.highest + step
        if seq < 0 or (seq <= model.highest - size):
            continue  # left of the window the low half stands for a number one subspace up, which the ICV refuses
        assert window.locate(seq % WRAP) == seq
        assert (accepts(window, seq % WRAP) == seq) == model.accepts(seq)
        if model.accepts(seq):
            window.accept(seq)
            model.receive(seq)
        assert window.highest == model.highest


@given(highest=st.integers(0, LIMIT_64), seql=st.integers(0, WRAP - 1), size=st.sampled_from([1, 64, 4096, 1 << 31]))
@settings(max_examples=examples(100), deadline=None)
def test_high_half_is_the_appendix_table(highest: int, seql: int, size: int) -> None:
    """Appendix A2.3's pseudo code, word for word, mod 2^32."""
    th, tl = divmod(highest, WRAP)
    bl = (tl - size + 1) % WRAP
    seqh = (th if seql >= bl else th + 1) if tl >= size - 1 else (th - 1 if seql >= bl else th)
    if seqh >= 0:
        window = ReplayWindow(64, esn=True, highest=highest)
        window.reach = size
        assert window.locate(seql) == seqh * WRAP + seql


def test_before_the_first_wrap_there_is_no_subspace_below() -> None:
    assert ReplayWindow(64, esn=True).locate(WRAP - 1) == WRAP - 1


@pytest.mark.requirements("4303-3.4.3-i03", negative=True)
def test_check_never_moves_the_window() -> None:
    """Section 3.4.3: "The receive window is updated only if the integrity verification succeeds." """
    window = ReplayWindow(64)
    window.accept(10)
    for seql in (11, 5_000_000, 0xFFFF_FFFF, 9):
        for _ in range(2):
            assert window.check(seql) == seql
    assert window.highest == 10
    assert not window.seen(9)


@pytest.mark.requirements("4303-3.4.3-04", negative=True)
def test_the_first_number_is_one() -> None:
    window = ReplayWindow(64)
    with pytest.raises(ReplayError):
        window.check(0)
    assert window.check(1) == 1


@pytest.mark.parametrize("size", [32, 64, 100, 4096])
@pytest.mark.requirements("4303-3.4.3-10", "4303-3.4.3-i01", negative=True)
def test_edges_of_the_window(size: int) -> None:
    window = ReplayWindow(size)
    window.accept(10_000)
    assert window.check(10_000 - size + 1)
    with pytest.raises(ReplayError, match="below the window"):
        window.check(10_000 - size)
    with pytest.raises(ReplayError, match="received before"):
        window.check(10_000)


def test_size_zero_checks_nothing_and_follows_the_high_half() -> None:
    window = ReplayWindow(0, esn=True, highest=WRAP - 2)
    for seql, seq in ((WRAP - 1, WRAP - 1), (1, WRAP + 1), (WRAP - 1, WRAP - 1), (0, WRAP), (1, WRAP + 1)):
        assert window.check(seql) == seq
        window.accept(seq)
    assert window.highest == WRAP + 1
    plain = ReplayWindow(0)
    for seql in (5, 5, 0, 2):
        assert plain.check(seql) == seql
        plain.accept(seql)


def test_a_leap_of_the_whole_number_space_is_cheap() -> None:
    window = ReplayWindow(1 << 16, esn=True)
    window.accept(1)
    window.accept(window.check(WRAP - 1))
    assert window.seen(WRAP - 1)
    assert not window.seen(WRAP - 2)


def test_nothing_lies_beyond_the_last_number() -> None:
    window = ReplayWindow(64, esn=True, highest=LIMIT_64)
    with pytest.raises(ReplayError, match="would exceed 64 bits"):
        window.check(3)


@pytest.mark.parametrize(("size", "highest"), [(-1, 0), ((1 << 31) + 1, 0), (64, -1), (64, WRAP)])
def test_impossible_windows_are_refused(size: int, highest: int) -> None:
    with pytest.raises(ConfigError):
        ReplayWindow(size, highest=highest)
