"""Columns of sampled rows as arrays, and which rows are sampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn.stages.audit._strength import Target

__all__ = ["Column", "column_of", "days_of", "sampled_rows"]

_MICROSECONDS_A_DAY = 86_400_000_000.0
_ROWS = 10_000
_ROWS_OF_NUMBERS = 5_000  # pairs cost more than ranks


@dataclass(frozen=True)
class Column:
    """A column of the sampled rows.

    Attributes
    ----------
    kind : {"number", "flag", "date", "text", "other"}
        What the cells are.
    values : ndarray of shape (n,) or None
        Numbers, flags as 0 and 1, days since 1970; NaN is missing. Also of text that holds
        numbers.
    levels : ndarray of shape (n,) or None
        Codes of the levels of text; -1 is missing.
    missing : ndarray of shape (n,), dtype bool
        Missing cells.
    """

    name: str
    kind: Literal["number", "flag", "date", "text", "other"]
    values: np.ndarray | None
    levels: np.ndarray | None
    missing: np.ndarray
    texts: list[Any] | None = None


def column_of(series: nw.Series[Any]) -> Column:
    """Turn a column of few rows into arrays."""
    dtype, name = series.dtype, series.name
    missing = series.is_null().to_numpy()
    if dtype.is_numeric():
        values = series.cast(nw.Float64).to_numpy().astype(np.float64)
        return Column(name, "number", values, None, missing | np.isnan(values))
    if dtype == nw.Boolean:
        values = series.cast(nw.Float64).to_numpy().astype(np.float64)
        return Column(name, "flag", values, None, missing)
    if dtype in (nw.Date, nw.Datetime):
        return Column(name, "date", days_of(series), None, missing)
    if dtype == nw.Duration:
        spans = series.dt.total_microseconds().cast(nw.Float64).to_numpy() / _MICROSECONDS_A_DAY
        return Column(name, "number", spans, None, missing)
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        return _of_text(name, series.cast(nw.String).to_list(), missing)
    return Column(name, "other", None, None, missing)


def days_of(series: nw.Series[Any]) -> np.ndarray:
    """Return dates as days since 1970-01-01, with fractions; NaN is missing."""
    instants = series.cast(nw.Datetime("us")) if series.dtype == nw.Date else series
    micros = instants.dt.timestamp("us").cast(nw.Float64).to_numpy()
    days: np.ndarray = micros.astype(np.float64) / _MICROSECONDS_A_DAY
    return days


def _of_text(name: str, cells: list[Any], missing: np.ndarray) -> Column:
    numbers = {cell: i for i, cell in enumerate(sorted({c for c in cells if c is not None}))}
    numbers[None] = -1
    levels = np.fromiter(map(numbers.__getitem__, cells), dtype=np.int64, count=len(cells))
    del numbers[None]
    try:
        parsed = np.array([float(level) for level in numbers] or [np.nan])
    except ValueError:
        return Column(name, "text", None, levels, missing, cells)
    values = np.where(missing, np.nan, parsed[levels])
    return Column(name, "text", values, levels, missing, cells)


def sampled_rows(target: Target | None, n_rows: int, rng: np.random.Generator) -> np.ndarray:
    """Choose rows, in their order: as many of each class, because a rare one says most.

    The concordance of two classes does not depend on how many rows of each there are.
    """
    if target is None or target.kind == "number":
        most = _ROWS if target is None else _ROWS_OF_NUMBERS
        return _some(np.arange(n_rows), most, rng)
    codes = target.codes.astype(np.int64)
    classes = np.flatnonzero(np.bincount(codes))
    most = max(1, _ROWS // len(classes))
    chosen = [_some(np.flatnonzero(codes == k), most, rng) for k in classes[:_ROWS]]
    return np.sort(np.concatenate(chosen))


def _some(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    if len(rows) <= most:
        return rows
    return np.sort(rng.choice(rows, most, replace=False))
