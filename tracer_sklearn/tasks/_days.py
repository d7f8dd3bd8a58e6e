"""Whole days as integers: the one calendar of the task kit."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from tracer_sklearn.exceptions import SchemaError

_EPOCH = dt.date(1970, 1, 1)
_OLDEST_SENTINEL = (dt.date(1900, 1, 1) - _EPOCH).days
_NEWEST_SENTINEL = (dt.date(2200, 1, 1) - _EPOCH).days


def day_numbers(column: pl.Series, *, who: str) -> pl.Series:
    """Return days since 1970-01-01 as Int32; time-zone-aware values are brought to UTC first.

    Placeholders (up to 1900-01-01, exactly 1970-01-01, from 2200-01-01 on) become missing.
    """
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        column = column.cast(pl.Date)
    elif dtype not in (pl.Date, pl.Null):
        raise SchemaError(
            f"{who}: column {column.name!r} must hold dates or datetimes, found {dtype}; parse it "
            "first, for example with `pd.to_datetime` or `ColumnParser`.",
            changed=[column.name],
        )
    days = column.cast(pl.Int32)
    usable = (days > _OLDEST_SENTINEL) & (days != 0) & (days < _NEWEST_SENTINEL)
    return days.set(~usable, None)


def to_day(date: dt.date) -> int:
    """Return the day number of a date."""
    return (date - _EPOCH).days


def to_date(day: int) -> dt.date:
    """Return the date of a day number."""
    return _EPOCH + dt.timedelta(days=int(day))


def date_series(name: str, days: np.ndarray) -> pl.Series:
    """Return day numbers as a column of dates."""
    return pl.Series(name, days.astype(np.int32)).cast(pl.Date)
