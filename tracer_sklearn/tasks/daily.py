"""From single sales to one row per date, or per series and date."""

from __future__ import annotations

import warnings
from typing import Any

import polars as pl

from tracer_sklearn._frame import enter, gather
from tracer_sklearn._params import check_choice, check_column
from tracer_sklearn.exceptions import DataError, DataQualityWarning, SchemaError
from tracer_sklearn.tasks._containers import frame_in
from tracer_sklearn.tasks._days import day_numbers

__all__ = ["daily_revenue"]

_FREQUENCIES = {"D": "1d", "W": "1w", "M": "1mo"}


def daily_revenue(
    events: Any,
    *,
    date_column: str,
    revenue_column: str,
    customer_column: str | None = None,
    series_column: str | None = None,
    freq: str = "D",
) -> Any:
    """Add sales up to one row per date, or per series and date, as revenue projection needs them.

    Use it on raw transactions before `revenue_projection_pipeline`. It keeps no dates on which
    nothing was sold: whether such a date is a closed shop or a gap in the data is for
    ``RevenueFeatures(missing_dates=...)`` to be told.

    Parameters
    ----------
    events : frame
        One row a sale: pandas, Polars or PyArrow; a lazy frame is gathered once.
    date_column : str
        Column with the date or time of the sale; times with a zone count in UTC.
    revenue_column : str
        Column with its amount; refunds are negative.
    customer_column : str or None, default=None
        Column with the customer; distinct ones are counted where it is given.
    series_column : str or None, default=None
        Column with the store or region; keeps its name.
    freq : {"D", "W", "M"}, default="D"
        Rows a day, a week (its Monday) or a month (its first day).

    Returns
    -------
    revenue : frame of shape (n_dates, n_columns)
        ``date``, the series, ``revenue`` and ``customer_count``, as far as given, sorted by series
        and date; in the library of ``events``, of a lazy frame in Polars.

    Raises
    ------
    ParameterError
        If a parameter is outside its legal set.
    SchemaError
        If a column is missing, or dates are not dates.
    DataError
        If no row has a date and an amount.

    Warns
    -----
    DataQualityWarning
        If rows are left out because date, amount or series is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import daily_revenue
    >>> sales = pd.DataFrame({
    ...     "sold_at": pd.to_datetime(["2024-01-01 09:00", "2024-01-01 17:30", "2024-01-03 12:00"]),
    ...     "amount": [10.0, 5.0, 8.0],
    ...     "client": ["a", "a", "b"],
    ... })
    >>> daily_revenue(
    ...     sales, date_column="sold_at", revenue_column="amount", customer_column="client"
    ... )
            date  revenue  customer_count
    0 2024-01-01     15.0               1
    1 2024-01-03      8.0               1
    """
    who = "daily_revenue"
    check_column(who, "date_column", date_column)
    check_column(who, "revenue_column", revenue_column)
    check_column(who, "customer_column", customer_column, optional=True)
    check_column(who, "series_column", series_column, optional=True)
    check_choice(who, "freq", freq, tuple(_FREQUENCIES))
    entered = enter(events, stage=who)
    names = [date_column, revenue_column, customer_column, series_column]
    needed = [name for name in dict.fromkeys(names) if name is not None]
    missing = [name for name in needed if name not in entered.names]
    if missing:
        raise SchemaError.from_missing(who, missing, entered.names)
    library = entered.kind if entered.kind in ("pandas", "pyarrow") else "polars"
    table = (gather(entered) if entered.is_lazy else entered).cross(needed)
    if not table[revenue_column].dtype.is_numeric():
        raise SchemaError(
            f"{who}: column {revenue_column!r} must hold numbers, found "
            f"{table[revenue_column].dtype}; parse it first, for example with `ColumnParser`.",
            changed=[revenue_column],
        )
    amount = table[revenue_column].cast(pl.Float64)
    amount = amount.set(~amount.is_finite().fill_null(value=False), None)
    day = day_numbers(table[date_column], who=who).cast(pl.Date).dt.truncate(_FREQUENCIES[freq])
    rows = pl.DataFrame({"date": day, "revenue": amount})
    keys = ["date"]
    if series_column is not None:
        rows = rows.with_columns(table[series_column].alias("series__"))
        keys = ["series__", "date"]
    if customer_column is not None:
        rows = rows.with_columns(table[customer_column].alias("customer__"))
    complete = rows.drop_nulls([*keys, "revenue"])
    if not len(complete):
        raise DataError(
            f"{who}: at least one row must have a date and an amount, found none of {len(rows)}; "
            f"check {date_column!r} and {revenue_column!r}.",
            rule="rows",
            n_rows=len(rows),
        )
    n_lost = len(rows) - len(complete)
    if n_lost:
        warnings.warn(
            f"{who}: each sale should have its date, amount and series, {n_lost} of {len(rows)} "
            "rows lack one and are left out; find out why.",
            DataQualityWarning,
            stacklevel=2,
        )
    sums = [pl.col("revenue").sum()]
    if customer_column is not None:
        sums.append(
            pl.col("customer__").drop_nulls().n_unique().cast(pl.Int64).alias("customer_count")
        )
    out = complete.group_by(keys).agg(sums).sort(keys)
    first = ["date"] if series_column is None else ["date", "series__"]
    out = out.select(*first, pl.exclude(first))
    return frame_in(out.rename({"series__": series_column} if series_column else {}), library)
