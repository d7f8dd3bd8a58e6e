"""Columns of every library as Polars series, sharing memory where possible."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from tracer_sklearn.exceptions import InputTypeError

# units of NumPy's dates and durations that Polars takes as they are
_UNITS = {"M": ("D", "ms", "us", "ns"), "m": ("ms", "us", "ns")}


def side_by_side(columns: Sequence[pl.Series]) -> pl.DataFrame:
    frame = pl.DataFrame(columns)
    names = [column.name for column in columns]
    if "" in names:  # Polars has given it one
        frame.columns = names
    return frame


def array_to_polars(name: str, values: np.ndarray, stage: str) -> pl.Series:
    kind = values.dtype.kind
    if kind in "OSU":
        return _objects_to_polars(name, values, stage)
    if kind == "f" and values.dtype.itemsize not in (4, 8):
        values = values.astype(np.float64 if values.dtype.itemsize > 8 else np.float32)
    if kind in "Mm" and np.datetime_data(values.dtype)[0] not in _UNITS[kind]:
        values = values.astype(f"{kind}8[ms]")
    return pl.Series(name, np.ascontiguousarray(values), nan_to_null=False)


def _objects_to_polars(name: str, values: Any, stage: str) -> pl.Series:
    try:
        column = pa.array(values, from_pandas=True)
    except OverflowError:
        raise InputTypeError(
            f"{stage}: each number of a column in the X argument must fit into 64 bits, column "
            f"{name!r} holds greater integers; make text of identifiers and floats of amounts, for "
            f"example with `X[{name!r}] = X[{name!r}].astype(str)`.",
            stage=stage,
            received="int of more than 64 bits",
        ) from None
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError):
        column = None
    if column is not None:
        if pa.types.is_timestamp(column.type):
            _refuse_mixed_zones(name, values, stage)
        return arrow_to_polars(name, column, stage)
    found = sorted({type(v).__name__ for v in values if v is not None and v == v})
    raise InputTypeError(
        f"{stage}: each cell of a column in the X argument must be missing or of one kind: a "
        f"string, a number, a flag or a date; column {name!r} holds {', '.join(found)}; convert it "
        f"first, for example with `X[{name!r}] = X[{name!r}].astype(str)`.",
        stage=stage,
        received=", ".join(found),
    )


def _refuse_mixed_zones(name: str, values: Any, stage: str) -> None:
    """Refuse datetimes with and without a time zone in one column: Arrow would guess in silence."""
    found = {v.tzinfo is None for v in values if isinstance(v, dt.datetime) and v == v}
    if len(found) > 1:
        raise InputTypeError(
            f"{stage}: the datetimes of a column must all bear a time zone or none of them, column "
            f"{name!r} mixes both; bring them to one zone first, for example with "
            f"`X[{name!r}] = pandas.to_datetime(X[{name!r}], utc=True)`.",
            stage=stage,
            received="datetimes with and without a time zone",
        )


def pandas_to_polars(name: str, column: pd.Series, stage: str) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return array_to_polars(name, column.to_numpy(), stage)
    if isinstance(dtype, pd.CategoricalDtype):
        return _categorical_to_polars(name, column.array, stage)
    if isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype | pd.SparseDtype):
        raise InputTypeError(
            f"{stage}: column {name!r} must hold strings, numbers, flags or dates, found dtype "
            f"{dtype}; convert it, for example with `.astype(str)` or `.dt.to_timestamp()`.",
            stage=stage,
            received=str(dtype),
        )
    return arrow_to_polars(name, pa.array(column.array, from_pandas=True), stage)


def _categorical_to_polars(name: str, values: pd.Categorical, stage: str) -> pl.Series:
    categories = array_to_polars(name, values.categories.to_numpy(), stage)
    codes = pl.Series(name, np.asarray(values.codes), dtype=pl.Int64)
    found = categories.gather(codes.set(codes < 0, None)) if len(categories) else None
    if found is None:
        return pl.Series(name, [None] * len(values), dtype=pl.String)
    return found.cast(pl.Enum(categories)) if categories.dtype == pl.String else found


def arrow_to_polars(name: str, column: Any, stage: str) -> pl.Series:
    if pa.types.is_nested(column.type) or pa.types.is_interval(column.type):
        raise InputTypeError(
            f"{stage}: each cell of a column in the X argument must be a string, a number, a flag "
            f"or a date; column {name!r} holds {column.type}; flatten or decode it first, or leave "
            "it out of `columns`.",
            stage=stage,
            received=str(column.type),
        )
    series = pl.Series(name, column)
    return series.cast(pl.Float64) if series.dtype.is_decimal() else series
