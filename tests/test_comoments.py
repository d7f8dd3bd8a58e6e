"""Co-moments of past windows: against exact arithmetic, and the law of windows."""

from __future__ import annotations

import math

import numpy as np
import oracles_price as oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer_sklearn.features._comoments import (
    count_levels,
    expanding_comoments,
    mid_ranks,
    partial_out,
    previous_equal,
    rolling_comoments,
)


@st.composite
def windows(draw, *, d: int = 2):
    """Columns in groups, and windows within the groups, in any order and number."""
    sizes = draw(st.lists(st.integers(0, 12), min_size=1, max_size=5))
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = 10.0 ** rng.integers(-6, 7, size=(d, 1))
    values = rng.normal(size=(d, starts[-1])) * scale + scale * rng.integers(-5, 5, size=(d, 1))
    if draw(st.booleans()):
        values = np.round(values / scale) * scale
    n_windows = draw(st.integers(0, 25))
    groups = rng.integers(0, len(sizes), n_windows)
    low = rng.integers(starts[groups], starts[groups + 1] + 1)
    high = rng.integers(low, starts[groups + 1] + 1)
    return list(values), starts, groups, low, high


def assert_is_oracle(columns, moments, low, high) -> None:
    for w, (begin, end) in enumerate(zip(low, high, strict=True)):
        assert moments.count[w] == end - begin
        inside = [column[begin:end].tolist() for column in columns]
        if begin == end:
            assert np.isnan(moments.mean[:, w]).all()
            assert (moments.packed[:, w] == 0).all()
            continue
        means, cross = oracles.comoments(inside)
        for i, values in enumerate(inside):
            assert abs(moments.mean[i, w] - means[i]) <= 1e-12 * max(map(abs, values))
            for j in range(len(columns)):
                # the window's own scale: spread of the one times spread of the other
                spread = [
                    max(abs(v - m) for v in inside[k]) for k, m in ((i, means[i]), (j, means[j]))
                ]
                near = 1e-12 * len(values) * max(spread[0] * spread[1], 1e-300)
                assert abs(moments.cross(i, j)[w] - cross[i][j]) <= near
            if len(set(values)) == 1:
                assert moments.cross(i, i)[w] == 0


@given(windows(d=3))
def test_rolling_windows_are_the_oracle(drawn) -> None:
    columns, _, _, low, high = drawn
    assert_is_oracle(columns, rolling_comoments(columns, low, high), low, high)


@given(windows())
def test_expanding_windows_are_the_oracle(drawn) -> None:
    columns, starts, groups, _, high = drawn
    moments = expanding_comoments(columns, starts, groups, high)
    assert_is_oracle(columns, moments, starts[groups], high)


@given(windows(), st.randoms(use_true_random=False), st.floats(1e-9, 1e15))
def test_a_window_depends_on_nothing_but_its_own_rows(drawn, random, other) -> None:
    """Bit for bit, whatever lies outside it and whatever else is asked for."""
    columns, _, _, low, high = drawn
    moments = rolling_comoments(columns, low, high)
    order = list(range(len(low)))
    random.shuffle(order)
    for w in order[:5]:
        outside = np.ones(len(columns[0]), dtype=bool)
        outside[low[w] : high[w]] = False
        changed = [np.where(outside, other, column) for column in columns]
        again = rolling_comoments(changed, low[[w]], high[[w]])
        assert np.array_equal(again.packed[:, 0], moments.packed[:, w])
        assert np.array_equal(again.mean[:, 0], moments.mean[:, w], equal_nan=True)


def test_giants_that_have_left_leave_no_trace() -> None:
    values = np.concatenate([[1e15, -1e15], np.tile([0.1, 0.3], 40)])
    high = np.arange(12, len(values) + 1)
    moments = rolling_comoments([values], high - 10, high)
    assert np.ptp(moments.cross(0, 0)) <= 1e-15
    assert moments.cross(0, 0)[0] == pytest.approx(10 * 0.01, rel=1e-13)


def test_blocks_of_many_windows_agree_with_single_ones() -> None:
    """More ends than a block holds, near one another and far apart."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 60_000))
    high = np.arange(1, 60_001)
    low = np.maximum(high - rng.integers(0, 20, 60_000), 0)
    whole = rolling_comoments([x, y], low, high)
    for take in (np.arange(0, 60_000, 7), np.arange(59_000, 60_000, 311)):
        part = rolling_comoments([x, y], low[take], high[take])
        assert np.array_equal(part.packed, whole.packed[:, take])


def test_a_few_long_windows_are_the_same_as_many() -> None:
    """Bit for bit, by whichever way they are summed."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 3_000)) * [[1.0], [1e8]]
    high = np.arange(500, 3_001)
    low = high - 400
    many = rolling_comoments([x, y], low, high)
    levels = np.round(x * 3)
    previous = previous_equal(levels, np.array([0, 3_000]))
    for take in ([7], [0, 2_500], list(range(100, 200))):
        few = rolling_comoments([x, y], low[take], high[take])
        assert np.array_equal(few.packed, many.packed[:, take])
        assert np.array_equal(few.mean, many.mean[:, take])
        found = count_levels(previous, low[take], high[take])
        assert found.tolist() == [len(set(levels[low[i] : high[i]])) for i in take]


@given(windows(d=4))
@settings(max_examples=30)
def test_what_controls_explain_is_taken_out(drawn) -> None:
    columns, _, _, low, high = drawn
    columns = [column / max(np.abs(column).max(initial=0), 1e-300) for column in columns]
    moments = rolling_comoments(columns, low, high)
    of_x, between, of_y, n_used = partial_out(moments, 2, 3, [0, 1])
    for w, (begin, end) in enumerate(zip(low, high, strict=True)):
        if begin == end:
            assert of_x[w] == of_y[w] == between[w] == n_used[w] == 0
            continue
        c0, c1, x, y = (column[begin:end].tolist() for column in columns)
        rx, ry = oracles.residuals(x, [c0, c1]), oracles.residuals(y, [c0, c1])
        assert of_x[w] == pytest.approx(math.fsum(v * v for v in rx), abs=1e-6)
        assert between[w] == pytest.approx(
            math.fsum(v * u for v, u in zip(rx, ry, strict=True)), abs=1e-6
        )
        assert 0 <= n_used[w] <= 2


def test_a_price_that_is_the_promotion_has_nothing_left() -> None:
    promo = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    quantity = np.array([1.0, 2.0, 1.5, 2.5, 3.0, 0.5])
    moments = rolling_comoments([promo, 3 - 0.7 * promo, quantity], np.array([0]), np.array([6]))
    of_x, between, of_y, n_used = partial_out(moments, 1, 2, [0])
    assert (of_x[0], between[0], n_used[0]) == (0, 0, 1)
    assert of_y[0] > 0


@given(windows(d=1), st.integers(1, 6))
def test_levels_are_distinct_values(drawn, n_levels) -> None:
    (values,), starts, _, low, high = drawn
    levels = np.arange(len(values)) * 7919 % n_levels
    found = count_levels(previous_equal(levels, starts), low, high)
    expected = [len(set(levels[b:e].tolist())) for b, e in zip(low, high, strict=True)]
    assert found.tolist() == expected


@given(windows(d=1), st.integers(0, 1000))
def test_mid_ranks_are_the_oracle(drawn, seed) -> None:
    (values,), _, _, low, high = drawn
    values = np.round(values / (np.abs(values).max(initial=0) or 1) * 3)
    at = np.random.default_rng(seed).integers(-3, 4, len(low)).astype(float)
    found = mid_ranks(values, at, low, high)
    for w, (begin, end) in enumerate(zip(low, high, strict=True)):
        expected = oracles.mid_rank(values[begin:end].tolist(), at[w])
        assert found[w] == expected or (math.isnan(found[w]) and math.isnan(expected))


def test_no_observations_at_all() -> None:
    nothing, none = np.array([]), np.array([0])
    moments = rolling_comoments([nothing, nothing], none, none)
    assert np.isnan(moments.mean).all()
    moments = expanding_comoments([nothing], np.array([0, 0]), none, none)
    assert moments.count.tolist() == [0]
