"""Past-only calendar windows: mean and std of 7, 30 and 90 days, beside pandas and Polars.

python tests/benchmarks/windows.py [--full]
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.linear_model import Ridge
from timing import best_times, table

import tracer_sklearn as ts
from tracer_sklearn.features._windows import Calendar, Track, arranged, window_moments

try:  # the limit of what rows and running sums allow; no part of any extra
    from coreforecast.grouped_array import GroupedArray
    from coreforecast.lag_transforms import RollingMean, RollingStd
except ImportError:
    GroupedArray = None

N_SERIES = 1_000
WIDTHS = (7, 30, 90)
OUT = [f"{what}_{w}" for w in WIDTHS for what in ("mean", "std")]


def panel(n_rows: int, *, gaps: bool = False) -> pl.DataFrame:
    """Daily revenue of 1,000 series: sorted, or shuffled with a fifth of the days missing."""
    rng = np.random.default_rng(0)
    n_days = n_rows // N_SERIES * 5 // 4 if gaps else n_rows // N_SERIES
    series = np.repeat(np.arange(N_SERIES), n_days)
    days = np.tile(np.arange(n_days, dtype=np.int32) + 15_000, N_SERIES)
    rows = np.arange(len(series))
    if gaps:
        rows = rng.permutation(len(series))[: n_rows // N_SERIES * N_SERIES]
    return pl.DataFrame(
        {
            "series": series[rows],
            "date": pl.Series(days[rows]).cast(pl.Date).cast(pl.Datetime("us")),
            "revenue": rng.gamma(4.0, 25.0, len(rows)),
        }
    )


# -- the same six columns, by everybody -----------------------------------------------------------


def arrays(frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, days and values of a frame whose series are codes already."""
    days = frame["date"].cast(pl.Date).cast(pl.Int32).cast(pl.Int64)
    return frame["series"].to_numpy(), days.to_numpy(), frame["revenue"].to_numpy()


def kernel(codes: np.ndarray, days: np.ndarray, values: np.ndarray) -> dict[str, np.ndarray]:
    """The kernel as `RevenueFeatures` calls it: sorting and restoring the order included."""
    rows = arranged(codes, days)
    if rows.place is not None:
        one_a_day = np.empty(len(rows.codes))
        one_a_day[rows.place] = values
        values = one_a_day
    track = Track.of(rows.codes, rows.days, values, N_SERIES)
    calendar = Calendar(track, len(rows.codes))
    last = rows.days - 1
    high = calendar.until(rows.codes, last)
    lows = [calendar.until(rows.codes, last - w) for w in WIDTHS]
    means, stds = window_moments(track.values, lows, high)
    pairs = [column for pair in zip(means, stds, strict=True) for column in pair]
    return {name: rows.spread(column) for name, column in zip(OUT, pairs, strict=True)}


def by_kernel(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(**{n: pl.Series(v) for n, v in kernel(*arrays(frame)).items()})


def by_stage(frame: pl.DataFrame) -> pl.DataFrame:
    """The public stage, which also makes the calendar, and keeps the history."""
    features = ts.RevenueFeatures(
        series_column="series", windows=WIDTHS, growth_windows=(), seasonal_lags="none"
    )
    return features.fit_transform(frame)


def by_polars(frame: pl.DataFrame) -> pl.DataFrame:
    value = pl.col("revenue")
    columns = []
    for w in WIDTHS:
        options: dict[str, Any] = {"by": "date", "window_size": f"{w}d", "closed": "left"}
        columns += [value.rolling_mean_by(**options), value.rolling_std_by(**options)]
    return frame.with_columns(c.over("series").alias(n) for n, c in zip(OUT, columns, strict=True))


def by_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    """Rolling windows need sorted rows, and their answer is sorted by group."""
    order = np.lexsort([frame["date"].to_numpy(), frame["series"].to_numpy()])
    if not (order[1:] > order[:-1]).all():
        ordered = frame.iloc[order]
    else:
        ordered = frame
    groups = ordered.set_index("date").groupby("series")["revenue"]
    found = {}
    for w in WIDTHS:
        rolling = groups.rolling(f"{w}D", closed="left")
        for what in ("mean", "std"):
            column = np.empty(len(frame))
            column[order] = getattr(rolling, what)().to_numpy()
            found[f"{what}_{w}"] = column
    return frame.assign(**found)


def by_coreforecast(frame: pl.DataFrame) -> pl.DataFrame:
    """Windows of rows, of a sorted frame without gaps: the limit, not a peer."""
    n = len(frame)
    starts = np.arange(0, n + 1, n // N_SERIES, dtype=np.int32)
    grouped = GroupedArray(frame["revenue"].to_numpy(), starts)
    found = {}
    for w in WIDTHS:
        found[f"mean_{w}"] = RollingMean(1, w, 1).transform(grouped)
        found[f"std_{w}"] = RollingStd(1, w, 2).transform(grouped)
    return frame.with_columns(**{name: pl.Series(column) for name, column in found.items()})


def agree(sorted_: pl.DataFrame, shuffled: pl.DataFrame) -> None:
    """Everybody computes the same numbers."""
    names = {"mean": "revenue_ma_{}d", "std": "revenue_volatility_{}d"}
    for frame in (sorted_, shuffled):
        mine, stage = by_kernel(frame), by_stage(frame)
        others = {"Polars": by_polars(frame), "pandas": by_pandas(frame.to_pandas())}
        if frame is sorted_ and GroupedArray:
            others["coreforecast"] = by_coreforecast(frame)
        for name in OUT:
            what, _, w = name.partition("_")
            found = mine[name].to_numpy()
            mine_too = stage[names[what].format(w)].to_numpy()
            assert np.array_equal(found, mine_too, equal_nan=True), name
            for who, other in others.items():
                theirs = np.asarray(other[name], dtype=float)
                some = ~np.isnan(found) & ~np.isnan(theirs)
                assert some.mean() > 0.9
                np.testing.assert_allclose(found[some], theirs[some], rtol=1e-6, err_msg=who)


# -- what is measured -----------------------------------------------------------------------------


def speed(n_rows: int, repeats: int = 5) -> dict[str, dict[str, float]]:
    """Seconds from frame to frame, by order of the rows and by who works."""
    found = {}
    for order, gaps in (("sorted", False), ("shuffled, a fifth missing", True)):
        frame = panel(n_rows, gaps=gaps)
        as_pandas = frame.to_pandas()
        tasks: dict[str, Callable[[], Any]] = {
            "Tracer, kernel": lambda f=frame: by_kernel(f),
            "Tracer, RevenueFeatures": lambda f=frame: by_stage(f),
            "Polars rolling_*_by().over()": lambda f=frame: by_polars(f),
            "pandas groupby().rolling()": lambda f=as_pandas: by_pandas(f),
        }
        if GroupedArray and not gaps:
            tasks["coreforecast (windows of rows)"] = lambda f=frame: by_coreforecast(f)
        found[order] = best_times(tasks, repeats)
    return found


def growth(sizes: tuple[int, ...] = (10**6, 10**7)) -> dict[int, float]:
    """Seconds a row of the kernel alone, by number of rows."""
    found = {}
    for n_rows in sizes:
        given = arrays(panel(n_rows))
        repeats = 5 if n_rows <= 10**6 else 2
        found[n_rows] = best_times({"kernel": lambda g=given: kernel(*g)}, repeats)["kernel"]
        found[n_rows] /= n_rows
    return found


def serving(n_rows: int = 10**6, repeats: int = 50) -> dict[str, float]:
    """Seconds for rows of the future, with 1,000 series of history."""
    frame = panel(n_rows)
    codes, days, values = arrays(frame)
    track = Track.of(codes, days, values, N_SERIES)
    tomorrow = np.full(N_SERIES, days.max() + 1)

    def from_history(n: int) -> None:
        groups, last = np.arange(n), tomorrow[:n] - 1
        recent = track.recent(groups, last - max(WIDTHS))
        calendar = Calendar(recent, n)
        lows = [calendar.until(groups, last - w) for w in WIDTHS]
        window_moments(recent.values, lows, calendar.until(groups, last))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = ts.revenue_projection_pipeline(Ridge(), series_column="series").fit(
            frame, frame["revenue"].to_numpy()
        )
    future = frame.select("series").unique(maintain_order=True)
    future = future.with_columns(date=frame["date"].max() + pl.duration(days=1))
    features = pipe.named_steps["features"]
    one = future.head(1)
    return best_times(
        {
            "kernel, one row": lambda: from_history(1),
            "kernel, 1,000 rows": lambda: from_history(N_SERIES),
            "RevenueFeatures, one row": lambda: features.transform(one),
            "pipeline with model, one row": lambda: pipe.predict(one),
            "pipeline with model, 1,000 rows": lambda: pipe.predict(future),
        },
        repeats,
    )


def main() -> None:
    started = time.perf_counter()
    agree(panel(100_000), panel(100_000, gaps=True))
    n_rows = 1_000_000
    measured = speed(n_rows)
    first = next(iter(measured.values()))
    rows = {}
    for name in first:
        cells = {}
        for order, seconds in measured.items():
            there = name in seconds
            cells[f"{order}, s"] = f"{seconds[name]:.3f}" if there else ""
            ratio = seconds[name] / seconds["Tracer, kernel"] if there else 0.0
            cells[f"{order}, times the kernel"] = f"{ratio:.2f}" if there else ""
        rows[name] = cells
    print(table(f"{n_rows:,} rows, {N_SERIES:,} series", rows), "\n")
    sizes = (10**5, 10**6, 10**7) if "--full" in sys.argv else (10**5, 10**6)
    rows = {f"{n:,}": {"ns a row": f"{s * 1e9:.0f}"} for n, s in growth(sizes).items()}
    print(table("rows, kernel alone", rows), "\n")
    rows = {name: {"ms": f"{s * 1e3:.2f}"} for name, s in serving().items()}
    print(table("future rows, 1,000 series with 1,000 days", rows))
    print(f"\nmeasured in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
