"""From a fitted revenue pipeline to the next days, with intervals."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from tracer_sklearn._frame import Entered, enter
from tracer_sklearn._params import check_column, check_integer, check_real, check_zone, fail
from tracer_sklearn.exceptions import (
    DataError,
    DataQualityWarning,
    HorizonWarning,
    InputTypeError,
    SchemaError,
)
from tracer_sklearn.features import _expressions as ex
from tracer_sklearn.features.revenue import RevenueFeatures
from tracer_sklearn.features.revenue._reading import learn_format, numbers
from tracer_sklearn.features.revenue._season import period_days
from tracer_sklearn.tasks._containers import frame_in
from tracer_sklearn.tasks._days import date_series, day_numbers
from tracer_sklearn.tasks._threads import threads_for

__all__ = ["make_future_frame", "project"]

_FOUR_WEEKS = 28
_SHOWN = 3
_MONTH = range(28, 32)


def make_future_frame(
    X: Any,
    periods: int,
    *,
    date_column: str = "date",
    series_column: str | None = None,
    tz: str = "UTC",
) -> Any:
    """Return the dates that follow a table, for each series: rows to project.

    Use it to predict with a fitted pipeline. Add the columns that are known ahead, such as
    promotions, before you do.

    Parameters
    ----------
    X : frame
        The table that the pipeline was fitted on: pandas, Polars or PyArrow, in memory.
    periods : int
        How many dates, at least 1.
    date_column : str, default="date"
        Date of a row.
    series_column : str or None, default=None
        The series of a row; each gets the same dates, after the newest of all.
    tz : str, default="UTC"
        Time zone whose days count, as in `RevenueFeatures`: zone-aware datetimes are converted to
        it.

    Returns
    -------
    future : frame of shape (n_series * periods, 1 or 2)
        The date and the series, sorted by series and date, in the library of X.

    Raises
    ------
    ParameterError
        If ``periods`` is illegal.
    SchemaError
        If a column is missing, or dates are not dates.
    DataError
        If there is no date.

    Notes
    -----
    The distance of dates is the most frequent one: a day, a week, a month (the same day of the
    month) or other days. Of daily data, weekdays without any row in four weeks or more are left
    out: the shop is closed.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import make_future_frame
    >>> X = pd.DataFrame({"date": pd.bdate_range("2024-01-01", "2024-03-01"), "revenue": 1.0})
    >>> make_future_frame(X, 2)["date"].dt.strftime("%a %d %b").tolist()
    ['Mon 04 Mar', 'Tue 05 Mar']
    """
    who = "make_future_frame"
    check_integer(who, "periods", periods, low=1)
    check_column(who, "date_column", date_column)
    check_column(who, "series_column", series_column, optional=True)
    check_zone(who, tz)
    entered = enter(X, stage=who)
    if entered.is_lazy:
        raise InputTypeError(
            f"{who}: X must be in memory, got a lazy frame; collect it first.",
            stage=who,
            received=type(X).__qualname__,
        )
    names = [date_column] if series_column is None else [date_column, series_column]
    missing = [name for name in names if name not in entered.names]
    if missing:
        raise SchemaError.from_missing(who, missing, entered.names)
    table = entered.cross(names)
    moments = table[date_column]
    if isinstance(moments.dtype, pl.Datetime) and moments.dtype.time_zone:
        moments = moments.dt.convert_time_zone(tz).dt.replace_time_zone(None)
    days = np.unique(day_numbers(moments, who=who).drop_nulls().to_numpy())
    if not len(days):
        raise DataError(
            f"{who}: X must have dates to go on from, found none in {len(table)} rows.",
            column=date_column,
            rule="no date",
            n_rows=len(table),
        )
    following = _following(days.astype(np.int64), periods)
    columns = [date_series(date_column, following)]
    if series_column is not None:
        levels = table[series_column].drop_nulls().unique().sort()
        n = len(levels)
        columns = [date_series(date_column, np.tile(following, n))]
        each = np.repeat(np.arange(n), periods)
        columns.append(levels.gather(each))
    return frame_in(pl.DataFrame(columns), _library(entered))


def _library(entered: Entered) -> str:
    return entered.kind if entered.kind in ("pandas", "pyarrow") else "polars"


def _following(days: np.ndarray, periods: int) -> np.ndarray:
    """Return the dates that go on in the rhythm of others."""
    last = int(days[-1])
    steps = np.diff(days)
    step = int(np.bincount(steps).argmax()) if len(steps) else 1
    if step in _MONTH:
        month = np.datetime64(last, "D").astype("datetime64[M]")
        offset = last - int(month.astype("datetime64[D]").astype(np.int64))
        months = month + np.arange(1, periods + 1)
        begin = months.astype("datetime64[D]").astype(np.int64)
        end = (months + 1).astype("datetime64[D]").astype(np.int64) - 1
        days_of_months: np.ndarray = np.minimum(begin + offset, end)
        return days_of_months
    if step > 1:
        steps_on: np.ndarray = last + step * np.arange(1, periods + 1)
        return steps_on
    open_days = set(range(7))
    if last - int(days[0]) >= _FOUR_WEEKS:
        open_days = set(((days + 3) % 7).tolist())
    ahead = last + np.arange(1, 7 * periods + 8)
    chosen: np.ndarray = ahead[np.isin((ahead + 3) % 7, list(open_days))][:periods]
    return chosen


def project(
    pipe: Any,
    periods: int,
    *,
    X: Any = None,
    future: Any = None,
    coverage: float = 0.8,
    n_origins: int = 4,
) -> pd.DataFrame:
    r"""Project revenue for the next dates of every series, with prediction intervals.

    Use it on a fitted `revenue_projection_pipeline` whose target is the revenue. The intervals
    come from rolling origins: the pipeline is fitted anew on the past of several dates, and how
    far it was off over the same number of periods, as far ahead, is what the interval says.

    Parameters
    ----------
    pipe : sklearn.pipeline.Pipeline
        Fitted, with a `RevenueFeatures` step whose ``horizon_days`` reaches to the last date.
    periods : int
        How many dates, at least 1.
    X : frame or None, default=None
        The table that the pipeline was fitted on. None takes the history that it keeps, which is
        all there is unless it has columns that are known ahead.
    future : frame or None, default=None
        Rows to project, with the columns that are known ahead. None takes `make_future_frame`.
    coverage : float, default=0.8
        Share of the actuals that shall lie in the interval, in (0, 1).
    n_origins : int, default=4
        Rolling origins, at least 1; they cost one fit each. Where errors of one origin are alike,
        a coverage of c needs c / (1 - c) of them: 4 for 80 %, 9 for 90 %.

    Returns
    -------
    projection : pandas.DataFrame of shape (n_rows, 4 or 5)
        The date, the series, ``revenue`` (projected), ``revenue_lower`` and ``revenue_upper``.

    Raises
    ------
    ParameterError
        If a parameter is illegal, or the horizon of the features is shorter than what is
        projected.
    SchemaError
        If the pipeline has columns known ahead and `X` or `future` is not given.
    DataError
        If the history is too short for the origins, or rows of `future` have no date.

    Warns
    -----
    HorizonWarning
        If the revenue of a series ends four weeks (three periods, if these are longer) or more
        before the newest date of all: its windows are old or empty.
    DataQualityWarning
        If a series never earned anything, or has no errors of the past to make an interval of.

    Notes
    -----
    Sizes of errors :math:`|y - \hat y|`, divided by the mean size of the revenue of their series
    in training, make a symmetric interval. The days of one origin are off together, so origins
    are what is exchangeable, as in [1]_: with one error drawn from each of K origins, the
    interval has the width that split conformal prediction would choose, the
    :math:`\lceil (K + 1)\,\text{coverage} \rceil`-th smallest (at most the largest), at least
    as probably as if the errors of all origins were alike. Alike they give the plain quantile of
    all errors; constant within each origin they give that order statistic. Errors do not
    grow with the step, because every row sees what was known ``horizon_days`` before it. A
    series whose revenue was always zero gets an interval of its own errors, in revenue. In
    changing times the coverage holds roughly; check it on your own past. Cost: ``n_origins`` fits.

    References
    ----------
    .. [1] Dunn, Wasserman & Ramdas (2023), doi 10.1080/01621459.2022.2060112.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> import tracer_sklearn as ts
    >>> X, y = ts.datasets.make_daily_revenue(n_days=300, promotion=0, random_state=0)
    >>> X = X.drop(columns="promotion")
    >>> pipe = ts.revenue_projection_pipeline(Ridge(), horizon_days=7).fit(X, y)
    >>> week = ts.project(pipe, 7)
    >>> list(week.columns), len(week)
    (['date', 'revenue', 'revenue_lower', 'revenue_upper'], 7)
    """
    who = "project"
    check_integer(who, "periods", periods, low=1)
    check_integer(who, "n_origins", n_origins, low=1)
    check_real(who, "coverage", coverage, low=0, high=1, low_open=True, high_open=True)
    features = _features_of(who, pipe)
    check_is_fitted(pipe)
    roles = features.roles_
    names: dict[str, Any] = {"date_column": roles["date"], "series_column": roles.get("series")}
    table = _history_of(features) if X is None else _as_pandas(who, X)
    _require_known_ahead(who, pipe, features, table, "X")
    if roles["revenue"] not in table.columns:
        raise SchemaError.from_missing(who, [roles["revenue"]], list(table.columns))
    past = _read(who, pipe, features, table)
    if future is None:
        dated = past.table.assign(**{roles["date"]: past.dates})
        ahead = make_future_frame(dated, periods, **names)
    else:
        ahead = _as_pandas(who, future)
    _require_known_ahead(who, pipe, features, ahead, "future")
    asked = _read(who, pipe, features, ahead)
    _require_dates(who, asked)
    past = past.where(past.revenue.notna() & past.dates.notna())
    _require_reach(who, features, past, asked)
    _warn_of_ended(who, features, past, asked)
    with threads_for(len(past.table)):
        errors = _rolling_errors(who, pipe, features, past, periods, n_origins)
        predicted = np.asarray(pipe.predict(ahead), dtype=float)
    half = _half_widths(who, errors, past, asked, coverage)
    out = ahead[[name for name in (roles["date"], roles.get("series")) if name]].copy()
    out["revenue"] = predicted
    out["revenue_lower"] = out["revenue"] - half
    out["revenue_upper"] = out["revenue"] + half
    projection: pd.DataFrame = out.reset_index(drop=True)
    return projection


@dataclass(frozen=True)
class _Rows:
    """Rows as they came, and what the features see in them: naive days, series and revenue."""

    table: pd.DataFrame
    dates: pd.Series
    series: pd.Series
    revenue: pd.Series

    def where(self, mask: pd.Series) -> _Rows:
        """Return the rows of a mask."""
        rows = np.flatnonzero(mask)
        return _Rows(
            table=self.table.iloc[rows].reset_index(drop=True),
            dates=self.dates.iloc[rows].reset_index(drop=True),
            series=self.series.iloc[rows].reset_index(drop=True),
            revenue=self.revenue.iloc[rows].reset_index(drop=True),
        )


def _features_of(who: str, pipe: Any) -> RevenueFeatures:
    steps = getattr(pipe, "named_steps", {})
    for step in steps.values():
        if isinstance(step, RevenueFeatures) and hasattr(pipe, "predict"):
            return step
    raise InputTypeError(
        f"{who}: pipe must be a fitted pipeline with a RevenueFeatures step and a model, got "
        f"{type(pipe).__name__} of {list(steps)!r}; build it with "
        "`revenue_projection_pipeline(model)`, and give the `best_estimator_` of a search.",
        stage=who,
        received=type(pipe).__qualname__,
    )


def _as_pandas(who: str, frame: Any) -> pd.DataFrame:
    entered = enter(frame, stage=who)
    if entered.kind == "pandas":
        return frame  # type: ignore[no-any-return]
    if entered.is_lazy:
        raise InputTypeError(
            f"{who}: frames must be in memory, got a lazy one; collect it first.",
            stage=who,
            received=type(frame).__qualname__,
        )
    table: pd.DataFrame = frame_in(entered.cross(entered.names), "pandas")
    return table


def _history_of(features: RevenueFeatures) -> pd.DataFrame:
    """Return the history that the stage keeps as the table it came from."""
    roles = features.roles_
    tables = {}
    for role, track in features.history_.items():
        codes = np.repeat(np.arange(len(track["starts"]) - 1), np.diff(track["starts"]))
        keys = pd.MultiIndex.from_arrays([codes, track["days"]], names=["code", "day"])
        tables[roles[role]] = pd.Series(track["values"], index=keys)
    table = pd.DataFrame(tables).reset_index()
    dates = date_series(roles["date"], table.pop("day").to_numpy()).cast(pl.Datetime("us"))
    table.insert(0, roles["date"], dates.to_numpy())
    codes = table.pop("code").to_numpy()
    if "series" in roles:
        table.insert(1, roles["series"], [features.series_[code] for code in codes])
    return table


def _read(who: str, pipe: Any, features: RevenueFeatures, table: pd.DataFrame) -> _Rows:
    """Return rows beside what the features see in them, after the steps before."""
    table = table.reset_index(drop=True)
    seen = table
    for step in pipe.named_steps.values():
        if step is features:
            break
        with warnings.catch_warnings():
            # fit told of these rows already
            warnings.simplefilter("ignore", DataQualityWarning)
            seen = seen if step in (None, "passthrough") else step.transform(seen)
    entered = enter(seen, stage=who)
    roles = features.roles_
    frame = nw.from_native(entered.cross([n for n in roles.values() if n in entered.names]))
    is_text = ex.is_text(frame.schema[roles["date"]])
    date_format = learn_format(frame, roles["date"], features.tz, who) if is_text else None
    found = numbers(frame.lazy(), roles, tz=features.tz, date_format=date_format, stage=who)
    values = found.collect().to_pandas()
    nothing = pd.Series(np.nan, index=table.index)
    return _Rows(
        table=table,
        dates=pd.to_datetime(values["day__"], unit="D").rename(roles["date"]),
        series=table[roles["series"]].astype(object) if "series" in roles else nothing.fillna(0),
        revenue=values.get("revenue__", nothing).astype(float),
    )


def _require_known_ahead(
    who: str, pipe: Any, features: RevenueFeatures, table: pd.DataFrame, parameter: str
) -> None:
    outcomes = {features.roles_.get("revenue"), features.roles_.get("customers")}
    names = getattr(pipe, "feature_names_in_", [])
    needed = [name for name in names if name not in outcomes]
    lacking = [name for name in needed if name not in table.columns]
    if lacking:
        raise SchemaError(
            f"{who}: columns that are known ahead must be given, `{parameter}` lacks {lacking!r}; "
            "pass X as in fit, and future with these columns (see `make_future_frame`).",
            missing=lacking,
        )


def _require_dates(who: str, asked: _Rows) -> None:
    n_without = int(asked.dates.isna().sum())
    if n_without or not len(asked.table):
        raise DataError(
            f"{who}: `future` must have rows, each with a date, found {len(asked.table)} rows, "
            f"{n_without} of them without; build it with `make_future_frame`.",
            column=str(asked.dates.name),
            rule="date",
            n_rows=n_without,
        )


def _require_reach(who: str, features: RevenueFeatures, past: _Rows, asked: _Rows) -> None:
    needed = (asked.dates.max() - past.dates.max()).days
    if needed > features.horizon_days:
        raise fail(
            who,
            "periods",
            f"within the {features.horizon_days} days of `features__horizon_days`",
            len(asked.table),
            f"fit the pipeline with horizon_days={needed}, so that its rows learn from what is "
            "known that far ahead",
        )


def _warn_of_ended(who: str, features: RevenueFeatures, past: _Rows, asked: _Rows) -> None:
    """Warn of series that ended long before the others: theirs would be a guess."""
    newest = past.dates.groupby(past.series).max()
    most = max(_FOUR_WEEKS, 3 * period_days(features.freq_))
    old = newest[(newest.max() - newest).dt.days > most]
    old = old[old.index.isin(asked.series)]
    if len(old):
        warnings.warn(
            f"{who}: revenue of each series should reach to about the newest date, "
            f"{newest.max():%Y-%m-%d}, that of {len(old)} of {asked.series.nunique()} series ends "
            f"more than {most} days before it ({_listed(old.index)}; the last on "
            f"{old.max():%Y-%m-%d}), and their windows are old or empty; give `future` without "
            "those that are closed, and add what was observed of the others with `update`.",
            HorizonWarning,
            stacklevel=3,
        )


def _listed(names: Any) -> str:
    """Name the first few of many."""
    shown = ", ".join(repr(name) for name in list(names)[:_SHOWN])
    return f"{shown}, ..." if len(names) > _SHOWN else shown


def _sizes(rows: _Rows) -> dict[Any, float]:
    """Return the mean size of revenue of each series."""
    sizes: dict[Any, float] = rows.revenue.abs().groupby(rows.series).mean().to_dict()
    return sizes


def _rolling_errors(
    who: str, pipe: Any, features: RevenueFeatures, past: _Rows, periods: int, n_origins: int
) -> pd.DataFrame:
    """Return sizes of errors of projections made from earlier dates.

    The columns are the origin, the series, the error and the size of the revenue of the series
    before the origin.
    """
    distinct = np.sort(past.dates.unique())
    if len(distinct) < (n_origins + 2) * periods:
        raise DataError(
            f"{who}: {n_origins} rolling origins of {periods} periods need at least "
            f"{(n_origins + 2) * periods} dates, found {len(distinct)}; use fewer `n_origins` or "
            "`periods`, or keep more history.",
            rule="history",
            n_rows=len(past.table),
        )
    roles = features.roles_
    outcomes = [roles[role] for role in ("revenue", "customers") if role in roles]
    errors = []
    for origin in range(n_origins, 0, -1):
        begin = distinct[len(distinct) - origin * periods]
        last = distinct[len(distinct) - (origin - 1) * periods - 1]
        train = past.where(past.dates < begin)
        test = past.where((past.dates >= begin) & (past.dates <= last))
        fitted = clone(pipe)
        with warnings.catch_warnings():
            # the rows of the future were told of already
            warnings.simplefilter("ignore", HorizonWarning)
            fitted.fit(train.table, train.revenue)
            predicted = fitted.predict(test.table.drop(columns=outcomes, errors="ignore"))
        found = {
            "origin": origin,
            "series": test.series,
            "error": (test.revenue - np.asarray(predicted, dtype=float)).abs(),
            "size": test.series.map(_sizes(train)).astype(float),
        }
        errors.append(pd.DataFrame(found))
    return pd.concat(errors)


def _half_widths(
    who: str, errors: pd.DataFrame, past: _Rows, asked: _Rows, coverage: float
) -> np.ndarray:
    """Return half the width of the interval of each row that is asked for.

    Errors are pooled over the series in units of the size of each; a series that never earned
    anything has no such unit, and gets an interval of its own errors.
    """
    sizes = _sizes(past)
    pooled = errors[errors["size"] > 0]
    pooled = pooled.assign(error=pooled["error"] / pooled["size"])
    size = asked.series.map(sizes).to_numpy(dtype=float)
    half: np.ndarray = size * _half_width(_by_origin(pooled), coverage)
    idle = pd.Index(asked.series[size == 0].unique())
    for name in idle:
        own = errors[errors["series"] == name]
        half[(asked.series == name).to_numpy()] = _half_width(_by_origin(own), coverage)
    lacking = asked.series[np.isnan(half)].unique()
    n = asked.series.nunique(dropna=False)
    if len(idle):
        warnings.warn(
            f"{who}: a series should have earned something to be projected, {len(idle)} of {n} "
            f"series never did ({_listed(idle)}): their intervals are made of their own errors "
            "alone, and tell nothing of what comes once they earn; give `future` without those "
            "that are closed.",
            DataQualityWarning,
            stacklevel=3,
        )
    if len(lacking):
        warnings.warn(
            f"{who}: an interval needs errors of the past, for {len(lacking)} of {n} series there "
            f"are none ({_listed(lacking)}), and their intervals are missing; fit the pipeline on "
            "rows of these series that reach into the last "
            f"{errors['origin'].nunique()} origins, or give `future` without them.",
            DataQualityWarning,
            stacklevel=3,
        )
    return half


def _by_origin(errors: pd.DataFrame) -> list[np.ndarray]:
    finite = errors[np.isfinite(errors["error"])]
    return [group.to_numpy() for _, group in finite.groupby("origin")["error"]]


def _half_width(errors: Sequence[np.ndarray], coverage: float) -> float:
    """Return how large an error is to be expected of another origin, with some probability.

    Parameters
    ----------
    errors : sequence of ndarray
        Sizes of errors, by origin.
    coverage : float
        The probability.
    """
    groups = [np.sort(sizes) for sizes in errors if len(sizes)]
    n = len(groups)
    if not n:
        return float("nan")
    rank = min(math.ceil((n + 1) * coverage * (1 - 1e-12)), n)
    # probably enough, if the errors of all origins were alike
    enough = _at_least(np.full((1, n), coverage), rank)[0]
    candidates = np.unique(np.concatenate(groups))
    shares = [np.searchsorted(sizes, candidates, side="right") / len(sizes) for sizes in groups]
    reached = _at_least(np.column_stack(shares), rank) >= enough * (1 - 1e-12)
    return float(candidates[int(np.argmax(reached))])


def _at_least(chances: np.ndarray, rank: int) -> np.ndarray:
    """Return the probability that of independent events, a column each, so many come true."""
    counts = np.zeros((len(chances), chances.shape[1] + 1))
    counts[:, 0] = 1.0
    for chance in chances.T[:, :, None]:
        counts[:, 1:] = counts[:, 1:] * (1.0 - chance) + counts[:, :-1] * chance
        counts[:, :1] *= 1.0 - chance
    probability: np.ndarray = counts[:, rank:].sum(axis=1)
    return probability
