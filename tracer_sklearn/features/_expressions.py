"""Builders of narwhals expressions that mean the same on every engine.

Each takes column names or expressions and gives an expression back; none looks at data. A missing
value is null throughout, dates are day numbers (whole days since 1970-01-01, as Float64).
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw

from tracer_sklearn._numbers import finite
from tracer_sklearn.exceptions import InputTypeError

__all__ = [
    "bounded",
    "calendar_day",
    "count_true",
    "day_number",
    "half_life_score",
    "is_blank",
    "is_text",
    "iso_pattern",
    "level_of",
    "number",
    "position_of",
    "saturated",
    "tier",
    "weighted_mean",
]

_EPOCH = dt.date(1970, 1, 1)
_FIRST_DAY = float((dt.date(1900, 1, 2) - _EPOCH).days)
_LAST_DAY = float((dt.date(2199, 12, 31) - _EPOCH).days)
_BLANKS = " \t\r\n"

# Only days that exist match: what a pattern lets through, every engine's parser must accept.
_DATE_PATTERN = (
    "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)
_TIME_PATTERN = "[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]+)?)?"
_UTC_PATTERN = "(?:Z|[+]00:?00)?"


# -- dates -----------------------------------------------------------------------------------


def iso_pattern(date_format: str, tz: str) -> str:
    """Return the pattern of texts in one of the two ISO formats; an offset must be that of ``tz``.

    Parameters
    ----------
    date_format : {"%Y-%m-%d", "%Y-%m-%d %H:%M:%S"}
        Days only, or a day and a time of day, with a blank or a ``T`` between them.
    tz : str
        Time zone that the texts are in. ``Z`` and ``+00:00`` are let through for UTC only.
    """
    if date_format == "%Y-%m-%d":
        return f"^{_DATE_PATTERN}$"
    return f"^{_DATE_PATTERN}{_TIME_PATTERN}{_UTC_PATTERN if tz == 'UTC' else ''}$"


def day_number(
    frame: nw.LazyFrame[Any], name: str, *, tz: str, date_format: str | None, stage: str
) -> nw.Expr:
    """Return the day of a date column, whatever its dtype: datetime, date, ISO text or number.

    Parameters
    ----------
    frame : narwhals LazyFrame
        The frame that has the column; only its schema is looked at.
    name : str
        The column. A number is taken for days since 1970-01-01 and floored.
    tz : str
        Zone-aware datetimes are converted to it; all others are taken as already in it.
    date_format : str or None
        Format of a text column; text in another format is missing.
    stage : str
        Who asks, for messages.
    """
    dtype = frame.collect_schema()[name]
    is_polars = frame.implementation.is_polars()
    if dtype.is_numeric():
        return finite(name, dtype).cast(nw.Float64).floor()
    column = nw.col(name)
    zone = dtype.time_zone if isinstance(dtype, nw.Datetime) else None
    if zone is not None and tz != "UTC":
        # a zero that became a date is the day before it west of Greenwich
        column = nw.when(~_is_zero(column, is_polars=is_polars)).then(column)
    if zone is not None and zone != tz:
        if not is_polars:
            raise InputTypeError(
                f"{stage}: datetimes with a time zone must be in {tz!r} where the engine cannot "
                f"convert them, column {name!r} is in {zone!r}; set the connection's "
                f"time zone first (DuckDB: SET TimeZone = '{tz}').",
                stage=stage,
                received=str(dtype),
            )
        column = column.dt.convert_time_zone(tz)
    if is_text(dtype):
        column = _iso_to_datetime(column.cast(nw.String), iso_pattern(date_format or "", tz))
    elif is_polars and zone is not None:
        column = column.dt.replace_time_zone(None)
    return _days_since_epoch(column, is_polars=is_polars)


def _is_zero(moment: nw.Expr, *, is_polars: bool) -> nw.Expr:
    if is_polars:  # compares no two time zones
        return moment.cast(nw.Int64) == 0
    return moment == nw.lit(dt.datetime(1970, 1, 1, tzinfo=dt.UTC))


def _iso_to_datetime(text: nw.Expr, pattern: str) -> nw.Expr:
    # the parser raises on anything else, so it must see nothing but matches and nulls
    matching = nw.when(text.str.contains(pattern)).then(text)
    return matching.str.slice(0, 10).str.to_datetime(format="%Y-%m-%d")


def _days_since_epoch(column: nw.Expr, *, is_polars: bool) -> nw.Expr:
    if is_polars:  # eight times as fast as the arithmetic that works everywhere
        return column.cast(nw.Date).cast(nw.Int32).cast(nw.Float64)
    past_years = column.dt.year().cast(nw.Float64) - 1.0
    # half a year more keeps the products off the whole numbers, so their floors are exact
    leap_days = (
        ((past_years + 0.5) * 0.25).floor()
        - ((past_years + 0.5) * 0.01).floor()
        + ((past_years + 0.5) * 0.0025).floor()
    )
    day = past_years * 365.0 + leap_days + column.dt.ordinal_day().cast(nw.Float64)
    return day - float(_EPOCH.toordinal())


def calendar_day(day: nw.Expr) -> nw.Expr:
    """Return the day where it can be meant: not a stand-in for a missing date.

    Up to 1900-01-01, exactly 1970-01-01 (a zero that became a date), from 2200-01-01 on.
    """
    return nw.when((day >= _FIRST_DAY) & (day <= _LAST_DAY) & (day != 0.0)).then(day)


def is_text(dtype: Any) -> bool:
    """Tell whether a column of this dtype holds text."""
    return dtype in (nw.String, nw.Categorical, nw.Enum)


def is_blank(name: str, dtype: Any) -> nw.Expr:
    """Tell, cell by cell, what is missing: null, NaN, or text of blanks."""
    column = nw.col(name)
    if is_text(dtype):
        return column.is_null() | (column.cast(nw.String).str.strip_chars(_BLANKS) == "")
    return (column.is_null() | column.is_nan()) if dtype.is_float() else column.is_null()


# -- numbers ---------------------------------------------------------------------------------


def number(name: str, dtype: Any) -> nw.Expr:
    """Return a column of numbers or flags as Float64, null where not finite."""
    return finite(name, dtype).cast(nw.Float64)


def bounded(value: nw.Expr) -> nw.Expr:
    """Keep a product that overflowed at the largest finite value."""
    return value.clip(-sys.float_info.max, sys.float_info.max)


def half_life_score(elapsed: nw.Expr, half_life: float) -> nw.Expr:
    """Return ``2 ** (-elapsed / half_life)``: 1 now, halved with every half-life."""
    return nw.lit(2.0) ** (elapsed * (-1.0 / half_life))


def saturated(value: nw.Expr, median: float | None) -> nw.Expr:
    """Return ``v / (v + median)``, in [0, 1): 0 up to 0, one half at the median.

    Without a median (no positive value was seen) it is 0 up to 0 and 1 above.
    """
    if median is None:
        return (value > 0.0).cast(nw.Float64)
    # halves cannot overflow where the sum of two large values does
    half = nw.when(value > 0.0).then(value * 0.5).otherwise(value * 0.0)
    return half / (half + median * 0.5)


def tier(value: nw.Expr, edges: Sequence[float]) -> nw.Expr:
    """Return 1 + the number of edges below the value; a tie goes to the lower tier."""
    found = nw.lit(1.0)
    for edge in edges:
        found = found + (value > edge).cast(nw.Float64)
    return found


def weighted_mean(parts: Sequence[tuple[float, nw.Expr]]) -> nw.Expr:
    """Return the mean of the parts that are present in a row; signed weights, absolute divisor."""
    total, divisor = nw.lit(0.0), nw.lit(0.0)
    for weight, part in parts:
        total = total + nw.when(part.is_null()).then(nw.lit(0.0)).otherwise(part * weight)
        divisor = divisor + (~part.is_null()).cast(nw.Float64) * abs(weight)
    return nw.when(divisor > 0.0).then(total) / divisor


# -- levels ----------------------------------------------------------------------------------


def level_of(name: str, dtype: Any) -> nw.Expr:
    """Return the level of a category: text stripped and in lower case, a number as Float64."""
    if dtype.is_numeric() or dtype == nw.Boolean:
        return number(name, dtype)
    level = nw.col(name).cast(nw.String).str.strip_chars(_BLANKS).str.to_lowercase()
    return nw.when(level != "").then(level)


def position_of(level: nw.Expr, positions: Mapping[Any, float], dtype: Any) -> nw.Expr:
    """Look a level up; null where it is missing or unknown.

    ``dtype`` is that of the levels: no text is known in a column of numbers, nor the reverse.
    """
    known = {name: at for name, at in positions.items() if isinstance(name, str) == is_text(dtype)}
    if not known:  # still a column: a literal would count as one row
        return nw.when(level != level).then(nw.lit(0.0))
    return level.replace_strict(
        list(known), list(known.values()), default=None, return_dtype=nw.Float64
    )


def count_true(condition: nw.Expr) -> nw.Expr:
    """Count the rows for which a condition holds; null does not hold."""
    return condition.cast(nw.Int64).sum()
