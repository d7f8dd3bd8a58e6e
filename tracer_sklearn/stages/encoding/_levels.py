"""Levels of a category column, and by what they are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn._numbers import finite

__all__ = ["Column", "Key", "Level", "as_key", "is_level", "key_of", "read_column"]

Level = str | float | int | bool
Key = str | float

# whole numbers up to here are exact as Float64, so that 1 and 1.0 are one level
_EXACT = 2.0**53


@dataclass(frozen=True)
class Column:
    """One training column in codes.

    Attributes
    ----------
    kind : {"text", "flag", "number", "integer"}
        By what its cells are compared; ``integer`` is for whole numbers beyond 2⁵³.
    keys : list of str or float
        The distinct values, sorted, as what they are compared by.
    levels : list
        The same as the user knows them.
    counts : ndarray of shape (n_levels + 1,)
        Rows a level; the last one is missing.
    codes : ndarray of shape (n_rows,)
        Position of each row's level; ``n_levels`` where it is missing.
    """

    kind: str
    keys: list[Key]
    levels: list[Level]
    counts: np.ndarray
    codes: np.ndarray

    @property
    def n_levels(self) -> int:
        return len(self.keys)

    @property
    def n_rows(self) -> int:
        return len(self.codes)

    @property
    def n_missing(self) -> int:
        return int(self.counts[-1])


def is_level(dtype: Any) -> bool:
    """Tell a dtype whose cells can be levels."""
    return bool(
        dtype.is_numeric() or dtype in (nw.String, nw.Categorical, nw.Enum, nw.Boolean, nw.Unknown)
    )


def key_of(name: str, dtype: Any, kind: str) -> nw.Expr:
    """Return what the cells of a column are compared by; null where they are missing."""
    column = nw.col(name)
    if dtype.is_numeric():
        column = finite(name, dtype)
        if kind != "integer":
            return column.cast(nw.Float64) + 0.0  # one zero: -0.0 becomes 0.0
        if not dtype.is_float():
            return column.cast(nw.String)
        whole = (column == column.floor()) & (column.abs() < 2.0**63)
        text = nw.when(whole).then(column).cast(nw.Int64).cast(nw.String)
        return nw.when(whole | column.is_null()).then(text).otherwise(nw.lit("no whole number"))
    if dtype == nw.Boolean:
        return column.cast(nw.Float64)
    return column.cast(nw.String)


def read_column(series: nw.Series[Any]) -> Column:
    """Find the levels of a training column, count them and code its rows."""
    kind = _kind_of(series)
    frame = series.to_frame()
    keys = frame.select(key=key_of(series.name, series.dtype, kind))["key"]
    found = keys.drop_nulls()
    table = found.value_counts(name="n").sort("key")
    distinct = table["key"].to_list()
    codes = _codes(keys, distinct)
    counts = np.append(table["n"].to_numpy(), len(keys) - len(found)).astype(np.int64)
    return Column(kind, distinct, _levels(distinct, kind), counts, codes)


def _kind_of(series: nw.Series[Any]) -> str:
    dtype = series.dtype
    if dtype == nw.Boolean:
        return "flag"
    if not dtype.is_numeric():
        return "text"
    if dtype.is_integer() and len(series):
        largest = max(abs(int(bound or 0)) for bound in (series.min(), series.max()))
        return "integer" if largest >= _EXACT else "number"
    return "number"


def _codes(keys: nw.Series[Any], distinct: list[Key]) -> np.ndarray:
    last = len(distinct)
    if not last:
        return np.zeros(len(keys), dtype=np.int32)
    codes = keys.replace_strict(distinct, range(last), default=last, return_dtype=nw.Int32)
    return codes.to_numpy()


def _levels(keys: Sequence[Any], kind: str) -> list[Level]:
    if kind == "flag":
        return [bool(key) for key in keys]
    if kind == "integer":
        return [int(key) for key in keys]
    if kind == "number" and all(key.is_integer() and abs(key) <= _EXACT for key in keys):
        return [int(key) for key in keys]
    return list(keys)


def as_key(level: Any, kind: str) -> Key:
    """Return what a level given by the user is compared by."""
    if kind == "integer":
        return str(int(level))
    return float(level) + 0.0 if kind in ("number", "flag") else str(level)
