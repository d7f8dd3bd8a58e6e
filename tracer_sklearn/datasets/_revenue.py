"""Daily revenue: of a simulated grocer, and generated with known seasons."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
from sklearn.utils import check_random_state

from tracer_sklearn._params import check_choice, check_integer, check_real
from tracer_sklearn.datasets._churn import load_transactions
from tracer_sklearn.tasks._containers import LIBRARIES, frame_in
from tracer_sklearn.tasks._days import date_series, to_day
from tracer_sklearn.tasks.daily import daily_revenue

__all__ = ["load_daily_revenue", "make_daily_revenue"]

_FIRST_MADE = to_day(dt.date(2022, 1, 3))
_YEAR = 365.25


def load_daily_revenue(
    *, by: str = "total", n_stores: int = 40, as_: str = "pandas"
) -> tuple[Any, Any]:
    """Load a year of a grocer's daily revenue, in total or by store.

    Use it to try a revenue pipeline on data of realistic shape: strong weekdays, holidays, noise.

    Parameters
    ----------
    by : {"total", "store"}, default="total"
        One series, or one for each store.
    n_stores : int, default=40
        How many stores, from the largest on, at least 1.
    as_ : {"pandas", "polars", "pyarrow"}, default="pandas"
        Library of the result.

    Returns
    -------
    X : frame of shape (n_rows, 3 or 4)
        ``date``, ``store`` (with ``by="store"``), ``revenue`` and ``customer_count`` (households),
        sorted by store and date. Dates without a sale have no row.
    y : pandas.Series, polars.Series or pyarrow.ChunkedArray of shape (n_rows,)
        ``revenue`` once more, as the target.

    Raises
    ------
    ParameterError
        If a parameter is outside its legal set.
    MissingDependencyError
        If the extra ``demo`` is not installed.

    Notes
    -----
    Made from `load_transactions`, whose data is simulated from real shopping patterns, by
    `daily_revenue`. Days are those of UTC, as the timestamps are.

    Examples
    --------
    >>> from tracer_sklearn.datasets import load_daily_revenue
    >>> X, y = load_daily_revenue()
    >>> X.shape
    (364, 3)
    """
    who = "load_daily_revenue"
    check_choice(who, "by", by, ("total", "store"))
    check_integer(who, "n_stores", n_stores, low=1)
    check_choice(who, "as_", as_, LIBRARIES)
    events = load_transactions(as_="polars")
    # the few minutes of the next year are no day
    events = events.filter(pl.col("transaction_timestamp").dt.year() == 2017)
    if by == "store":
        largest = (
            events.group_by("store_id")
            .agg(pl.col("sales_value").sum())
            .sort(["sales_value", "store_id"], descending=[True, False])
            .head(n_stores)
        )
        events = events.join(largest.select("store_id"), on="store_id", how="semi")
        events = events.with_columns(store=pl.col("store_id").cast(pl.String))
    table = daily_revenue(
        events,
        date_column="transaction_timestamp",
        revenue_column="sales_value",
        customer_column="household_id",
        series_column="store" if by == "store" else None,
    )
    return _with_target(table, as_)


def make_daily_revenue(
    *,
    n_days: int = 730,
    n_series: int = 1,
    level: float = 1000.0,
    trend: float = 0.1,
    weekly: float = 0.3,
    yearly: float = 0.2,
    promotion: float = 0.2,
    noise: float = 0.1,
    random_state: Any = None,
    as_: str = "pandas",
) -> tuple[Any, Any]:
    r"""Generate daily revenue whose trend, seasons and noise are known.

    Use it for tests and teaching. It is no evidence of how real revenue behaves.

    Parameters
    ----------
    n_days : int, default=730
        Number of days, at least 1, from Monday 2022-01-03 on.
    n_series : int, default=1
        Number of series, at least 1; with more than one X has a column ``series``.
    level : float, default=1000.0
        Typical revenue, above 0.
    trend : float, default=0.1
        Growth of the log revenue in a year.
    weekly : float, default=0.3
        Size of the season of the week in the log revenue, at least 0.
    yearly : float, default=0.2
        Size of the season of the year in it, at least 0.
    promotion : float, default=0.2
        Effect of a promotion on the log revenue; a tenth of the days have one, known ahead.
    noise : float, default=0.1
        Standard deviation of the log revenue, at least 0.
    random_state : int, RandomState instance or None, default=None
        Seed; with the same one, everything is the same.
    as_ : {"pandas", "polars", "pyarrow"}, default="pandas"
        Library of the result.

    Returns
    -------
    X : frame of shape (n_days * n_series, 4 or 5)
        ``date``, ``series``, ``promotion``, ``revenue`` and ``customer_count``, sorted by series
        and date.
    y : pandas.Series, polars.Series or pyarrow.ChunkedArray of the same length
        ``revenue`` once more, as the target.

    Raises
    ------
    ParameterError
        If a parameter is outside its legal set.

    Notes
    -----
    The log revenue of day t is :math:`\log \text{level} + u_i + \text{trend}\,t/365.25 +
    \text{weekly} \cos(2\pi (t - 5)/7) + \text{yearly} \cos(2\pi t/365.25) +
    \text{promotion}\,p_t + \text{noise}\,\varepsilon`, :math:`u_i` normal with standard deviation
    0.5 where there are several series. Each customer brings about 20.

    Examples
    --------
    >>> from tracer_sklearn.datasets import make_daily_revenue
    >>> X, y = make_daily_revenue(n_days=30, n_series=2, random_state=0)
    >>> X.shape, bool((y == X["revenue"]).all())
    ((60, 5), True)
    """
    who = "make_daily_revenue"
    check_integer(who, "n_days", n_days, low=1, high=36_500)
    check_integer(who, "n_series", n_series, low=1)
    check_real(who, "level", level, low=0, low_open=True)
    for name, value in {"weekly": weekly, "yearly": yearly, "noise": noise}.items():
        check_real(who, name, value, low=0)
    check_real(who, "trend", trend)
    check_real(who, "promotion", promotion)
    check_choice(who, "as_", as_, LIBRARIES)
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    shape = (n_series, n_days)
    day = np.arange(n_days)
    promoted = (rng.random(shape) < 0.1).astype(np.int64)
    log_revenue = (
        np.log(level)
        + (0.5 * rng.normal(size=(n_series, 1)) if n_series > 1 else 0.0)
        + trend * day / _YEAR
        + weekly * np.cos(2 * np.pi * (day - 5) / 7)
        + yearly * np.cos(2 * np.pi * day / _YEAR)
        + promotion * promoted
        + noise * rng.normal(size=shape)
    )
    revenue = np.round(np.exp(log_revenue), 2)
    columns = [date_series("date", np.tile(_FIRST_MADE + day, n_series))]
    if n_series > 1:
        width = len(str(n_series))
        names = [f"s{i + 1:0{width}}" for i in range(n_series)]
        columns.append(pl.Series("series", np.repeat(names, n_days).tolist()))
    columns += [
        pl.Series("promotion", promoted.ravel()),
        pl.Series("revenue", revenue.ravel()),
        pl.Series("customer_count", rng.poisson(revenue / 20).ravel()),
    ]
    return _with_target(pl.DataFrame(columns), as_)


def _with_target(panel: pl.DataFrame, library: str) -> tuple[Any, Any]:
    X = frame_in(panel, library)
    y = X["revenue"].copy() if library == "pandas" else X["revenue"]
    return X, y
