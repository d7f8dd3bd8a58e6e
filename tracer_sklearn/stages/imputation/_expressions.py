"""Filling and marking as expressions, and which marks say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn._numbers import integer_range, is_finite, largest
from tracer_sklearn._statistics import finite_values, is_flag


def was_missing(name: str, dtype: Any) -> nw.Expr:
    if not dtype.is_float():
        return nw.col(name).is_null().cast(nw.Int8)
    found = nw.when(is_finite(name, dtype)).then(nw.lit(0, nw.Int8))
    return found.otherwise(nw.lit(1, nw.Int8)).alias(name)


def filled_up(name: str, dtype: Any, value: Any) -> nw.Expr:
    column = nw.col(name)
    if dtype.is_float():
        limit = largest(dtype)
        value = min(max(float(value), -limit), limit)
        return nw.when(is_finite(name, dtype)).then(column).otherwise(nw.lit(value, dtype))
    if dtype.is_numeric():
        holder = _holder(dtype, value)
        value = float(value) if holder == nw.Float64 else int(value)
        return column.cast(holder).fill_null(nw.lit(value, holder))
    if dtype == nw.Enum:
        levels = list(dtype.categories)
        if value not in levels:
            dtype = nw.Enum([*levels, value])
        return column.cast(dtype).fill_null(nw.lit(value).cast(dtype))
    # SQL has types of text, such as UUID, that cannot hold every text
    return (column.cast(nw.String) if dtype == nw.String else column).fill_null(value)


def _holder(dtype: Any, value: float) -> Any:
    """Return the dtype that holds a column of integers or decimals together with its fill."""
    if dtype.is_decimal() or not float(value).is_integer():
        return nw.Float64()
    for candidate in (dtype, nw.Int64()):
        smallest, greatest = integer_range(candidate)
        if smallest <= value <= greatest and integer_range(dtype)[1] <= greatest:
            return candidate
    return nw.Float64()


class Marks:
    """Where columns miss a value, and which column says the same already."""

    def __init__(self, frame: nw.DataFrame[Any], missing: Mapping[str, int]) -> None:
        self._frame = frame
        self._missing = missing
        self._known: dict[str, np.ndarray] = {}
        self._flags: dict[str, int] | None = None

    def twin(self, name: str, others: Sequence[str] | Mapping[str, str]) -> str | None:
        """Return a flag, or one of the other columns, that marks the very same rows."""
        count = self._missing[name]
        flags = [flag for flag, ones in self._count_ones().items() if ones == count]
        same = [other for other in others if self._missing[other] == count]
        for other in (*flags, *same):  # equal counts first: comparing rows costs more
            if np.array_equal(self._of(other), self._of(name)):
                return other
        return None

    def _count_ones(self) -> dict[str, int]:
        if self._flags is None:
            self._flags = {}
            for name, dtype in self._frame.schema.items():
                if self._missing[name] == 0 and (dtype.is_numeric() or dtype == nw.Boolean):
                    values = finite_values(self._frame[name])
                    if is_flag(values):
                        self._flags[name] = int(values.sum())
        return self._flags

    def _of(self, name: str) -> np.ndarray:
        if name not in self._known:
            if self._missing[name]:
                column = self._frame.select(was_missing(name, self._frame.schema[name]))
                self._known[name] = column[name].to_numpy() == 1
            else:
                self._known[name] = finite_values(self._frame[name]) == 1.0
        return self._known[name]
