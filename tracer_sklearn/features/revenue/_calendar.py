"""What the date of a row says by itself: known for every future day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np

from tracer_sklearn._params import fail

__all__ = ["FIRST_TREND_DAY", "calendar_columns", "holiday_columns", "month_of"]

_EPOCH = dt.date(1970, 1, 1)

#: Where the trend begins: fixed, so that no batch and no training set can move it.
FIRST_TREND_DAY = (dt.date(2000, 1, 1) - _EPOCH).days

_DAYS_A_YEAR = 365.25
_WEEKLY_PAIRS, _YEARLY_PAIRS = 3, 4
_NEAR = 14


def month_of(days: np.ndarray) -> np.ndarray:
    """Return months since 1970-01 of whole days."""
    months: np.ndarray = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months


def calendar_columns(days: np.ndarray, encoding: str, pairs: Mapping[str, bool]) -> dict[str, Any]:
    """Return the calendar of days in an encoding; NaN where the day is missing.

    Parameters
    ----------
    days : ndarray of float64
        Days since 1970-01-01.
    encoding : {"ordinal", "onehot", "cyclical", "fourier"}
        How the place in week and year is written.
    pairs : mapping of str to bool
        Whether the Fourier pairs of ``week`` and of ``year`` are wanted.
    """
    known = ~np.isnan(days)
    first = int(np.nanmin(days)) if known.any() else 0
    whole = np.where(known, days, first).astype(np.int64)
    n_days = int(whole.max(initial=first)) - first + 1
    # many rows share few dates: the calendar of each date once
    place = None
    if n_days < len(days):
        whole, place = np.arange(first, first + n_days), whole - first
    parts = _parts(whole)
    columns: dict[str, np.ndarray]
    if encoding == "ordinal":
        names = ("day_of_week", "day_of_month", "week_of_year", "month", "quarter")
        columns = {name: parts[name] for name in names}
    elif encoding == "onehot":
        columns = {
            **_flags("day_of_week", parts["day_of_week"], range(7)),
            "day_of_month": parts["day_of_month"],
            "week_of_year": parts["week_of_year"],
            **_flags("month", parts["month"], range(1, 13)),
            **_flags("quarter", parts["quarter"], range(1, 5)),
        }
    elif encoding == "cyclical":
        columns = {
            **_circle("day_of_week", parts["day_of_week"] / 7.0),
            "day_of_month": parts["day_of_month"],
            **_circle("day_of_year", (whole - FIRST_TREND_DAY) / _DAYS_A_YEAR),
            **_circle("month", (parts["month"] - 1) / 12.0),
            "quarter": parts["quarter"],
        }
    else:
        columns = {}
        if pairs["week"]:
            for k in range(1, _WEEKLY_PAIRS + 1):
                columns |= _circle(f"week_{k}", k * parts["day_of_week"] / 7.0)
        if pairs["year"]:
            for k in range(1, _YEARLY_PAIRS + 1):
                columns |= _circle(f"year_{k}", k * (whole - FIRST_TREND_DAY) / _DAYS_A_YEAR)
        columns["day_of_month"] = parts["day_of_month"]
    columns |= {name: parts[name] for name in ("is_weekend", "is_month_start", "is_month_end")}
    out = {}
    for name, column in columns.items():
        values = column.astype(np.float64)
        out[name] = np.where(known, values if place is None else values[place], np.nan)
    return out


def _parts(days: np.ndarray) -> dict[str, np.ndarray]:
    """Return the parts of dates; Monday is 0, weeks are ISO's."""
    weekday = (days + 3) % 7
    month = month_of(days)
    begin = month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    end = (month + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) - 1
    thursday = days - weekday + 3  # an ISO week belongs to the year of its Thursday
    year = thursday.astype("datetime64[D]").astype("datetime64[Y]")
    return {
        "day_of_week": weekday,
        "day_of_month": days - begin + 1,
        "week_of_year": (thursday - year.astype("datetime64[D]").astype(np.int64)) // 7 + 1,
        "month": month % 12 + 1,
        "quarter": month % 12 // 3 + 1,
        "is_weekend": weekday >= 5,
        "is_month_start": days == begin,
        "is_month_end": days == end,
    }


def _flags(name: str, values: np.ndarray, domain: range) -> dict[str, np.ndarray]:
    return {f"{name}_{level}": values == level for level in domain}


def _circle(name: str, turns: np.ndarray) -> dict[str, np.ndarray]:
    angle = 2.0 * np.pi * turns
    return {f"{name}_sin": np.sin(angle), f"{name}_cos": np.cos(angle)}


def holiday_columns(days: np.ndarray, holidays: Any, stage: str) -> dict[str, np.ndarray]:
    """Return the days to the next and since the last holiday, at most 14; 0 on one.

    Parameters
    ----------
    days : ndarray of float64
        Days since 1970-01-01; NaN where missing.
    holidays : list, Series or callable
        Dates, or a callable that takes two dates and returns those between them.
    stage : str
        Who asks, for messages.
    """
    known = ~np.isnan(days)
    ahead = np.where(known, float(_NEAR), np.nan)
    since = ahead.copy()
    if known.any():
        around = days[known]
        dates = holidays
        if callable(holidays):
            low, high = int(around.min()) - _NEAR, int(around.max()) + _NEAR
            dates = holidays(_date(low), _date(high))
        found = holiday_days(dates, stage)
        if len(found):
            following = np.searchsorted(found, around)
            last = len(found) - 1
            to_next = np.where(
                following <= last, found[np.minimum(following, last)] - around, _NEAR
            )
            preceding = np.searchsorted(found, around, side="right") - 1
            past = np.where(preceding >= 0, around - found[np.maximum(preceding, 0)], _NEAR)
            ahead[known], since[known] = np.minimum(to_next, _NEAR), np.minimum(past, _NEAR)
    return {"days_to_next_holiday": ahead, "days_since_last_holiday": since}


def holiday_days(dates: Any, stage: str) -> np.ndarray:
    """Return dates as sorted day numbers, or say why not."""
    must = "None, dates (a list or Series), or a callable of two dates that returns dates"
    if isinstance(dates, str) or not hasattr(dates, "__iter__"):
        raise fail(stage, "holidays", must, dates)
    cells = list(dates)
    try:
        days = np.array(cells, dtype="datetime64[D]")
    except (ValueError, TypeError):
        raise fail(stage, "holidays", must, cells[:3]) from None
    if len(cells) and bool(np.isnat(days).any()):
        raise fail(stage, "holidays", must, cells[:3], "leave out missing dates")
    return np.unique(days.astype(np.int64))


def _date(day: int) -> dt.date:
    return _EPOCH + dt.timedelta(days=day)
