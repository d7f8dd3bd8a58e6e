"""How often a series is observed, and which of its past days are like the day of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracer_sklearn._params import fail
from tracer_sklearn.features._windows import Calendar, Rows, Track
from tracer_sklearn.features.revenue._calendar import month_of

__all__ = ["Lag", "frequency_of", "lags_of", "looked_up", "period_days", "weekdays_of"]

_MONTH = range(28, 32)
_SEASONS = {"D": 7, "W": 52, "M": 12}

# A yearly lag needs a year and some weeks of rows that have it.
_ROWS_WITH_LAG = 36

# Share of distances that must agree.
_REGULAR = 0.6

# Days that a weekday must have had the chance to occur in.
_FOUR_WEEKS = 28


@dataclass(frozen=True)
class Lag:
    """A look back: ``unit`` is days, months, or weeks (the mean of four from ``amount`` on)."""

    name: str
    unit: str
    amount: int


def frequency_of(rows: Rows) -> str:
    """Name the usual distance of the dates of a series: D, W, M, or days such as 14D.

    Dates that keep no distance are days with gaps.
    """
    same = rows.codes[1:] == rows.codes[:-1]
    steps = (rows.days[1:] - rows.days[:-1])[same]
    if len(steps) == 0:
        return "D"
    spacing = round(float(np.median(steps)))
    if spacing in _MONTH:
        return "M"
    if np.mean(steps == spacing) < _REGULAR:
        return "D"
    return {1: "D", 7: "W"}.get(spacing, f"{spacing}D")


def period_days(frequency: str) -> int:
    """Return the days of a period; 31 for months."""
    return {"D": 1, "W": 7, "M": 31}.get(frequency) or int(frequency[:-1])


def weekdays_of(rows: Rows, frequency: str) -> list[int]:
    """Return the weekdays that have observations: a shop may be closed on the others."""
    if frequency != "D" or len(rows.days) == 0 or int(np.ptp(rows.days)) < _FOUR_WEEKS:
        return list(range(7))
    return np.flatnonzero(np.bincount((rows.days + 3) % 7)).tolist()


def lags_of(
    stage: str,
    frequency: str,
    span_days: int,
    horizon_days: int,
    season_length: Any,
    seasonal_lags: Any,
) -> list[Lag]:
    """Choose the looks back, none of which sees what the horizon hides."""
    horizon = max(horizon_days, 1)
    if isinstance(seasonal_lags, str) and seasonal_lags == "none":
        return []
    if not isinstance(seasonal_lags, str):
        return _asked(stage, seasonal_lags, frequency, horizon)
    season = _SEASONS.get(frequency) if isinstance(season_length, str) else int(season_length)
    if season is None:
        return []
    if frequency == "M":
        months = season * -(-horizon // (28 * season if season < 12 else 365 * season // 12))
        lag = Lag(f"revenue_lag_{months}m", "months", months)
        return [lag] if span_days >= 31 * months + _ROWS_WITH_LAG else []
    step = season * period_days(frequency)
    days = step * -(-horizon // step)
    lags = []
    if frequency == "D" or span_days >= days + _ROWS_WITH_LAG:
        lags.append(Lag(f"revenue_lag_{days}d", "days", days))
    if frequency == "D" and season == 7:
        lags.append(Lag("revenue_same_weekday_mean_4w", "weeks", days // 7))
        year = 364 * -(-horizon // 364)
        if year != days and span_days >= year + _ROWS_WITH_LAG:
            lags.append(Lag(f"revenue_lag_{year}d", "days", year))
    return lags


def _asked(stage: str, periods: Sequence[int], frequency: str, horizon: int) -> list[Lag]:
    if frequency == "M":
        short = [n for n in periods if 31 * n < horizon]
        lags = [Lag(f"revenue_lag_{n}m", "months", int(n)) for n in periods]
    else:
        each = period_days(frequency)
        short = [n for n in periods if each * n < horizon]
        lags = [Lag(f"revenue_lag_{each * n}d", "days", int(each * n)) for n in periods]
    if short:
        raise fail(
            stage,
            "seasonal_lags",
            f"periods of {frequency!r} that are not shorter than the horizon of {horizon} days",
            list(periods),
            f"leave out {short!r}, which would see what is not known yet",
        )
    return lags


def looked_up(
    lag: Lag, calendar: Calendar, track: Track, rows: Rows, horizon_days: int
) -> np.ndarray:
    """Return the value of each row that a lag names; NaN where none was observed."""
    if lag.unit == "days":
        return calendar.value_on(rows.codes, rows.days - lag.amount)
    if lag.unit == "weeks":
        weeks = [rows.days - 7 * (lag.amount + k) for k in range(4)]
        return calendar.mean_of_days(rows.codes, weeks)
    month = month_of(rows.days) - lag.amount
    begin = _first_day(month)
    end = np.minimum(_first_day(month + 1) - 1, rows.days - horizon_days)
    high, low = calendar.until(rows.codes, end), calendar.until(rows.codes, begin - 1)
    out = np.full(len(high), np.nan)
    some = high > low
    out[some] = track.values[high[some] - 1]
    return out


def _first_day(months: np.ndarray) -> np.ndarray:
    days: np.ndarray = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return days
