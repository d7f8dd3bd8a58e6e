"""The columns of a price panel as arrays: products as codes, dates as days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tracer_sklearn._frame import Entered, enter, keep_rows, leave
from tracer_sklearn.exceptions import InputTypeError, SchemaError
from tracer_sklearn.tasks._days import day_numbers
from tracer_sklearn.tasks._history import identifiers


@dataclass(frozen=True)
class Prices:
    """What training showed of each product's prices; the last entry stands for unknown products.

    Attributes
    ----------
    labels : list
        The products.
    low, high : ndarray of shape (n_products + 1,)
        The 5th and 95th percentile of the prices.
    least, most : ndarray of shape (n_products + 1,)
        The lowest and the highest price.
    n_levels : ndarray of int of shape (n_products + 1,)
        Distinct prices.
    """

    labels: list[Any]
    low: np.ndarray
    high: np.ndarray
    least: np.ndarray
    most: np.ndarray
    n_levels: np.ndarray


def enter_rows(X: Any, names: Sequence[str | None], *, who: str, min_rows: int = 0) -> Entered:
    """Let rows in memory in, and require the named columns."""
    entered = enter(X, stage=who, min_rows=min_rows)
    if entered.is_lazy:
        raise InputTypeError(
            f"{who}: X must be rows in memory, it is lazy ({type(X).__qualname__}); collect it.",
            stage=who,
            received=type(X).__qualname__,
        )
    missing = [name for name in names if name is not None and name not in entered.names]
    if missing:
        raise SchemaError.from_missing(who, missing, entered.names)
    return entered


def numbers(entered: Entered, name: str, *, who: str) -> np.ndarray:
    """Return a column as floats; what is missing or infinite is NaN."""
    column = entered.cross([name])[name]
    if not (column.dtype.is_numeric() or column.dtype in (pl.Null, pl.Boolean)):
        raise SchemaError(
            f"{who}: column {name!r} must hold numbers, found {column.dtype}; parse it first, for "
            "example with `ColumnParser`.",
            changed=[name],
        )
    values = column.cast(pl.Float64).to_numpy(writable=True)
    values[~np.isfinite(values)] = np.nan
    return values


def positive(values: np.ndarray) -> np.ndarray:
    """Return values, NaN where they are not above 0: nothing is sold at such a price."""
    return np.where(values > 0, values, np.nan)


def days_of(entered: Entered, name: str, *, who: str) -> np.ndarray:
    """Return a date column as days since 1970-01-01, NaN where missing; numbers are days."""
    column = entered.cross([name])[name]
    if column.dtype.is_numeric():
        days: np.ndarray = np.floor(numbers(entered, name, who=who))
        return days
    return day_numbers(column, who=who).cast(pl.Float64).to_numpy(writable=True)


def product_ids(entered: Entered, name: str | None) -> pl.Series:
    """Return the product of each row; without a column all rows are of one."""
    if name is None:
        return pl.Series([0] * entered.n_rows, dtype=pl.Int64)
    return identifiers(entered, name)


def codes_of(ids: pl.Series, labels: Sequence[Any]) -> np.ndarray:
    """Return the place of each id among the labels, their number for others."""
    place = {label: code for code, label in enumerate(labels)}
    return np.array([place.get(label, len(labels)) for label in ids.to_list()], dtype=np.int64)


def learn_prices(ids: pl.Series, prices: np.ndarray) -> Prices:
    """Summarise the prices of each product."""
    price = pl.col("price")
    table = (
        pl.DataFrame({"id": ids, "price": prices})
        .filter(pl.col("id").is_not_null() & price.is_not_nan())
        .group_by("id")
        .agg(
            low=price.quantile(0.05, "linear"),
            high=price.quantile(0.95, "linear"),
            least=price.min(),
            most=price.max(),
            n_levels=price.n_unique().cast(pl.Int64),
        )
        .sort("id")
    )
    unknown = [np.nan]
    return Prices(
        labels=table["id"].to_list(),
        low=np.append(table["low"].to_numpy(), unknown),
        high=np.append(table["high"].to_numpy(), unknown),
        least=np.append(table["least"].to_numpy(), unknown),
        most=np.append(table["most"].to_numpy(), unknown),
        n_levels=np.append(table["n_levels"].to_numpy(), 0).astype(np.int64),
    )


def at_price(entered: Entered, name: str, prices: np.ndarray) -> Any:
    """Return the rows with other prices, in the library and with the index that came in."""
    return leave(entered, pl.DataFrame({name: prices}), entered.names, "default")


def take_row(entered: Entered, row: int) -> Any:
    """Return one row, in the library that came in."""
    return keep_rows(entered.native, np.arange(entered.n_rows) == row)


def as_polars(table: Any) -> pl.DataFrame:
    """Return a table of any library as a Polars frame."""
    entered = enter(table, stage="PriceOptimizer")
    return entered.cross(entered.names)
