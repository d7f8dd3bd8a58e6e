"""The past-only window kernel against exact arithmetic, and the law of windows."""

from __future__ import annotations

import math

import numpy as np
import oracles_windows as oracle
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracer_sklearn.features._windows import Calendar, Track, arranged, slopes, window_moments

WIDTHS = (1, 3, 10, 40)
SIZES = st.sampled_from([1.0, 1e6, 1e-6])
VALUES = st.one_of(
    st.floats(-1e3, 1e3),
    st.builds(lambda v, s: v * s, st.floats(-1, 1), SIZES),
    st.sampled_from([0.0, 1.0, 1e308, -1e308, 1e-300, 1e200]),
)
PANELS = st.lists(st.dictionaries(st.integers(0, 60), VALUES, max_size=25), min_size=1, max_size=4)


def track_of(panel: list[dict[int, float]]) -> Track:
    pairs = [(g, day, panel[g][day]) for g in range(len(panel)) for day in sorted(panel[g])]
    codes, days, values = (
        (np.array(column) for column in zip(*pairs, strict=True))
        if pairs
        else (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    )
    return Track.of(codes.astype(np.int64), days.astype(np.int64), values, len(panel))


def moments(track: Track, codes: np.ndarray, last: np.ndarray, widths=WIDTHS):
    calendar = Calendar(track, len(codes))
    lows = [calendar.until(codes, last - width) for width in widths]
    return window_moments(track.values, lows, calendar.until(codes, last))


def every_day(n_groups: int) -> tuple[np.ndarray, np.ndarray]:
    days = np.arange(-5, 110)
    return np.repeat(np.arange(n_groups), len(days)), np.tile(days, n_groups)


def assert_close(found: float, expected: float, scale: float) -> None:
    if math.isnan(expected):
        assert math.isnan(found)
    else:
        assert abs(found - expected) <= max(1e-12 * scale, 2e-322), (found, expected)


@given(PANELS)
@example([{0: 1e308, 1: -1e308, 2: 0.0}])
@example([{0: 1e-300, 1: 2e-300}])
@example([{0: 5.0}, {}, {3: 0.1, 4: 0.1, 9: 0.1}])
def test_moments_are_those_of_exact_arithmetic(panel):
    codes, last = every_day(len(panel))
    means, stds = moments(track_of(panel), codes, last)
    for at, (code, day) in enumerate(zip(codes.tolist(), last.tolist(), strict=True)):
        for i, width in enumerate(WIDTHS):
            values = oracle.inside(panel[code], day, width)
            scale = max(map(abs, values), default=0.0)
            assert_close(means[i][at], oracle.mean(values), scale)
            assert_close(stds[i][at], oracle.std(values), scale)
            if len(set(values)) == 1 and len(values) > 1:
                assert stds[i][at] == 0.0
                assert means[i][at] == values[0]


@given(PANELS, st.data())
def test_a_window_depends_on_what_is_inside_it_only(panel, data):
    """Whatever came before, whoever else is asked for, however large: the same bits."""
    codes, last = every_day(len(panel))
    means, stds = moments(track_of(panel), codes, last)
    at = data.draw(st.integers(0, len(codes) - 1))
    width = data.draw(st.sampled_from(range(len(WIDTHS))))
    first = int(last[at]) - WIDTHS[width] + 1
    alone = [{d: v for d, v in g.items() if first <= d <= last[at]} for g in panel]
    disturbed = [{d: v if first <= d <= last[at] else 7e11 for d, v in g.items()} for g in panel]
    for other in (alone, disturbed):
        one = slice(at, at + 1)
        again = moments(track_of(other), codes[one], last[one], [WIDTHS[width]])
        assert np.array_equal(again[0][0], means[width][one], equal_nan=True)
        assert np.array_equal(again[1][0], stds[width][one], equal_nan=True)


@given(PANELS, st.integers(0, 60))
def test_recent_observations_give_the_same_windows(panel, since):
    track = track_of(panel)
    groups = np.arange(len(panel))[::-1]
    recent = track.recent(groups, np.full(len(panel), since))
    codes, last = every_day(len(panel))
    later = last - max(WIDTHS) >= since
    again = np.argsort(groups)[codes[later]]
    order = np.argsort(again, kind="stable")
    found = moments(recent, again[order], last[later][order])
    expected = moments(track, codes[later], last[later])
    for i in range(len(WIDTHS)):
        for a, b in zip(found, expected, strict=True):
            assert np.array_equal(a[i], b[i][order], equal_nan=True)
    counted = Calendar(recent, 1).count_until(again, last[later])
    assert np.array_equal(counted, Calendar(track, 1).count_until(codes[later], last[later]))


@given(PANELS, PANELS)
def test_the_newer_of_two_tracks_wins(older, newer):
    n = max(len(older), len(newer))
    older, newer = (p + [{}] * (n - len(p)) for p in (older, newer))
    merged = track_of(older).merged(track_of(newer))
    expected = track_of([{**a, **b} for a, b in zip(older, newer, strict=True)])
    for name in ("starts", "days", "values", "before"):
        assert np.array_equal(getattr(merged, name), getattr(expected, name)), name


@given(PANELS)
def test_single_days_are_looked_up(panel):
    codes, day = every_day(len(panel))
    found = Calendar(track_of(panel), len(codes)).value_on(codes, day)
    expected = [
        panel[c].get(d, math.nan) for c, d in zip(codes.tolist(), day.tolist(), strict=True)
    ]
    assert np.array_equal(found, expected, equal_nan=True)


@given(PANELS)
def test_the_mean_of_some_days_leaves_out_those_not_observed(panel):
    codes, day = every_day(len(panel))
    calendar = Calendar(track_of(panel), len(codes))
    found = calendar.mean_of_days(codes, [day - 7 * k for k in range(4)])
    for at, (code, d) in enumerate(zip(codes.tolist(), day.tolist(), strict=True)):
        values = [panel[code][d - 7 * k] for k in range(4) if d - 7 * k in panel[code]]
        assert_close(found[at], oracle.mean(values), max(map(abs, values), default=0.0))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-9, 50)), min_size=1, max_size=60))
def test_rows_are_arranged_by_group_and_day(pairs):
    codes, days = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    rows = arranged(codes, days)
    assert list(zip(rows.codes.tolist(), rows.days.tolist(), strict=True)) == sorted(set(pairs))
    assert np.array_equal(rows.spread(rows.codes), codes)
    assert np.array_equal(rows.spread(rows.days), days)


def test_rows_far_apart_are_arranged_by_sorting():
    codes, days = np.array([2, 0, 2]), np.array([10**6, -(10**6), 5])
    rows = arranged(codes, days)
    assert rows.codes.tolist() == [0, 2, 2]
    assert rows.days.tolist() == [-(10**6), 5, 10**6]
    assert rows.spread(rows.days).tolist() == days.tolist()


def test_a_sparse_calendar_answers_as_a_dense_one():
    rng = np.random.default_rng(0)
    panel = [{int(d): 1.0 for d in rng.integers(0, 10**6, 20)} for _ in range(5)]
    codes, days = np.repeat(np.arange(5), 200), np.tile(rng.integers(-5, 10**6 + 5, 200), 5)
    found = Calendar(track_of(panel), 1).until(codes, days)
    starts = np.cumsum([0, *map(len, panel)])
    expected = [
        starts[c] + sum(d <= day for d in panel[c]) for c, day in zip(codes, days, strict=True)
    ]
    assert found.tolist() == expected


def test_missing_observations_are_left_out():
    values = np.array([1.0, math.nan, math.inf, 4.0])
    track = Track.of(np.zeros(4, np.int64), np.arange(4), values, 1)
    assert track.days.tolist() == [0, 3]
    assert track.newest_day == 3


def test_no_observation_gives_no_window():
    track = Track.of(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), 2)
    means, stds = moments(track, np.array([0, 1]), np.array([3, 4]))
    assert np.isnan(means).all()
    assert np.isnan(stds).all()
    assert track.newest_day is None
    assert np.isnan(Calendar(track, 1).value_on(np.array([1]), np.array([0]))).all()


def test_a_track_grows_by_empty_groups():
    track = track_of([{1: 2.0}]).grown(3)
    assert track.n_groups == 3
    assert Calendar(track, 1).until(np.array([0, 2]), np.array([9, 9])).tolist() == [1, 1]
    assert track.grown(2) is track


@pytest.mark.parametrize("n_rows", [5, 20_000])
def test_windows_are_those_of_pandas_where_it_is_right(n_rows):
    rng = np.random.default_rng(n_rows)
    days = np.sort(rng.choice(2 * n_rows, n_rows, replace=False))
    values = rng.lognormal(3, 1, n_rows)
    track = Track.of(np.zeros(n_rows, np.int64), days, values, 1)
    means, stds = moments(track, np.zeros(n_rows, np.int64), days - 1, [7, 30, 90])
    series = pd.Series(values, index=pd.to_datetime(days, unit="D"))
    for i, width in enumerate((7, 30, 90)):
        # the day of the row ends the window there: open at both ends, one day wider
        rolling = series.rolling(f"{width + 1}D", closed="neither")
        np.testing.assert_allclose(means[i], rolling.mean(), rtol=1e-9)
        np.testing.assert_allclose(stds[i], rolling.std(), rtol=1e-6, atol=1e-6)


@given(st.dictionaries(st.integers(0, 60), st.floats(-1e3, 1e3), min_size=1, max_size=25))
def test_slopes_are_those_of_least_squares(history):
    track = track_of([history])
    codes, last = every_day(1)
    calendar = Calendar(track, len(codes))
    found = slopes(track, calendar.until(codes, last - 30), calendar.until(codes, last))
    for at, day in enumerate(last.tolist()):
        days = [d for d in sorted(history) if day - 30 < d <= day]
        values = [history[d] for d in days]
        assert_close(found[at], oracle.slope(days, values), max(map(abs, values), default=0.0))


# -- where others are right, the same ------------------------------------------------------------


def test_windows_with_gaps_are_those_of_pandas():
    """On values of one size: what has left a window of pandas stays in its sums."""
    rng = np.random.default_rng(0)
    days = np.sort(rng.choice(400, 250, replace=False))
    values = rng.gamma(4.0, 25.0, len(days))
    code = np.zeros(len(days), dtype=np.int64)
    widths = (7, 30, 90)
    means, stds = moments(Track.of(code, days, values, 1), code, days - 1, widths)
    series = pd.Series(values, index=pd.Timestamp("2020-01-01") + pd.to_timedelta(days, unit="D"))
    for i, width in enumerate(widths):
        rolling = series.rolling(f"{width}D", closed="left")
        np.testing.assert_allclose(means[i], rolling.mean(), rtol=1e-10)
        np.testing.assert_allclose(stds[i], rolling.std(), rtol=1e-8)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_windows_without_gaps_are_those_of_feature_engine():
    """It counts rows, so only where every day has one."""
    from feature_engine.timeseries.forecasting import WindowFeatures

    rng = np.random.default_rng(1)
    dates = pd.date_range("2024-01-01", periods=200)
    frame = pd.DataFrame({"revenue": rng.gamma(4.0, 25.0, 200)}, index=dates)
    theirs = WindowFeatures(
        ["revenue"], window=[7, 30], functions=["mean", "std"], sort_index=False
    ).fit_transform(frame)
    days = (dates - pd.Timestamp("1970-01-01")).days.to_numpy().astype(np.int64)
    code = np.zeros(200, dtype=np.int64)
    track = Track.of(code, days, frame["revenue"].to_numpy(), 1)
    means, stds = moments(track, code, days - 1, (7, 30))
    for i, width in enumerate((7, 30)):
        full = slice(width, None)  # it has no answer for a window that is not full
        for found, what in ((means[i], "mean"), (stds[i], "std")):
            expected = theirs[f"revenue_window_{width}_{what}"]
            np.testing.assert_allclose(found[full], expected[full], rtol=1e-9)


def test_the_cost_of_long_windows_does_not_depend_on_where_their_ends_lie():
    """Ends far apart, one at a time and many at one place: the same bits."""
    rng = np.random.default_rng(2)
    n = 100_000
    values = rng.normal(size=n)
    high = np.sort(np.concatenate([np.full(500, 70_000), rng.integers(0, n + 1, 200)]))
    lows = [np.maximum(high - width, 0) for width in (1, 90, 5_000)]
    means, stds = window_moments(values, lows, high)
    for at in rng.integers(0, len(high), 40):
        one = slice(at, at + 1)
        alone = window_moments(values, [low[one] for low in lows], high[one])
        for i, low in enumerate(lows):
            assert np.array_equal(alone[0][i], means[i][one], equal_nan=True)
            assert np.array_equal(alone[1][i], stds[i][one], equal_nan=True)
            inside = values[low[at] : high[at]]
            if len(inside) > 1:
                assert means[i][at] == pytest.approx(inside.mean(), abs=1e-14)
                assert stds[i][at] == pytest.approx(inside.std(ddof=1), rel=1e-13)


@pytest.mark.parametrize(("block", "many"), [(1, 1), (7, 2), (40, 1), (10**6, 10**6)])
@pytest.mark.parametrize("gaps", [False, True])
def test_the_way_windows_are_worked_off_changes_no_bit(block, many, gaps, monkeypatch):
    from tracer_sklearn.features import _windows

    rng = np.random.default_rng(3)
    days = [d for d in range(300) if not gaps or rng.random() > 0.2]
    panel = [dict(zip(days, rng.normal(size=len(days)), strict=True)) for _ in range(3)]
    codes, last = np.repeat(np.arange(3), 300), np.tile(np.arange(300), 3)
    expected = moments(track_of(panel), codes, last)
    monkeypatch.setattr(_windows, "_BLOCK", block)
    monkeypatch.setattr(_windows, "_MANY", many)
    found = moments(track_of(panel), codes, last)
    for a, b in zip([*found[0], *found[1]], [*expected[0], *expected[1]], strict=True):
        assert np.array_equal(a, b, equal_nan=True)


# -- ends that repeat and skip -------------------------------------------------------------------

STEPS = st.tuples(st.integers(1, 3), st.integers(0, 12)).flatmap(
    # once twice and once never: as many ends as their span has positions
    lambda n: st.permutations([0, 2] * n[0] + [1] * n[1])
)


@given(STEPS, st.integers(0, 9), st.lists(st.integers(1, 9), min_size=1, max_size=3), st.data())
@example([0, 2], 3, [3], None)
@example([1, 2, 1, 0, 1], 0, [1, 4], None)
def test_ends_that_repeat_and_skip_have_their_own_windows(steps, first, widths, data):
    high = first + np.cumsum([0, *steps])
    n = int(high[-1])
    values = [float(k * k) for k in range(n)]
    if data is not None:
        values = data.draw(st.lists(st.floats(-1e3, 1e3), min_size=n, max_size=n))
    lows = [np.maximum(high - width, 0) for width in widths]
    means, stds = window_moments(np.array(values), lows, high)
    for i, low in enumerate(lows):
        for at in range(len(high)):
            inside = values[low[at] : high[at]]
            scale = max(map(abs, inside), default=0.0)
            assert_close(means[i][at], oracle.mean(inside), scale)
            assert_close(stds[i][at], oracle.std(inside), scale)
            one = slice(at, at + 1)
            alone = window_moments(np.array(values), [low[one]], high[one])
            assert np.array_equal(alone[0][0], means[i][one], equal_nan=True)
            assert np.array_equal(alone[1][0], stds[i][one], equal_nan=True)


def test_a_batch_with_a_closed_day_and_without_an_observed_one_is_its_rows():
    """Asked for one day that nobody observed, and not for one that somebody did."""
    import tracer_sklearn as ts

    days = pd.date_range("2024-01-01", periods=200)
    revenue = np.random.default_rng(0).integers(100, 1000, 200).astype(float)
    table = pd.DataFrame({"date": days, "revenue": revenue})
    features = ts.RevenueFeatures(horizon_days=1, growth_windows=(1, 7))
    features.fit(table.drop(index=150))
    batch = table.iloc[140:180].drop(index=170)
    batch.loc[150, "revenue"] = np.nan
    together = features.transform(batch)
    for at, row in enumerate(batch.index):
        alone = features.transform(batch.iloc[[at]])
        pd.testing.assert_frame_equal(alone, together.iloc[[at]], check_exact=True)
        if row == 150:
            continue
        raised = batch.copy()
        raised.loc[row, "revenue"] += 1e6
        again = features.transform(raised)
        pd.testing.assert_frame_equal(again.loc[[row]], together.loc[[row]], check_exact=True)
    past = table.drop(index=150).set_index("date")["revenue"]
    for row in batch.index:
        day = days[row]
        window = past[day - pd.Timedelta(days=7) : day - pd.Timedelta(days=1)]
        assert together.loc[row, "revenue_ma_7d"] == pytest.approx(window.mean(), rel=1e-12)


@pytest.mark.parametrize(("level", "size"), [(1e6, 1.0), (1e9, 1e-3), (-1e12, 1e-3), (0.0, 1.0)])
@pytest.mark.parametrize("mixed", [False, True])
def test_a_large_level_costs_a_small_spread_no_digit(level, size, mixed):
    """The error is relative to the standard deviation, not to the level."""
    rng = np.random.default_rng(4)
    values = level + size * rng.uniform(-1, 1, 120)
    high = np.arange(2, 121, 1 + mixed)
    lows = [np.maximum(high - width, 0) for width in (2, 7, 30, 90)]
    _, stds = window_moments(values, lows, high)
    for std, low in zip(stds, lows, strict=True):
        for at in range(0, len(high), 5):
            expected = oracle.std(values[low[at] : high[at]].tolist())
            assert std[at] == pytest.approx(expected, rel=1e-14, abs=0.0)
