"""Expressions over numeric columns that mean the same on every engine."""

from __future__ import annotations

import sys
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

__all__ = ["count_unusable", "finite", "integer_range", "is_finite", "largest"]

_LARGEST_32 = float(np.finfo(np.float32).max)


def largest(dtype: Any) -> float:
    """Return the largest finite value of a float dtype (Float64 for any other dtype)."""
    return _LARGEST_32 if dtype == nw.Float32 else sys.float_info.max


def integer_range(dtype: Any) -> tuple[int, int]:
    """Return the smallest and the largest value of an integer dtype."""
    bits = int(str(dtype).lstrip("UInt"))
    if dtype.is_unsigned_integer():
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def is_finite(name: str, dtype: Any) -> nw.Expr:
    """Tell, cell by cell, what is a usable number: neither missing (null or NaN) nor infinite.

    The comparison is faster than `is_finite` on Polars and false for NaN and ±inf on every
    engine (DuckDB and Polars order NaN above all numbers). A null stays null.
    """
    column = nw.col(name)
    if not dtype.is_float():
        return ~column.is_null()
    limit = largest(dtype)
    return column.is_between(-limit, limit)


def finite(name: str, dtype: Any) -> nw.Expr:
    """Return the column with everything that is not a usable number as null."""
    column = nw.col(name)
    return nw.when(is_finite(name, dtype)).then(column) if dtype.is_float() else column


def count_unusable(frame: nw.LazyFrame[Any]) -> dict[str, dict[str, nw.Expr]]:
    """Count missing and infinite cells of every column, as aggregating expressions."""
    counts = {}
    for name, dtype in frame.collect_schema().items():
        column = nw.col(name)
        missing = column.null_count()
        infinite = nw.lit(0)
        if dtype.is_float():
            missing = missing + column.is_nan().sum()
            infinite = (~is_finite(name, dtype) & ~column.is_nan()).sum()
        counts[name] = {"missing": missing, "infinite": infinite}
    return counts
