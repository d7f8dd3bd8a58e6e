"""A table of events, sorted by customer and day so that any past can be looked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tracer_sklearn._frame import Entered, enter
from tracer_sklearn._params import check_column
from tracer_sklearn.exceptions import DataError, InputTypeError, SchemaError
from tracer_sklearn.tasks._containers import LIBRARIES
from tracer_sklearn.tasks._days import day_numbers


@dataclass(frozen=True)
class Timeline:
    """Sorted events of one kind, searchable by customer and day.

    The key of an event is ``code * stride + offset``, with the offset of its day from the first.
    """

    keys: np.ndarray
    stride: int

    def position(self, codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Return where the first event of a customer at or after an offset stands."""
        within = np.clip(offsets, 0, self.stride - 1)
        found: np.ndarray = np.searchsorted(self.keys, codes * self.stride + within)
        return found

    def count_before(self, codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Return how many events of a customer lie before an offset."""
        counts: np.ndarray = self.position(codes, offsets) - self.position(codes, 0 * offsets)
        return counts

    def offset_at(self, positions: np.ndarray) -> np.ndarray:
        """Return the offsets of events."""
        offsets: np.ndarray = self.keys[positions] % self.stride
        return offsets

    def any_in(self, codes: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Tell whether a customer has an event in ``[low, high)``."""
        found: np.ndarray = self.position(codes, high) > self.position(codes, low)
        return found


@dataclass(frozen=True)
class History:
    """The usable events, in memory and sorted, with the counts of what was left out.

    ``running_value`` and ``running_n`` hold, for each event, the sum and the number of the values
    of its customer up to and including it.
    """

    entered: Entered
    customer_column: str
    picks: np.ndarray
    first_day: int
    last_day: int
    everything: Timeline
    activity: Timeline
    usage: Timeline
    running_value: np.ndarray
    running_n: np.ndarray
    left_out: dict[str, int]


def read_events(
    who: str,
    events: Any,
    *,
    customer_column: str,
    date_column: str,
    value_column: str | None = None,
    activity_column: str | None = None,
    usage_column: str | None = None,
) -> History:
    """Check, clean and sort the events; count what cannot be used."""
    roles = {
        "customer_column": customer_column,
        "date_column": date_column,
        "value_column": value_column,
        "activity_column": activity_column,
        "usage_column": usage_column,
    }
    optional = ("value_column", "activity_column", "usage_column")
    for role, name in roles.items():
        check_column(who, role, name, optional=role in optional)
    entered = _enter_events(who, events, [name for name in roles.values() if name is not None])

    customers = identifiers(entered, customer_column)
    days = day_numbers(entered.cross([date_column])[date_column], who=who)
    usable = customers.is_not_null() & days.is_not_null()
    if not usable.any():
        raise DataError(
            f"{who}: the events must hold a row with both a customer and a date, found none in "
            f"{entered.n_rows} rows; check `customer_column` and `date_column`.",
            column=date_column,
            rule="usable_events",
            n_rows=entered.n_rows,
        )
    values = _values(who, entered, value_column)
    active, n_without_activity = _activity(who, entered, activity_column, usable)
    uses = pl.lit(None) if usage_column is None else identifiers(entered, usage_column)
    firsts = pl.DataFrame({"id": customers}).with_row_index("pick").filter(usable)
    firsts = firsts.unique("id", keep="first").sort("id").with_row_index("code")
    first_day, last_day = int(days.min()), int(days.max())  # type: ignore[arg-type]
    table = (
        pl.DataFrame({"id": customers, "day": days})
        .with_columns(value=values, active=active, use=uses)
        .filter(usable)
        .join(firsts.select("id", pl.col("code").cast(pl.Int64)), on="id", how="left")
        .with_columns(offset=pl.col("day").cast(pl.Int64) - first_day)
        .sort("code", "offset", "value")
    )
    stride = last_day - first_day + 2
    key = pl.col("code") * stride + pl.col("offset")
    acting = table.filter("active").with_columns(key=key)
    used = acting
    if usage_column is not None:
        by_use = acting.filter(pl.col("use").is_not_null()).group_by("code", "use")
        used = by_use.agg(pl.col("key").min()).sort("key")
    sums = table.select(
        key=key,
        total=pl.col("value").fill_null(0.0).cum_sum().over("code"),
        n=pl.col("value").is_not_null().cast(pl.Int64).cum_sum().over("code"),
    )
    return History(
        entered=entered,
        customer_column=customer_column,
        picks=firsts["pick"].to_numpy(),
        first_day=first_day,
        last_day=last_day,
        everything=Timeline(sums["key"].to_numpy(), stride),
        activity=Timeline(acting["key"].to_numpy(), stride),
        usage=Timeline(used["key"].to_numpy(), stride),
        running_value=sums["total"].to_numpy(),
        running_n=sums["n"].to_numpy(),
        left_out={
            "n_events": entered.n_rows,
            "n_without_customer": customers.null_count(),
            "n_without_date": days.null_count(),
            "n_without_value": table["value"].null_count(),
            "n_without_activity": n_without_activity,
        },
    )


def _enter_events(who: str, events: Any, names: list[str]) -> Entered:
    entered = enter(events, stage=who)
    if entered.kind not in LIBRARIES:
        received = f"{type(events).__module__}.{type(events).__qualname__}"
        raise InputTypeError(
            f"{who}: events must be a pandas, Polars or PyArrow frame in memory, got {received}; "
            "collect it first, or give its columns names.",
            stage=who,
            received=received,
        )
    missing = [name for name in names if name not in entered.names]
    if missing:
        raise SchemaError.from_missing(who, missing, entered.names)
    return entered


def identifiers(entered: Entered, name: str) -> pl.Series:
    """Return a column of ids; NaN is missing, categories are their texts."""
    column = entered.cross([name])[name]
    if isinstance(column.dtype, pl.Enum | pl.Categorical):
        return column.cast(pl.String)
    return column.fill_nan(None) if column.dtype.is_float() else column


def _values(who: str, entered: Entered, name: str | None) -> pl.Series | pl.Expr:
    if name is None:
        return pl.lit(None, dtype=pl.Float64)
    column = entered.cross([name])[name]
    if not column.dtype.is_numeric() and column.dtype != pl.Null:
        raise SchemaError(
            f"{who}: column {name!r} must hold numbers, found {column.dtype}; parse it first.",
            changed=[name],
        )
    values = column.cast(pl.Float64)
    return values.set(~values.is_finite(), None)


def _activity(
    who: str, entered: Entered, name: str | None, usable: pl.Series
) -> tuple[pl.Series | pl.Expr, int]:
    if name is None:
        return pl.lit(True), 0
    column = entered.cross([name])[name]
    if column.dtype.is_numeric():
        column = column.fill_nan(None) if column.dtype.is_float() else column
        n_odd = int((~column.is_in([0, 1])).sum())
        if n_odd:
            raise DataError(
                f"{who}: the activity flag {name!r} must be Boolean, or 0 and 1, found other "
                f"numbers in {n_odd} rows; make a flag of it, for example with `quantity > 0`.",
                column=name,
                rule="flag",
                n_rows=n_odd,
            )
    elif column.dtype not in (pl.Boolean, pl.Null):
        raise SchemaError(
            f"{who}: the activity flag {name!r} must be Boolean, or 0 and 1, found "
            f"{column.dtype}; make a flag of it, for example with `quantity > 0`.",
            changed=[name],
        )
    flags = column.cast(pl.Boolean)
    return flags.fill_null(False), int((flags.is_null() & usable).sum())
